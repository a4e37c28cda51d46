"""Virtual time: the only clock the simulated board knows.

Parts and engines charge what they do (`advance_ns`), read `now_ns`, and set alarms. How virtual
time relates to the host's is the mode's business:

`virtual`, `max`
    Time moves only by what is charged. Same input, same times, every run.
`real`
    The same, but never ahead of the wall: charging sleeps until the host has caught up, and
    idling (waiting for input) lets virtual time follow the wall.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

MODES = ("real", "virtual", "max")
PACE_S = 0.002  # how far virtual time may run ahead of the wall in `real` mode
PACE_PIECE_S = 0.02  # longest sleep without a look at `hurry`


class Alarm:
    """A callback at a time. order : of alarms at the same time the lowest is first."""

    __slots__ = ("at_ns", "callback", "order", "pending")

    def __init__(self, at_ns: int, order: int, callback: Callable[[], None]):
        self.at_ns, self.order, self.callback = at_ns, order, callback
        self.pending = True

    def __lt__(self, other: Alarm) -> bool:
        return (self.at_ns, self.order) < (other.at_ns, other.order)

    def cancel(self) -> None:
        """Forget it; cancelling one that fired is harmless."""
        self.pending = False


class Clock:
    """Virtual nanoseconds since power-on, with alarms.

    Alarms fire inside `advance_ns`, in order of their time, with the clock set to that time.
    """

    def __init__(self, mode: str = "virtual"):
        if mode not in MODES:
            raise ValueError(f"clock mode {mode!r}: expected one of {', '.join(MODES)}")
        self.mode = mode
        self.now_ns = 0
        self._alarms: list[Alarm] = []
        self._order = 0
        self._wall_start = time.monotonic_ns()
        # In `real` mode: asked while charging sleeps; True cuts the sleep short (Ctrl-C came).
        self.hurry: Callable[[], bool] = lambda: False

    def advance_ns(self, ns: int) -> None:
        """Let `ns` nanoseconds of device time pass, firing the alarms that fall due."""
        target = self.now_ns + int(ns)
        while self._alarms and self._alarms[0].at_ns <= target:
            alarm = heapq.heappop(self._alarms)
            if alarm.pending:
                alarm.pending = False
                self.now_ns = max(self.now_ns, alarm.at_ns)
                alarm.callback()
        self.now_ns = max(self.now_ns, target)
        if self.mode == "real":
            self._pace()

    def _pace(self) -> None:
        """Sleep until the wall has caught up."""
        while (ahead := self.ahead_of_wall_s()) > PACE_S:
            if self.hurry():
                self._wall_start -= int(ahead * 1e9)
                return
            time.sleep(min(ahead, PACE_PIECE_S))

    def alarm(
        self, at_ns: int, callback: Callable[[], None], *, order: int | None = None
    ) -> Alarm:
        """Call `callback` once when virtual time reaches `at_ns`; give the alarm to `cancel`.

        order : of a saved alarm that is put back; None ranks it behind all others of its time
        """
        if order is None:
            order = self._order
        self._order = max(self._order, order + 1)
        alarm = Alarm(int(at_ns), order, callback)
        heapq.heappush(self._alarms, alarm)
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        """Forget an alarm; cancelling one that fired is harmless."""
        alarm.cancel()

    def next_alarm_ns(self) -> int | None:
        """The time of the next alarm, or None."""
        while self._alarms and not self._alarms[0].pending:
            heapq.heappop(self._alarms)
        return self._alarms[0].at_ns if self._alarms else None

    def ahead_of_wall_s(self) -> float:
        """In `real` mode, how many seconds virtual time is ahead of the wall; else 0."""
        if self.mode != "real":
            return 0.0
        return (self.now_ns - (time.monotonic_ns() - self._wall_start)) / 1e9

    def follow_wall(self) -> None:
        """In `real` mode, catch up with the wall (the board was idle, waiting for input)."""
        if self.mode == "real":
            behind = time.monotonic_ns() - self._wall_start - self.now_ns
            if behind > 0:
                self.advance_ns(behind)
