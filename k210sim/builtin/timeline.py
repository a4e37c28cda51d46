"""Memory over time: both heaps' use, at collections and whenever the system heap changes."""

from __future__ import annotations

LENGTH = 400


class Timeline:
    """Samples (virtual ms, GC heap bytes, system heap bytes), at most LENGTH of them.

    When it is full every second sample goes and from then on only every second one is taken, so
    that any run, however long, is covered evenly from its start to its end.
    """

    def __init__(self):
        self._samples: list[tuple[float, int, int]] = []
        self._last: tuple[float, int, int] | None = None
        self._step, self._skipped = 1, 0

    def add(self, ms: float, gc_used: int, system_used: int) -> None:
        self._last = (round(ms, 3), gc_used, system_used)
        self._skipped += 1
        if self._skipped < self._step:
            return
        self._skipped = 0
        self._samples.append(self._last)
        if len(self._samples) >= LENGTH:
            del self._samples[1::2]
            self._step *= 2

    def report(self) -> list[dict]:
        """The samples and the latest, as they go into a report."""
        samples = list(self._samples)
        if self._last is not None and (not samples or samples[-1] != self._last):
            samples.append(self._last)
        return [{"virtual_ms": ms, "gc_heap_used": gc, "system_heap_used": system}
                for ms, gc, system in samples]
