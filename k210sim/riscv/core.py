"""Two harts and their RAM: what the compiled loop works on, and how the machine drives it."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass

import numpy as np

from k210sim.devices.bus import Bus
from k210sim.riscv import jit
from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.timing import clocks
from k210sim.saving import Saved

log = logging.getLogger("k210sim.riscv")

SPIN_LENGTH = 16  # longest loop looked for, in instructions
LOADS = {op.LB: 1, op.LH: 2, op.LW: 4, op.LD: 8, op.LBU: 1, op.LHU: 2, op.LWU: 4}
TWIN = st.TWIN_HIGH << 23
EDGES = 3  # where off may be behind RAM: an instruction of 2 or 4 bytes later, and AWAY
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


@dataclass(frozen=True)
class Spin:
    """A loop in which a hart cannot change anything by itself: it has come back to `pc` with the
    same registers by loads from RAM, sums and jumps only, so it will go on doing so until another
    hart or a device writes there, or an interrupt comes.

    words : (RAM offset, decoded instruction). loads : (RAM offset, bytes found there)
    """

    pc: int
    registers: bytes
    words: tuple[tuple[int, int], ...]
    loads: tuple[tuple[int, bytes], ...]


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
        self.spin: Spin | None = None
        self.next_probe = number  # see machine.SPIN_PROBE
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
        self.waiting, self.spin = False, None

    @property
    def pc(self) -> int:
        return int(self.s[st.PC]) & 0xFFFFFFFFFFFFFFFF

    def raise_interrupt(self, bit: int, level: bool) -> None:
        """Set or clear a bit of mip."""
        if level:
            self.state[st.MIP] |= bit
        else:
            self.state[st.MIP] &= ~bit

    def let_pass(self, instructions: int) -> None:
        """The time that some instructions take."""
        s = self.state
        whole, s[st.PART] = clocks(s[st.PART], instructions)
        s[st.CYCLE] += whole

    @property
    def stands(self) -> bool:
        """Whether it has nothing to do, and nothing calls it."""
        return (self.waiting or self.spin is not None) and not self.has_reason_to_wake

    @property
    def has_reason_to_wake(self) -> bool:
        return self.state[st.MIP] & self.state[st.MIE] != 0

    @property
    def interrupted(self) -> bool:
        """Whether the next instruction is an interrupt handler's."""
        return self.has_reason_to_wake and self.state[st.MSTATUS] & st.MSTATUS_MIE != 0


class Core:
    """RAM, decoded instructions and two harts.

    bus : the registers of devices, as `execute.run` sees them. compile_blocks : whether hot code is
    compiled (jit.py); what programs see is the same
    """

    def __init__(self, bus: Bus, compile_blocks: bool = False):
        self.execute = load_execute()
        self.ram = np.zeros(st.RAM_SIZE, np.int8)
        slots = st.RAM_SIZE // 2
        code = np.full(slots + EDGES, op.EDGE, np.int64)
        code[:slots] = 0
        self.code = code[:slots]
        self.pages = np.zeros(st.RAM_SIZE >> st.PAGE_SHIFT, np.uint8)
        self.entries = jit.new_entries()
        self.harts = [Hart(0), Hart(1)]
        for hart in self.harts:
            hart.all[st.CODE_AT] = self.code.ctypes.data
            hart.all[st.ENTRIES_AT] = self.entries.ctypes.data
        memory = (
            self.ram, self.ram.view(np.int16), self.ram.view(np.int32), self.ram.view(np.int64),
            code, self.pages, bus.regs, bus.flags, bus.page_of,
            bus.rows, self.entries,
        )  # fmt: skip
        self._arguments = [
            (h.s, h.x, h.f, h.f.view(np.float64), h.f.view(np.float32), *memory)
            for h in self.harts
        ]
        self._safe = frozenset(op.SPIN_SAFE)
        self._bytes = memoryview(self.ram.view(np.uint8))
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

    def find_spin(self, hart: Hart) -> Spin | None:
        """The loop in which a hart spins, if it does. Executes up to SPIN_LENGTH instructions."""
        x, s = hart.x, hart.state
        registers, at = x[:32].tobytes(), s[st.PC]
        words, loads = [], []
        for _ in range(SPIN_LENGTH):
            off = s[st.PC] & (st.RAM_SIZE - 1)
            word = jit.original(self.code, self.entries, off)
            if word & 255 not in self._safe or hart.interrupted:
                return None
            size = LOADS.get(word & 255)
            if size:
                address = int(x[word >> 14 & 31]) + (word >> 32)
                if (address - TWIN) & ~(st.RAM_BASE - TWIN | st.RAM_SIZE - size):
                    return None
                address &= st.RAM_SIZE - 1
                loads.append((address, self._bytes[address : address + size].tobytes()))
            words.append((off, word))
            if self.run(hart, 1) != st.DONE:
                return None
            if s[st.PC] == at and registers == x[:32].tobytes():
                return Spin(at, registers, tuple(words), tuple(loads))
        return None

    def still_spins(self, hart: Hart) -> bool:
        """Whether a hart that was left in `hart.spin` would only go on with it."""
        spin = hart.spin
        return (
            hart.state[st.PC] == spin.pc
            and all(self._bytes[at : at + len(got)] == got for at, got in spin.loads)
            and not hart.interrupted
            and hart.x[:32].tobytes() == spin.registers
            and all(jit.original(self.code, self.entries, at) == w for at, w in spin.words)
        )
