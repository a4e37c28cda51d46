"""The host ends, with real serial programs' libraries on the other side."""

from __future__ import annotations

import functools
import os
import select
import socket
import threading
import time
import tty

import pytest
import serial

from k210sim.clock import Clock
from k210sim.errors import ConfigError, HostError
from k210sim.serialport.ends import STUCK_S
from k210sim.serialport.opening import open_port
from k210sim.serialport.pty import PtyEnd
from k210sim.serialport.rfc2217 import Rfc2217End
from k210sim.serialport.tcp import MAX_CLIENTS, TcpEnd, parse_address
from k210sim.serialport.uart import UartPort


@pytest.fixture
def port():
    return UartPort(Clock())


@pytest.fixture
def pty(port):
    end = PtyEnd(port)
    yield end
    end.close()


@pytest.fixture
def tcp(port):
    end = TcpEnd(port, "127.0.0.1:0")
    yield end
    end.close()


def received(port, count, timeout=3.0):
    """What came from the host end, as a running program would find it in its buffer."""
    end = time.monotonic() + timeout
    data = bytearray()
    while len(data) < count and time.monotonic() < end:
        while port._wire and len(data) < count:
            data.append(port.read_byte(idle=True))
        time.sleep(0.002)
    return bytes(data)


@pytest.mark.parametrize("baud", [9600, 115200, 1500000, 2000000])
def test_pyserial_at_any_baud_rate(port, pty, baud):
    with serial.Serial(pty.name, baud, timeout=3) as client:
        client.write(bytes(range(256)))
        assert received(port, 256) == bytes(range(256))
        port.write(bytes(range(256)))
        assert client.read(256) == bytes(range(256))


def test_what_is_sent_with_nobody_there_reaches_the_next_client(port, pty):
    port.write(b"boot log\r\n>>> ")
    with serial.Serial(pty.name, 115200, timeout=3) as client:
        assert client.read(14) == b"boot log\r\n>>> "
        port.write(b"more")
        assert client.read(4) == b"more"
    for number in range(3):
        time.sleep(0.05)
        port.write(b"<%d>" % number * 2000)
        with serial.Serial(pty.name, 9600, timeout=3) as client:
            assert client.read(6000) == b"<%d>" % number * 2000


def test_a_client_that_writes_and_leaves_is_heard(port, pty):
    fd = os.open(pty.name, os.O_RDWR | os.O_NOCTTY)
    os.write(fd, b"typed and gone")
    os.close(fd)
    assert received(port, 14) == b"typed and gone"


def test_a_client_cannot_leave_an_echo_behind(port, pty):
    import termios

    fd = os.open(pty.name, os.O_RDWR | os.O_NOCTTY)
    settings = termios.tcgetattr(fd)
    settings[3] |= termios.ECHO | termios.ICANON
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    time.sleep(0.1)
    os.close(fd)
    time.sleep(0.1)
    port.write(b"not to be echoed\r\n")
    fd = os.open(pty.name, os.O_RDWR | os.O_NOCTTY)
    assert not termios.tcgetattr(fd)[3] & termios.ECHO
    time.sleep(0.2)
    os.close(fd)
    assert received(port, 1, timeout=0.1) == b""


def test_a_client_that_does_not_read_blocks_nobody(port):
    end = PtyEnd(port, backlog_limit=100_000)
    try:
        fd = os.open(end.name, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(fd)
        started = time.monotonic()
        for number in range(500):
            port.write(b"%6d" % number * 200)
        assert time.monotonic() - started < 2 + STUCK_S
        assert len(end.backlog) <= 100_000 < 600_000 - end.backlog.lost + 100_000
        data = b""
        while select.select([fd], [], [], 0.5)[0]:
            data += os.read(fd, 65536)
        assert data.endswith(b"   499" * 200)
        os.close(fd)
    finally:
        end.close()


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_a_slow_client_loses_nothing_without_the_line_s_pace(port, kind):
    """A clock that does not follow the wall makes the device faster than any reader."""
    end = {"pty": PtyEnd, "tcp": functools.partial(TcpEnd, address="127.0.0.1:0")}[kind](
        port, backlog_limit=20_000
    )
    sent = bytes(range(256)) * 160
    try:
        with open_port(end.name if kind == "pty" else f"socket://{end.address}", timeout=3) as slow:
            time.sleep(0.1)  # until the client has come
            writer = threading.Thread(
                target=lambda: [port.write(sent[at : at + 1024]) for at in range(0, 40_960, 1024)]
            )
            writer.start()
            got = bytearray()
            while len(got) < len(sent) and (piece := slow.read(2000)):
                got += piece
                time.sleep(0.002)
            writer.join()
            assert got == sent
    finally:
        end.close()


def test_ipv6_loopback(port):
    try:
        end = TcpEnd(port, "[::1]:0")
    except HostError:
        pytest.skip("this machine has no IPv6 loopback")
    number = parse_address(end.address)[1]
    assert end.address == f"[::1]:{number}"
    with socket.create_connection(("::1", number), timeout=3) as client:
        client.sendall(b"six")
        assert received(port, 3) == b"six"
    end.close()


def test_loopback_only_unless_asked():
    assert parse_address(":5000") == parse_address("5000") == ("127.0.0.1", 5000)
    assert parse_address("0.0.0.0:5000") == ("0.0.0.0", 5000)


def test_too_many_clients_are_turned_away(port, tcp):
    address = parse_address(tcp.address)
    clients = [socket.create_connection(address, timeout=3) for _ in range(MAX_CLIENTS + 3)]
    assert [client.recv(1) for client in clients[-3:]] == [b""] * 3
    port.write(b"x")
    assert all(client.recv(1) == b"x" for client in clients[:MAX_CLIENTS])
    clients[0].close()
    time.sleep(0.1)
    again = socket.create_connection(address, timeout=3)
    time.sleep(0.1)
    port.write(b"y")
    assert again.recv(1) == b"y"
    for client in (*clients, again):
        client.close()


def test_the_link_points_at_the_terminal_and_goes_with_it(port, tmp_path):
    link = tmp_path / "maix"
    end = PtyEnd(port, link=link)
    assert os.readlink(link) == end.name
    end.close()
    assert not link.is_symlink()
    link.write_text("a file of the user's")
    with pytest.raises(HostError, match="not a link"):
        PtyEnd(port, link=link)
    assert link.read_text() == "a file of the user's"


def test_tcp_both_ways(port, tcp):
    port.write(b"sent before anybody came ")
    with open_port(f"socket://{tcp.address}", timeout=3) as client:
        assert client.read(25) == b"sent before anybody came "
        client.write(b"hello")
        assert received(port, 5) == b"hello"
        port.write(b"answer")
        assert client.read(6) == b"answer"


def test_tcp_serves_several_clients_and_new_ones_after_them(port, tcp):
    host, number = parse_address(tcp.address)
    first = socket.create_connection((host, number), timeout=3)
    port.write(b"1")
    assert first.recv(10) == b"1"
    second = socket.create_connection((host, number), timeout=3)
    time.sleep(0.1)
    port.write(b"both")
    assert (first.recv(10), second.recv(10)) == (b"both", b"both")
    first.close()
    second.close()
    time.sleep(0.1)
    port.write(b"nobody there")
    third = socket.create_connection((host, number), timeout=3)
    assert third.recv(20) == b"nobody there"
    third.close()


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_a_client_that_comes_while_bytes_are_delivered_hears_the_later_ones(port, kind):
    """What another end's client may have read already is old news for it."""
    came = []

    class First:
        connected = True

        def deliver(self, data):
            if data == b"old":
                came.append(open_client(kind, end))
                time.sleep(0.3)  # long enough for the end to notice

    port.attach(First())
    end = PtyEnd(port) if kind == "pty" else TcpEnd(port, "127.0.0.1:0")
    try:
        port.write(b"old")
        time.sleep(0.1)
        port.write(b"new")
        assert came[0].read(3) == b"new"
        came[0].close()
    finally:
        end.close()


def open_client(kind, end):
    return serial.serial_for_url(end.name if kind == "pty" else f"socket://{end.address}",
                                 timeout=3)


@pytest.mark.parametrize("address", ["", "host", "host:port", "1.2.3.4:70000"])
def test_a_bad_tcp_address_is_refused(address):
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_address(address)


def test_a_taken_tcp_address_is_refused(port, tcp):
    with pytest.raises(HostError, match="in use; end that program first"):
        TcpEnd(port, tcp.address)


def test_rfc2217_carries_bytes_settings_and_lines(port):
    seen = []
    end = Rfc2217End(port, "127.0.0.1:0", on_lines=lambda *lines: seen.append(lines))
    try:
        with open_port(f"rfc2217://{end.address}", 57600, timeout=3) as client:
            time.sleep(0.2)
            port.write(bytes(range(256)))
            assert client.read(256) == bytes(range(256))
            client.write(bytes(range(256)))
            assert received(port, 256) == bytes(range(256))
            client.dtr = False
            client.rts = True
            client.baudrate = 1500000
            deadline = time.monotonic() + 3
            while (False, True) not in seen and time.monotonic() < deadline:
                time.sleep(0.01)
            assert (False, True) in seen
        with open_port(f"rfc2217://{end.address}", timeout=3) as client:
            client.write(b"again")
            assert received(port, 5) == b"again"
    finally:
        end.close()
