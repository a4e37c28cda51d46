"""The board in ISP mode: entered by option, by button and by DTR and RTS; left by the protocol."""

from __future__ import annotations

import random
import socket
import threading
import time

import pytest
import serial

from k210sim.board.board import Board
from k210sim.errors import ConfigError, HostError, K210SimError
from k210sim.flash import boot_image, isp
from k210sim.flash.isp_host import IspHost
from k210sim.serialport import control, reset_lines
from k210sim.serialport.control import ControlEnd
from k210sim.serialport.opening import open_port
from k210sim.serialport.reset_circuit import BOOT_PIN_WINDOW_S, ResetCircuit

pytestmark = pytest.mark.usefixtures("standin")

GREETING = bytes.fromhex("c0c2" + "00" * 12 + "c0")
GREETED = bytes.fromhex("c0c2e0c0")


@pytest.fixture
def board(tmp_path):
    with Board(tmp_path / "flash.bin", clock="real", boot="isp") as made:
        yield made


def until(check, seconds=5.0):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.005)


class InProcess:
    """The board's serial end as the protocol's host wants its line."""

    def __init__(self, board):
        self.end = board.serial

    def write(self, data):
        return self.end.write(data)

    def read(self, size=1):
        return self.end.read(size, timeout=0.1)


def test_silent_until_greeted(board):
    assert board.in_isp and board.powered
    assert board.serial.read(timeout=0.2) == b""
    board.serial.write(GREETING)
    assert board.serial.read(4, timeout=5) == GREETED


def test_programs_saves_and_reboots_into_the_prompt(board, tmp_path):
    firmware = random.Random(5).randbytes(200_000)
    host = IspHost(InProcess(board))
    host.connect()
    host.write(0, boot_image.wrap(firmware))
    host.write(0x300001, b"model")
    host.erase(0x400000, 0x3000)
    host.reboot()
    board.expect(rb"gc heap=")
    board.expect(rb">>> $")
    assert not board.in_isp
    image = (tmp_path / "flash.bin").read_bytes()  # while the board is on: saved at the reboot
    assert boot_image.read_boot_image(image).payload == firmware
    assert image[0x300001:0x300006] == b"model"
    assert board.exec("print(3)").stdout == "3\n"


def test_erase_of_the_chip_takes_no_wall_time_on_a_virtual_clock():
    with Board(boot="isp") as board:
        host = IspHost(InProcess(board))
        host.connect()
        before = board.clock.now_ns
        host.erase(0, 16 << 20)
        assert board.clock.now_ns - before > 10e9
        assert board.hardware.flash.read(0xD00000, 4096) == b"\xff" * 4096


def test_refuses_programs_meanwhile(board):
    for call in (lambda: board.exec("1"), board.soft_reset, board.snapshot):
        with pytest.raises(K210SimError, match="ISP mode"):
            call()
    board.interrupt()
    board.reset()
    assert board.exec("print(1)").stdout == "1\n"
    board.reset(isp=True)
    assert board.in_isp


def test_wrong_boot_is_refused():
    with pytest.raises(ConfigError, match="boot 'isb': expected one of flash, isp"):
        Board(boot="isb")


def test_a_flash_program_is_asked_for_when_nothing_answers(board):
    class Deaf(InProcess):
        """Hears the ROM only."""

        def read(self, size=1):
            got = super().read(size)
            return b"" if board._engine.isp.stage == "stub" else got

    with pytest.raises(HostError, match="a real board needs one: --stub"):
        IspHost(Deaf(board)).connect()


# --- DTR and RTS ------------------------------------------------------------------------------

ISP_STEPS = {  # as kflash moves them, one line at a time
    "dan": [("rts", True), ("rts", False), ("dtr", True)],
    "goE": [("dtr", True), ("rts", True), ("dtr", False)],
}
BOARDS = {"bit": "dan", "dock": "dan", "go": "goE", "duino": "goE", "amigo": "goE",
          "m5stickv": "goE", "kd233": "goE"}  # fmt: skip


@pytest.mark.parametrize("name", BOARDS)
def test_line_sequences(name):
    kind = BOARDS[name]
    with Board(board=name) as board:
        state = {"dtr": False, "rts": False}
        for line, on in ISP_STEPS[kind]:
            state[line] = on
            board.set_lines(**state)
            time.sleep(0.02)
        until(lambda: board.in_isp)
        # and back: the reset line alone
        reset = {"dan": "rts", "goE": "dtr"}[kind]
        board.serial.clear()
        board.set_lines(False, False)
        board.set_lines(**{"dtr": False, "rts": False, reset: True})
        until(lambda: board._in_reset)
        assert board.powered
        board.set_lines(False, False)
        board.expect(rb">>> $")
        assert not board.in_isp


def test_lines_that_do_nothing():
    with Board() as board:
        engine = board._engine
        # pyserial opens a port, mpremote closes it
        for dtr, rts in ((True, True), (True, False), (False, False), (True, True)):
            board.set_lines(dtr, rts)
        time.sleep(0.1)
        assert board._engine is engine and not board._in_reset


def test_boot_pin_pulled_too_late():
    events = []
    circuit = ResetCircuit("dan", lambda: events.append("hold"), lambda i: events.append(i))
    circuit.lines(False, True)
    circuit.lines(False, False)
    time.sleep(2 * BOOT_PIN_WINDOW_S)
    circuit.lines(True, False)
    circuit.lines(False, True)
    circuit.lines(False, False)
    circuit.lines(False, True)  # pulled again before anything started
    circuit.lines(True, True)
    circuit.lines(True, False)
    time.sleep(2 * BOOT_PIN_WINDOW_S)
    circuit.close()
    assert events == ["hold", False, "hold", True]
    circuit.lines(False, True)
    assert events == ["hold", False, "hold", True]


# --- the ends ---------------------------------------------------------------------------------


def test_reset_lines_over_rfc2217(running):
    url = f"rfc2217://{running.rfc2217.address}"
    reset_lines.enter(url, isp=True)
    until(lambda: running.in_isp)
    with open_port(url) as line:
        line.write(GREETING)
        assert line.read(4) == GREETED
        line.baudrate = 1_500_000
        line.write(GREETING)
        assert line.read(4) == GREETED
    assert running.in_isp
    reset_lines.enter(url, isp=False)
    until(lambda: not running.in_isp)
    running.expect(rb">>> $")


def test_a_client_that_goes_with_reset_pulled_lets_go_of_it(running):
    with open_port(f"rfc2217://{running.rfc2217.address}") as line:
        line.dtr = False
        until(lambda: running._in_reset)
    until(lambda: not running._in_reset)
    running.expect(rb">>> $")


def test_button_over_the_control_socket(running):
    path = control.find(running.terminal.name)
    assert path is not None and path.parent.stat().st_mode & 0o077 == 0
    control.ask(path, "isp")
    assert running.in_isp
    control.ask(path, "reset")
    assert not running.in_isp
    with pytest.raises(HostError, match="unknown request"):
        control.ask(path, "dance")
    running.control.close()
    assert control.find(running.terminal.name) is None


def test_control_folder_of_others_is_refused(tmp_path, monkeypatch):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv(control.FOLDER, str(tmp_path / "open"))
    with pytest.raises(HostError, match="only you can use"):
        ControlEnd("/dev/pts/9", lambda *_: None, lambda _: None)


@pytest.mark.parametrize("cut", [1, 20, 700, 60_000])
def test_a_host_that_leaves_mid_packet(running, cut):
    running.reset(isp=True)
    packet = bytes([0xC0, isp.WRITE]) + bytes(65_000)
    for _ in range(3):
        with socket.create_connection(running.tcp.address.split(":")) as client:
            client.sendall(packet[:cut])
    host = IspHost(InProcess(running))
    host.connect()
    host.write(0x10000, b"after")
    assert running.hardware.flash.read(0x10000, 5) == b"after"


def test_rubbish_for_the_rfc2217_server(running):
    rng = random.Random(8)
    for n in range(150):
        with socket.create_connection(running.rfc2217.address.split(":")) as client:
            data = rng.randbytes(rng.randrange(60)).replace(b"\x04", b"")
            data = b"".join(rng.choice([b"\xff\xfa\x2c", b"\xff\xf0", b"\xff", b"\x2c\x01"]) + data
                            for _ in range(3))
            client.sendall(data if n else b"\xff\xfa" + bytes(100_000))
    url = f"rfc2217://{running.rfc2217.address}"
    reset_lines.enter(url, isp=True)
    until(lambda: running.in_isp)
    assert threading.active_count() < 40


def test_what_one_end_heard_is_not_told_again_at_another(running):
    until(lambda: running.port.idle)
    with serial.Serial(running.terminal.name, timeout=5) as first:
        first.write(b"print(6*7)\r")
        assert first.read_until(b"42\r\n>>> ").endswith(b"42\r\n>>> ")
    with socket.create_connection(running.tcp.address.split(":")) as second:
        second.settimeout(0.5)
        with pytest.raises(TimeoutError):
            second.recv(1)


def test_several_clients(running):
    until(lambda: running.port.idle)
    clients = [socket.create_connection(running.tcp.address.split(":")) for _ in range(3)]
    time.sleep(0.1)
    clients[0].sendall(b"print(6*7)\r")
    for client in clients:
        client.settimeout(5)
        seen = b""
        while b"42" not in seen:
            seen += client.recv(4096)
        client.close()
