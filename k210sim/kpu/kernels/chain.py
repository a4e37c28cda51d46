"""KPU layers in a row as one call of compiled code, shared by threads (team_code.py).

A plan that can be in a chain has `parts(threads, source_place, target_place)`, and `work`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from k210sim.kpu.kernels import team, team_code, tiles

# Products, or pixels times 32, below which waking another thread costs more than it saves.
WORTH = 5_000_000
NOTHING = np.zeros(0, np.uint8)


class Parts(NamedTuple):
    """What a layer is in a chain. record: its int64 words; steps: (address of a part, pieces,
    a further word of the step) in order; own: bytes of a member's work arrays; keep: arrays whose
    addresses are in the record, but those of memories, of the places of a KPU layer and of its
    plan."""

    record: list[int]
    steps: list[tuple]
    own: int
    keep: list


class Chain:
    """layers: (plan, source_place, target_place) in order; all read from one array of flat bytes
    and write to one, so either these are the same or there is one layer.

    again: makes the same layers anew, from plans of KPU layers and places that it keeps. Then they
    are not kept here once what runs is made of them, which is all that is needed until another
    number of threads is asked for."""

    __slots__ = ("layers", "work", "_again", "_alone", "_shared")

    def __init__(self, layers, again: Callable[[], Iterable[tuple]] | None = None):
        self.layers = tuple(layers)
        self.work = sum(plan.work for plan, _, _ in layers)
        self._again = again
        # Jobs: (words and count as team_code.alone takes them, bytes of a room, arrays to keep).
        self._alone: tuple | None = None
        self._shared: tuple | None = None  # number of threads, job

    def run(self, source: np.ndarray, target: np.ndarray, threads: int = 1) -> None:
        """Run the layers on flat bytes by up to `threads` threads. MemoryError if a part failed:
        parts make small arrays and have no other way to fail."""
        count = _members(threads, self.work)
        well, job = None, None
        if count > 1:
            job = self._job(count)
        if job is not None:
            words, steps, own, _ = job
            room = tiles.scratch("chain", (count * own + 64,), np.uint8)
            well = team.lead(count, words, steps, source, target, room, own)
        if well is None:
            words, steps, own, _ = self._job(1)
            room = tiles.scratch("chain", (own + 64,), np.uint8)
            well = team_code.alone(words, steps, source, target, room, own)
        if not well:
            raise MemoryError("a part of a layer found no memory to work in")

    def expect(self, threads: int) -> None:
        """Have the threads wake that will help with the next run, if that is near."""
        count = _members(threads, self.work)
        if count > 1:
            team.expect(count)

    def _job(self, count: int) -> tuple | None:
        if count == 1:
            if self._alone is None:
                self._alone = self._make(1)
            return self._alone
        if self._shared is None or self._shared[0] != count:
            self._shared = count, self._make(count)
        return self._shared[1]

    def _make(self, count: int) -> tuple | None:
        """None where a step has too many pieces for members to share."""
        layers = self.layers or self._again()
        parts = [plan.parts(count, source, target) for plan, source, target in layers]
        if count > 1 and max(step[1] for part in parts for step in part.steps) >= team_code.MOST:
            return None
        steps = sum(len(part.steps) for part in parts)
        at = steps * team_code.STEP_WORDS
        words = np.zeros(at + sum(len(part.record) for part in parts), np.int64)
        rows = iter(words[:at].reshape(steps, -1))
        for part in parts:
            words[at : at + len(part.record)] = part.record
            for function, pieces, *more in part.steps:
                row = function, pieces, address(words) + 8 * at, *more
                next(rows)[: len(row)] = row
            at += len(part.record)
        keep = tuple(one for part in parts for one in part.keep)
        if self._again is not None:
            self.layers = ()
        return words, steps, max([64, *(part.own for part in parts)]), keep


def _members(threads: int, work: int) -> int:
    """How many threads so much work is shared among."""
    return team.members(threads) if threads > 1 and work >= WORTH else 1


def single(last: Chain | None, plan, source_place, target_place) -> Chain:
    """`last` where it is this very layer, else a new chain of it alone."""
    layer = plan, source_place, target_place
    if last is not None and all(a is b for a, b in zip(last.layers[0], layer, strict=True)):
        return last
    return Chain([layer])


@lru_cache(maxsize=256)
def plain(shape: tuple[int, int, int]) -> np.ndarray:
    """The place (maps.py) of a C-contiguous (C, H, W) map at byte 0. Nobody changes it."""
    _, height, width = shape
    return np.array([0, 1, 0, height * width, width], np.int64)


def address(array: np.ndarray) -> int:
    """Where an array's first element lies."""
    return array.__array_interface__["data"][0]


def room_for(*sizes: int) -> list[int]:
    """Where work arrays of these bytes begin, each at a cache line, behind the first line of a
    member's room (team_code.py), and where the last ends."""
    starts = [64]
    for size in sizes:
        starts.append(starts[-1] + -(-size // 64) * 64)
    return starts
