"""The board's serial port and the host ends that may be plugged into it.

uart.py       the device's side: receive buffer, interrupt character, fan-out of what is sent
ends.py       what every host end has: a bounded backlog that never blocks the device
inprocess.py  an end for Python programs: write, read, expect
pty.py        a pseudo-terminal, for picocom, pyserial and all other serial programs
tcp.py        a raw TCP socket server
rfc2217.py    the same with the port's settings and lines, for rfc2217:// clients
control.py    a Unix socket beside the terminal: DTR, RTS and the reset button
reset_circuit.py  what DTR and RTS do to the chip
opening.py    the host's side: opens a port by its name
reset_lines.py    the host's side of that: resets a board on any port
logfile.py    writes what the device sends to a file
"""
