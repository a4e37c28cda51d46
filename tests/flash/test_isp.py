"""The ISP protocol: a host written after the protocol sheet, fuzzing, and the real kflash."""

from __future__ import annotations

import random
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.clock import Clock
from k210sim.flash import boot_image, isp, slip
from k210sim.flash.isp import IspBoard
from k210sim.flash.nor import BLOCK64, SIZE, NorFlash

GREETINGS = {isp.GREETING, isp.STUB_GREETING, isp.REBOOT, isp.STATUS}


class Host:
    """Sends requests as kflash does and takes the answers apart."""

    def __init__(self, board):
        self.board = board
        self.decoder = slip.Decoder()
        self.fuzzing = False

    def raw(self, payload: bytes) -> list[bytes]:
        return self.decoder.feed(self.board.feed(slip.encode(payload)))

    def call(self, opcode, address=0, data=b"", *, length=None, checksum=None):
        if opcode in GREETINGS:
            payload = bytes([opcode]) + bytes(12)
        else:
            length = len(data) if length is None else length
            body = address.to_bytes(4, "little") + length.to_bytes(4, "little") + data
            checksum = zlib.crc32(body) if checksum is None else checksum
            payload = bytes([opcode, 0, 0, 0]) + checksum.to_bytes(4, "little") + body
        answers = self.raw(payload)
        if self.fuzzing:
            return answers
        if not answers:
            return None
        assert len(answers) == 1 and len(answers[0]) == 2
        assert answers[0][0] in (opcode, isp.STUB_GREETING)
        return answers[0][1]

    def to_stub(self):
        assert self.call(isp.GREETING) == isp.OK
        for n in range(17):
            assert self.call(isp.MEMORY_WRITE, 0x80000000 + n * 1024, bytes([n]) * 1024) == isp.OK
        assert self.raw(bytes.fromhex("c5000000fb6fc4d40000008000000000")) == []
        assert self.call(isp.STUB_GREETING) == isp.OK
        return self

    def ready(self):
        self.to_stub()
        assert self.call(isp.INIT, 1) == isp.OK
        return self


@pytest.fixture
def board():
    return IspBoard(NorFlash())


def test_greeting_bytes_are_exact(board):
    assert board.feed(bytes.fromhex("c0c2" + "00" * 12 + "c0")) == bytes.fromhex("c0c2e0c0")


def test_the_whole_sequence(board):
    events = []
    board._on_reboot = lambda: events.append("reboot")
    host = Host(board).ready()
    data = random.Random(1).randbytes(150_000)
    board.nor.program(0x300000 - 3, b"old")
    for at in range(0, len(data), BLOCK64):
        assert host.call(isp.WRITE, 0x300000 + at, data[at : at + BLOCK64]) == isp.OK
    assert board.nor.read(0x300000, len(data)) == data
    assert board.nor.read(0x300000 - 3, 3) == b"old"
    assert host.call(isp.REBOOT) == isp.OK
    assert events == ["reboot"]
    assert host.call(isp.STUB_GREETING) is None
    board.enter()
    assert host.call(isp.GREETING) == isp.OK


def test_write_keeps_the_rest_of_the_block(board):
    host = Host(board).ready()
    board.nor.program(0x310000, b"before" + bytes(100))
    assert host.call(isp.WRITE, 0x310003, b"XY") == isp.OK
    assert board.nor.read(0x310000, 8) == b"befXYe\0\0"
    assert host.call(isp.WRITE, 0x31FFFE, b"abcd") == isp.OK  # over a block boundary
    assert board.nor.read(0x31FFFE, 4) == b"abcd"


def test_rom_checks(board):
    host = Host(board)
    assert host.call(isp.MEMORY_WRITE, 0x80000000, bytes(1025)) == isp.BAD_LENGTH
    assert host.call(isp.MEMORY_WRITE, 0x80000000, b"ab", length=3) == isp.BAD_LENGTH
    assert host.call(isp.MEMORY_WRITE, 0x80000000, b"ab", checksum=1) == isp.BAD_CHECKSUM
    assert host.call(isp.MEMORY_WRITE, 0x10000000, b"ab") == isp.BAD_LENGTH
    assert host.call(isp.WRITE, 0, b"ab") == isp.INVALID_COMMAND
    assert len(board.ram) == 0


def test_program_in_ram_can_be_taken_over():
    taken = []
    board = IspBoard(NorFlash(), on_boot=lambda at, ram: taken.append((at, ram)) or True)
    host = Host(board)
    host.call(isp.MEMORY_WRITE, 0x80000000, b"program")
    host.call(isp.MEMORY_WRITE, 0x80000009, b"!")
    host.raw(bytes.fromhex("c5000000fb6fc4d40000008000000000"))
    assert taken == [(0x80000000, b"program\0\0!")]
    assert host.call(isp.STUB_GREETING) is None


def test_stub_checks(board):
    host = Host(board).to_stub()
    assert host.call(isp.WRITE, 0, b"x") == isp.INVALID_COMMAND  # before INIT
    assert host.call(isp.ERASE, 0, length=4096) == isp.INVALID_COMMAND
    assert host.call(isp.INIT, 2) == isp.INVALID_COMMAND
    assert host.call(isp.INIT, 0) == isp.BAD_INITIALIZATION
    assert host.call(isp.INIT, 1) == isp.OK
    assert host.call(isp.WRITE, 0, b"x", checksum=5) == isp.BAD_CHECKSUM
    assert host.call(isp.WRITE, 0, b"x", length=2) == isp.BAD_LENGTH
    assert host.call(isp.WRITE, SIZE - 1, b"xy") == isp.BAD_WRITE
    assert host.call(isp.ERASE, 1, length=4096) == isp.BAD_LENGTH
    assert host.call(isp.ERASE, 0, length=4095) == isp.BAD_LENGTH
    assert host.call(isp.ERASE, 4096, length=0) == isp.BAD_LENGTH
    assert host.call(0xDF) == isp.DEFAULT
    assert host.raw(bytes([isp.WRITE]) + bytes(isp.MAX_STUB_PACKET)) == [b"\xd2\xe1"]
    assert board.nor.take_dirty() == []


def test_erase_ranges(board):
    host = Host(board).ready()
    board.nor.program(0, bytes(3 * 4096))
    assert host.call(isp.ERASE, 4096, length=4096) == isp.OK
    assert board.nor.read(0, 3 * 4096) == bytes(4096) + b"\xff" * 4096 + bytes(4096)
    assert host.call(isp.ERASE_START, 0, length=0) == isp.OK
    assert board.nor.read(0, 3 * 4096) == b"\xff" * (3 * 4096)
    assert host.call(isp.STATUS) == isp.OK


def test_background_erase_takes_its_time():
    clock = Clock()
    host = Host(IspBoard(NorFlash(clock), clock=clock)).ready()
    assert host.call(isp.ERASE_START, 0x10000, length=0x11000) == isp.OK
    for opcode in (isp.STATUS, isp.REBOOT):
        assert host.call(opcode) == isp.BUSY
    assert host.call(isp.WRITE, 0, b"x") == isp.BUSY
    clock.advance_ns(150_000_000 + 45_000_000)
    assert host.call(isp.STATUS) == isp.OK


@pytest.mark.parametrize("opcode", [isp.ROM_BAUD, isp.BAUD])
def test_a_baud_change_is_not_answered(opcode):
    rates = []
    board = IspBoard(NorFlash(), on_baud=rates.append)
    host = Host(board)
    if opcode == isp.BAUD:
        host.to_stub()
    assert host.call(opcode, 0, (1_500_000).to_bytes(4, "little")) is None
    assert rates == [1_500_000]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_slip_round_trip_in_any_pieces(payloads, data):
    stream = b"".join(slip.encode(p) for p in payloads)
    decoder, found = slip.Decoder(), []
    while stream:
        n = data.draw(st.integers(1, len(stream)))
        found += decoder.feed(stream[:n])
        stream = stream[n:]
    assert found == payloads


def test_slip_skips_what_is_broken():
    decoder = slip.Decoder()
    good = slip.encode(b"good")
    assert decoder.feed(b"\xc0a\xdbb\xc0" + good) == [b"good"]
    assert decoder.feed(b"\xc0\xc0\xc0" + good) == [b"good"]
    assert decoder.feed(b"\xc0" + bytes(3 * slip.MAX_FRAME) + b"\xc0" + good) == [b"good"]
    assert len(decoder._raw) < 100


def test_fuzzed_input_never_crashes_or_grows():
    rng = random.Random(9)
    nor = NorFlash()
    board = IspBoard(nor)
    for n in range(20_000):
        if n % 500 == 0:
            board.enter()
            host = Host(board)
            if n % 1000:
                host.ready()
            host.fuzzing = True
        kind = rng.random()
        if kind < 0.3:
            host.call(rng.randrange(0xC0, 0xE0), rng.choice([0, 1, 2, 0x300000, SIZE - 10]),
                      rng.randbytes(rng.randrange(20)),
                      length=rng.choice([None, 0, 4, 1 << 31]))
        elif kind < 0.4:
            board.feed(rng.randbytes(rng.randrange(200)))
        else:
            frame = bytearray(slip.encode(bytes([rng.randrange(0xC0, 0xDA)])
                                          + rng.randbytes(rng.randrange(40))))
            frame[rng.randrange(len(frame))] = rng.choice([0xC0, 0xDB, 0xDC, 0])
            board.feed(bytes(frame[: rng.randrange(len(frame) + 1)]))
        assert len(board._decoder._raw) <= 2 * slip.MAX_FRAME + 300
    board.enter()
    assert Host(board).call(isp.GREETING) == isp.OK


@pytest.mark.tools
@pytest.mark.parametrize("options", [[], ["-b", "1500000", "-B", "dan", "-e"]], ids=" ".join)
def test_the_real_kflash(tmp_path, monkeypatch, capsys, options):
    """Unmodified kflash from PyPI in this process, its serial port replaced by our board."""
    kflash = pytest.importorskip("kflash")
    nor, events = NorFlash(), []
    board = IspBoard(nor, on_reboot=lambda: events.append("reboot"))

    class Port:
        def __init__(self, *args, **options):
            self.waiting, self.baudrate, self.timeout = bytearray(), 115200, None

        def write(self, data):
            self.waiting += board.feed(bytes(data))
            return len(data)

        def read(self, count=1):
            data = bytes(self.waiting[:count])
            del self.waiting[:count]
            return data

        def flushInput(self):
            self.waiting.clear()

        reset_input_buffer = flushInput
        in_waiting = property(lambda self: len(self.waiting))

        def setDTR(self, value):
            pass

        setRTS = setDTR

        flushOutput = flushInput

        def isOpen(self):
            return True

        def close(self):
            pass

    monkeypatch.setattr("serial.Serial", Port)
    firmware = random.Random(3).randbytes(100_000)
    (tmp_path / "fw.bin").write_bytes(firmware)
    monkeypatch.setattr(
        sys, "argv", ["kflash", "-n", "-p", "port", *options, str(tmp_path / "fw.bin")]
    )
    try:
        kflash.KFlash().process()
    except SystemExit as end:
        assert not end.code
    assert events == ["reboot"]
    assert "is rebooting" in capsys.readouterr().out
    assert boot_image.read_boot_image(nor.data).payload == firmware
