"""The forecast of the chip against published measurements: the table of docs/forecast.md.

`python -m bench forecast` prints every published time, the forecast and the residual; totals need
the models of --models or ../shared/models. `python -m bench.forecast --markdown` prints the same as
the documentation shows it, `python -m bench.forecast --fit` searches the KPU constants again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from k210sim.kpu import forecast as fc
from k210sim.kpu import measurements as ms

COLUMNS = ("group", "source", "what", "published_ms", "forecast_ms", "residual")
SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"


def measure(options):
    """One row per published figure."""
    yield from rows(getattr(options, "models", None))


def rows(folder=None):
    for group, times in (("sizes", ms.SIZES), ("layers", ms.LAYERS)):
        for time in times:
            predicted = 1e3 * fc.conv_seconds(time.regs, time.weight_bytes, time.kpu_hz)
            yield _row(group, time.source, time.name, time.ms, predicted)
    nanoseconds = {"copy": fc.CPU_OUT_NS, "kpu_upload": fc.CPU_IN_NS, "dma_in": fc.DMA_IN_NS}
    for kind, value in fc.V4_NS.items():
        nanoseconds[kind.NAME] = value
    for source, what, kind, count, published in ms.STEPS:
        yield _row("steps", source, what, published, count * nanoseconds[kind] * 1e-6)
    folder = folder or SHARED
    for time in ms.TOTALS:
        path = Path(folder) / f"{time.model}.kmodel"
        if path.is_file():
            yield _row("totals", time.source, time.what, time.ms, total(time, path))


def total(time: ms.TotalTime, path) -> float:
    """The forecast of a published run, in milliseconds."""
    from k210sim.kpu import KModel

    model = KModel.from_file(path).model
    flash = None
    if time.spi_hz:
        flash = fc.FlashStream(time.spi_hz, time.dual, time.batch_size)
    cost = fc.forecast(model, time.cpu_hz, time.kpu_hz, dma=time.dma, flash=flash)
    return cost.total_ms - (0 if time.upload else cost.upload_ms)


def _row(group, source, what, published, predicted):
    residual = round(predicted / published - 1, 4) + 0.0  # no -0.0
    return {"group": group, "source": source, "what": what, "published_ms": published,
            "forecast_ms": round(predicted, 3), "residual": residual}


def markdown(table) -> str:
    lines, last = [], None
    for row in table:
        if row["group"] != last:
            last = row["group"]
            lines += ["", f"### {last.capitalize()}", "",
                      "| source | what | published ms | forecast ms | residual |",
                      "|---|---|---:|---:|---:|"]
        lines.append(f"| {row['source']} | {row['what']} | {row['published_ms']:g} | "
                     f"{row['forecast_ms']:.3f} | {row['residual']:+.1%} |")
    return "\n".join(lines).strip() + "\n"


def fit(steps: int = 20000) -> dict[str, float]:
    """Random descent on the squared relative errors of SIZES and LAYERS; the seed is fixed.

    What forecast.py holds is a rounded result of this. Prints nothing, changes nothing.
    """
    import random

    names = ("WEIGHT_BYTES_PER_S", "FIXED_CYCLES", "one", "nine", "OVERLAP", "DEPTHWISE_FIXED",
             "DEPTHWISE_ROW", "DEPTHWISE_MAP")
    rng = random.Random(0)
    kept = {name: getattr(fc, name, None) for name in names} | {"rows": dict(fc.ROW_OVERHEAD)}
    best = {n: getattr(fc, n, None) or fc.ROW_OVERHEAD[1 if n == "one" else 9] for n in names}

    def score(values):
        for name, value in values.items():
            if name in ("one", "nine"):
                fc.ROW_OVERHEAD[1 if name == "one" else 9] = value
            else:
                setattr(fc, name, value)
        errors = [1e3 * fc.conv_seconds(t.regs, t.weight_bytes, t.kpu_hz) / t.ms - 1
                  for t in (*ms.SIZES, *ms.LAYERS)]
        return sum(e * e for e in errors) + 4 * max(abs(e) for e in errors) ** 2

    try:
        reached = score(best)
        for _ in range(steps):
            spread = 0.05 * rng.random()
            tried = {n: v * (1 + rng.gauss(0, spread)) for n, v in best.items()}
            tried["OVERLAP"] = max(1.5, tried["OVERLAP"])
            value = score(tried)
            if value < reached:
                best, reached = tried, value
    finally:
        for name in names:
            if kept[name] is not None:
                setattr(fc, name, kept[name])
        fc.ROW_OVERHEAD.update(kept["rows"])
    return {**best, "score": reached}


if __name__ == "__main__":
    if "--fit" in sys.argv:
        for key, value in fit().items():
            print(f"{key:20} {value:.5g}")
    else:
        sys.stdout.write(markdown(rows()) if "--markdown" in sys.argv else __doc__)
