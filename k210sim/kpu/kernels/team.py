"""Threads that help the caller with the steps of a chain (team_code.py).

To wake a sleeping thread takes the host as long as a layer, so a chain of layers wakes each at most
once, and does not wait for it. A member that finds nothing to do looks for PATIENCE_S, since the
next chain often follows, then sleeps. All of this is in compiled code without Python's lock.

The scheduler tends to put a woken thread on the core of the one who woke it and leaves it there for
milliseconds, which is the time of a whole model. So before it is woken a member is forbidden that
core. Only members are ever told where to run, never the caller, and the next waking tells anew.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import threading
import time

import numpy as np

from k210sim.kpu.kernels import team_code
from k210sim.kpu.kernels.tiles import MAX_THREADS

PATIENCE_S = 150e-6
_team: Team | None = None
_making = threading.Lock()
_API = ctypes.pythonapi
_LIBC = ctypes.CDLL(None) if os.name == "posix" else None


class Team:
    """Members are started when first asked for. `busy` belongs to who leads a chain."""

    def __init__(self):
        room = np.zeros(team_code.WORDS * (MAX_THREADS + 1), np.int64)
        start = -room.ctypes.data % 128 // 8  # threads that look must not share cache lines
        self.control = room[start : start + team_code.WORDS * MAX_THREADS].reshape(MAX_THREADS, -1)
        self.control[0, team_code.NEXT] = team_code.MOST
        self.control[0, team_code.RELEASE] = _address(_API.PyThread_release_lock)
        self.control[0, team_code.ACQUIRE] = _address(_API.PyThread_acquire_lock)
        self.control[0, team_code.YIELD] = _address(getattr(_LIBC, "sched_yield", None))
        self.busy = threading.Lock()
        self.threads: list[threading.Thread] = []
        self._patience = _looks(PATIENCE_S)
        self._told: set[int] = set()  # where members may run

    def grow(self, members: int) -> int:
        """Have as many members, the caller among them, or as many as the host lets start; how
        many there are of these."""
        for m in range(len(self.threads) + 1, members):
            self.control[m, team_code.LOCK] = self.control[m, team_code.LOCK] or _new_lock()
            thread = threading.Thread(target=team_code.serve, name="kpu", daemon=True,
                                      args=(self.control, m, self._patience))
            # Listed before it starts: Ctrl-C in between must not give its place to a second one.
            self.threads.append(thread)
            self._told = set()
            try:
                thread.start()
            except RuntimeError:
                self.threads.pop()
                return m
        return members

    def keep_off(self) -> None:
        """Forbid sleeping members this thread's core."""
        core = _core()
        if core < 0:
            return
        others = os.sched_getaffinity(0) - {core}
        if others and others != self._told:
            self._told = others
            for thread in filter(threading.Thread.is_alive, self.threads):
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(thread.native_id, others)

    def stop(self) -> None:
        """End the members."""
        self.control[0, team_code.STOP] = 1
        team_code.call_in(self.control, len(self.threads) + 1)
        for thread in self.threads:
            if thread.is_alive():
                thread.join(1.0)


def members(threads: int) -> int:
    """How many work on a chain where `threads` are allowed: more than cores would take turns."""
    return min(threads, cores())


def cores() -> int:
    """Cores this thread may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def lead(count: int, *job) -> bool | None:
    """team_code.lead by `count` members; None, and nothing is done, while the team is busy."""
    return _with_team(team_code.lead, count, *job)


def expect(count: int) -> None:
    """Have members wake that sleep: a chain follows in less than PATIENCE_S."""
    _with_team(team_code.call_in, count)


def _with_team(function, count, *more):
    """function(control, members, *more) for who leads the team; None while it is busy."""
    team = _the_team()
    if not team.busy.acquire(blocking=False):
        return None
    try:
        members = team.grow(count)
        team.keep_off()
        return function(team.control, members, *more)
    finally:
        team.busy.release()


def _the_team() -> Team:
    """The one team of this process."""
    global _team
    if _team is None:
        with _making:
            if _team is None:
                _team = Team()
    return _team


def _forget() -> None:
    """A forked child has none of the other threads."""
    global _team, _making
    _team, _making = None, threading.Lock()


def _address(function) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0 if function else 0


def _new_lock() -> int:
    """The address of a lock of Python's, taken."""
    _API.PyThread_allocate_lock.restype = ctypes.c_void_p
    lock = _API.PyThread_allocate_lock()
    if not lock:
        raise MemoryError("no lock for a thread")
    _API.PyThread_acquire_lock(ctypes.c_void_p(lock), 0)
    return lock


def _core() -> int:
    """The core this thread runs on, -1 where the host does not say or cannot be told."""
    if not hasattr(os, "sched_setaffinity"):
        return -1
    try:
        return _LIBC.sched_getcpu()
    except AttributeError:
        return -1


def _looks(seconds: float) -> int:
    """How many calls of relax() take so long."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        team_code.relax_often(200)
        times.append(time.perf_counter() - started)
    return max(1, int(seconds / min(times) * 200))


def _stop() -> None:
    if _team is not None:
        _team.stop()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
