"""How many CPU clocks an instruction takes: a rational number, for all of them alike.

A Rocket core issues one instruction a clock at best; taken jumps, loads that are used at once,
divisions and cache misses cost more. What is published of the chip are times of MicroPython
programs, whose instructions are all mixed in about the same proportions (23 % loads, 13 % stores,
10 % branches, half of them taken, 5 % each of jal and jalr): they can tell the mean, and nothing
about single classes. So the mean is all that is modelled. docs/riscv.md has the fit and its
residuals; for programs of another kind (floating point, divisions) it is a guess.

Ref: bench/guest.py (programs and published times), docs/riscv.md.
"""

from __future__ import annotations

CLOCKS, INSTRUCTIONS = 7, 5  # so many clocks for so many instructions


def clocks(part: int, instructions: int) -> tuple[int, int]:
    """(whole clocks, rest) of some instructions, `part` being the rest from before."""
    return divmod(part + instructions * CLOCKS, INSTRUCTIONS)


def instructions_until(part: int, clocks: int) -> int:
    """The least number of instructions after which `clocks` have passed, at least 1."""
    return max(1, -((part - clocks * INSTRUCTIONS) // CLOCKS))
