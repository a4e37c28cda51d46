"""A whole device behind a real pseudo-terminal, with pyserial on the other side."""

from __future__ import annotations

import random
import time

import pytest
from repl_replay import Device
from repl_standin import StandInInterpreter

from k210sim.serialport.pty import PtyEnd
from k210sim.testing.expect import PortClient

BANNER = rb"MicroPython v[\d.]+ on [\d-]+; Sipeed_M1 with kendryte-k210\r\n"


@pytest.fixture
def device():
    device = Device(StandInInterpreter)
    device.terminal = PtyEnd(device.port)
    with device:
        yield device
    device.terminal.close()


@pytest.fixture
def client(device):
    with PortClient(device.terminal.name) as client:
        client.expect(BANNER + rb'Type "help\(\)" for more information.\r\n>>> ')
        yield client


def test_echo_and_history(client):
    client.write(b"1+1\r")
    assert client.expect(rb"^1\+1\r\n2\r\n>>> ")
    client.write(b"\x1b[A")
    client.expect(rb"^1\+1")
    client.write(b"\x7f5\r")
    client.expect(rb"^\x08\x1b\[K5\r\n6\r\n>>> ")


def test_raw_prompt(client):
    assert client.raw_exec("print('x' * 3)\n") == (b"xxx\r\n", b"")
    output, error = client.raw_exec("print(1)\n1/0\n")
    assert output == b"1\r\n"
    assert error.endswith(b"line 2, in <module>\r\nZeroDivisionError: divide by zero\r\n")


def test_a_long_script_arrives_whole(client):
    lines = "".join(f"a{i} = {i}\n" for i in range(2000))
    assert client.raw_exec(lines + "print(a1999)\n") == (b"1999\r\n", b"")


def test_ctrl_c_stops_an_endless_loop_at_once(client):
    for _ in range(3):
        client.write(b"while True: pass\r\r")
        client.expect(rb"pass\r\n\.\.\. \r\n")
        time.sleep(0.05)
        started = time.monotonic()
        client.write(b"\x03")
        client.expect(rb"KeyboardInterrupt: \r\n>>> ", timeout=2)
        assert time.monotonic() - started < 1


def test_ctrl_c_typed_ahead_of_the_loop_still_stops_it(client):
    client.write(b"while True: pass\r\r\x03")
    client.expect(rb"KeyboardInterrupt: \r\n>>> ", timeout=2)


def test_ctrl_d_resets_softly(client):
    client.write(b"x=1\r")
    client.expect(rb">>> ")
    client.write(b"\x04")
    client.expect(rb"^\r\n\[MaixPy\]: soft reboot\r\n\[MaixPy\] gc heap=0x")
    client.expect(BANNER)
    client.expect(rb">>> ")
    client.write(b"x\r")
    client.expect(rb"NameError")


def test_clients_come_and_go(device):
    for number in range(5):
        with PortClient(device.terminal.name) as client:
            client.write(b"print(%d * 11)\r" % number)
            client.expect(rb"\r\n%d\r\n>>> $" % (number * 11))


def test_what_one_client_left_unread_the_next_one_gets(device):
    with PortClient(device.terminal.name) as client:
        client.expect(rb">>> $")
        client.write(b"print('later' * 100)\r")
        time.sleep(0.2)
    time.sleep(0.1)
    with PortClient(device.terminal.name) as client:
        client.expect(rb"^print\('later' \* 100\)\r\n(later){100}\r\n>>> $")


def test_any_bytes_leave_a_working_prompt(client):
    random_bytes = random.Random(20)
    for _ in range(20):
        client.write(random_bytes.randbytes(random_bytes.randrange(1, 300)))
    client.read_for(0.3)
    client.write(b"\r\x03\x02")
    client.expect(BANNER)
    client.expect(rb">>> ")
    client.read_for(0.1)
    client.write(b"20+22\r")
    client.expect(rb"42\r\n>>> ")
