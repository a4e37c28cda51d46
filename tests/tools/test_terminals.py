"""Terminal programs, and pyserial by itself, against boards of `k210sim run`."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
import serial
from tools import BINARY, K210SIM, UTF8_NAME, cell, cells, need, talk

from k210sim.serialport.opening import open_port
from k210sim.testing.expect import PortClient

pytestmark = pytest.mark.tools

PASTED = b"".join(b"print('line %d', %d * 2)\r" % (n, n) for n in range(90))


class Terminal:
    """One program: how it is started on a port, its sign that it is, and how one leaves it."""

    def __init__(self, command, ready: bytes, leave: bytes):
        self.command, self.ready, self.leave = command, ready, leave

    def talk(self, port: str, *typed: tuple[bytes, bytes], first=b"\r") -> bytes:
        """Type `first` once it runs, then each text at its cue; leave once the last cue came."""
        *texts, (last_cue, _) = [(self.ready, first), *typed]
        return talk([*self.command, port], [*texts, (last_cue, self.leave)])


def terminal(tool: str) -> Terminal:
    if tool == "picocom":
        return Terminal([need(tool), "-b", "115200"], b"Terminal ready", b"\x01\x18")
    if tool == "minicom":
        return Terminal([need(tool), "-b", "115200", "-D"], b"Welcome to minicom", b"\x01q\r")
    if tool == "miniterm":
        command = [need("pyserial-miniterm"), "--eol", "CR"]
        return Terminal(command, b"Menu:", b"\x1d")
    assert tool == "k210sim terminal"
    return Terminal([*K210SIM, "terminal"], b"Ctrl-] leaves ---", b"\x1d")


@cells("a line at the prompt", "picocom", "minicom", "miniterm", "k210sim terminal")
def test_line(board, tool):
    terminal(tool).talk(board.pty, (b">>> ", b"print('42' * 2)\r"), (b"4242", b""))


@cells("UTF-8 is shown", "picocom", "minicom", "miniterm", "k210sim terminal")
def test_utf8(board, tool):
    shown = "grüße".encode()
    terminal(tool).talk(board.pty, (b">>> ", b"print('gr\\xfc\\xdfe')\r"), (shown, b""))


@cells("Ctrl-E: paste mode", "picocom", "minicom", "miniterm", "k210sim terminal")
def test_paste_mode(board, tool):
    """Two kilobytes and more at once, as from a clipboard."""
    assert len(PASTED) > 2000
    terminal(tool).talk(
        board.pty, (b">>> ", b"\x05"), (b"=== ", PASTED), (b"line 89', 89", b"\x04"),
        (b"line 89 178", b""),
    )  # fmt: skip


@cells("Ctrl-D: soft reset", "picocom", "minicom", "miniterm", "k210sim terminal")
def test_soft_reset(board, tool):
    terminal(tool).talk(board.pty, (b">>> ", b"\x04"), (b"soft reboot", b""), (b">>> ", b""))


@cells("Ctrl-C: main.py for ever", "picocom", "minicom", "miniterm", "k210sim terminal")
def test_busy(busy, tool):
    terminal(tool).talk(busy.pty, (b"main ", b"\x03"), (b"KeyboardInterrupt", b""),
                        (b">>> ", b""), first=b"")  # fmt: skip


@pytest.mark.parametrize("kind", ["rfc2217", "tcp"])
@cells("RFC 2217", "miniterm", "k210sim terminal")
@cell("miniterm", "TCP")
@cell("k210sim terminal", "TCP")
def test_network(board, tool, kind):
    terminal(tool).talk(board.url(kind), (b">>> ", b"print('42' * 2)\r"), (b"4242", b""))


# --- pyserial by itself -----------------------------------------------------------------------


@pytest.fixture
def device(board):
    with PortClient(board.pty) as client:
        yield client


@cell("pyserial", "a line at the prompt")
def test_pyserial_line(board):
    with serial.Serial(board.pty, 115200, timeout=10) as port:
        port.write(b"\x03\r\x02")
        port.read_until(b">>> ")
        port.write(b"6*7\r")
        assert port.read_until(b"42\r\n>>> ").endswith(b"6*7\r\n42\r\n>>> ")


@cell("pyserial", "any baud rate")
@pytest.mark.parametrize("baud", [9600, 115200, 1_500_000, 4_500_000, 12_345])
def test_pyserial_speeds(board, baud):
    with PortClient(board.pty, baud) as client:
        assert client.raw_exec("print('x' * 5000)")[0] == b"x" * 5000 + b"\r\n"


@cell("pyserial", "UTF-8 name")
def test_pyserial_names(device):
    path = f"/flash/{UTF8_NAME}"
    code = (
        f"with open('{path}', 'w') as f: f.write('ä €')\n"
        f"with open('{path}') as f: print(f.read())"
    )
    assert device.raw_exec(code)[0] == "ä €\r\n".encode()


@cell("pyserial", "copy 0 bytes")
@cell("pyserial", "copy binary")
@pytest.mark.parametrize("data", [b"", BINARY], ids=["empty", "binary"])
def test_pyserial_binary(device, data):
    code = (
        "import ubinascii\n"
        "f = open('/flash/raw.bin', 'wb')\n"
        f"f.write(ubinascii.unhexlify('{data.hex()}'))\n"
        "f.close()\n"
        "f = open('/flash/raw.bin', 'rb')\n"
        "print(ubinascii.hexlify(f.read()).decode())\n"
        "f.close()"
    )
    out, error = device.raw_exec(code, timeout=60)
    assert (out, error) == (data.hex().encode() + b"\r\n", b"")


@cell("pyserial", "copy 1 MB")
def test_pyserial_reads_a_megabyte(device):
    """What no client reads in time is lost after a MiB: here the board waits for a slow one."""
    code = "for n in range(4000):\n    print('%0248d' % n)"
    out, error = device.raw_exec(code, timeout=120)
    assert error == b"" and len(out) == 1_000_000
    assert out.splitlines()[::999] == [b"%0248d" % n for n in range(0, 4000, 999)]


@cell("pyserial", "while it boots")
def test_pyserial_while_it_boots(fresh):
    with PortClient(fresh.pty) as client:
        client.expect(rb"\[MaixPy\] init end\r\n", timeout=30)
        assert client.raw_exec("print(6 * 7)", timeout=30)[0] == b"42\r\n"


@cell("pyserial", "Ctrl-C: main.py for ever")
def test_pyserial_busy(busy):
    with PortClient(busy.pty) as client:
        assert client.raw_exec("print(6 * 7)", timeout=30)[0] == b"42\r\n"


@cell("pyserial", "RFC 2217")
@cell("pyserial", "TCP")
@pytest.mark.parametrize("kind", ["rfc2217", "tcp"])
def test_pyserial_network(board, kind):
    with PortClient(board.url(kind)) as client:
        assert client.raw_exec("print(bytes(range(256)))")[0].startswith(b"b'\\x00\\x01")


@cell("pyserial", "several clients")
def test_pyserial_clients(board):
    """All hear the device, all may type; one that reads nothing holds up nobody."""
    with contextlib.ExitStack() as stack:
        urls = [board.pty, board.tcp, board.tcp, board.rfc2217]
        ports = [stack.enter_context(open_port(url, timeout=10)) for url in urls]
        deaf = stack.enter_context(open_port(board.tcp))
        time.sleep(0.3)
        ports[0].write(b"\x03\r\x02")
        for port in ports:
            port.read_until(b">>> ")
        for number, port in enumerate(ports):
            port.write(b"print('from', %d)\r" % (number * 11))
            for other in ports:
                other.read_until(b"\r\nfrom %d\r\n>>> " % (number * 11))
        ports[1].write(b"print('x' * 3000000 + 'end')\r")
        readers = [threading.Thread(target=port.read_until, args=(b"xend\r\n",)) for port in ports]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(60)
            assert not reader.is_alive()
        assert deaf.is_open


@cell("pyserial", "killed while copying")
def test_a_client_that_leaves_at_every_byte(board):
    """An upload over the raw prompt cut after each of its bytes; the next client works."""
    upload = b"\r\x03\x01f = open('/flash/cut', 'wb')\nf.write(b'\\x01\\x02')\nf.close()\n\x04\x02"
    for cut in range(len(upload) + 1):
        with serial.Serial(board.pty, 115200, timeout=10) as port:
            port.write(upload[:cut])
    with PortClient(board.pty) as client:
        client.read_for(1)  # the answers to all of them
        assert client.raw_exec("print(6 * 7)", timeout=30)[0] == b"42\r\n"
