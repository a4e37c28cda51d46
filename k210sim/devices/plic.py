"""PLIC: which interrupt of a device reaches which hart.

Ref: kendryte-standalone-sdk lib/drivers/include/plic.h; SiFive's description of the PLIC. Contexts
0 and 2 are the machine modes of harts 0 and 1; the others exist but interrupt nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.devices.device import Device, Register

SOURCES = 66  # 0 is none
CONTEXTS = 4
EXTERNAL = 1 << 11


class Plic(Device):
    """raise_interrupt(hart, bit, level).

    `line(source)` gives a device its interrupt line, `pulse(source)` is for one that only says when
    something happens: such an interrupt is pending until it is claimed.
    """

    NAME = "PLIC"
    SIZE = 0x204000
    REGISTERS = (
        Register(0x000000, "priority", count=SOURCES),
        Register(0x001000, "pending", count=3, read_only=True),
        *(Register(0x002000 + 0x80 * c, f"enable{c}", count=3) for c in range(CONTEXTS)),
        *(Register(0x200000 + 0x1000 * c, f"threshold{c}") for c in range(CONTEXTS)),
        *(Register(0x200004 + 0x1000 * c, f"claim{c}") for c in range(CONTEXTS)),
    )
    PAGES = (0, 1, 2, 0x200, 0x201, 0x202, 0x203)

    def __init__(self, raise_interrupt: Callable[[int, int, bool], None]):
        self._raise = raise_interrupt
        self._levels = 0
        self._claimed = self._pulses = 0
        for context in range(CONTEXTS):
            self._bind(context)
        super().__init__()
        self.reset()

    def _bind(self, context: int) -> None:
        setattr(self, f"read_claim{context}", lambda: self._claim(context))
        setattr(self, f"write_claim{context}", lambda source: self._complete(source))
        setattr(self, f"write_enable{context}",
                lambda index, value: self._store(0x2000 + 0x80 * context + 4 * index, value))
        setattr(self, f"write_threshold{context}",
                lambda value: self._store(0x200000 + 0x1000 * context, value & 7))  # fmt: skip

    def write_priority(self, source: int, value: int) -> None:
        self._store(4 * source, value & 7)

    def reset(self) -> None:
        super().reset()
        self._levels = self._claimed = self._pulses = 0
        self.update()

    def line(self, source: int) -> Callable[[bool], None]:
        def irq(level: bool) -> None:
            bit = 1 << source
            before = self._levels
            self._levels = before | bit if level else before & ~bit
            if before != self._levels:
                self.update()

        return irq

    def pulse(self, source: int) -> None:
        """An interrupt that nobody takes back."""
        self._levels |= 1 << source
        self._pulses |= 1 << source
        self.update()

    def read_pending(self, index: int) -> int:
        return (self._levels & ~self._claimed) >> 32 * index & 0xFFFFFFFF

    def _store(self, offset: int, value: int) -> None:
        self._put(offset, 4, value)
        self.update()

    def _best(self, context: int) -> int:
        """The pending source of highest priority for a context; of equals the lowest number."""
        best, least = 0, self._take(0x200000 + 0x1000 * context, 4)
        pending = self._levels & ~self._claimed
        while pending:
            source = (pending & -pending).bit_length() - 1
            pending &= pending - 1
            enabled = self._take(0x2000 + 0x80 * context + 4 * (source // 32), 4)
            if enabled >> source % 32 & 1 and self._take(4 * source, 4) > least:
                best, least = source, self._take(4 * source, 4)
        return best

    def _claim(self, context: int) -> int:
        source = self._best(context)
        self._claimed |= 1 << source & ~1
        self._levels &= ~(self._pulses & 1 << source)
        self._pulses &= ~(1 << source)
        self.update()
        return source

    def _complete(self, source: int) -> None:
        self._claimed &= ~(1 << (source & 0x7F))
        self.update()

    def update(self) -> None:
        for hart in range(2):
            self._raise(hart, EXTERNAL, self._best(2 * hart) != 0)
