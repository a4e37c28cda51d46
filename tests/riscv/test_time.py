"""Instructions to clocks, clocks to the board's time, and harts that need not run."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from k210sim.devices.sysctl import CRYSTAL_HZ
from k210sim.riscv import state as st
from k210sim.riscv.machine import IDLE, LONGEST, SLICE
from k210sim.riscv.timing import CLOCKS, INSTRUCTIONS, clocks, instructions_until

ADD_1, BACK, WAIT = 0x00130313, 0xFFDFF06F, 0x10500073  # addi t1,t1,1; j -4; wfi
LOAD, IF_0_BACK = 0x00033283, 0xFE028EE3  # ld t0,0(t1); beqz t0,-4
STORE = 0x00533023  # sd t0,0(t1)
STORE_WORD = 0x00532023  # sw t0,0(t1)
READ_MCYCLE, READ_MINSTRET = 0xB0002573, 0xB02025F3  # csrr a0; csrr a1


def machine_with(rig, *hart_0: int, hart_1: tuple[int, ...] = (WAIT, BACK)):
    """Both harts begin at their own instructions."""
    machine = rig("hello").machine
    for hart, words in zip(machine.harts, (hart_0, hart_1), strict=True):
        hart.state[st.PC] = 0x80010000 + 0x1000 * hart.number
        machine.core.load(hart.pc, np.array(words, np.uint32).tobytes())
    return machine


@pytest.mark.parametrize("part", range(INSTRUCTIONS))
def test_the_least_number_of_instructions_that_takes_so_long(part):
    for wanted in range(1, 60):
        n = instructions_until(part, wanted)
        assert clocks(part, n)[0] >= wanted
        assert n == 1 or clocks(part, n - 1)[0] < wanted
    assert instructions_until(part, -5) == 1
    total, rest = clocks(part, 1000)
    assert total * INSTRUCTIONS + rest == part + 1000 * CLOCKS and rest < INSTRUCTIONS


def test_counters_and_the_boards_clock_agree(rig):
    machine = machine_with(rig, ADD_1, BACK)
    for _ in range(7):
        machine.step()
    for hart in machine.harts:
        assert hart.state[st.CYCLE] == machine.cycles
        assert hart.state[st.PART] == machine._part
    done = machine.harts[0].state[st.INSTRET]
    assert machine.cycles == done * CLOCKS // INSTRUCTIONS
    assert machine.clock.now_ns == machine.cycles * 1_000_000_000 // CRYSTAL_HZ
    assert machine.harts[1].state[st.INSTRET] == 1


def test_mcycle_goes_on_inside_a_turn(rig):
    machine = machine_with(rig, *[ADD_1] * 9, READ_MCYCLE, READ_MINSTRET, ADD_1, BACK)
    machine.step()
    x = machine.harts[0].x
    assert (x[10], x[11]) == (9 * CLOCKS // INSTRUCTIONS, 10)


def test_a_spinning_hart_is_skipped_until_its_flag_changes(rig):
    machine = machine_with(rig, ADD_1, BACK, hart_1=(LOAD, IF_0_BACK, WAIT, BACK))
    hart = machine.harts[1]
    hart.x[6] = 0x40020000  # by the uncached twin
    for _ in range(40):
        machine.step()
    assert hart.spin is not None and hart.spin.length == 2
    before, skipped = machine.statistics()["instructions"], hart.skipped
    done = machine.harts[0].state[st.INSTRET]
    for _ in range(40):
        machine.step()
    assert hart.skipped > skipped + 40 * (SLICE - 2)
    done = machine.harts[0].state[st.INSTRET] - done
    assert machine.statistics()["instructions"] - before - done <= 40
    assert hart.state[st.CYCLE] == machine.cycles
    machine.core.load(0x80020000, b"\0\0\0\0\0\0\0\1")
    machine.step()
    assert hart.spin is None and hart.waiting and hart.x[5] == 1 << 56


COUNT, STORE_COUNT = 0x00138393, 0x00733023  # addi t2,t2,1; sd t2,0(t1)
AGAIN, AGAIN_5 = 0xFF9FF06F, 0xFEDFF06F  # j -8; j -20
RESTORE = 0xFFF38393  # addi t2,t2,-1


def test_a_loop_that_changes_something_or_uses_a_device_is_no_spin(rig):
    for words, where in (
        ((COUNT, STORE_COUNT, AGAIN), 0x80020000),
        ((LOAD, IF_0_BACK), 0x50440000),
        ((READ_MCYCLE, BACK), 0),
        ((READ_MINSTRET, BACK), 0),
        ((ADD_1, BACK), 0),
    ):
        machine = machine_with(rig, ADD_1, BACK, hart_1=(*words, WAIT, BACK))
        machine.harts[1].x[6] = where
        for _ in range(90):
            machine.step()
        assert machine.harts[1].spin is None


LOOPS = {
    "a flag": (LOAD, IF_0_BACK, WAIT, BACK),
    "what it stores comes back": (COUNT, STORE_COUNT, RESTORE, STORE_COUNT, 0xFF1FF06F),
    "an odd length": (COUNT, STORE_COUNT, RESTORE, STORE_COUNT, LOAD, AGAIN_5),
    # its own software interrupt: the handler clears it
    "an interrupt": (0x00542023, BACK),  # sw t0,0(s0)
}
HANDLER = (0x00042023, 0x30200073)  # sw zero,0(s0); mret


@pytest.mark.parametrize("name", LOOPS)
def test_skipping_a_spin_changes_nothing(rig, monkeypatch, name):
    for limit in ("LONGEST", "IDLE"):
        monkeypatch.setattr(f"k210sim.riscv.machine.{limit}", SLICE)
    pair = []
    for _ in range(2):
        machine = machine_with(rig, *LOOPS[name], hart_1=(*LOOPS[name],))
        machine.core.load(0x80030000, np.array(HANDLER, np.uint32).tobytes())
        for hart in machine.harts:
            hart.x[6], hart.x[5], hart.x[8] = 0x80020000, 1, 0x02000000 + 4 * hart.number
            hart.state[st.MTVEC], hart.state[st.MIE] = 0x80030000, st.MSIP
            hart.state[st.MSTATUS] |= st.MSTATUS_MIE
        pair.append(machine)
    pair[1].core.find_spin = lambda hart, longest: None
    for step in range(90):
        for machine in pair:
            machine.step()
            if step % 30 == 29:  # somebody else writes there
                machine.core.load(0x80020000, bytes([step]) if step > 80 else b"\0\1")
            if step % 17 == 16:  # and an interrupt comes
                machine.harts[0].raise_interrupt(st.MSIP, True)
        for a, b in zip(*(machine.harts for machine in pair), strict=True):
            assert a.all[: st.S_AT].tobytes() == b.all[: st.S_AT].tobytes()
            for number in (st.PC, st.CYCLE, st.PART, st.INSTRET, st.TRAPS, st.MIP, st.MSTATUS):
                assert a.state[number] == b.state[number], number
    assert pair[0].core.ram.tobytes() == pair[1].core.ram.tobytes()
    assert pair[0].cycles == pair[1].cycles
    assert pair[0].harts[0].skipped > 10 * SLICE and not pair[1].harts[0].skipped


def test_a_hart_that_has_left_its_spin_may_write_code(rig):
    # behind the loop it writes an addi over its first instruction, which fence.i finds
    words = (LOAD, IF_0_BACK, 0x00942023, 0x0000100F, ADD_1, BACK)  # sw s1,0(s0); fence.i
    machine = machine_with(rig, ADD_1, BACK, hart_1=words)
    hart = machine.harts[1]
    hart.x[6], hart.x[8], hart.x[9] = 0x80020000, hart.pc, ADD_1
    for _ in range(40):
        machine.step()
    assert hart.spin is not None
    machine.core.load(0x80020000, b"\1")
    machine.step()
    assert hart.spin is None and hart.left is None
    assert hart.pc - 0x80011000 in (16, 20) and machine.core.code[0x11000 >> 1] == 0
    before = hart.x[6]
    machine.step()
    assert hart.x[6] - before == SLICE // 2


def test_turns_grow_further_while_both_harts_only_wait_and_end_when_something_is_due(rig):
    """At the real pace: there nothing is lost when a byte is heard some milliseconds later."""
    machine = machine_with(rig, *LOOPS["a flag"], hart_1=LOOPS["a flag"])
    machine.clock.mode = "real"
    for hart in machine.harts:
        hart.x[6] = 0x80020000
    for _ in range(60):
        machine.step()
    before = machine.cycles
    machine.step()
    assert (machine.cycles - before) * INSTRUCTIONS // CLOCKS >= IDLE - 1
    heard, at = [], machine.clock.now_ns + 12_345_000
    machine.clock.alarm(at, lambda: heard.append(machine.clock.now_ns))
    while not heard:
        machine.step()
    assert heard == [at]


def test_two_runs_are_equal_to_the_last_byte(rig):
    runs = []
    for _ in range(2):
        board = rig("flash")
        board.machine.flash_commands.nor.program_page(0, b"\x02\x10", wait=False)
        board.clock.advance_ns(10_000_000)
        board.run()
        ram = hashlib.sha256(board.machine.core.ram.tobytes()).hexdigest()
        runs.append((bytes(board.sent), ram, board.clock.now_ns, board.machine.cycles))
    assert runs[0] == runs[1]


def test_turns_grow_while_a_hart_waits_and_end_soon_after_a_register(rig):
    machine = machine_with(rig, ADD_1, BACK)
    done = []
    for _ in range(6):
        before = machine.harts[0].state[st.INSTRET]
        machine.step()
        done.append(machine.harts[0].state[st.INSTRET] - before)
    assert done[:2] == [SLICE, 2 * SLICE] and done[-1] == LONGEST
    # another hart's msip, which only Python serves: hart 1 hears of it no later than ever
    hart = machine.harts[0]
    hart.x[6], hart.x[5], hart.state[st.PC] = 0x02000004, 1, 0x80012000
    machine.core.load(0x80012000, np.array([STORE_WORD, ADD_1, BACK], np.uint32).tobytes())
    machine.harts[1].state[st.MIE] = st.MSIP
    before = hart.state[st.INSTRET]
    machine.step()
    assert hart.state[st.INSTRET] - before == 1 + SLICE
    before = hart.state[st.INSTRET]
    machine.step()
    assert hart.state[st.INSTRET] - before == SLICE
