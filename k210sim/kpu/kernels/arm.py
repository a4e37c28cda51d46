"""What an AArch64 host offers, without a library, and the instructions of its two kernel sets.

Ref: Linux Documentation/arch/arm64/elf_hwcaps.rst (HWCAP_ASIMDDP, bit 20) and uapi/linux/auxvec.h
(AT_HWCAP 16). Plain NEON belongs to every AArch64 processor; every Apple one of that architecture
has the dot products too. LLVM's own list is not asked: it reads /proc/cpuinfo, which need not
describe the processor a program runs on (an emulator shows its host's).
"""

from __future__ import annotations

import platform
import struct
import sys
from pathlib import Path

AT_HWCAP, ASIMDDP = 16, 1 << 20
# Four 32-bit sums of four, or of two, products each. The directive lets the assembler take the
# instruction whatever processor LLVM believes this is.
UDOT = ".arch_extension dotprod\n\tudot $0.4s, $2.16b, $3.16b"
PAIRS = "mul v31.8h, $2.8h, $3.8h\n\tuadalp $0.4s, v31.8h"


def neon() -> bool:
    """Whether this is an AArch64 host and numba compiles for it."""
    import numba

    return platform.machine() in ("aarch64", "arm64") and not numba.config.DISABLE_JIT


def dot_product() -> bool:
    """Whether it has UDOT, the byte dot products of ARMv8.2."""
    return neon() and (sys.platform == "darwin" or bool(hwcap() & ASIMDDP))


def hwcap(auxv: bytes | None = None) -> int:
    """The processor's feature bits from the auxiliary vector of this process; 0 if unknown."""
    if auxv is None:
        try:
            auxv = Path("/proc/self/auxv").read_bytes()
        except OSError:
            return 0
    whole = len(auxv) // 16 * 16
    return dict(struct.iter_unpack("=QQ", auxv[:whole])).get(AT_HWCAP, 0)
