"""The language runtime on a board: the virtual machine, its modules, and their ties to the parts.

`Runtime` is what the prompt asks for (k210sim.repl.interpreter.Interpreter).
"""

from __future__ import annotations

import logging
import os
from typing import Any

from k210sim.builtin import advice
from k210sim.builtin.timeline import Timeline
from k210sim.errors import NotSimulated
from k210sim.heap.gc import HeapInfo
from k210sim.micropython.frames import NS_PER_OP, R_OPS
from k210sim.micropython.memory import Memory
from k210sim.micropython.native import GuestError
from k210sim.modules import settings
from k210sim.repl.firmware import HostCodeStuck
from k210sim.repl.interpreter import Outcome, SystemReset
from k210sim.repl.wording import Frequencies
from k210sim.serialport.uart import UartPort

log = logging.getLogger("k210sim")

MOST_NOTES = 100


class GuestBoard:
    """What native modules find as `vm.board`: the parts, and what the firmware itself offers."""

    def __init__(self, firmware, hardware):
        self.firmware = firmware
        self.hardware = hardware
        self.profile = hardware.profile
        self.clock = hardware.clock
        self.port: UartPort = hardware.port
        self.storage = hardware.storage
        self.flash = hardware.flash
        self.camera = hardware.camera
        self.lcd = hardware.lcd
        self.sd = hardware.sd
        self.seed = hardware.seed
        self.wires = hardware.wires
        self.release = firmware.release

    def system_reset(self) -> None:
        """`machine.reset()`: does not return."""
        raise SystemReset


class KpuRuns:
    """How often one loaded model ran. Holds the model, so that its id stays its own."""

    def __init__(self, model):
        self.model, self.count, self.layers = model, 0, 0
        self.parsed = model.net.model
        self.source = (model.path or b"").decode("utf-8", "replace") or f"0x{model.addr:08x}"

    def report(self) -> dict[str, Any]:
        from k210sim.kpu.forecast import forecast

        costs = forecast(self.parsed, layers=self.layers)
        return {
            "model": self.source,
            "runs": self.count,
            "forecast_ms": costs.total_ms,
            "layers": [
                {"index": layer.index, "type": layer.name, "ms": layer.ms}
                for layer in costs.layers
            ],
        }


class Runtime:
    """One powered-on MicroPython, made in the firmware's thread at every power-on and reset."""

    def __init__(self, firmware, hardware):
        self.firmware = firmware
        self.port = firmware.port
        self.board = GuestBoard(firmware, hardware)
        self._start()

    def _start(self) -> None:
        """A machine fresh from power-on."""
        from k210sim.builtin.image import make_vm

        port = self.port
        self._kpu_runs: dict[int, KpuRuns] = {}
        self._timeline = Timeline()
        self._notes: list[str] = []
        self._memory_error: tuple[int, HeapInfo] | None = None
        self.vm = vm = make_vm(
            Memory(), clock=self.board.clock, stdout=port.write_cooked, board=self.board
        )
        vm.raw_stdout = port.write
        # A chip that is in memory only has no settings to keep: it gets no /freq.conf by itself.
        settings.power_on(vm, create=getattr(self.board.storage, "path", None) is not None)
        rates = vm.rates
        self.frequencies = Frequencies(
            pll0=rates.pll0, pll1=rates.pll1, cpu=rates.cpu, kpu=rates.kpu
        )
        vm.on_event = self._on_event
        vm.system_heap.watch = self._sample
        vm.input_line = self.firmware.input_line
        vm.stdin_char = self._stdin_char
        vm.start()
        port.on_interrupt = self._on_interrupt

    # --- what the prompt asks for ---------------------------------------------------------------

    def execute(self, source: bytes, *, filename: str, mode: str) -> Outcome:
        """Run a program to its end; what it had executed is charged to the clock.

        A call that is not simulated, and a bug of ours, end the program like an uncaught
        exception, and the board lives on.
        """
        registers = list(self.vm.R)
        try:
            outcome = self.vm.execute(source, filename=filename, mode=mode)
        except NotSimulated as error:
            self._unwind(registers)
            return Outcome("exception", f"NotSimulated: {error}\n".encode())
        except HostCodeStuck:
            self._unwind(registers)
            return Outcome("exception")  # power-off ended it; nobody is there to be told
        except Exception as error:
            self._unwind(registers)
            if not self.vm.trusts_ram:
                return self._spoilt(error)
            wanted = error if os.environ.get("K210SIM_TRACEBACK") else None
            log.error("a guest program met a bug of ours: %r", error, exc_info=wanted)
            text = f"InternalError: a bug of k210sim: {type(error).__name__}: {error}\n"
            return Outcome("exception", text.encode("utf-8", "backslashreplace"), error)
        finally:
            self.vm.account()
        self._explain(outcome, source)
        return Outcome(outcome.kind, outcome.traceback)

    def _explain(self, outcome, source: bytes) -> None:
        """A note on how a program ended, where there is more to say than the device says."""
        if outcome.exc_type == "MemoryError" and self._memory_error is not None:
            asked, info = self._memory_error
            self._note(advice.gc_heap_full(asked, info, self.vm.system_heap.free_to_top))
        elif outcome.exc_type == "SyntaxError":
            self._note(advice.syntax_error(source, outcome.traceback))

    def _spoilt(self, error: Exception) -> Outcome:
        """A program that wrote into RAM as it liked, or brought its own bytecode, met the result.

        The chip would read nonsense on, or stop; here the program ends.
        """
        what = f"{type(error).__name__}: {error}"
        log.warning("the guest's RAM holds what no object looks like (%s): the program ended", what)
        text = f"CorruptedMemory: the program's own RAM or bytecode makes no sense: {what}\n"
        return Outcome("exception", text.encode("utf-8", "backslashreplace"))

    def idle(self) -> None:
        """At the prompt: callbacks of devices that have come due meanwhile."""
        try:
            self.vm.checkpoint()
        except GuestError:
            pass  # an interrupt that no program lived to see

    def _unwind(self, registers: list[int]) -> None:
        """Back to the state at the prompt, after a host error left the machine in mid-air."""
        done = self.vm.R[R_OPS]
        for number, value in enumerate(registers):
            self.vm.R[number] = value
        self.vm.R[R_OPS] = done

    def complete(self, text: bytes) -> bytes | list[bytes]:
        return self.vm.complete(text)

    def soft_reset(self) -> None:
        """Threads end, finalisers of everything alive, then a fresh heap.

        The system heap stays as it is, but for the threads' stacks.
        """
        self.discard()
        self.vm.finalise_all()
        self.vm.start()

    def discard(self) -> None:
        """The machine is not used again: its guest threads' host threads end."""
        if self.vm.threads is not None:
            self.vm.threads.abandon()

    def heap_range(self) -> tuple[int, int]:
        return self.vm.heap_start, self.vm.heap_size

    def read_if_exists(self, name: str) -> bytes | None:
        """A file relative to the guest's current directory, or None."""
        from k210sim.micropython.importing import FILE

        vfs = self.vm.vfs
        if vfs is None or vfs.import_stat(name) != FILE:
            return None
        return vfs.read_file(name)

    def statistics(self) -> dict[str, Any]:
        """Figures for the report of a run.

        kpu_runs lists each model that ran, in order of its first run: where it came from, how
        often it ran, and the forecast of its layers on the chip in milliseconds.
        memory_timeline has both heaps' use since power-on (timeline.py); notes are the remarks
        that also went to the log.
        """
        self._sample()
        heap = self.vm.heap  # notes its peak when it collects; in between it only fills
        return {
            "gc_heap_peak_bytes": int(max(heap.peak_used, heap.used_bytes())),
            "system_heap_peak_bytes": int(self.vm.system_heap.peak_bytes),
            "operations": int(self.vm.R[R_OPS]),
            "kpu_runs": [run.report() for run in self._kpu_runs.values()],
            "memory_timeline": self._timeline.report(),
            "notes": list(self._notes),
        }

    def save_state(self) -> dict[str, Any]:
        """The whole machine, at the prompt; raises NotSimulated for what cannot be kept."""
        from k210sim.builtin import snapshot

        return snapshot.save(self)

    def load_state(self, state: dict[str, Any]) -> None:
        from k210sim.builtin import snapshot

        self.discard()
        self._start()
        snapshot.load(self, state)

    def _on_event(self, kind: str, value: Any) -> None:
        """What the modules tell the host."""
        if kind == "kpu.run":
            run = self._kpu_runs.setdefault(id(value), KpuRuns(value))
            run.count += 1
            run.layers = value.net.layer_count
        elif kind == "gc.collect":
            self._sample(value)
        elif kind == "memory_error":
            self._memory_error = (value, self.vm.heap.info())
        elif kind == "note":
            self._note(value)
        elif kind == "kpu.picture":
            self._note(advice.wrong_picture(*value))
        elif kind == "kpu.error":
            self._kpu_error(*value)

    def _kpu_error(self, code: int, source: int | bytes | None) -> None:
        """What the KPU library refused to load (a flash offset or a path)."""
        heap = self.vm.system_heap
        if code == 2002 and isinstance(source, int) and self.board.flash is not None:
            data = self.board.flash.data
            self._note(advice.nothing_loadable(data, source % len(data)))
        elif code == 2006 and heap.last_failure is not None:
            models = sum(heap.block_size(m.size + 256) for m in self.vm.kpu.slots if m is not None)
            frames = max(0, heap.used_bytes - heap.block_size(self.vm.heap_size) - models)
            self._note(advice.model_too_large(
                heap.last_failure, self.vm.heap_size, frames, models))

    def _sample(self, gc_used: int | None = None) -> None:
        """Both heaps' use now. Does not charge the clock, so that watching changes nothing."""
        vm = self.vm
        if gc_used is None:
            gc_used = vm.heap.used_bytes() if hasattr(vm, "heap") else 0
        ns = vm.clock.now_ns + (vm.R[R_OPS] - vm.ops_charged) * NS_PER_OP
        self._timeline.add(ns / 1e6, gc_used, vm.system_heap.used_bytes)

    def _note(self, text: str | None) -> None:
        """A remark for the log and the report; the latest MOST_NOTES are kept."""
        if text:
            log.warning("%s", text)
            self._notes = [*self._notes, text][-MOST_NOTES:]

    # --- reading and interrupts -----------------------------------------------------------------

    def _stdin_char(self) -> int:
        """The next byte of the console, waiting for it; Ctrl-C raises in the guest."""
        while (byte := self.port.read_byte()) is None:
            self._look(self.vm)
        return byte

    def _on_interrupt(self) -> None:
        """Ctrl-C or power-off; called from any thread."""
        self.vm.post(self._look)

    def _look(self, vm) -> None:
        """Between two operations of the guest. PortClosed passes through everything."""
        if self.port.take_interrupt():
            self.port.poll()
            raise GuestError(vm.make_exception(vm.exception_word("KeyboardInterrupt"), []))
