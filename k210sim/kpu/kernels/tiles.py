"""Work on the tiles of one layer with several threads.

The kernels release Python's lock and every tile writes cells no other tile touches, so the result
does not depend on the number of threads or their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from k210sim.errors import ConfigError

MAX_THREADS = 64
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def check_threads(count: int) -> int:
    """`count`, or ConfigError when it is no number of threads."""
    if not isinstance(count, int) or not 1 <= count <= MAX_THREADS:
        raise ConfigError(f"threads {count!r}: expected 1 to {MAX_THREADS}")
    return count


def run(work: Callable[[int, int], None], count: int, threads: int, step: int = 1) -> None:
    """Call work(first, end) so that [0, count) is covered once, by up to `threads` threads.

    `first` is a multiple of `step`. The calling thread takes a part itself.
    """
    blocks = -(-count // step)
    parts = min(threads, blocks)
    if parts <= 1:
        if count:
            work(0, count)
        return
    cuts = [blocks * i // parts * step for i in range(parts)] + [count]
    pool = _pool(threads - 1)
    waiting = [pool.submit(work, cuts[i], cuts[i + 1]) for i in range(1, parts)]
    work(cuts[0], cuts[1])
    for one in waiting:
        one.result()


def _pool(workers: int) -> ThreadPoolExecutor:
    """A pool kept for later layers; one of its own in a forked child."""
    key = (os.getpid(), workers)
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(workers, thread_name_prefix="kpu")
    return _pools[key]
