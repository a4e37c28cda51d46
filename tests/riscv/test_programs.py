"""The core and its devices by what programs on them print."""

from __future__ import annotations

import numpy as np
import pytest

from k210sim.lcd.panel import Panel
from k210sim.riscv import state as st
from tests.riscv.conftest import PROGRAMS, Registers


@pytest.mark.parametrize("program", ["instructions", "floats", "modes"])
def test_every_instruction_gives_what_qemu_gives(rig, program):
    # one hash a line, over tables of operands, rounding modes and flags
    expected = (PROGRAMS / f"{program}.expected").read_text()
    assert rig(program).run().splitlines() == expected.splitlines()


def test_traps_have_the_right_cause_value_and_place(rig):
    got = rig("traps", strict=False).run()
    cell = int(next(x for x in got.splitlines() if x.startswith("lh mis")).split()[3], 16)
    assert cell % 8 == 1
    for line in (
        "ecall 0b 0000000000000000 here",
        "illegal 02 00000000ffffffff here",
        "c.illegal 02 0000000000000000 here",
        "csr unknown 02 00000000123027f3 here",
        "csr read-only 02 00000000f1401073 here",
        "csr time 02 00000000c01027f3 here",
        "rounding mode 02 0000000002005053 elsewhere",
        "load nowhere 05 0000000060000008 here",
        "store nowhere 07 0000000060000008 here",
        "amo nowhere 07 0000000060000000 here",
        "lr nowhere 05 0000000060000000 here",
        "fetch nowhere 01 0000000060000000 elsewhere",
        "read null 63 0000000060000000 elsewhere",  # 99: no trap
        "float off 02 00000000e20007d3 here",
        *(f"{op} misaligned 04 {cell:016x} here" for op in ("lh", "lw", "ld", "fld", "lr")),
        *(f"{op} misaligned 06 {cell:016x} here" for op in ("sh", "sw", "sd", "amo")),
        "misa 800000000000112d",
        "mstatus 8000000000007880",
        "fence.i 0000000000000001",
        "fence.i 0000000000000002",
    ):
        assert line in got.splitlines()
    for name in ("ebreak", "c.ebreak"):
        line = next(x for x in got.splitlines() if x.startswith(name)).split()
        assert line[1] == "03" and line[3] == "here" and line[2].startswith("00000000800")


def test_timer_software_and_serial_interrupts(rig):
    board = rig("timer")
    board.run(until=b"type\n")
    board.typed += b"k"
    got = board.lines()
    assert {name: int(got[name], 16) for name in got} == {
        "ticks": 3, "late": 0, "cycles": 1, "soft": 1, "typed": ord("k"),
    }  # fmt: skip


def test_flash_by_hand_and_by_dma(rig):
    board = rig("flash")
    board.machine.flash_commands.nor.program_page(0, b"\x02\x10", wait=False)
    board.clock.advance_ns(10_000_000)
    got = board.run().splitlines()
    assert got[:5] == [
        "id c817", "jedec c84018", "header 02", "erased ffffffffffffffff",
        "programmed ffffffffdeadbeefffffffff",
    ]  # fmt: skip
    assert [line[-8:] for line in got[5:9]] == ["f" * 8, "deadbeef", "f" * 8, "f" * 8]
    assert got[9] == "done 0000000000000003"
    assert board.flash.read(0x200004, 4) == b"\xde\xad\xbe\xef"


def test_a_picture_on_the_lcd(rig):
    panel = Panel()
    board = rig("lcd", panel=lambda clock: panel)
    assert board.lines() == {"done": "0000000000000003"}
    expected = np.empty((240, 320), np.uint16)
    expected[:120, :160], expected[:120, 160:] = 0xF800, 0x07E0
    expected[120:, :160], expected[120:, 160:] = 0x001F, 0xFFFF
    expected[104:136, 128:192] = np.arange(64 * 32).reshape(32, 64)
    assert np.array_equal(panel.pixels(), expected)
    # 79,000 pixels of two clocks at the crystal / 4
    assert 0.02e9 < board.clock.now_ns < 0.2e9


def test_silence_by_the_audio_processor_and_blocks_that_repeat(rig):
    got = {name: int(value, 16) for name, value in rig("sound").lines().items()}
    frame = 2 * 32 * 2  # clocks of the CPU, whose clock is twice the line's
    near = {"search takes": 512 * frame, "half search takes": 1024 * frame,
            "three blocks take": 3 * 50 * frame}  # fmt: skip
    for name, clocks in near.items():
        assert abs(got.pop(name) - clocks) < 200, name
    # one block waited since its DMA, the next was on its way
    assert 512 * 2 * frame * 0.4 < got.pop("second stream takes") < 512 * 2 * frame
    assert got == {"channels": 0x14000FF, "search on": 0, "search": 0, "stream": 0,
                   "on and raised": 0x400, "off": 0}  # fmt: skip


def test_a_kpu_layer_gives_what_plain_c_gives(rig):
    got = {name: int(value, 16) for name, value in rig("kpu").lines().items()}
    assert got["wrong"] == got["streamed wrong"] == 0
    assert got["low"] and got["high"]  # all segments of the activation were used


def test_two_harts_share_memory_without_losing_a_step(rig):
    got = rig("harts").lines()
    assert [int(got[name], 16) for name in ("amo", "lr sc", "lock", "woken")] == [40000] * 3 + [1]


def test_equal_runs_are_equal(rig):
    first, second = rig("harts"), rig("harts")
    first.run(), second.run()
    assert first.clock.now_ns == second.clock.now_ns
    for a, b in zip(first.machine.harts, second.machine.harts, strict=True):
        assert np.array_equal(a.x, b.x) and np.array_equal(a.s, b.s)


def test_echo_and_soft_reset(rig):
    board = rig("hello")
    board.run(until=b">>> ")
    board.typed += b"ab"
    board.run(until=b"[a][b]")
    board.typed += b"R"
    assert board.run(until=b"[b]hello from RISC-V\r\n>>> ").count("hello") == 2


def test_any_bytes_as_a_program_stay_inside_the_machine(rig):
    generator = np.random.default_rng(4)
    board = rig("hello", strict=False)
    for _ in range(20):
        board.machine.core.load(0x80000000, generator.bytes(4096))
        board.machine.core.reset()
        for hart in board.machine.harts:
            hart.x[1:32] = generator.integers(-(2**63), 2**63, 31)
        for _ in range(3):
            board.machine.step()
        assert all(0 <= hart.s[13] for hart in board.machine.harts)


def test_software_interrupts_are_the_same_from_the_core_and_from_outside(rig):
    board = rig("timer")
    chip = Registers(board.machine)
    seen = []
    found = board.machine.bus.at
    board.machine.bus.at = lambda address: seen.append(address) or found(address)
    board.run(until=b"type\n")
    assert 0x02000000 not in seen  # the program raises and ends its own inside compiled code
    assert chip[0x02000000] == 0
    chip[0x02000004] = 1
    assert chip[0x02000004] == 1 and board.machine.harts[1].s[st.MIP] & st.MSIP
    chip[0x02000004] = 0
    assert not board.machine.harts[1].s[st.MIP] & st.MSIP
