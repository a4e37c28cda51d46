"""The riscv engine: the firmware image in flash, executed on the simulated chip.

The image decides what there is on the serial port; the host can only type and read. So `call`,
`run_program`, `soft_reset` and snapshots work through the prompt or not at all: `run_program` uses
the raw prompt of MicroPython, `call` runs host code between two turns of the harts.
"""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from k210sim.board.hardware import Hardware
from k210sim.errors import InternalError, K210SimError, NotSimulated
from k210sim.flash.boot_image import BootImageError, read_boot_image
from k210sim.serialport.uart import BITS_PER_BYTE, WIRE_LIMIT, PortClosed

PROMPT = b">>> "
STOP_S = 10.0
IDLE_LOOK_S = 0.01


def boot_payload(hardware: Hardware) -> bytes:
    """What the boot ROM would copy to RAM; raises K210SimError with what it does instead."""
    try:
        image = read_boot_image(hardware.flash.data)
    except BootImageError as error:
        raise K210SimError(
            f"no firmware starts: {error}. The chip's boot ROM would stay in its ISP mode; "
            "write an image with `k210sim flash FILE.bin`, or use --engine builtin"
        ) from None
    if image.encrypted:
        raise NotSimulated("an encrypted firmware image (the key is in the chip's fuses)")
    return image.payload


class _Tail:
    """The last bytes that the device sent, to know its prompt."""

    def __init__(self):
        self.data = b""

    def deliver(self, data: bytes) -> None:
        self.data = (self.data + data)[-64:]


class RiscvEngine:
    """See board/engines.py, Engine. Everything the guest does happens in one thread."""

    def __init__(self, hardware: Hardware, *, strict: bool = False):
        self.hardware = hardware
        self.port = hardware.port
        self.clock = hardware.clock
        self.strict = strict
        self.machine = None
        self.failure: BaseException | None = None
        self._jobs: deque[tuple[Callable[[], Any], concurrent.futures.Future]] = deque()
        self._tail = _Tail()
        self._booted = threading.Event()
        self._dead = threading.Event()
        self._thread: threading.Thread | None = None
        self._payload = boot_payload(hardware)
        self._line_free_ns = 0

    # --- from other threads ---------------------------------------------------------------------

    def start(self) -> None:
        self.port.open()
        self.port.attach(self._tail)
        self._thread = threading.Thread(target=self._main, name="k210 riscv", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.port.close()
        self.wait_stopped(STOP_S)

    def wait_stopped(self, timeout: float) -> bool:
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def raise_failure(self) -> None:
        if isinstance(self.failure, K210SimError):
            raise self.failure
        if self.failure is not None:
            raise InternalError(f"the riscv engine ended: {self.failure!r}") from self.failure

    @property
    def alive(self) -> bool:
        return self._thread is not None and not self._dead.is_set() and not self.port.closed

    @property
    def at_prompt(self) -> bool:
        """Whether the last thing the device sent is MicroPython's prompt."""
        return self._tail.data.endswith(PROMPT)

    def wait_booted(self, timeout: float | None = None) -> bool:
        """Wait for MicroPython's prompt; True there, False when `timeout` passed or it ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._booted.wait(IDLE_LOOK_S):
            if self._dead.is_set():
                self.raise_failure()
                return False
            if deadline is not None and time.monotonic() > deadline:
                return False
        return True

    def interrupt(self) -> None:
        self.port.host_send(b"\x03")

    def soft_reset(self) -> None:
        self.port.host_send(b"\x03\x04")

    def call(self, job: Callable[[], Any], timeout: float | None = None) -> Any:
        """Run `job` while both harts stand still (at the prompt or not)."""
        if threading.current_thread() is self._thread:
            return job()
        if not self.alive:
            self.raise_failure()
            raise K210SimError("the board is off; call power_on() first")
        future: concurrent.futures.Future = concurrent.futures.Future()
        self._jobs.append((job, future))
        try:
            return future.result(timeout)
        except concurrent.futures.CancelledError:
            raise K210SimError("the board went off") from self.failure

    def run_program(self, source: bytes, **_: Any) -> Any:
        raise NotSimulated("running a program on the riscv engine: type it at its prompt")

    def statistics(self) -> dict:
        if self.machine is None:
            return {}
        return self.machine.statistics()

    def save_state(self) -> dict:
        raise NotSimulated("a snapshot of the riscv engine")

    def load_state(self, state: dict) -> None:
        raise NotSimulated("a snapshot of the riscv engine")

    # --- in its thread --------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._life()
        except PortClosed:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            self._dead.set()
            self.port.detach(self._tail)
            for _, future in self._jobs:
                future.cancel()
            self._jobs.clear()

    def _life(self) -> None:
        from k210sim.riscv.machine import Machine

        self.machine = machine = Machine(
            self.clock, self.hardware.flash, self.port.write, self._receive,
            panel=self.hardware.lcd, camera=self.hardware.camera, card=self.hardware.sd,
            sd_select_pad=self.hardware.profile.sd_select_pad,
            strict=self.strict,
            on_reset=lambda: machine.load(boot_payload(self.hardware)),
        )  # fmt: skip
        machine.load(self._payload)
        while not self.port.closed:
            while self._jobs:
                self._do(*self._jobs.popleft())
            if not machine.step():
                # nothing but the host can go on
                time.sleep(IDLE_LOOK_S)
                self.clock.follow_wall()
            if not self._booted.is_set() and self.at_prompt:
                self._booted.set()

    def _do(self, job: Callable[[], Any], future: concurrent.futures.Future) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(job())
        except BaseException as error:
            future.set_exception(error)

    def _receive(self, count: int) -> bytes:
        """Bytes that have arrived on the line by now, no faster than it carries them."""
        waiting = min(count, WIRE_LIMIT - self.port.room())
        if waiting <= 0 or self.clock.now_ns < self._line_free_ns:
            return b""
        self._line_free_ns = self.clock.now_ns + BITS_PER_BYTE * 1_000_000_000 // self.port.baud
        byte = self.port.read_byte()
        return b"" if byte is None else bytes([byte])


def make_engine(hardware: Hardware) -> RiscvEngine:
    """The engine on this hardware, not started. Raises K210SimError when no image would start."""
    return RiscvEngine(hardware)
