"""What loaded models weigh, as multiples of their files.

`held` is `held_bytes` divided by the file's size. Small files are marked: what every model has, be
it as small as it may, is more than they are.
"""

from __future__ import annotations

import gc
import tracemalloc

from bench.kpu import _input, models
from k210sim.kpu.kernels import table
from k210sim.kpu.warmup import warmup

COLUMNS = ("model", "file_bytes", "held_bytes", "held", "small")
SMALL_FILE = 64 * 1024  # below, Python's own objects outweigh any model


def measure(options):
    """One row per model, the heaviest last, files below SMALL_FILE first."""
    warmup()
    rows = []
    for name, model_of in models(options.models):
        size = model_of(None).file_size
        held = held_bytes(model_of)
        rows.append({"model": name, "file_bytes": size, "held_bytes": held, "held": held / size,
                     "small": size < SMALL_FILE})
    yield from sorted(rows, key=lambda row: (not row["small"], row["held"]))


def held_bytes(model_of, kernels: str | None = None, loads: int = 2) -> int:
    """Bytes a loaded model holds after a run: the file's own, which were read before, and all
    others without the chip's own memories and what a V5 model has from its caller.

    model_of : gives the model for the name of a kernel set, None for the host's best. loads : how
    often it is loaded, of which the least counts. It is loaded and run once before, so that what
    belongs to the process is nobody's: imported modules, the work arrays all models share
    (kernels/tiles.py); tables of the interpreter grow now and then.
    """
    model = model_of(kernels or table.default().NAME)
    x = _input(model)
    model.run(x)
    least = None
    for _ in range(loads):
        del model
        gc.collect()
        tracemalloc.start()
        model = model_of(kernels or table.default().NAME)
        model.run(x)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        own = (2 << 20) + model.net.main_mem_usage
        if model.version == 5:
            own += model.net.caller_bytes
        least = min(held - own, least if least is not None else held)
    return least + model.file_size
