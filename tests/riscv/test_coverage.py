"""The test programs execute every instruction of RV64IMAFDC, and its compressed forms.

Seen are the words that the core has decoded, which it does up to the next jump only; looked at
after every few instructions where fence.i makes it forget them. fence.i itself is seen in what
the program `traps` prints (test_programs.py).
"""

from __future__ import annotations

import numpy as np
import pytest

from k210sim.riscv import opcodes as op

PROGRAMS = ("instructions", "floats", "modes", "traps", "harts")
OPERATIONS = {
    number: name for name, number in vars(op).items()
    if name.isupper() and type(number) is int
    # not decoded from any word, but for the last, which is proved elsewhere
    and name not in ("LONG", "DEVICE", "NO_RD", "BLOCK", "EDGE", "FENCE_I")
}  # fmt: skip
AMO = {"lr": 2, "sc": 3, "swap": 1, "add": 0, "xor": 4, "and": 12, "or": 8, "min": 16, "max": 20,
       "minu": 24, "maxu": 28}  # fmt: skip
# name -> bits 31-27, the second source when it selects the operation, and funct3 likewise
FLOAT = {
    "fadd": (0, None, None), "fsub": (1, None, None), "fmul": (2, None, None),
    "fdiv": (3, None, None), "fsqrt": (11, 0, None), "fsgnj": (4, None, 0), "fsgnjn": (4, None, 1),
    "fsgnjx": (4, None, 2), "fmin": (5, None, 0), "fmax": (5, None, 1), "fle": (20, None, 0),
    "flt": (20, None, 1), "feq": (20, None, 2), "fcvt.w": (24, 0, None), "fcvt.wu": (24, 1, None),
    "fcvt.l": (24, 2, None), "fcvt.lu": (24, 3, None), "from w": (26, 0, None),
    "from wu": (26, 1, None), "from l": (26, 2, None), "from lu": (26, 3, None),
    "fmv.x": (28, 0, 0), "fclass": (28, 0, 1), "fmv from x": (30, 0, 0),
}  # fmt: skip
ROUNDED = ("fadd", "fsub", "fmul", "fdiv", "fsqrt", "fcvt.w", "fcvt.wu", "fcvt.l", "fcvt.lu",
           "from l", "from lu")  # fmt: skip
FUSED = {"fmadd": 0x43, "fmsub": 0x47, "fnmsub": 0x4B, "fnmadd": 0x4F}
# name -> (mask, value) of a 16-bit instruction; the first that fits counts
COMPRESSED = {
    "c.addi4spn": (0xE003, 0x0000), "c.fld": (0xE003, 0x2000), "c.lw": (0xE003, 0x4000),
    "c.ld": (0xE003, 0x6000), "c.fsd": (0xE003, 0xA000), "c.sw": (0xE003, 0xC000),
    "c.sd": (0xE003, 0xE000), "c.nop": (0xFFFF, 0x0001), "c.addi": (0xE003, 0x0001),
    "c.addiw": (0xE003, 0x2001), "c.li": (0xE003, 0x4001), "c.addi16sp": (0xEF83, 0x6101),
    "c.lui": (0xE003, 0x6001), "c.srli": (0xEC03, 0x8001), "c.srai": (0xEC03, 0x8401),
    "c.andi": (0xEC03, 0x8801), "c.sub": (0xFC63, 0x8C01), "c.xor": (0xFC63, 0x8C21),
    "c.or": (0xFC63, 0x8C41), "c.and": (0xFC63, 0x8C61), "c.subw": (0xFC63, 0x9C01),
    "c.addw": (0xFC63, 0x9C21), "c.j": (0xE003, 0xA001), "c.beqz": (0xE003, 0xC001),
    "c.bnez": (0xE003, 0xE001), "c.slli": (0xE003, 0x0002), "c.fldsp": (0xE003, 0x2002),
    "c.lwsp": (0xE003, 0x4002), "c.ldsp": (0xE003, 0x6002), "c.ebreak": (0xFFFF, 0x9002),
    "c.jr": (0xF07F, 0x8002), "c.mv": (0xF003, 0x8002), "c.jalr": (0xF07F, 0x9002),
    "c.add": (0xF003, 0x9002), "c.fsdsp": (0xE003, 0xA002), "c.swsp": (0xE003, 0xC002),
    "c.sdsp": (0xE003, 0xE002),
}  # fmt: skip


@pytest.fixture(scope="module")
def seen():
    """(decoded word, the instruction's 16 or 32 bits) of everything that was executed."""
    from tests.riscv.conftest import Rig

    words: set[tuple[int, int]] = set()

    def look(core) -> None:
        ram = core.ram.view(np.uint16)
        at = np.flatnonzero(core.code)
        both = ram[at].astype(np.int64) | ram[at + 1].astype(np.int64) << 16
        words.update(zip(core.code[at].tolist(), both.tolist(), strict=True))

    with pytest.MonkeyPatch.context() as patch:
        for program in PROGRAMS:
            forgets = program == "traps"
            patch.setattr("k210sim.riscv.machine.SLICE", 40 if forgets else 20_000)
            board = Rig(program, strict=False, compile_blocks=False)
            while not board.sent.endswith(b"end\n"):
                board.machine.step()
                if forgets:
                    look(board.machine.core)
            look(board.machine.core)
    return words


def test_every_operation_of_the_core(seen):
    done = {word & 255 for word, _ in seen}
    assert not {name for number, name in OPERATIONS.items() if number not in done}


def test_every_atomic_and_csr_instruction(seen):
    done = {(word & 255, word >> 32) for word, _ in seen if word & 255 in (op.AMO_W, op.AMO_D)}
    assert not {(name, width) for name, number in AMO.items()
                for width in (op.AMO_W, op.AMO_D) if (width, number) not in done}  # fmt: skip
    assert {word >> 25 & 7 for word, _ in seen if word & 255 == op.CSR} == {1, 2, 3, 5, 6, 7}


def test_every_floating_point_instruction_in_every_rounding_mode(seen):
    missing = set()
    bits = [raw for word, raw in seen if word & 255 == op.FLOAT]
    for name, (top, second, third) in FLOAT.items():
        for double in (0, 1):
            modes = {
                raw >> 12 & 7 for raw in bits
                if raw >> 27 == top and raw >> 25 & 3 == double
                and (second is None or raw >> 20 & 31 == second)
                and (third is None or raw >> 12 & 7 == third)
            }  # fmt: skip
            wanted = {0, 1, 2, 3, 4, 7} if name in ROUNDED else set()
            if not modes or wanted - modes:
                missing.add((name, "sd"[double], *(wanted - modes)))
    assert any(raw >> 25 == 0x20 and raw >> 20 & 31 == 1 for raw in bits)  # fcvt.s.d
    assert any(raw >> 25 == 0x21 and raw >> 20 & 31 == 0 for raw in bits)  # fcvt.d.s
    for name, major in FUSED.items():
        done = {(raw >> 25 & 3, raw >> 12 & 7) for word, raw in seen
                if word & 255 == op.FMADD and raw & 0x7F == major}  # fmt: skip
        wanted = {(double, mode) for double in (0, 1) for mode in (0, 1, 2, 3, 4, 7)}
        if wanted - done:
            missing.add((name, *(wanted - done)))
    assert not missing


def test_every_compressed_instruction(seen):
    short = {raw & 0xFFFF for word, raw in seen if not word & op.LONG and word & 255 != op.ILLEGAL}
    found = set()
    for half in short:
        found.add(next(n for n, (mask, value) in COMPRESSED.items() if half & mask == value))
    missing = set(COMPRESSED) - found
    assert not missing
