"""Work on the tiles of one layer of the portable set with several threads, and work arrays.

The kernels release Python's lock and every tile writes cells no other tile touches, so the result
does not depend on the number of threads or their order.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from k210sim.errors import ConfigError

MAX_THREADS = 64
MOST_VIEWS = 256  # kept of one work array
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
_own = threading.local()


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


def scratch(name: str, shape: tuple[int, ...], dtype) -> np.ndarray:
    """A work array of this thread with any contents, kept for the next layer.

    The next call with that name takes it away again. Fresh arrays would cost more than the
    arithmetic: the kernel of the host must clear every page of theirs.
    """
    kept = _own.__dict__
    raw, views = kept.get(name) or (None, {})
    view = views.get((shape, dtype))
    if view is not None:
        return view
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if raw is None or raw.size < size or len(views) >= MOST_VIEWS:
        if raw is None or raw.size < size:
            raw = np.empty(size, np.uint8)
        views = {}
        kept[name] = raw, views
    view = views[shape, dtype] = raw[:size].view(dtype).reshape(shape)
    return view
