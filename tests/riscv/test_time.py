"""Instructions to clocks, clocks to the board's time, and harts that need not run."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from k210sim.devices.sysctl import CRYSTAL_HZ
from k210sim.riscv import state as st
from k210sim.riscv.machine import LONGEST, SLICE
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
    assert hart.spin is not None and len(hart.spin.words) == 2
    before = hart.state[st.INSTRET]
    for _ in range(40):
        machine.step()
    assert hart.state[st.INSTRET] == before
    assert hart.state[st.CYCLE] == machine.cycles
    machine.core.load(0x80020000, b"\0\0\0\0\0\0\0\1")
    machine.step()
    assert hart.spin is None and hart.waiting and hart.x[5] == 1 << 56


def test_a_loop_that_stores_or_reads_a_register_is_no_spin(rig):
    for first, where in ((STORE, 0x80020000), (LOAD, 0x50440000)):
        machine = machine_with(rig, ADD_1, BACK, hart_1=(first, IF_0_BACK, WAIT, BACK))
        machine.harts[1].x[6] = where
        for _ in range(40):
            machine.step()
        assert machine.harts[1].spin is None


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
