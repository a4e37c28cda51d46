"""Compiled blocks do exactly what the interpreter does: registers, memory, flags, counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from k210sim.devices.bus import Bus
from k210sim.riscv import jit_cache, machine
from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.core import Core
from k210sim.riscv.jit import Jit
from k210sim.riscv.jit_compiler import Compiler
from k210sim.riscv.jit_region import Block, Region
from tests.riscv.conftest import PROGRAMS

BASE, DATA, END = 0x80000000, 0x80010000, 0x80000800
OUTCOMES = (st.PC, st.MSTATUS, st.MEPC, st.MCAUSE, st.MTVAL, st.FCSR, st.CYCLE, st.INSTRET,
            st.RESERVED, st.TRAPS)  # fmt: skip


@pytest.fixture(scope="module")
def compiler():
    return Compiler(None)


# --- instructions as words ---------------------------------------------------------------------


def i_type(opcode: int, f3: int, rd: int, rs1: int, imm: int) -> int:
    return (imm & 0xFFF) << 20 | rs1 << 15 | f3 << 12 | rd << 7 | opcode


def r_type(opcode: int, f3: int, f7: int, rd: int, rs1: int, rs2: int) -> int:
    return f7 << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | rd << 7 | opcode


def s_type(opcode: int, f3: int, rs1: int, rs2: int, imm: int) -> int:
    return (imm >> 5 & 127) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | (imm & 31) << 7 | opcode


def branch(f3: int, rs1: int, rs2: int, imm: int) -> int:
    return ((imm >> 12 & 1) << 31 | (imm >> 5 & 63) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12
            | (imm >> 1 & 15) << 8 | (imm >> 11 & 1) << 7 | 0x63)  # fmt: skip


def addi(rd: int, rs1: int, imm: int) -> int:
    return i_type(0x13, 0, rd, rs1, imm)


FENCE_I, EBREAK = 0x0000100F, 0x00100073


WINDOW = DATA - BASE + 0x4000  # all of RAM that these programs use


class Pair:
    """The same program on two cores, one of which may have compiled code.

    x, f : values of registers from x1 and f0 on
    """

    _cores: list[Core] = []  # made once: their tables are large

    def __init__(self, compiler: Compiler, words: list[int], x=(), f=(), fcsr: int = 0):
        if not self._cores:
            self._cores.extend(Core(Bus()) for _ in range(3))
        self.plain, self.compiled, self.scout = self._cores
        self.words, self.registers, self.fcsr = words, (x, f), fcsr
        for core in self._cores:
            core.forget_code()
        self.restart()
        self.jit = self.compiled.jit = Jit(self.compiled.code, self.compiled.entries, compiler)

    def restart(self) -> None:
        """Everything but the decoded instructions as in the beginning."""
        x, f = self.registers
        pattern = np.arange(1024, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for core in self._cores:
            core.ram[:WINDOW] = 0
            core.load(BASE, np.array(self.words, "<u4").tobytes())
            core.load(DATA, pattern.tobytes())
            core.load(END, np.array([branch(0, 0, 0, 0)], "<u4").tobytes())
            hart = core.harts[0]
            hart.reset()
            hart.x[1 : 1 + len(x)] = x
            hart.f[: len(f)] = f
            hart.s[st.FCSR] = self.fcsr
            hart.s[st.MSTATUS] |= st.MSTATUS_FS
            hart.s[st.MTVEC] = END

    def compile(self, reached: int = 2000) -> None:
        """Decode what the program reaches, on a third core, then compile all of that."""
        self.scout.run(self.scout.harts[0], reached)
        half = WINDOW // 2
        for core in (self.plain, self.compiled):
            core.code[:half] = self.scout.code[:half]
            core.pages[:] = np.where(self.scout.pages, st.MIXED, 0)
        self.jit.compile_all()

    def run(self, budget: int) -> None:
        statuses = [core.run(core.harts[0], budget) for core in (self.plain, self.compiled)]
        assert statuses[0] == statuses[1]

    def same(self) -> None:
        a, b = self.plain.harts[0], self.compiled.harts[0]
        assert np.array_equal(a.x[:32], b.x[:32])
        assert np.array_equal(a.f, b.f)
        for number in OUTCOMES:
            assert a.s[number] == b.s[number], number
        assert np.array_equal(self.plain.ram[:WINDOW], self.compiled.ram[:WINDOW])

    def check(self, budgets: list[int]) -> None:
        """In one long turn, then in short ones."""
        self.compile()
        self.run(300)
        self.same()
        self.restart()
        for budget in budgets:
            self.run(budget)
            self.same()


# --- whole programs ----------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["instructions", "floats", "kernels"])
def test_programs_compiled_from_the_first_instruction_on(rig, compiler, program):
    expected = (PROGRAMS / f"{program}.expected").read_text()
    first, second = (rig(program, compile_blocks=False) for _ in range(2))
    assert first.run().splitlines() == expected.splitlines()
    core = second.machine.core
    core.code[:] = first.machine.core.code
    core.pages[:] = np.where(first.machine.core.pages, st.MIXED, 0)
    Jit(core.code, core.entries, compiler).compile_all()
    assert (core.code & 255 == op.BLOCK).sum() > 100
    assert second.run().splitlines() == expected.splitlines()
    for a, b in zip(first.machine.harts, second.machine.harts, strict=True):
        assert np.array_equal(a.x[:32], b.x[:32]) and np.array_equal(a.f, b.f)
        assert np.array_equal(a.s, b.s)
    assert first.clock.now_ns == second.clock.now_ns


@pytest.mark.parametrize("program", ["traps", "harts"])
def test_programs_compiled_while_they_run(rig, compiler, monkeypatch, program):
    monkeypatch.setattr(machine, "SLICE", 500)
    first, second = (rig(program, strict=False, compile_blocks=False) for _ in range(2))
    core = second.machine.core
    jit = Jit(core.code, core.entries, compiler)
    for turn in range(2000):
        first.machine.step(), second.machine.step()
        if turn < 40:
            jit.compile_all()
        if first.sent.endswith(b"end\n"):
            break
    assert first.sent == second.sent and first.sent.endswith(b"end\n")
    for a, b in zip(first.machine.harts, second.machine.harts, strict=True):
        assert np.array_equal(a.x[:32], b.x[:32]) and np.array_equal(a.s, b.s)


def test_a_machine_compiles_what_is_hot(rig, compiler, monkeypatch):
    monkeypatch.setattr("k210sim.riscv.jit.shared", lambda: compiler)
    board = rig("kernels", compile_blocks=True)
    board.machine.core.ram[0x3F0000] = 40
    before = compiler.compiled
    board.run(turns=100_000)
    jit = board.machine.core.jit
    assert compiler.compiled > before or jit._owner
    plain = rig("kernels", compile_blocks=False)
    plain.machine.core.ram[0x3F0000] = 40
    assert plain.run(turns=100_000) == board.sent.decode()
    assert plain.clock.now_ns == board.clock.now_ns


def test_without_llvm_the_interpreter_does_all(monkeypatch, caplog):
    def shared():
        raise RuntimeError("llvmlite 0.43 is too old")

    monkeypatch.setattr("k210sim.riscv.jit.shared", shared)
    assert Core(Bus(), compile_blocks=True).jit is None
    assert "llvmlite 0.43 is too old" in caplog.text


# --- edges -------------------------------------------------------------------------------------

LOOP = [
    addi(5, 0, 7),  # a sum over eight words, a call, a store
    addi(6, 8, 0),
    i_type(0x03, 3, 7, 6, 0),
    r_type(0x33, 0, 0, 10, 10, 7),
    i_type(0x67, 0, 1, 9, 0),
    addi(6, 6, 8),
    addi(5, 5, -1),
    branch(5, 5, 0, -20),
    s_type(0x23, 3, 8, 10, 64),
    branch(0, 0, 0, -36),
    addi(11, 11, 1),  # the function
    i_type(0x67, 0, 0, 1, 0),
]


def test_every_budget_ends_at_the_same_instruction(compiler):
    x = np.zeros(31, np.int64)
    x[7], x[8] = DATA, BASE + 40
    pair = Pair(compiler, LOOP, x)
    pair.compile()
    for budget in range(1, 90):
        pair.restart()
        for _ in range(3):
            pair.run(budget)
            pair.same()


def test_compiled_code_goes_with_fence_i_and_not_before(compiler):
    # x5 counts; the program writes another constant over its addi, which only fence.i makes seen;
    # the region in front, which nobody writes over, stays
    words = [addi(6, 0, 0), i_type(0x67, 0, 0, 10, 0),
             addi(5, 5, 1), s_type(0x23, 2, 8, 7, 0), addi(6, 6, 1), branch(1, 6, 9, -12),
             FENCE_I, branch(0, 0, 0, -28)]  # fmt: skip
    x = np.zeros(31, np.int64)
    x[7], x[6], x[8], x[9] = BASE + 8, addi(5, 5, 100), 10, BASE + 8
    pair = Pair(compiler, words, x)
    pair.compile(42)
    compiled = pair.compiled
    assert compiled.code[0] & 255 == op.BLOCK and compiled.code[4] & 255 == op.BLOCK
    pair.run(42)
    pair.same()
    assert compiled.harts[0].x[5] == 10
    pair.run(1)  # fence.i
    pair.same()
    assert compiled.code[0] & 255 == op.BLOCK and compiled.code[4] == 0
    assert not (compiled.code[5:12] & 255 == op.BLOCK).any()
    pair.run(43)
    pair.same()
    assert compiled.harts[0].x[5] == 1010
    compiled.forget_code()
    assert len(pair.jit._free) == compiled.entries.shape[0] and not pair.jit._owners.any()


def test_fence_i_in_turns_of_any_length_over_code_that_changes_back_and_forth(compiler):
    # x28 and x29 are written over the addi in turns
    words = [addi(5, 5, 1), addi(5, 5, 2), s_type(0x23, 2, 8, 28, 0), r_type(0x33, 0, 0, 30, 28, 0),
             r_type(0x33, 0, 0, 28, 29, 0), r_type(0x33, 0, 0, 29, 30, 0), FENCE_I,
             branch(0, 0, 0, -28)]  # fmt: skip
    x = np.zeros(31, np.int64)
    x[7], x[27], x[28] = BASE, addi(5, 5, 100), addi(5, 5, 1000)
    for budget in (1, 2, 3, 7, 8, 9, 50, 2000):
        pair = Pair(compiler, words, x)
        pair.compile(6)
        for turn in range(12):
            pair.run(budget)
            pair.same()
            if turn % 3 == 2:
                pair.jit.compile_all()


def test_an_instruction_over_the_edge_of_a_page_is_compared_too(compiler):
    edge = 0x1000 - 2  # a 32-bit instruction, its second half on the next page
    words = [branch(0, 0, 0, edge)]
    x = np.zeros(31, np.int64)
    x[7] = BASE + 0x1000
    pair = Pair(compiler, words, x)
    there = [addi(5, 5, 1), FENCE_I, branch(0, 0, 0, -8)]
    for core in pair._cores:
        core.load(BASE + edge, np.array(there, "<u4").tobytes())
    pair.run(7)
    pair.same()
    assert pair.plain.harts[0].x[5] == 2
    for core in (pair.plain, pair.compiled):
        core.load(BASE + 0x1000, np.array([addi(5, 5, 100) >> 16], "<u2").tobytes())
    pair.run(9)
    pair.same()
    assert pair.plain.harts[0].x[5] == 2 + 1 + 200


def test_the_uncached_twin_of_ram_is_not_compiled_but_equal(compiler):
    x = np.zeros(31, np.int64)
    x[7], x[8] = DATA - 0x40000000, BASE - 0x40000000 + 40
    pair = Pair(compiler, LOOP, x)
    pair.compile()
    for core in (pair.plain, pair.compiled):
        core.harts[0].s[st.PC] -= 0x40000000
    pair.run(333)
    pair.same()
    assert pair.compiled.harts[0].pc < BASE


# --- code that only waits ------------------------------------------------------------------------

NOP, ADDIW, MCYCLE = addi(0, 0, 0), 0x1B, 0xB00


def csrr(rd: int, number: int) -> int:
    return i_type(0x73, 2, rd, 0, number)


def count_down(kind: int, step: int, before: int) -> list[int]:
    """Nops, x5 += step until it is 0, then round again."""
    return [*[NOP] * before, i_type(kind, 0, 5, 5, step), branch(1, 5, 0, -4 - 4 * before),
            addi(5, 0, 9 if step < 0 else -9), branch(0, 0, 0, -12 - 4 * before)]  # fmt: skip


@pytest.mark.parametrize("first", [7, 0, 1, -1, 2**32 + 5, -(2**31)])
@pytest.mark.parametrize("kind, step", [(0x13, -1), (0x13, 1), (ADDIW, -1), (ADDIW, 1)])
def test_counting_to_zero_is_exact_in_turns_of_any_length(compiler, kind, step, first):
    x = np.zeros(31, np.int64)
    x[4] = first
    pair = Pair(compiler, count_down(kind, step, 1), x)
    pair.compile()
    for budget in (*range(1, 9), 40, 61, 1000):
        pair.restart()
        for _ in range(4):
            pair.run(budget)
            pair.same()


def test_a_long_count_takes_no_time(compiler):
    x = np.zeros(31, np.int64)
    x[4] = 3_000_000_000
    pair = Pair(compiler, count_down(0x13, -1, 2), x)
    pair.compile()
    hart = pair.compiled.harts[0]
    before = hart.x[5]
    assert pair.compiled.run(hart, 8_000_000_001) == st.DONE
    assert before - hart.x[5] == 2_000_000_000 and hart.s[st.INSTRET] >= 8_000_000_001
    hart.x[5] = 1  # the rest of the round, then zero
    pair.compiled.run(hart, 4)
    assert hart.x[5] in (0, 9)


@pytest.mark.parametrize("until", [0, 1, 60, 2000, -1])
@pytest.mark.parametrize("passed", [6, 7])
def test_waiting_for_clocks_is_exact_in_turns_of_any_length(compiler, until, passed):
    x = np.zeros(31, np.int64)
    x[10] = until
    words = [csrr(5, MCYCLE), csrr(6, MCYCLE), r_type(0x33, 0, 32, passed, 6, 5),
             branch(6, passed, 11, -8), addi(12, 12, 1), branch(0, 0, 0, -20)]  # fmt: skip
    pair = Pair(compiler, words, x)
    pair.compile()
    for budget in (*range(1, 12), 100, 137, 5000):
        pair.restart()
        for _ in range(5):
            pair.run(budget)
            pair.same()


@pytest.mark.parametrize("number", [1, 2, 3, 0xB00, 0xC00, 0xB02, 0xC02, 0xF14])
def test_registers_that_compiled_code_reads(compiler, number):
    words = [addi(5, 5, 1), csrr(6, number), addi(7, 7, 1), csrr(0, number), branch(0, 0, 0, -16)]
    for floats in (True, False):
        pair = Pair(compiler, words, fcsr=0x65)
        pair.compile()
        pair.restart()
        if not floats:
            for core in (pair.plain, pair.compiled):
                core.harts[0].s[st.MSTATUS] &= ~st.MSTATUS_FS
        for budget in (3, 1, 7, 40):
            pair.run(budget)
            pair.same()


# --- anything ----------------------------------------------------------------------------------

registers = some.integers(0, 15)
INTEGER = [(0x33, f3, f7) for f3 in range(8) for f7 in (0, 1)] + [(0x33, 0, 32), (0x33, 5, 32)]
NARROW = [(0x3B, f3, 1) for f3 in (0, 4, 5, 6, 7)]
NARROW += [(0x3B, 0, 0), (0x3B, 1, 0), (0x3B, 5, 0), (0x3B, 0, 32), (0x3B, 5, 32)]
FLOAT_KINDS = (0, 1, 2, 3, 4, 5, 0x14)
immediates = some.integers(-2048, 2047)
plain_words = some.one_of(
    some.builds(lambda k, d, a, b: r_type(*k, d, a, b),
                some.sampled_from(INTEGER + NARROW), registers, registers, registers),
    some.builds(lambda f3, d, a, i: i_type(0x13, f3, d, a, i),
                some.sampled_from((0, 2, 3, 4, 6, 7)), registers, registers, immediates),
    some.builds(lambda k, d, a, n: i_type(k[0], k[1], d, a, n | k[2]),
                some.sampled_from([(0x13, 1, 0), (0x13, 5, 0), (0x13, 5, 0x400), (0x1B, 1, 0),
                                   (0x1B, 5, 0), (0x1B, 5, 0x400), (0x1B, 0, 0)]),
                registers, registers, some.integers(0, 31)),
    some.builds(lambda f3, d, i: i_type(0x03, f3, d, 8, i),
                some.integers(0, 6), registers, some.integers(0, 2047)),
    some.builds(lambda f3, b, i: s_type(0x23, f3, 8, b, i),
                some.integers(0, 3), registers, some.integers(0, 2047)),
    some.builds(lambda u, d, i: u | d << 7 | i << 12,
                some.sampled_from((0x17, 0x37)), registers, some.integers(0, 2**20 - 1)),
)  # fmt: skip
branches = some.builds(branch, some.sampled_from((0, 1, 4, 5, 6, 7)), registers, registers,
                       some.integers(-30, 30).map(lambda n: n * 4))  # fmt: skip
values = some.one_of(some.integers(-(2**63), 2**63 - 1), some.integers(-3, 3),
                     some.sampled_from((-(2**63), 2**63 - 1, -(2**31), 2**31 - 1, 2**32)),
)  # fmt: skip
float_words = some.builds(
    lambda kind, double, f3, d, a, b: r_type(0x53, f3, kind << 2 | double, d, a, b),
    some.sampled_from(FLOAT_KINDS), some.integers(0, 1), some.sampled_from((0, 1, 2, 7)),
    some.integers(0, 7), some.integers(0, 7), some.integers(0, 7),
)  # fmt: skip
conversions = some.builds(
    lambda kind, double, f3, d, a, b: r_type(0x53, f3, kind << 2 | double, d, a, b),
    some.sampled_from((0x18, 0x1A, 0x1C, 0x1E, 8, 0x0B)), some.integers(0, 1),
    some.sampled_from((0, 1, 7)), some.integers(0, 7), some.integers(0, 7), some.integers(0, 3),
)  # fmt: skip
fused = some.builds(
    lambda major, double, f3, d, a, b, c: r_type(major, f3, c << 2 | double, d, a, b),
    some.sampled_from((0x43, 0x47, 0x4B, 0x4F)), some.integers(0, 1), some.sampled_from((0, 7)),
    *[some.integers(0, 7)] * 4,
)  # fmt: skip
float_values = some.one_of(
    some.floats(width=64).map(lambda v: int(np.float64(v).view(np.int64))),
    some.floats(width=32).map(lambda v: int(np.float32(v).view(np.int32)) & 0xFFFFFFFF | -1 << 32),
    some.sampled_from((0, -1, -(2**63), 0x0010000000000000, 1, -(2**32), 0x7FEFFFFFFFFFFFFF)),
    some.integers(-40, 40).map(lambda v: int(np.float64(v / 4).view(np.int64))),
    some.integers(-40, 40).map(lambda v: int(np.float32(v / 4).view(np.int32)) & 0xFFFFFFFF
                               | -1 << 32),
)  # fmt: skip
anything = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@anything
@given(words=some.lists(some.one_of(plain_words, plain_words, plain_words, branches),
                        min_size=10, max_size=40),
       x=some.lists(values, min_size=15, max_size=15),
       budgets=some.lists(some.integers(1, 60), min_size=1, max_size=6))  # fmt: skip
def test_any_integer_program(compiler, words, x, budgets):
    x[7] = DATA
    Pair(compiler, words + [EBREAK], x).check(budgets)


@anything
@given(words=some.lists(some.one_of(float_words, conversions, fused), min_size=6, max_size=16),
       f=some.lists(float_values, min_size=8, max_size=8),
       x=some.lists(values, min_size=15, max_size=15), fcsr=some.sampled_from((0, 1, 1, 1, 0x41)),
       budgets=some.lists(some.integers(1, 20), min_size=1, max_size=4))  # fmt: skip
def test_any_float_program(compiler, words, f, x, fcsr, budgets):
    Pair(compiler, words + [EBREAK], x, f, fcsr).check(budgets)


# --- on disk -----------------------------------------------------------------------------------


def files(place):
    return sorted(place.rglob("*.regions"))


def test_the_next_process_finds_regions_on_disk(tmp_path):
    x = np.zeros(31, np.int64)
    x[7], x[8] = DATA, BASE + 40
    first = Compiler(tmp_path)
    Pair(first, LOOP, x).compile()
    assert first.compiled > 0 and len(files(tmp_path)) == 1
    second = Compiler(tmp_path)
    other = Pair(second, LOOP, x)
    for core in (other.plain, other.compiled):
        core.run(core.harts[0], 400)
    assert len(second.known("").found) == second.loaded == first.compiled
    for _ in range(3):
        other.jit.sample(other.compiled.harts[0].pc)
        other.run(77)
        other.same()
    assert second.compiled == 0 and (other.compiled.code & 255 == op.BLOCK).any()
    assert not second.known("another").found
    other.jit.use_program("another")
    assert not (other.compiled.code & 255 == op.BLOCK).any()


def records():
    words = tuple((2 * n, op.ADDI | n << 32) for n in range(5))
    region = Region((Block(0, words[:2]), Block(4, words[2:])), True)
    return [jit_cache.Record(f"{n:040d}", region, bytes(range(n))) for n in (3, 8, 200)]


@pytest.mark.parametrize("hurt", ["cut", "turned", "long", "rubbish", "nothing"])
def test_a_damaged_file_is_good_up_to_the_damage(tmp_path, hurt):
    file = jit_cache.File(tmp_path, "i" * 64, "program")
    assert file.read() == []
    kept = records()
    for record in kept:
        file.append(record)
    assert file.read() == kept
    path, = files(tmp_path)
    data = bytearray(path.read_bytes())
    second = len(jit_cache.pack(kept[0]))
    if hurt == "cut":
        del data[-1]
    elif hurt == "turned":
        data[second + 90] ^= 1
    elif hurt == "long":
        data[second + 32 : second + 36] = b"\xff\xff\xff\x7f"
    elif hurt == "rubbish":
        data += b"zzz"
    else:
        data = b""
    path.write_bytes(data)
    good = {"cut": 2, "turned": 1, "long": 1, "rubbish": 3, "nothing": 0}[hurt]
    assert file.read() == kept[:good]
    file.append(kept[2])  # goes on behind what is good
    assert file.read() == [*kept[:good], kept[2]]


def test_the_cache_stays_small_and_is_not_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(jit_cache, "MOST_BYTES", 5000)
    for n in range(9):
        (tmp_path / f"{n}.regions").write_bytes(bytes(1000))
    jit_cache.trim(tmp_path)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 5000
    (tmp_path / "file").write_bytes(b"")
    nowhere = jit_cache.File(tmp_path / "file", "identity", "program")
    nowhere.append(records()[0])
    assert nowhere.read() == []
    monkeypatch.setattr(jit_cache, "MOST_OF_ONE", 10)
    file = jit_cache.File(tmp_path, "identity", "program")
    for record in records():
        file.append(record)
    assert len(file.read()) == 1
