"""Whether bytes look like a program: follows the first instructions as the chip would go."""

from __future__ import annotations

from collections.abc import Callable

from k210sim.riscv import opcodes as op

INSTRUCTIONS = 32  # random bytes pass one in about two out of three times, this many never


def looks_like_code(
    payload: bytes | memoryview, unwanted: Callable[[], bool] = lambda: False
) -> bool:
    """Whether the first instructions from the start of `payload` on are ones, jumps followed.

    A branch counts as not taken, and a program that ends within them (in an endless loop, or with
    a jump to an address that it has made) is one. Instructions outside of `payload` count as none.
    """
    import ctypes

    from k210sim.riscv import compiled

    number = ctypes.c_int64
    decoded_of = ctypes.CFUNCTYPE(number, number)(compiled.functions(unwanted).instruction)
    at, seen = 0, set()
    known: set[int] = set()  # registers that hold an address made here
    for _ in range(INSTRUCTIONS):
        word = int.from_bytes(payload[at : at + 4], "little")
        if at in seen:
            return True
        seen.add(at)
        length = 4 if word & 3 == 3 else 2
        if at + length > len(payload):
            return False
        decoded = decoded_of(word)
        code = decoded & 255
        if code in (0, op.ILLEGAL):
            return False
        if code == op.JALR:
            return decoded >> 14 & 31 in known
        if code in (op.LUI, op.AUIPC, op.JAL):
            known.add(decoded >> 8 & 63)
        at += decoded >> 32 if code == op.JAL else length
        if at < 0:
            return False
    return True
