"""The board's serial port and the host ends that may be plugged into it.

uart.py       the device's side: receive buffer, interrupt character, fan-out of what is sent
ends.py       what every host end has: a bounded backlog that never blocks the device
inprocess.py  an end for Python programs: write, read, expect
pty.py        a pseudo-terminal, for picocom, pyserial and all other serial programs
tcp.py        a raw TCP socket server
rfc2217.py    the same with the port's settings and lines, for rfc2217:// clients
logfile.py    writes what the device sends to a file
"""
