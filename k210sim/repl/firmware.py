"""The built-in firmware as one running thing: boots, prompts, resets, in a thread of its own.

Everything the guest does happens in that thread. Other threads talk to it through the serial
port, or hand it work (`call`, `run_program`) that it does when it is back at the prompt.
"""

from __future__ import annotations

import concurrent.futures
import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from k210sim.clock import Clock
from k210sim.compiling import TimeLimit
from k210sim.errors import InternalError, K210SimError, TimeoutExpired
from k210sim.repl import wording
from k210sim.repl.boot import Boot
from k210sim.repl.interpreter import Interpreter, Outcome, SystemReset
from k210sim.repl.modes import STDIN, Repl
from k210sim.repl.port_thread import PortThread
from k210sim.repl.readline import CTRL_C
from k210sim.serialport.uart import PortClosed, UartPort

STACK_BYTES = 256 << 20  # virtual; the guest's own recursion is limited by the runtime
STOP_GRACE_S = 5.0  # how long a guest gets to notice an interrupt or power-off
MAIN_WINDOW_NS = 1_000_000_000  # virtual time after which a main.py is taken to run for ever


class HostCodeStuck(Exception):
    """Raised into a native call of a guest that outlived power-off."""


@dataclass(frozen=True)
class ProgramResult:
    """How a program run by `run_program` ended, and what it sent meanwhile."""

    outcome: Outcome
    output: bytes  # as on the wire, without the traceback
    timed_out: bool
    virtual_ns: int


class _Capture:
    """Collects what the device sends while a program runs, and passes it on as it comes."""

    def __init__(self, on_output: Callable[[bytes], None] | None):
        self.data = bytearray()
        self._on_output = on_output

    def deliver(self, data: bytes) -> None:
        self.data += data
        if self._on_output:
            self._on_output(data)


class Firmware(PortThread):
    """The built-in firmware.

    make_interpreter : called at every power-on and system reset, in the firmware's thread, with
        this object; the interpreter prints through `.port` and reads lines with
        `.input_line(prompt)`
    flash_id : manufacturer and device byte of the flash chip, for the boot log
    run_main : False leaves main.py alone when booting
    safe : True leaves boot.py and main.py alone at the first boot; soft resets run them
    """

    def __init__(
        self,
        clock: Clock,
        port: UartPort,
        make_interpreter: Callable[[Firmware], Interpreter],
        *,
        flash_id: tuple[int, int] = (0xC8, 0x17),
        frequencies: wording.Frequencies | None = None,
        release: wording.Release | None = None,
        run_main: bool = True,
        safe: bool = False,
    ):
        super().__init__(port)
        self.clock = clock
        self.release = release or wording.Release()
        self.run_main, self._safe = run_main, safe
        self.interpreter: Interpreter | None = None
        self.repl: Repl | None = None
        self._make_interpreter = make_interpreter
        self._flash_id = flash_id
        self._frequencies = frequencies
        self._at_prompt = threading.Event()
        self._boot_ns = 0
        self._soft_reset_wanted = False
        self._system_reset_wanted = False
        self._booted = False  # the start-up script is through, user files may be running
        self._turn = threading.Lock()

    # --- from other threads ---------------------------------------------------------------------

    def start(self) -> None:
        """Power on: returns at once, the firmware boots in its thread."""
        self.port.open()
        self._dead.clear()
        self._at_prompt.clear()
        self.failure = None
        old = threading.stack_size(STACK_BYTES)
        try:
            self._thread = threading.Thread(target=self._main, name="k210 firmware", daemon=True)
            self._thread.start()
        finally:
            threading.stack_size(old)

    def stop(self) -> None:
        """Power off, under whatever is running.

        Guest code stops between two operations. Host code in the middle of one (a kernel being
        compiled for the first time) ends on its own; `wait_stopped` waits for that. Host code
        that does not end (a guest may have spoilt the object it works on) is broken off.
        """
        self.port.close()
        if not self.wait_stopped(STOP_GRACE_S) and self._break_off():
            self.wait_stopped(STOP_GRACE_S)

    def _break_off(self) -> bool:
        """Raise HostCodeStuck in the firmware's thread, wherever it is in Python."""
        thread = self._thread
        if thread is None or thread.ident is None:
            return False
        number = ctypes.c_ulong(thread.ident)
        return (
            ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(HostCodeStuck)) == 1
        )

    def wait_stopped(self, timeout: float) -> bool:
        if not super().wait_stopped(timeout):
            return False
        if self._thread is not threading.current_thread():
            self._thread = None
        return True

    @property
    def at_prompt(self) -> bool:
        return self._at_prompt.is_set()

    def wait_booted(self, timeout: float | None = None) -> bool:
        """Wait for the first prompt, or until main.py has clearly come to stay.

        timeout : seconds of wall time. True at the prompt.
        """
        limit = TimeLimit(timeout)
        while not self._at_prompt.wait(0.005):
            if self._dead.is_set():
                self.raise_failure()
                return False
            if self.clock.now_ns > MAIN_WINDOW_NS + self._boot_ns:
                return False
            if limit.over:
                return False
        return True

    def interrupt(self) -> None:
        """Ctrl-C at a running program; without one nothing happens."""
        if self.port.running:
            self.port.host_send(bytes([CTRL_C]))

    def soft_reset(self) -> None:
        """Ctrl-D at the prompt, without typing it. A running program is interrupted first."""
        self.interrupt()

        def ask() -> None:
            self._soft_reset_wanted = True
            self._boot_ns = self.clock.now_ns

        self.call(ask, STOP_GRACE_S)
        self.wait_booted()

    def call(self, job: Callable[[], Any], timeout: float | None = None) -> Any:
        """Run `job` in the firmware's thread at the prompt and return what it returns.

        Raises TimeoutExpired when the prompt is not reached in `timeout` seconds of wall time.
        """
        if threading.current_thread() is self._thread:
            return job()
        future = self._submit(job)
        try:
            return TimeLimit(timeout).result(future)
        except concurrent.futures.CancelledError:
            raise K210SimError("the board went off") from self.failure
        except concurrent.futures.TimeoutError:
            if future.cancel():
                why = "the device did not come back to its prompt"
                raise TimeoutExpired(f"{why} within {timeout:g} s") from None
            return future.result()

    def run_program(
        self,
        source: bytes,
        *,
        filename: str = STDIN,
        timeout: float | None = 10.0,
        on_output: Callable[[bytes], None] | None = None,
    ) -> ProgramResult:
        """Run a program as the raw prompt would, from any thread.

        A program that is running (a main.py) is interrupted first. timeout : seconds of wall
        time, compiling not counted, after which the program gets a Ctrl-C, and if it survives
        that the board loses its power. on_output : called in the firmware's thread with what the
        device sends meanwhile, traceback included.
        """
        started = threading.Event()
        expired = threading.Event()
        interrupts = 0

        def job() -> ProgramResult:
            with self._turn:
                started.set()
            # One that came as the program before ended would stop this one.
            self.port.take_back(CTRL_C, interrupts)
            capture = _Capture(on_output)
            self.port.attach(capture)
            before = self.clock.now_ns
            try:
                try:
                    outcome = self.repl.run(source, filename=filename, mode="exec")
                except SystemReset:
                    outcome = Outcome("reset")
                    self._system_reset_wanted = True
                passed = self.clock.now_ns - before
                printed = bytes(capture.data)
                self.port.write_cooked(outcome.traceback)
            finally:
                self.port.detach(capture)
            return ProgramResult(outcome, printed, expired.is_set(), passed)

        future = self._submit(job)
        patience = TimeLimit(STOP_GRACE_S + (timeout or 0))
        while not (started.wait(0.05) or future.done()):
            with self._turn:
                if self._booted and not (started.is_set() or self.at_prompt):
                    interrupts += 1
                    self.interrupt()
            if patience.over and future.cancel():
                raise TimeoutExpired("the running program did not give way to the one to execute")
        return self._await_program(future, timeout, expired, STOP_GRACE_S, 0.5)

    # --- in the firmware's thread ---------------------------------------------------------------

    def input_line(self, prompt: bytes) -> tuple[int, bytes]:
        """What the guest's `input()` needs; see Repl.input_line."""
        return self.repl.input_line(prompt)

    def _main(self) -> None:
        try:
            while True:
                try:
                    self._life()
                except SystemReset:
                    self.port.clear_input()
        except PortClosed:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            self._discard()
            self._at_prompt.clear()
            self._end()

    def _discard(self) -> None:
        if self.interpreter is not None:
            self.interpreter.discard()

    def _life(self) -> None:
        """From power-on or system reset to the next one, which ends it with an exception."""
        self._discard()
        self.interpreter = self._make_interpreter(self)
        self.repl = Repl(self.port, self.interpreter, self.release)
        boot = Boot(
            self.port,
            self.interpreter,
            self.repl,
            flash_id=self._flash_id,
            frequencies=self._frequencies
            or getattr(self.interpreter, "frequencies", None)
            or wording.Frequencies(),
        )
        boot.cold()
        while True:
            self._at_prompt.clear()
            self._boot_ns = self.clock.now_ns
            self._booted = False
            if boot.warm() and not self._safe:
                self._booted = True
                boot.user_files(run_main=self.run_main)
            self._safe = self._booted = False  # nothing to interrupt on the way to the prompt
            self.repl.start()
            self._serve()
            boot.soft_reset_line()
            self.interpreter.soft_reset()
            self.port.clear_input()

    def _serve(self) -> None:
        """The prompt, until a soft reset is asked for."""
        while True:
            self._at_prompt.set()
            self._booted = True
            self._do_jobs()
            if self._soft_reset_wanted:
                self._soft_reset_wanted = False
                return
            byte = self.port.read_byte(idle=True)
            if byte is None:
                idle = getattr(self.interpreter, "idle", None)
                if idle is not None:
                    idle()
                continue
            self._at_prompt.clear()
            if self.repl.process(byte):
                return

    def _do_jobs(self) -> None:
        while self._jobs:
            job, future = self._jobs.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            self._at_prompt.clear()
            result, failure = None, None
            try:
                result = job()
            except PortClosed:
                future.set_exception(K210SimError("the board was switched off under the program"))
                raise
            except BaseException as error:
                failure = error
            leaving = self._soft_reset_wanted or self._system_reset_wanted
            if not (self._jobs or leaving):
                self._at_prompt.set()  # first, so that who waited finds the board at its prompt
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)
            if self._system_reset_wanted:
                self._system_reset_wanted = False
                raise SystemReset

    def raise_failure(self) -> None:
        """Raise InternalError if the firmware's thread ended by a bug of ours."""
        if self.failure is not None:
            raise InternalError(f"the firmware ended: {self.failure!r}") from self.failure
