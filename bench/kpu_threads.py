"""Two threads against one, for whole models and for their KPU layers, and what the host gives.

Times are wall times, in rounds: one thread, two threads, then two independent copies at once on two
cores, one thread each; medians over the rounds. `ratio` is one against two. `host` is what the
independent copies gain, which nothing that shares work can exceed: a virtual machine's two
processors may be halves of one core, and that may change from second to second.
"""

from __future__ import annotations

import os
import statistics
import threading
import time

from bench.kpu import _input, models
from k210sim.kpu.kernels import table
from k210sim.kpu.warmup import warmup

COLUMNS = ("model", "what", "one_ms", "two_ms", "ratio", "host")
LEAST_S = 5e-3  # of one measurement, so that starting two copies does not count


def measure(options):
    """Two rows a model, then the sums."""
    warmup()
    sums: dict[str, list[float]] = {}
    with Copies() as copies:
        for name, model_of in models(options.models):
            for what, times in of_model(model_of, copies, 3 if options.quick else 7):
                yield _row(name, what, times)
                total = sums.setdefault(what, [0.0] * 3)
                for i, value in enumerate(times):
                    total[i] += value
    for what, times in sums.items():
        yield _row("all", what, times)


def _row(name, what, times):
    one, two, both = times
    return {"model": name, "what": what, "one_ms": one, "two_ms": two, "ratio": one / two,
            "host": 2 * one / both}


def of_model(model_of, copies: Copies, rounds: int):
    """(what, milliseconds of one thread, of two, of two copies at once), by name."""
    pair = [model_of(table.default().NAME) for _ in range(2)]
    x = _input(pair[0])
    yield "model", of_runs([lambda threads, m=m: m.run(x, threads=threads) for m in pair], copies,
                           rounds)
    calls = [_calls(model) for model in pair]
    if calls[0]:
        yield "KPU layers", of_runs([lambda threads, found=found: [run(threads) for run in found]
                                     for found in calls], copies, rounds)


def _calls(model):
    """The KPU layers of a V3 or V4 model that has run, as its runs call them."""
    net = model.net
    if model.version == 5:
        return []
    return [lambda threads, call=call: call.run(net.ai_ram, threads) for call in net.kpu_calls()]


def of_runs(pair, copies: Copies, rounds: int) -> tuple[float, float, float]:
    """Median milliseconds of pair[0](1), pair[0](2), and of both with 1 at once."""
    first = pair[0]
    for run in pair:
        run(1)
    first(2)
    started = time.perf_counter()
    first(1)
    count = max(1, int(LEAST_S / (time.perf_counter() - started)))
    times = []
    for _ in range(rounds):
        times.append((_ms(lambda: first(1), count), _ms(lambda: first(2), count),
                      copies.ms(pair, count)))
    one, two, both = (statistics.median(column) for column in zip(*times, strict=True))
    return one, two, both


def _ms(run, count) -> float:
    started = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - started) / count * 1e3


class Copies:
    """Two threads that run two things at once, on two cores where the host lets them choose."""

    def __init__(self):
        self.begin, self.end = threading.Barrier(3), threading.Barrier(3)
        self.job = None
        self.threads = [threading.Thread(target=self._work, args=(i,)) for i in range(2)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.job = None
        self.begin.wait()

    def ms(self, pair, count: int) -> float:
        """Milliseconds of a run of both at once, `count` runs each."""
        self.job = pair, count
        self.begin.wait()
        started = time.perf_counter()
        self.end.wait()
        return (time.perf_counter() - started) / count * 1e3

    def _work(self, number):
        if hasattr(os, "sched_setaffinity"):
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {cores[number % len(cores)]})
        while True:
            self.begin.wait()
            if self.job is None:
                return
            pair, count = self.job
            for _ in range(count):
                pair[number](1)
            self.end.wait()
