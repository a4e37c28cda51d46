"""The transistors between a USB serial bridge and the chip's reset and boot pins.

Two wirings are in use. On one RTS pulls the reset line and DTR the boot pin (IO16), on the other
it is the reverse. In both a line has its effect only while the other is released, so a program
that opens the port and asserts both does nothing to the board.

Source: the line sequences of kflash 1.1.6 for its boards.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from k210sim.errors import ConfigError

RTS_IS_RESET = ("dan", "bit", "trainer")
DTR_IS_RESET = ("kd233", "goE", "maixduino", "bit_mic")

# A real reset line rises slowly, which leaves tools a few milliseconds to pull the boot pin after
# they let go of reset. Here they get more: programs share a busy computer, and an RFC 2217 client
# waits for the answer to each change before it makes the next, at least 50 ms with pyserial.
BOOT_PIN_WINDOW_S = 0.25


class ResetCircuit:
    """Turns DTR and RTS into reset and start. Calls its functions in a thread of its own.

    kind : kflash's name of the board; raises ConfigError for an unknown one
    hold() : the chip is held in reset
    start(isp) : it comes out of reset; `isp` says whether the boot pin was low then
    """

    def __init__(self, kind: str, hold: Callable[[], None], start: Callable[[bool], None]):
        if kind not in RTS_IS_RESET + DTR_IS_RESET:
            raise ConfigError(
                f"reset circuit {kind!r}: expected one of "
                f"{', '.join(RTS_IS_RESET + DTR_IS_RESET)}"
            )
        self._rts_is_reset = kind in RTS_IS_RESET
        self._hold, self._start = hold, start
        self._changes: queue.SimpleQueue[tuple[float, bool, bool] | None] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def lines(self, dtr: bool, rts: bool) -> None:
        """The lines are now so (True: asserted). Returns at once; any thread."""
        with self._lock:
            if self._closed:
                return
            if self._thread is None:
                if dtr == rts:
                    return  # idle, and nothing was ever different
                self._thread = threading.Thread(
                    target=self._serve, name="k210 reset circuit", daemon=True
                )
                self._thread.start()
        self._changes.put((time.monotonic(), bool(dtr), bool(rts)))

    def close(self) -> None:
        """Nothing is called any more once this has returned."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._changes.put(None)
            thread.join()

    def pins(self, dtr: bool, rts: bool) -> tuple[bool, bool]:
        """Whether reset and the boot pin are pulled low with the lines like this."""
        pulls_reset, pulls_boot = (rts, dtr) if self._rts_is_reset else (dtr, rts)
        return pulls_reset and not pulls_boot, pulls_boot and not pulls_reset

    def _serve(self) -> None:
        held = boot = False
        while True:
            change = self._changes.get()
            if change is None:
                return
            at, dtr, rts = change
            reset, boot = self.pins(dtr, rts)
            if reset and not held:
                self._hold()
            elif held and not reset:
                boot, reset, over = self._after_release(at + BOOT_PIN_WINDOW_S, boot)
                if over:
                    return
                if not reset:
                    self._start(boot)
            held = reset

    def _after_release(self, until: float, boot: bool) -> tuple[bool, bool, bool]:
        """Watch the boot pin till `until`: whether it was pulled, reset pulled again, the end."""
        while not boot:
            # Changes that wait in the queue count by the time they were made.
            left = until - time.monotonic()
            try:
                change = self._changes.get(timeout=max(0.0, left))
            except queue.Empty:
                return False, False, False
            if change is None:
                return False, False, True
            at, dtr, rts = change
            reset, pulled = self.pins(dtr, rts)
            if reset:
                return False, True, False
            if at > until:
                return False, False, False
            boot = pulled
        return True, False, False
