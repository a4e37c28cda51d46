"""The chip in its boot ROM: what runs on the hardware instead of an engine in ISP mode."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from k210sim.board.hardware import Hardware
from k210sim.errors import InternalError, K210SimError
from k210sim.flash.isp import IspBoard
from k210sim.repl.port_thread import PortThread
from k210sim.serialport.uart import DEFAULT_BAUD, PortClosed

READY_S = 5.0


class IspMode(PortThread):
    """The boot ROM and the flash program on a board's serial port and flash chip.

    on_reboot() : called once, in this object's thread, when the flash program was told to reboot
        and its answer has been sent; nothing is answered any more then

    Offers what an engine offers, except what needs a prompt.
    """

    def __init__(self, hardware: Hardware, on_reboot: Callable[[], None]):
        super().__init__(hardware.port)
        self.hardware = hardware
        self._on_reboot = on_reboot
        self._reboot = False
        self._ready = threading.Event()
        self.isp = IspBoard(
            hardware.flash,
            clock=hardware.clock,
            on_reboot=self._ask_reboot,
            on_baud=self._set_baud,
        )

    def start(self) -> None:
        self.port.open()
        self._set_baud(DEFAULT_BAUD)
        self._thread = threading.Thread(target=self._main, name="k210 boot ROM", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.port.close()
        self.wait_stopped(READY_S)

    def raise_failure(self) -> None:
        if self.failure is not None:
            raise InternalError(f"the ISP mode ended: {self.failure!r}") from self.failure

    @property
    def at_prompt(self) -> bool:
        return False

    def wait_booted(self, timeout: float | None = None) -> bool:
        """Wait until requests are taken; False, for there is no prompt."""
        self._ready.wait(timeout)
        self.raise_failure()
        return False

    def interrupt(self) -> None:
        """There is no program that could be interrupted."""

    def soft_reset(self) -> None:
        self._refuse()

    def call(self, job: Callable[[], Any], timeout: float | None = None) -> Any:
        self._refuse()

    def run_program(self, source: bytes, **_: Any) -> Any:
        self._refuse()

    def statistics(self) -> dict:
        return {"isp": self.isp.stage}

    def save_state(self) -> dict:
        self._refuse()

    def load_state(self, state: dict) -> None:
        self._refuse()

    def _refuse(self):
        raise K210SimError("the board waits in ISP mode for a flashing tool; reset() boots it")

    # --- in its thread --------------------------------------------------------------------------

    def _main(self) -> None:
        clock = self.hardware.clock
        try:
            while not self._reboot:
                self._ready.set()
                answer = self.isp.feed(self.port.read_received())
                if self.isp.busy and clock.mode != "real":
                    # Waiting for the host takes no virtual time there, so it would wait for ever.
                    clock.advance_ns(self.isp.busy_ns)
                self.port.write(answer)
            self._on_reboot()
        except PortClosed:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            self._set_baud(DEFAULT_BAUD)
            self._ready.set()
            if not self._reboot:
                self._dead.set()

    def _ask_reboot(self) -> None:
        self._reboot = True

    def _set_baud(self, rate: int) -> None:
        """The speed that sending is charged with; the host ends do not know any."""
        if rate > 0:
            self.port.baud = rate
