"""What lives on a board's serial port in a thread of its own, and takes jobs from other threads."""

from __future__ import annotations

import concurrent.futures
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from k210sim.compiling import TimeLimit
from k210sim.errors import K210SimError, TimeoutExpired
from k210sim.serialport.uart import UartPort

Job = Callable[[], Any]


class PortThread(ABC):
    """Base of what runs on a board: it lives as long as its thread and the open port.

    Whoever inherits sets `_thread`, calls `_end` when the thread has nothing more to do, and does
    the `_jobs` there. failure : what ended the thread, if that was an exception
    """

    def __init__(self, port: UartPort):
        self.port = port
        self.failure: BaseException | None = None
        self._jobs: deque[tuple[Job, concurrent.futures.Future]] = deque()
        self._dead = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        return self._thread is not None and not self._dead.is_set() and not self.port.closed

    def wait_stopped(self, timeout: float) -> bool:
        """Whether the thread has ended, waiting up to `timeout` seconds for it."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    @abstractmethod
    def stop(self) -> None:
        """Power off, whatever is running."""

    @abstractmethod
    def raise_failure(self) -> None:
        """Raise what ended the thread, if that is to be known."""

    def _submit(self, job: Job) -> concurrent.futures.Future:
        """Have a job done in the thread; cancelled when the board goes off before."""
        if not self.alive:
            self.raise_failure()
            raise K210SimError("the board is off; call power_on() first")
        future: concurrent.futures.Future = concurrent.futures.Future()
        self._jobs.append((job, future))
        self.port.wake()
        if self._dead.is_set():
            future.cancel()
        return future

    def _end(self) -> None:
        """The thread does no more jobs."""
        self._dead.set()
        for _, future in self._jobs:
            future.cancel()
        self._jobs.clear()

    def _await_program(
        self,
        future: concurrent.futures.Future,
        timeout: float | None,
        expired: threading.Event,
        grace_s: float,
        look_s: float,
    ) -> Any:
        """The result of a program's job. Over its time it gets Ctrl-C, every `look_s` seconds for
        `grace_s` seconds, for a program may catch it; then the board loses its power.

        timeout : seconds of wall time, compiling not counted. expired : set when they are over
        """
        try:
            try:
                return TimeLimit(timeout).result(future)
            except concurrent.futures.TimeoutError:
                expired.set()
            grace = TimeLimit(grace_s)
            while not grace.over:
                self.port.host_send(b"\x03")
                try:
                    return future.result(look_s)
                except concurrent.futures.TimeoutError:
                    continue
        except concurrent.futures.CancelledError:
            raise K210SimError("the board went off") from self.failure
        except KeyboardInterrupt:
            self.port.host_send(b"\x03")
            raise
        self.stop()
        raise TimeoutExpired(f"the program ran for more than {timeout:g} s and ignored Ctrl-C")
