"""Two harts and their RAM: what the compiled loop works on, and how the machine drives it."""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass, replace

import numpy as np

from k210sim.devices.bus import Bus
from k210sim.errors import InternalError
from k210sim.riscv import compiled, core_object, jit
from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.timing import clocks
from k210sim.saving import Saved

log = logging.getLogger("k210sim.riscv")



@dataclass(frozen=True)
class Spin:
    """A loop in which a hart only waits: each round leaves registers and RAM as they were, so it
    will go on until another hart or a device writes what it looks at, or an interrupt comes.

    pc : where the hart stands in it. length : instructions of a round, `traps` of them taken.
    places, values : the 64-bit words of RAM that it touches (numbers, int64), and what is there.
    mip : when it stood here last. lowest, highest : of its program counters
    """

    pc: int
    length: int
    traps: int
    mip: int
    lowest: int
    highest: int
    places: bytes
    values: bytes


class Hart(Saved):
    """Registers and state of one hart."""

    NOT_SAVED = frozenset({"address"})

    def __init__(self, number: int):
        self.number = number
        self.all = np.zeros(st.HART_SIZE, np.int64)
        self.address = self.all.ctypes.data  # on the host
        self.x = self.all[st.X_AT : st.F_AT]  # see execute.py
        self.f = self.all[st.F_AT : st.S_AT]
        self.s = self.all[st.S_AT : st.S_AT + st.SIZE]
        self.state = memoryview(self.s)  # the same, faster for single values
        self.waiting = False
        self.spin: Spin | None = None
        self.left: Spin | None = None  # the loop that it was in not long ago
        self.left_until = 0  # slice, see machine.py
        self.next_probe = number  # see machine.SPIN_PROBE
        self.probes = self.skipped = 0  # instructions, the second
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
        self.waiting, self.spin, self.left = False, None, None

    def save_state(self) -> dict:
        state = super().save_state()
        state["all"][st.RAM_AT :] = 0  # where this process has its tables means nothing elsewhere
        state["all"][st.X_AT + 32 : st.F_AT] = 0  # what only the interpreter writes to x0
        return state

    def load_state(self, state: dict) -> None:
        tables = self.all[st.RAM_AT :].copy()
        super().load_state(state)
        self.all[st.RAM_AT :] = tables

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

    def skip(self, spin: Spin, rounds: int) -> None:
        """So many rounds of a loop that leave all as it is."""
        instructions = rounds * spin.length
        self.let_pass(instructions)
        self.state[st.INSTRET] += instructions
        self.state[st.TRAPS] += rounds * spin.traps
        self.skipped += instructions

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
        functions = compiled.functions()
        self.ram = np.zeros(st.RAM_SIZE, np.int8)
        slots = st.RAM_SIZE // 2
        code = np.zeros(slots + st.EDGES, np.int64)
        code[slots:] = op.EDGE
        self.code = code[:slots]
        self.pages = np.zeros(st.RAM_SIZE >> st.PAGE_SHIFT, np.uint8)
        self._seen = np.zeros(slots, np.int16)
        self._stale = np.zeros(st.MOST_STALE, np.int64)
        self.entries = jit.new_entries()
        self.harts = [Hart(0), Hart(1)]
        places = {
            st.RAM_AT: self.ram, st.CODE_AT: code, st.SEEN_AT: self._seen, st.PAGES_AT: self.pages,
            st.ENTRIES_AT: self.entries, st.STALE_AT: self._stale, st.REGS_AT: bus.regs,
            st.FLAGS_AT: bus.flags, st.PAGE_OF_AT: bus.page_of, st.ROWS_AT: bus.rows,
        }  # fmt: skip
        for hart in self.harts:
            for at, array in places.items():
                hart.all[at] = array.ctypes.data
            hart.all[st.ACCESS_AT] = functions.access
        self._bus = bus  # its arrays must stay
        self._enter = _function(functions.run, 2)
        self._find, self._run_at = _function(functions.find, 4), functions.run
        self._words = self.ram.view(np.int64)
        self._found = np.zeros(st.SPIN_SIZE, np.int64)
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
        self.forget_code()

    def forget_code(self) -> None:
        """Forget every decoded instruction, and what was compiled of them."""
        self._end_spins()
        if self.jit:
            self.jit.clear()
        by_page = self.code.reshape(len(self.pages), -1)
        by_page[self.pages != st.NO_CODE] = 0
        self.pages[:] = st.NO_CODE

    def _end_spins(self) -> None:
        """Other instructions may be in a loop where a hart waits."""
        for hart in self.harts:
            hart.spin = hart.left = None

    def save_state(self) -> dict:
        """Harts, decoded instructions (code that was written over without fence.i stays what it
        was) and RAM but for the AI RAM, which is the KPU's to save."""
        decoded = np.flatnonzero(self.code)
        words = jit.originals(self.code[decoded], self.entries) & ~op.DEVICE
        return {
            "harts": [hart.save_state() for hart in self.harts],
            "ram": self.ram[: st.AI_RAM_AT].tobytes(),
            "decoded": (decoded.astype(np.int32), words),
            "pages": (self.pages != st.NO_CODE).tobytes(),
        }

    def load_state(self, state: dict) -> None:
        """Raises ValueError when what stands for decoded instructions are none."""
        if (state["decoded"][1] & 255 >= op.BLOCK).any():
            raise ValueError("decoded instructions that are none")
        self.ram[: st.AI_RAM_AT] = np.frombuffer(state["ram"], np.int8)
        self.forget_code()
        for hart, kept in zip(self.harts, state["harts"], strict=True):
            hart.load_state(kept)
        at, words = state["decoded"]
        self.code[at] = words
        decoded = np.frombuffer(state["pages"], np.bool_)
        self.pages[decoded] = st.MIXED

    def load(self, address: int, data: bytes) -> None:
        """Put bytes into RAM. Raises ValueError outside it."""
        off = address - st.RAM_BASE
        if off < 0 or off + len(data) > st.RAM_SIZE:
            raise ValueError(f"0x{address:08x}, {len(data)} bytes: outside of RAM")
        self.ram[off : off + len(data)] = np.frombuffer(data, np.int8)

    def run(self, hart: Hart, budget: int) -> int:
        """Let a hart execute; see execute.run. DONE, LOAD, STORE or WAIT."""
        status = self._enter(budget, hart.address)
        return status if 0 <= status < st.FENCED else self._run_on(hart, budget, status)

    def _run_on(self, hart: Hart, budget: int, status: int) -> int:
        """After a fence.i that has found instructions written over."""
        s, done = hart.state, 0
        while status == st.FENCED:
            self._forget_stale(s[st.EXIT_VALUE])
            done += s[st.EXECUTED]
            if done == budget:
                s[st.EXECUTED] = 0
                status = st.DONE
            else:
                status = self._enter(budget - done, hart.address)
        if status == core_object.ERROR:
            raise InternalError(f"the compiled core failed (pc 0x{hart.pc:08x})")
        s[st.EXECUTED] += done
        return status

    def _forget_stale(self, count: int) -> None:
        """Forget the decoded instructions that RAM does not hold any more; see execute.fence."""
        if count > st.MOST_STALE:
            self.forget_code()
            return
        self._end_spins()
        stale = self._stale[:count]
        if self.jit:
            self.jit.forget(stale)
        self.code[stale] = 0

    def find_spin(self, hart: Hart, longest: int) -> Spin | None:
        """The loop of up to `longest` instructions in which a hart only waits, if it is in one.
        Executes up to so many."""
        if hart.has_reason_to_wake:
            return None
        found = self._found
        if not self._find(longest, self._run_at, hart.address, found.ctypes.data):
            return None
        places = found[st.SPIN_PLACES_AT :][: found[st.SPIN_PLACES]]
        return Spin(
            pc=int(found[st.SPIN_PC]), length=int(found[st.SPIN_LENGTH]),
            traps=int(found[st.SPIN_TRAPS]), mip=hart.state[st.MIP],
            lowest=int(found[st.SPIN_LOWEST]), highest=int(found[st.SPIN_HIGHEST]),
            places=places.tobytes(), values=self._words[places].tobytes(),
        )  # fmt: skip

    def still_spins(self, hart: Hart) -> bool:
        """Whether a hart that was left in `hart.spin` would only go on with it."""
        spin = hart.spin
        return (
            hart.state[st.PC] == spin.pc
            and hart.state[st.MIP] == spin.mip
            and not hart.has_reason_to_wake
            and self._words[np.frombuffer(spin.places, np.int64)].tobytes() == spin.values
        )

    def stands_elsewhere(self, hart: Hart) -> None:
        """A hart has gone on with part of a round of `hart.spin`."""
        spin, s = hart.spin, hart.state
        values = self._words[np.frombuffer(spin.places, np.int64)].tobytes()
        hart.spin = replace(spin, pc=s[st.PC], mip=s[st.MIP], values=values)


def _function(address: int, arguments: int):
    """A compiled function of int64 numbers; Python's lock is free while it works."""
    return ctypes.CFUNCTYPE(*[ctypes.c_int64] * (1 + arguments))(address)
