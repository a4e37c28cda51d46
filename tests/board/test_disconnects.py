"""A client that goes in the middle of anything, at every byte, leaves the board usable."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from k210sim.clock import Clock
from k210sim.flash import isp, slip
from k210sim.flash.isp import IspBoard
from k210sim.flash.isp_host import IspHost, _request
from k210sim.flash.nor import NorFlash
from k210sim.serialport.opening import open_port
from k210sim.serialport.rfc2217 import Rfc2217End
from k210sim.serialport.tcp import parse_address
from k210sim.serialport.uart import UartPort

UPLOAD = b"\r\x03\x01f = open('/flash/x', 'wb')\nf.write(b'\\x01\\xc3\\xa9')\nf.close()\n\x04\x02"


def cut_after_each_byte(address: str, sent: bytes) -> None:
    """A client for each length: connects, sends so much, and is gone."""
    for cut in range(len(sent) + 1):
        with socket.create_connection(parse_address(address)) as client:
            client.sendall(sent[:cut])


def asked(board, question=b"print(6*7)\r", answer=b"42\r\n>>> ") -> None:
    """The board is at its friendly prompt and answers."""
    board.serial.write(b"\r\x03\x02\x03")
    time.sleep(0.3)
    board.serial.clear()
    board.serial.write(question)
    board.expect(answer.replace(b"\r\n", rb"\r\n"))


def test_an_upload_over_the_raw_prompt(running):
    cut_after_each_byte(running.tcp.address, UPLOAD)
    asked(running)


@pytest.mark.parametrize("stub", [False, True], ids=["boot ROM", "flash program"])
def test_an_isp_packet(stub):
    """The next host is answered, whatever the last one has left in the receiver."""
    data = bytes(range(0xB8, 0xE0)) + b"\xc0\xdb\xc0"  # much of it is sent escaped
    packet = slip.encode(_request(isp.WRITE if stub else isp.MEMORY_WRITE, 0x80000000, data))
    board = IspBoard(NorFlash())
    if stub:
        board.feed(slip.encode(_request(isp.BOOT, 0x80000000)))
    greeting = isp.STUB_GREETING if stub else isp.GREETING
    for cut in range(len(packet) + 1):
        board.feed(packet[:cut])
        answer = board.feed(slip.encode(bytes([greeting]) + bytes(12)))
        if not answer:  # its first END closed the broken frame, and the second one opened another
            answer = board.feed(slip.encode(bytes([greeting]) + bytes(12)))
        assert answer.endswith(bytes([0xC0, greeting, isp.OK, 0xC0])), cut


def test_an_isp_packet_over_tcp(running):
    running.reset(isp=True)
    packet = slip.encode(_request(isp.MEMORY_WRITE, 0x80000000, bytes(range(0xC0, 0xE0))))
    cut_after_each_byte(running.tcp.address, packet)
    with open_port(f"socket://{running.tcp.address}") as line:
        host = IspHost(line)
        host.connect()
        host.write(0x10000, b"after")
    assert running.hardware.flash.read(0x10000, 5) == b"after"


def test_an_rfc2217_negotiation(monkeypatch):
    """All that pyserial says from opening a port to closing it, lines and speed included."""
    port, lines = UartPort(Clock()), []
    end = Rfc2217End(port, "127.0.0.1:0", on_lines=lambda *pair: lines.append(pair))
    said = bytearray()
    decode = end._decoded

    def listen(client, data):
        said.extend(data)
        return decode(client, data)

    monkeypatch.setattr(end, "_decoded", listen)
    url = f"rfc2217://{end.address}"
    with open_port(url, 1_500_000) as line:
        line.dtr = False
        line.rts = False
        line.rts = True
        line.write(b"\xff\x03")
    monkeypatch.undo()
    assert len(said) > 100 and (False, True) in lines
    threads = threading.active_count()
    cut_after_each_byte(end.address, bytes(said))
    with open_port(url, timeout=10) as line:
        line.write(b"still there\xff\n")
        received = bytearray()
        deadline = time.monotonic() + 10
        while not received.endswith(b"still there\xff\n") and time.monotonic() < deadline:
            received += port.read_received()
        port.write(b"\xffyes")
        assert line.read(4) == b"\xffyes"
    deadline = time.monotonic() + 5
    while end.connected and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lines[-1] == (False, False) and threading.active_count() <= threads
    end.close()
