"""Two harts and their RAM: what the compiled loop works on, and how the machine drives it."""

from __future__ import annotations

import logging
import sys
import time

import numpy as np

from k210sim.devices.bus import Bus
from k210sim.riscv import jit
from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.saving import Saved

log = logging.getLogger("k210sim.riscv")

SPIN_LENGTH = 16  # longest loop looked for, in instructions
_loaded = False


def load_execute():
    """The module of compiled loops; says on stderr when it has to be compiled first."""
    global _loaded
    if not _loaded:
        started = time.monotonic()
        _say_if_cold()
        from k210sim.riscv import execute

        _loaded = True
        took = time.monotonic() - started
        if took > 5:
            print(f"k210sim: RISC-V core compiled in {took:.0f} s", file=sys.stderr)
    from k210sim.riscv import execute

    return execute


def _say_if_cold() -> None:
    from pathlib import Path

    import numba

    folder = Path(__file__).parent
    cache = Path(numba.config.CACHE_DIR) if numba.config.CACHE_DIR else folder / "__pycache__"
    if not any(cache.rglob("execute.run-*.nbi")):
        print("k210sim: compiling the RISC-V core (once, half a minute)", file=sys.stderr)


class Hart(Saved):
    """Registers and state of one hart."""

    def __init__(self, number: int):
        self.number = number
        self.all = np.zeros(st.HART_SIZE, np.int64)
        self.x = self.all[st.X_AT : st.F_AT]  # see execute.py
        self.f = self.all[st.F_AT : st.S_AT]
        self.s = self.all[st.S_AT : st.CODE_AT]
        self.state = memoryview(self.s)  # the same, faster for single values
        self.waiting = False
        self.spinning = False
        self.reset()

    def reset(self) -> None:
        """As after the boot ROM: at the start of RAM, interrupts off."""
        for array in (self.x, self.f, self.s):
            array[:] = 0
        self.s[st.PC] = st.RAM_BASE
        self.s[st.MTVEC] = st.RAM_BASE
        self.s[st.MSTATUS] = st.MSTATUS_MPP
        self.s[st.HARTID] = self.number
        self.s[st.RESERVED] = -1
        self.waiting = self.spinning = False

    @property
    def pc(self) -> int:
        return int(self.s[st.PC]) & 0xFFFFFFFFFFFFFFFF

    def raise_interrupt(self, bit: int, level: bool) -> None:
        """Set or clear a bit of mip."""
        if level:
            self.s[st.MIP] |= bit
        else:
            self.s[st.MIP] &= ~bit

    @property
    def has_reason_to_wake(self) -> bool:
        return bool(self.s[st.MIP] & self.s[st.MIE])


class Core:
    """RAM, decoded instructions and two harts.

    bus : the registers of devices, as `execute.run` sees them. compile_blocks : whether hot code is
    compiled (jit.py); what programs see is the same
    """

    def __init__(self, bus: Bus, compile_blocks: bool = False):
        self.execute = load_execute()
        self.ram = np.zeros(st.RAM_SIZE, np.int8)
        self.code = np.zeros(st.RAM_SIZE // 2, np.int64)
        self.pages = np.zeros(st.RAM_SIZE >> st.PAGE_SHIFT, np.uint8)
        self.entries = jit.new_entries()
        self.harts = [Hart(0), Hart(1)]
        for hart in self.harts:
            hart.all[st.CODE_AT] = self.code.ctypes.data
            hart.all[st.ENTRIES_AT] = self.entries.ctypes.data
        memory = (
            self.ram, self.ram.view(np.int16), self.ram.view(np.int32), self.ram.view(np.int64),
            self.code, self.pages, bus.regs, bus.flags, bus.page_of,
            bus.rows, self.entries,
        )  # fmt: skip
        self._arguments = [
            (h.s, h.x, h.f, h.f.view(np.float64), h.f.view(np.float32), *memory)
            for h in self.harts
        ]
        self._safe = frozenset(op.SPIN_SAFE)
        self.jit = self._make_jit() if compile_blocks else None

    def _make_jit(self) -> jit.Jit | None:
        try:
            return jit.Jit(self.code, self.entries)
        except RuntimeError as error:
            log.warning("no block compiler, the interpreter does all: %s", error)
            return None

    def reset(self) -> None:
        """Harts as after the boot ROM; RAM keeps its bytes."""
        for hart in self.harts:
            hart.reset()
        self.execute.forget(self.code, self.pages)

    def save_state(self) -> dict:
        """Harts, decoded instructions (code that was written over without fence.i stays what it
        was) and RAM but for the AI RAM, which is the KPU's to save."""
        decoded = np.flatnonzero(self.code)
        words = jit.originals(self.code[decoded], self.entries)
        return {
            "harts": [hart.save_state() for hart in self.harts],
            "ram": self.ram[: st.AI_RAM_AT].tobytes(),
            "decoded": (decoded.astype(np.int32), words),
            "pages": self.pages.tobytes(),
        }

    def load_state(self, state: dict) -> None:
        for hart, kept in zip(self.harts, state["harts"], strict=True):
            hart.load_state(kept)
        self.ram[: st.AI_RAM_AT] = np.frombuffer(state["ram"], np.int8)
        self.execute.forget(self.code, self.pages)
        at, words = state["decoded"]
        self.code[at] = words
        self.pages[:] = np.frombuffer(state["pages"], np.uint8)

    def load(self, address: int, data: bytes) -> None:
        """Put bytes into RAM. Raises ValueError outside it."""
        off = address - st.RAM_BASE
        if off < 0 or off + len(data) > st.RAM_SIZE:
            raise ValueError(f"0x{address:08x}, {len(data)} bytes: outside of RAM")
        self.ram[off : off + len(data)] = np.frombuffer(data, np.int8)

    def run(self, hart: Hart, budget: int) -> int:
        """Let a hart execute; see execute.run."""
        return self.execute.run(budget, *self._arguments[hart.number])

    def find_spin(self, hart: Hart) -> bool:
        """Whether a hart goes round in a short loop that cannot change anything by itself.

        It must come back to the same place with the same registers by loads, sums and jumps only:
        then it will go on doing so until another hart or a device writes to RAM. Executes up to
        SPIN_LENGTH instructions; the hart is left where they lead.
        """
        before, at = hart.x.copy(), int(hart.s[st.PC])
        for _ in range(SPIN_LENGTH):
            off = int(hart.s[st.PC]) & (st.RAM_SIZE - 1)
            if jit.original(self.code, self.entries, off) & 255 not in self._safe:
                return False
            traps = hart.s[st.TRAPS]
            if self.run(hart, 1) != st.DONE or hart.s[st.TRAPS] != traps:
                return False
            if hart.s[st.PC] == at and np.array_equal(before[:32], hart.x[:32]):
                return True
        return False
