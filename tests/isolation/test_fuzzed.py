"""What the fuzzer (bench/fuzz_guest.py) found once, and a short run of it."""

from __future__ import annotations

import numpy as np
import pytest

from bench import fuzz_guest
from k210sim import Board
from k210sim.errors import TimeoutExpired
from k210sim.heap import gc_blocks
from k210sim.micropython import fastloop, frames
from k210sim.micropython.layout import RAM_BASE


@pytest.fixture(scope="module")
def board():
    with Board(flash_image=None) as made:
        yield made


@pytest.mark.parametrize(("program", "end"), [
    ("int.to_bytes(Ellipsis, 3, 'big')", "NotSimulated: to_bytes() called on a"),
    ("import machine\nmachine.UART.any([])", "TypeError: "),
    ("import machine\nmachine.Timer.period(5)", "TypeError: "),
    ("n = (1 << 63) - 1\nprint([] * n, () * n, '' * n, b'' * n)", ""),
    ("import ulab\nulab.polyval({1}, '/flash/x')", "NotSimulated: an interned string"),
    ("'/flash/x' * (1 << 62)", "NotSimulated: repeating"),
    ("import image\nimage.load_descriptor(5)", "TypeError: "),
    ("import ustruct\nustruct.calcsize('99999999999999999999s')", ""),
    ("print(sum(1 for i in range(50000)), {1}.isdisjoint(range(2, 50000)))", ""),
])
def test_a_found_case_ends_the_program_at_most(board, program, end):
    result = board.exec(program)
    last = (result.error or "").strip().splitlines()[-1:] or [""]
    assert last[0].startswith(end) and bool(result.error) == bool(end), result.error
    assert board.exec("print(1)").stdout == "1\n"


@pytest.mark.parametrize("data", [
    b"M\x04\x02\x3f\x20", b"M\x04\x02\x3f\x20\xff\xff\xff\xff\x7f",
    b"M\x04\x02\x3f\x20" + b"\x80" * 90,
    fuzz_guest.mpy_file(b"\x50" + fuzz_guest.number(1 << 61) + b"\x5b"),
    fuzz_guest.mpy_file(b"\x51" + fuzz_guest.number((1 << 61) + 1) + b"\x5b"),
    fuzz_guest.mpy_file(b"\x59" + fuzz_guest.number(1 << 40) + b"\x5b"),
    fuzz_guest.mpy_file(b"\x17" + fuzz_guest.number(1 << 62) + b"\x5b"),
    fuzz_guest.mpy_file(b"\x32" * 3000 + b"\x5b"), fuzz_guest.mpy_file(b"\x35\x00\x00"),
    fuzz_guest.mpy_file(b"\x11\x5b", n_state=1 << 60, n_exc=1 << 60),
    fuzz_guest.mpy_file(b"\x11\x5b", objects=((b"i", b"x"),)),
    fuzz_guest.mpy_file(b"\x11\x5b", objects=((b"f", b"\xff"),)),
    fuzz_guest.mpy_file(b"\x11\x5b", objects=((b"i", b"9" * 5000),)),
])
def test_hostile_bytecode_ends_the_program_at_most(data):
    program = (f"f = open('/flash/m.mpy', 'wb'); f.write({data!r}); f.close()\n"
               "try: import m\nexcept Exception: pass")
    with Board(flash_image=None) as board:
        assert board.exec(program, timeout=5).exit_reason in ("ok", "exception")


@pytest.mark.parametrize("kind", ["calls", "source", "mpy", "ram"])
@pytest.mark.parametrize("seed", range(77_000, 77_005))
def test_a_short_run_finds_nothing(board, monkeypatch, kind, seed):
    monkeypatch.setattr(fuzz_guest, "CALLS_A_CASE", 25)
    for result in fuzz_guest.run_case(board, kind, seed):
        assert result["end"] not in ("bug", "stuck", "stuck for ever", "host error"), result


def test_the_collector_stays_inside_its_arrays_whatever_is_in_ram():
    """Tables, pool and roots full of noise; the plain functions would raise IndexError."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        ram = np.zeros(1 << 16, np.uint8)
        words = ram.view(np.int64)
        state = np.zeros(gc_blocks.S_SIZE, np.int64)
        gc_blocks.init(ram, state, 4096, 1 << 16)
        noise = rng.integers(0, 256, 1 << 16, dtype=np.uint8)
        ram[:] = noise
        pool, end = int(state[gc_blocks.S_POOL]), int(state[gc_blocks.S_POOL_END])
        pointers = rng.integers(pool >> 5, end >> 5, 4000) << 5
        words[(pool >> 3) + rng.integers(0, (end - pool) >> 3, 4000)] = pointers + RAM_BASE
        n_blocks = int(state[gc_blocks.S_ATB_LEN]) * 4
        stack, dead = np.zeros(n_blocks + 1, np.int64), np.zeros(n_blocks + 8, np.int64)
        wild = [(-(1 << 62), 1 << 62), (0, 1 << 40), (-64, 64), (1 << 50, 1 << 51), (4096, 9000)]
        for name in ("py_func", None):
            def plain(f, name=name):
                return getattr(f, name) if name and hasattr(f, name) else f

            for start, stop in wild:
                plain(gc_blocks.mark_range)(ram, words, state, stack, start, stop)
            assert plain(gc_blocks.dying)(ram, state, dead) <= n_blocks + 8
            plain(gc_blocks.sweep)(ram, state)
            for offset in (-32, 0, pool - 32, pool, pool + 32, end - 32, end, 1 << 50):
                for size in (-(1 << 62), -1, 0, 1, 100, 1 << 20, (1 << 63) - 1):
                    plain(gc_blocks.resize)(ram, state, offset, size)
                    at = plain(gc_blocks.alloc)(ram, state, size, 1)
                    assert at == -1 or pool <= at < end
                plain(gc_blocks.free)(ram, state, offset)
            plain(gc_blocks.info)(ram, state, np.zeros(8, np.int64))
            ram[:] = noise


def test_the_compiled_loop_ends_whatever_is_in_ram():
    """Random RAM, random registers: the loop comes back within its slice of operations."""
    heap = np.zeros(gc_blocks.S_SIZE, np.int64)
    hashes, builtins = np.zeros(1 << 16, np.uint8), np.zeros(1 << 16, np.int64)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        ram = rng.integers(0, 256, 1 << 23, dtype=np.uint8)
        words, floats = ram.view(np.int64), ram.view(np.float32)
        # Many addresses of RAM and of types, so that the paths behind the type tests are taken.
        spots = rng.integers(0, 1 << 20, 200_000)
        words[spots] = RAM_BASE + (rng.integers(0, 1 << 20, 200_000) << 3)
        words[spots[:90_000]] = fastloop._SLOT0 + 64 * rng.integers(0, 62, 90_000)
        ram[: 1 << 20] = rng.choice(
            np.array([0x64, 0x66, 0x50, 0x51, 0x59, 0x5B, 0x1C, 0x1D, 0x1E, 0x21, 0x27, 0x43, 0x47,
                      0xB0, 0xC0, 0x35, 0x36, 0x37, 0x81, 0x05, 0xE5, 0xF1, 0x17, 0x14], np.uint8),
            1 << 20)
        gc_blocks.init(ram, heap, 1 << 22, (1 << 22) + (1 << 19))
        regs = np.zeros(frames.N_REGS, np.int64)
        for start in range(0, 1 << 20, 1 << 14):
            regs[:] = RAM_BASE + (rng.integers(0, 1 << 20, frames.N_REGS) << 3)
            if start & 1 << 14:
                regs[rng.integers(0, frames.N_REGS)] = rng.integers(-(1 << 62), 1 << 62)
            regs[frames.R_IP] = RAM_BASE + start
            regs[frames.R_BUDGET], regs[frames.R_PENDING] = 300, 0
            fastloop.run(ram, words, floats, regs, heap, hashes, builtins)
            assert 0 <= regs[frames.R_BUDGET] <= 300


def test_host_code_that_does_not_end_is_broken_off(board, monkeypatch):
    monkeypatch.setattr("k210sim.repl.firmware.STOP_GRACE_S", 0.5)

    def stuck(prompt):
        while True:
            pass

    monkeypatch.setattr(board._engine.interpreter.vm, "input_line", stuck)
    with pytest.raises(TimeoutExpired, match="ignored Ctrl-C"):
        board.exec("input()", timeout=0.2)
    board.power_on()  # which refuses while the old thread lives
    assert board.exec("print(1)").stdout == "1\n"


@pytest.mark.parametrize("poke", [
    "x = 1.5\nuctypes.struct(id(x), {'t': 0 | uctypes.UINT64}).t = 0x41414141\nprint(x)",
    "d = {1: 2}\nuctypes.struct(id(d), {'n': 16 | uctypes.UINT64}).n = (1 << 64) - 8\nd['k'] = 1",
])
def test_a_program_that_spoils_its_objects_ends_as_one_and_is_no_bug_of_ours(board, poke):
    result = board.exec("import uctypes\n" + poke)
    assert result.error.startswith("CorruptedMemory: the program's own RAM")
    board.reset()
    assert board.exec("print(1)").stdout == "1\n"
