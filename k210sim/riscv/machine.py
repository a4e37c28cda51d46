"""The K210 around the two harts: time, and who runs when.

Time: an instruction takes the clocks that timing.py says, on its hart, and a hart that waits or
spins lets the time pass. Both harts run in turns of the same number of instructions, so a run is
the same every time. Turns grow while one of the harts has nothing to do, for nobody waits for the
other then; the one that runs goes first, and an access to a device brings the end near again: what
it has set going, or whom it has woken, must not wait long. What a device charges to the clock
(flash, serial port) is time in which both harts stand still.

What lies at which address is in memory_map.py.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from k210sim.clock import Clock
from k210sim.devices.bus import Bus
from k210sim.devices.sysctl import BY_PIN, CRYSTAL_HZ
from k210sim.flash.nor import NorFlash
from k210sim.riscv import jit
from k210sim.riscv import state as st
from k210sim.riscv.core import Core, Hart
from k210sim.riscv.memory_map import Chip, Hooks, Parts
from k210sim.riscv.timing import clocks, instructions_until
from k210sim.saving import Saved

SLICE = 20_000  # instructions a hart runs before the other one gets its turn
LONGEST = 5 * SLICE  # and while the other one has nothing to do: up to 0.35 ms
IDLE = 50 * SLICE  # and while both have nothing to do, at the real pace
SPIN_PROBE = 16  # every how many slices a hart is looked at for spinning, and no shorter turns
SPIN_LENGTH = 32  # longest loop looked for, in instructions
LONG_SPIN, LONG_PROBE = 1024, 4  # and at every so many of these looks
LOOK_BACK = 2000  # instructions after which a hart that has left such a loop is looked at again
LEFT = 4 * SPIN_PROBE  # slices in which it is


class Machine(Saved):
    """A K210 with its flash chip.

    send(data), receive(n) : the serial port. on_reset() : loads the image again after a reset that
    the program or a watchdog asked for. strict : an access nobody modelled is a DeviceError.
    compile_blocks : compile hot code (jit.py); by default as K210SIM_JIT says. connected : what
    else is connected, see memory_map.Parts
    """

    NOT_SAVED = frozenset({"strict", "_started", "_before"})

    def __init__(
        self,
        clock: Clock,
        flash: NorFlash,
        send: Callable[[bytes], None],
        receive: Callable[[int], bytes],
        *,
        on_reset: Callable[[], None] = lambda: None,
        strict: bool = False,
        compile_blocks: bool | None = None,
        **connected: Any,
    ):
        self.clock, self.strict = clock, strict
        self._on_reset = on_reset
        self._started = time.monotonic()
        self._before = 0  # instructions that another machine had executed, see load_state
        self.cycles = 0
        self.mmio = 0  # accesses that Python served
        self.reset_wanted = 0  # the cause, see sysctl.py
        self._running: Hart | None = None
        self._part = 0  # of the clock that has begun
        self._into_turn = 0  # instructions
        self._slices = 0  # begun; a long turn has several
        self._longest = SLICE  # turn, see LONGEST
        self._base_ns, self._base_cycles, self._hz = clock.now_ns, 0, CRYSTAL_HZ
        self.bus = Bus()
        self.core = Core(self.bus, jit.wanted() if compile_blocks is None else compile_blocks)
        self.harts = self.core.harts
        parts = Parts(flash, send, receive, **connected)
        hooks = Hooks(
            self._raise, self._is_raised, self._cycles_now, self._clock_changed, self._want_reset,
            self._pc,
        )  # fmt: skip
        self.chip = chip = Chip(self.bus, clock, self.core.ram.view(np.uint8), parts, hooks,
                                strict=strict)  # fmt: skip
        self.clint, self.plic, self.uarths = chip.clint, chip.plic, chip.uarths
        self.dmac, self.sysctl, self.kpu = chip.dmac, chip.sysctl, chip.kpu
        self.flash_commands = chip.flash_commands
        self.reset()

    def reset(self, cause: int = BY_PIN) -> None:
        """Everything but RAM, flash and the time, as after the boot ROM."""
        self.chip.reset()
        self.sysctl.note_reset(cause)
        self.core.reset()
        self.reset_wanted = 0
        self._clock_changed()

    def load(self, payload: bytes) -> None:
        """Put a firmware image where the boot ROM does."""
        self.core.load(st.RAM_BASE, payload)
        if self.core.jit:
            self.core.jit.use_program(hashlib.sha256(payload).hexdigest()[:16])

    def save_state(self) -> dict[str, Any]:
        """Everything between two turns, but for what is connected to the chip."""
        return {
            "machine": super().save_state(),
            "clock_ns": self.clock.now_ns,
            "core": self.core.save_state(),
            "bus": self.bus.save_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a saved state: the same instructions at the same times."""
        super().load_state(state["machine"])
        self.clock.now_ns = state["clock_ns"]
        self.bus.load_state(state["bus"])
        self.core.load_state(state["core"])
        self._before, self._started = self._executed(), time.monotonic()

    # --- running --------------------------------------------------------------------------------

    def step(self) -> bool:
        """One turn of each hart and the time for it; False when both wait and nothing is due."""
        if all(hart.waiting and not hart.has_reason_to_wake for hart in self.harts):
            due = self._due_cycle()
            slept = max(1, due - self.cycles) if due is not None else 0
            self._stand(slept)
        else:
            length = self._turns()
            whole, self._part = clocks(self._part, length)
            self.cycles += whole
            slept = None
        self._sync_clock()
        self.chip.poll()
        due = self.clint.next_cycle
        if due is not None and self.cycles >= due:
            self.clint.update()
        if self.reset_wanted:
            self.reset(self.reset_wanted)
            self._on_reset()
        return slept != 0

    def _due_cycle(self) -> int | None:
        """The clock at which something falls due, or None."""
        due, alarm = self.clint.next_cycle, self.clock.next_alarm_ns()
        if alarm is None:
            return due
        at = self._cycle_at(alarm)
        return at if due is None else min(at, due)

    def _turn_length(self) -> int:
        """Instructions until something falls due, at most `_longest`."""
        due = self._due_cycle()
        if due is None:
            return self._longest
        return min(self._longest, instructions_until(self._part, due - self.cycles))

    def _turns(self) -> int:
        """One turn of each hart; how many instructions it took."""
        first, second = self.harts
        most = SLICE
        if first.stands or second.stands:
            most = LONGEST
            if self.clock.mode == "real" and first.stands and second.stands:
                most = IDLE
        self._longest = min(self._longest, most)
        length = self._turn_length()
        if length > SLICE and first.stands:
            first, second = second, first
        length = self._run(first, length, may_end=length > SLICE)
        self._run(second, length)
        self._longest *= 2
        self._slices += max(1, length // SLICE)
        return length

    def _stand(self, cycles: int) -> None:
        """Both harts stand still for so many clocks."""
        self.cycles += cycles
        for hart in self.harts:
            hart.state[st.CYCLE] += cycles

    def _run(self, hart: Hart, length: int, may_end: bool = False) -> int:
        """One turn; its instructions. may_end : sooner than `length` when a device was used"""
        s = hart.state
        if hart.waiting:
            if not hart.has_reason_to_wake:
                hart.let_pass(length)
                return length
            hart.waiting = False
        s[st.RESERVED] = -1
        self._running, self._into_turn = hart, 0
        left = length - self._look_at_spin(hart, length)
        while left > 0:
            if hart.spin is not None:
                rounds, left = divmod(left, hart.spin.length)
                hart.skip(hart.spin, rounds)
                self._into_turn = length - left
                if not left:
                    break
            piece = left if hart.left is None else min(left, LOOK_BACK)
            status = self.core.run(hart, piece)
            left -= s[st.EXECUTED]
            self._into_turn = length - left
            if status == st.WAIT:
                hart.waiting = True
                hart.let_pass(left)
                break
            if status != st.DONE:
                hart.spin = None
                self._serve(hart, status)
                left -= 1
                if self.reset_wanted:
                    break
                if may_end and left > 0:
                    soon = min(left, SLICE, max(1, self._turn_length() - self._into_turn))
                    length, left = length - left + soon, soon
            elif hart.spin is not None:
                self.core.stands_elsewhere(hart)
            elif left > 0:
                loop = hart.left  # a fence.i may have ended it
                if loop is not None and loop.lowest <= s[st.PC] <= loop.highest:
                    left -= self._find_spin(hart, min(left, loop.length))
            elif self.core.jit:
                self.core.jit.sample(s[st.PC])
        self._running = None
        return length

    def _look_at_spin(self, hart: Hart, length: int) -> int:
        """At the beginning of a turn: whether a hart only waits. Instructions executed for that."""
        if hart.spin is not None:
            if self.core.still_spins(hart):
                return 0
            hart.left, hart.spin = hart.spin, None
            hart.left_until = self._slices + LEFT
        elif hart.left is not None and self._slices >= hart.left_until:
            hart.left = None
        if length <= SPIN_PROBE or self._slices < hart.next_probe:
            return 0
        hart.next_probe = self._slices + SPIN_PROBE
        hart.probes += 1
        longest = SPIN_LENGTH if hart.probes % LONG_PROBE else LONG_SPIN
        return self._find_spin(hart, min(longest, length))

    def _find_spin(self, hart: Hart, longest: int) -> int:
        """Look whether a hart only waits; instructions executed for that."""
        before = hart.state[st.INSTRET]
        hart.spin = self.core.find_spin(hart, longest)
        if hart.spin is not None:
            hart.left = None
        return hart.state[st.INSTRET] - before

    def _serve(self, hart: Hart, status: int) -> None:
        """A load or store that a device answers."""
        s = hart.state
        self.mmio += 1
        self._sync_clock()
        size, rd = s[st.EXIT_SIZE], s[st.EXIT_RD]
        device, offset = self.bus.at(s[st.EXIT_ADDRESS])
        if status == st.STORE:
            device.write(offset, size, s[st.EXIT_VALUE])
        else:
            value = device.read(offset, size)
            if rd >= 64:
                value |= -1 << 32 if size == 4 else 0
                hart.f[rd & 31] = _signed(value, 64)
            elif s[st.EXIT_UNSIGNED]:
                hart.x[rd] = value
            else:
                hart.x[rd] = _signed(value, 8 * size)
        s[st.PC] += s[st.EXIT_LENGTH]
        s[st.INSTRET] += 1
        hart.let_pass(1)
        self._into_turn += 1

    def statistics(self) -> dict:
        """Figures of the run so far; MIPS are of both harts, over all the wall time since start.
        What a hart would have executed while it only waits is not counted."""
        executed = self._executed()
        seconds = max(1e-9, time.monotonic() - self._started)
        return {
            "instructions": executed,
            "mips": (executed - self._before) / seconds / 1e6,
            "register accesses served in Python": self.mmio,
            "traps": sum(int(hart.s[st.TRAPS]) for hart in self.harts),
            "cpu_hz": self._hz,
        }

    def _executed(self) -> int:
        return sum(int(hart.s[st.INSTRET]) - hart.skipped for hart in self.harts)

    # --- time -----------------------------------------------------------------------------------

    def _cycles_now(self) -> int:
        if self._running is None:
            return self.cycles
        return self.cycles + clocks(self._part, self._into_turn)[0]

    def _cycle_at(self, ns: int) -> int:
        """The clock count at a time (rounded up)."""
        return self._base_cycles - -(ns - self._base_ns) * self._hz // 1_000_000_000

    def _ns_at(self, cycle: int) -> int:
        return self._base_ns + (cycle - self._base_cycles) * 1_000_000_000 // self._hz

    def _sync_clock(self) -> None:
        """Bring the board's clock to this hart's time, and the harts' to what devices charged."""
        clock = self.clock
        ahead = self._ns_at(self._cycles_now()) - clock.now_ns
        if ahead > 0:
            clock.advance_ns(ahead)
        elif ahead < 0:
            stood = self._cycle_at(self.clock.now_ns) - self._cycles_now()
            if stood > 0:
                self._stand(stood)

    def _clock_changed(self) -> None:
        now = self._cycles_now()
        self._base_ns = max(self.clock.now_ns, self._ns_at(now))
        self._base_cycles = now
        self._hz = self.sysctl.cpu_hz
        self.kpu.hz = self.sysctl.kpu_hz

    # --- what devices need ----------------------------------------------------------------------

    def _raise(self, hart: int, bit: int, level: bool) -> None:
        self.harts[hart].raise_interrupt(bit, level)

    def _is_raised(self, hart: int, bit: int) -> bool:
        return bool(self.harts[hart].s[st.MIP] & bit)

    def _want_reset(self, cause: int) -> None:
        self.reset_wanted = cause

    def _pc(self) -> int:
        return self._running.pc if self._running else 0


def _signed(value: int, bits: int) -> int:
    top = 1 << (bits - 1)
    return ((value & ((1 << bits) - 1)) ^ top) - top
