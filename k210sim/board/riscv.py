"""The riscv engine: the firmware image in flash, executed on the simulated chip.

The image decides what there is on the serial port; the host can only type and read. So
`run_program` and `soft_reset` work through MicroPython's prompt or not at all; `call` and
snapshots work between two turns of the harts, at the prompt or not.

Unless the clock is `real`, the chip stands still at the prompt until somebody types, timers and
all, as on the built-in engine: time moves by what is executed, and equal input gives equal output.
So it does where a main.py that was not wanted has come to stay.
"""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable
from typing import Any

from k210sim.board.hardware import Hardware
from k210sim.board.raw_prompt import PROMPT, RawPrompt, Stopped
from k210sim.compiling import TimeLimit
from k210sim.errors import (
    BootRefused,
    ConfigError,
    InternalError,
    K210SimError,
    NotSimulated,
    TimeoutExpired,
)
from k210sim.flash.boot_image import BootImageError, read_boot_image
from k210sim.repl.firmware import ProgramResult
from k210sim.repl.interpreter import Outcome
from k210sim.repl.port_thread import PortThread
from k210sim.serialport.uart import BITS_PER_BYTE, WIRE_LIMIT, PortClosed

STATE_VERSION = 3
STOP_S = 10.0
IDLE_LOOK_S = 0.01
PARKED_LOOK_S = 1.0
BOOT_NS = 8_000_000_000  # device time after which a firmware is taken to show no prompt
MAIN_NS = 2_500_000_000  # after "init end"; a boot.py or main.py that ends has ended by then
SETTLED_NS = 2_000_000  # how long the prompt must have been the last thing sent
ENTER_S = 120.0  # seconds of wall time the firmware gets to show the raw prompt
LATE_S = 0.05  # behind the wall; from then on bytes come HASTE times faster
HASTE = 4
STOP_GRACE_S = 10.0  # and a program to end after Ctrl-C


def boot_payload(hardware: Hardware) -> bytes:
    """What the boot ROM would copy to RAM; raises BootRefused with what it does instead."""
    try:
        image = read_boot_image(hardware.flash.data)
    except BootImageError as error:
        raise BootRefused(
            f"no firmware starts: {error}. The chip's boot ROM would stay in its ISP mode; "
            "write an image with `k210sim flash FILE.bin`, or use --engine builtin"
        ) from None
    if image.encrypted:
        raise NotSimulated("an encrypted firmware image (the key is in the chip's fuses)")
    return image.payload


WINDOW_OPENS = b"[MaixPy] init end"  # for 200 ms Ctrl-C prevents boot.py and main.py


class _Tail:
    """The last bytes that the device sent, to know its prompt."""

    def __init__(self):
        self.data = b""
        self.count = 0

    def deliver(self, data: bytes) -> None:
        self.data = (self.data + data)[-64:]
        self.count += len(data)


class RiscvEngine(PortThread):
    """See board/engines.py, Engine. Everything the guest does happens in one thread."""

    def __init__(self, hardware: Hardware, *, strict: bool = False):
        super().__init__(hardware.port)
        self.hardware = hardware
        self.clock = hardware.clock
        self.strict = strict
        self.machine = None
        self._tail = _Tail()
        self._safe = hardware.safe  # type Ctrl-C while the firmware waits for one
        self._window_ns: int | None = None  # when it began to wait for it
        self._booted = threading.Event()  # at a prompt, or clearly without one
        self._given_up_waiting = False  # a main.py that nobody wants goes on for ever
        self._payload = boot_payload(hardware)
        self._line_free_ns = 0
        self._heard_at = 0  # bytes sent by the time of the last one received
        self._started_ns = self.clock.now_ns
        self._prompt_at: tuple[int, int] | None = None  # bytes sent by then, and when
        self._resets = 0
        self._boot = hardware.kept_boot  # None once it is clear that it is not to be kept
        self._continued = False  # a boot that was kept
        self._busy_s = 0.0  # wall time in which the harts ran

    # --- from other threads ---------------------------------------------------------------------

    def start(self) -> None:
        self.port.open()
        self.port.attach(self._tail)
        self._thread = threading.Thread(target=self._main, name="k210 riscv", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.port.close()
        self.wait_stopped(STOP_S)

    def raise_failure(self) -> None:
        if isinstance(self.failure, K210SimError):
            raise self.failure
        if self.failure is not None:
            raise InternalError(f"the riscv engine ended: {self.failure!r}") from self.failure

    @property
    def at_prompt(self) -> bool:
        """Whether the last thing the device sent is MicroPython's prompt."""
        return self._tail.data.endswith(PROMPT)

    @property
    def _overdue(self) -> bool:
        """Whether a firmware that would come to its prompt by itself would be there by now."""
        now = self.clock.now_ns
        if self._window_ns is not None and now - self._window_ns > MAIN_NS:
            return True  # a main.py has come to stay
        return now - self._started_ns > BOOT_NS

    def wait_booted(self, timeout: float | None = None) -> bool:
        """Wait for MicroPython's prompt; True there. False when `timeout` seconds of wall time or
        BOOT_NS of device time passed without one, a main.py runs for ever (MAIN_NS), or nothing can
        happen any more."""
        limit = TimeLimit(timeout)
        while not self._booted.wait(IDLE_LOOK_S):
            if self._dead.is_set():
                self.raise_failure()
                return False
            if limit.over:
                return False
        return self.at_prompt

    def interrupt(self) -> None:
        self.port.host_send(b"\x03")

    def soft_reset(self) -> None:
        self.port.host_send(b"\x03\x04")

    def call(self, job: Callable[[], Any], timeout: float | None = None) -> Any:
        """Run `job` while both harts stand still (at the prompt or not)."""
        if threading.current_thread() is self._thread:
            return job()
        future = self._submit(job)
        try:
            return future.result(timeout)
        except concurrent.futures.CancelledError:
            raise K210SimError("the board went off") from self.failure

    def run_program(
        self,
        source: bytes,
        *,
        filename: str = "<stdin>",
        timeout: float | None = 10.0,
        on_output: Callable[[bytes], None] | None = None,
    ) -> ProgramResult:
        """Run a program through the raw prompt, from any thread; see Firmware.run_program.

        The firmware runs its own main.py when it boots; a program that still runs gets Ctrl-C
        first. Every program is `<stdin>`. A SystemExit ends a program like its last line.
        Raises NoPrompt when the firmware in flash is no MicroPython.
        """
        if filename != "<stdin>":
            raise NotSimulated("a program with a file name on the riscv engine")
        started, enough, expired = threading.Event(), threading.Event(), threading.Event()

        def turn() -> bool:
            if enough.is_set():
                raise Stopped
            resets = self._resets
            went_on = self._turn()
            if resets != self._resets:
                raise Stopped
            return went_on

        def job() -> ProgramResult:
            resets = self._resets
            prompt = RawPrompt(self.port, self.clock, turn, lambda: self.at_prompt, on_output)
            with prompt:
                prompt.enter()
                started.set()
                try:
                    printed, error = prompt.run(source)
                except Stopped:
                    if resets == self._resets:
                        raise
                    kind, printed, error = "reset", prompt.printed(), b""
                else:
                    kind = "exception" if error else "ok"
                    prompt.leave()
            outcome = Outcome(kind, error.replace(b"\r\n", b"\n"))
            return ProgramResult(outcome, printed, expired.is_set(), prompt.passed_ns)

        future = self._submit(job)
        patience = TimeLimit(ENTER_S)
        try:
            while not (started.wait(0.02) or future.done()):
                if patience.over:
                    enough.set()
        except KeyboardInterrupt:
            self.port.host_send(b"\x03")
            raise
        try:
            return self._await_program(future, timeout, expired, STOP_GRACE_S, 1.0)
        except Stopped:
            raise TimeoutExpired("the firmware did not come to its raw prompt") from None

    def statistics(self) -> dict:
        if self.machine is None:
            return {}
        device_s = (self.clock.now_ns - self._started_ns) / 1e9
        return {
            **self.machine.statistics(),
            "device_s": device_s,
            "busy_s": self._busy_s,
            "boot_kept": self._continued,
            "busy_per_device_s": self._busy_s / device_s if device_s else None,
            "unmodelled_registers": self.machine.bus.unmodelled_used(),
        }

    def save_state(self) -> dict:
        return {
            "version": STATE_VERSION,
            "machine": self.machine.save_state(),
            "tail": self._tail.data,
            "prompt_since_ns": self._prompt_at and self._prompt_at[1],
            "line_free_ns": self._line_free_ns,
            "booted": self._booted.is_set(),
            "given_up_waiting": self._given_up_waiting,
        }

    def load_state(self, state: dict) -> None:
        if state["version"] != STATE_VERSION:
            raise ConfigError(
                f"snapshot: engine state version {state['version']}, expected {STATE_VERSION}"
            )
        self.machine.load_state(state["machine"])
        self._tail.data, self._line_free_ns = state["tail"], state["line_free_ns"]
        since = state["prompt_since_ns"]
        self._prompt_at = None if since is None else (self._tail.count, since)
        self._given_up_waiting = state["given_up_waiting"]
        self._expect_more()
        if state["booted"]:
            self._booted.set()

    # --- in its thread --------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._life()
        except PortClosed:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            self.port.detach(self._tail)
            self._end()

    def _life(self) -> None:
        from k210sim.riscv.machine import Machine

        self.machine = Machine(
            self.clock, self.hardware.flash, self.port.write, self._receive,
            panel=self.hardware.lcd, camera=self.hardware.camera, card=self.hardware.sd,
            sd_select_pad=self.hardware.profile.sd_select_pad,
            strict=self.strict, on_reset=self._boot_again,
        )  # fmt: skip
        for a, b in self.hardware.wires:
            self.machine.chip.pins.wire(a, b)
        self.machine.load(self._payload)
        self._continue_boot()
        while True:
            if self._given_up_waiting:  # so that the next program finds it in the same state
                self._keep_boot()
                while not (self._jobs or self.port.pending):
                    self._park()
                self._given_up_waiting = False
            rest = self._rest_ns()
            if rest is None or rest >= SETTLED_NS:
                if rest is not None or self._jobs:
                    self._keep_boot(settled=rest is not None)
                while self._jobs:
                    self._do(*self._jobs.popleft())
                rest = self._rest_ns()
            if rest is not None and rest >= SETTLED_NS:
                self._park()
            else:
                self._turn()

    def _continue_boot(self) -> None:
        """Go on after a boot like this one that was kept, or listen to keep this one."""
        boot = self._boot
        state = None if boot is None else boot.load()
        if state is None:
            if boot is not None:
                self.port.attach(boot)
            return
        self._boot, self._continued = None, True
        boot.restore(state, self.load_state)

    def _keep_boot(self, settled: bool = True) -> None:
        """The boot is over; `settled` unless somebody has used the board before its end."""
        boot, self._boot = self._boot, None
        if boot is None:
            return
        self.port.detach(boot)
        if settled and not (self._resets or self.port.pending):
            boot.save(self.save_state())

    def _park(self) -> None:
        """The harts stand still until the host does something."""
        self.port.wait_input(PARKED_LOOK_S)
        if self.port.closed:
            raise PortClosed

    def _boot_again(self) -> None:
        """The program or a watchdog had the chip reset: the boot ROM's part again."""
        self.machine.load(boot_payload(self.hardware))
        self._resets += 1

    def _turn(self) -> bool:
        """Let the harts run a little; False when nothing but the host can go on."""
        if self.port.closed:
            raise PortClosed
        before = time.monotonic()
        went_on = self.machine.step()
        self._busy_s += time.monotonic() - before
        if not went_on:
            if self.port.pending and self._line_free_ns > self.clock.now_ns:
                self.clock.advance_ns(self._line_free_ns - self.clock.now_ns)
                return True
            if self.port.wait_input(IDLE_LOOK_S):
                time.sleep(IDLE_LOOK_S)  # it does not look at what has come
            self.clock.follow_wall()
        if not self._booted.is_set():
            if self._window_ns is None and WINDOW_OPENS in self._tail.data:
                self._window_ns = self.clock.now_ns
                if self._safe:
                    self.port.host_send(b"\x03")
            if self.at_prompt or self._overdue or not went_on:
                self._given_up_waiting = (
                    not (self.at_prompt or self.hardware.run_main) and self.clock.mode != "real"
                )
                if not (self.at_prompt or self._given_up_waiting):
                    self._keep_boot(settled=False)
                self._booted.set()
        return went_on

    def _rest_ns(self) -> int | None:
        """How long the board has been at its prompt with nothing to hear; None when it is not, or
        when its time goes on there. It stands still from SETTLED_NS on."""
        if self.clock.mode == "real" or not self.at_prompt or self.port.pending:
            self._prompt_at = None
            return None
        now = (self._tail.count, self.clock.now_ns)
        if self._prompt_at is None or self._prompt_at[0] != now[0]:
            self._prompt_at = now
        return now[1] - self._prompt_at[1]

    def _do(self, job: Callable[[], Any], future: concurrent.futures.Future) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(job())
        except PortClosed:
            future.set_exception(K210SimError("the board was switched off under the program"))
            raise
        except BaseException as error:
            future.set_exception(error)

    def _receive(self, count: int) -> bytes:
        """Bytes that have arrived on the line by now, no faster than it carries them.

        At the real pace a board that lags behind the wall gets what it only listens to sooner, and
        several at once: who sends a program by the wall's time waits for the answer by that too.
        What it echoes comes at the line's speed, or its buffer would run over.
        """
        waiting = min(count, WIRE_LIMIT - self.port.room())
        if waiting <= 0 or self.clock.now_ns < self._line_free_ns:
            return b""
        byte_ns = BITS_PER_BYTE * 1_000_000_000 // self.port.baud
        if self._tail.count == self._heard_at and self.clock.ahead_of_wall_s() < -LATE_S:
            byte_ns //= HASTE
        else:
            waiting = 1
        self._keep_boot(settled=False)
        self._heard_at = self._tail.count
        self._line_free_ns = self.clock.now_ns + waiting * byte_ns
        data = bytearray()
        while len(data) < waiting and (byte := self.port.read_byte()) is not None:
            data.append(byte)
        self._expect_more()
        return bytes(data)

    def _expect_more(self) -> None:
        """Have the turn of the harts end when the next byte from the host is complete."""
        if self.port.pending:
            self.clock.alarm(self._line_free_ns, lambda: None)


def make_engine(hardware: Hardware) -> RiscvEngine:
    """The engine on this hardware, not started. Raises BootRefused when no image would start.

    A fresh installation compiles the core here, before any time limit of the board runs.
    """
    from k210sim.riscv import compiled

    compiled.functions(hardware.going_off)
    return RiscvEngine(hardware, strict=hardware.strict)
