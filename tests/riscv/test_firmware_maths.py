"""The maths library against the functions of the published v0.6.3 binary, called one by one.

The addresses are those of the binary with the SHA-256 that tests/riscv/test_firmware_devices.py
names: its `math` module's functions hold them.
"""

from __future__ import annotations

import numpy as np
import pytest

from k210sim import libm
from k210sim.clock import Clock
from k210sim.flash.nor import NorFlash
from k210sim.riscv import state as st
from tests.riscv.test_firmware import firmware
from tests.riscv.test_firmware_devices import RELEASES

pytestmark = pytest.mark.slow
GLOBAL_POINTER = 0x80204D30
FUNCTIONS = {
    "sin": (0x801099EA, -1e4, 1e4), "cos": (0x80108836, -9, 9), "tan": (0x80109A64, -9, 9),
    "asin": (0x80109F4C, -1, 1), "acos": (0x80109E08, -1, 1), "atan": (0x80108596, -9, 9),
    "exp": (0x8010A19C, -100, 90), "expm1": (0x801090DA, -9, 90), "log": (0x8010A42E, 0, 9),
    "log1p": (0x801094EE, -1, 3), "log10": (0x8010A4FE, 0, 99), "log2": (0x8010A5CE, 0, 99),
    "sinh": (0x8010A880, -90, 90), "cosh": (0x8010A0DE, -90, 90), "tanh": (0x80109AC0, -5, 5),
    "asinh": (0x8010847E, -9, 9), "acosh": (0x80109EBA, 1, 9), "atanh": (0x8010A002, -1, 1),
    "erf": (0x801088AC, -7, 7), "erfc": (0x80108CCE, -7, 9), "lgamma": (0x8010A33A, -9, 12),
    "gamma": (0x8010A9E4, -9, 12), "power": (0x8010A5E8, 0, 9), "atan2": (0x80109FFE, -9, 9),
}  # fmt: skip
# flw fa0, 0(s0); flw fa1, 4(s0); jalr s3; fsw fa0, 0(s1); addi s0, s0, 8; addi s1, s1, 4;
# addi s2, s2, -1; bnez s2, -28; sw s2 + 1 as done; j .
LOOP = (0x00042507, 0x00442587, 0x000980E7, 0x00A4A027, 0x00840413, 0x00448493, 0xFFF90913,
        0xFE0912E3, 0x00100293, 0x005A2023, 0x0000006F)  # fmt: skip
CODE, INPUT, OUTPUT, DONE, STACK = 0x80580000, 0x80590000, 0x805A0000, 0x805B0000, 0x80570000
COUNT = 3000


@pytest.fixture(scope="module")
def binary():
    return firmware(RELEASES["v0.6.3"])


def called(binary: bytes, address: int, arguments: np.ndarray) -> np.ndarray:
    """What a function gives for rows of two float32."""
    from k210sim.riscv.machine import Machine

    clock = Clock("virtual")
    machine = Machine(clock, NorFlash(clock), lambda data: None, lambda count: b"")
    machine.load(binary)
    machine.core.load(CODE, b"".join(word.to_bytes(4, "little") for word in LOOP))
    machine.core.load(INPUT, arguments.astype("<f4").tobytes())
    hart, other = machine.harts
    other.s[st.PC] = CODE + 4 * (len(LOOP) - 1)
    hart.s[st.PC] = CODE
    hart.s[st.MSTATUS] |= st.MSTATUS_FS
    for register, content in ((2, STACK), (3, GLOBAL_POINTER), (8, INPUT), (9, OUTPUT),
                              (18, len(arguments)), (19, address), (20, DONE)):  # fmt: skip
        hart.x[register] = content
    ram = machine.core.ram.view(np.uint8)
    for _ in range(20_000):
        if ram[DONE - st.RAM_BASE]:
            break
        machine.step()
    else:
        raise AssertionError(f"0x{address:x} did not return")
    at = OUTPUT - st.RAM_BASE
    return ram[at : at + 4 * len(arguments)].view("<f4").copy()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gives_the_binary_s_bits(binary, name):
    address, low, high = FUNCTIONS[name]
    random = np.random.default_rng(11)
    arguments = random.uniform(low, high, (COUNT, 2)).astype(np.float32)
    arguments[::3] = random.integers(0, 2**32, arguments[::3].shape, np.uint32).view(np.float32)
    got = called(binary, address, arguments)
    function = getattr(libm, name)
    taken = 2 if name in ("power", "atan2") else 1
    mine = np.array([function(*map(float, row[:taken])) for row in arguments], np.float32)
    same = (got.view(np.uint32) == mine.view(np.uint32)) | np.isnan(got) & np.isnan(mine)
    assert same.all(), (arguments[~same][:5], got[~same][:5], mine[~same][:5])
