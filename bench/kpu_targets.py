"""The speed targets of the KPU part, measured in one process, and whether they hold.

Every figure is a ratio of two times taken here, except the chip's, which is the forecast. Peers
that are not installed are left out with a line.
"""

from __future__ import annotations

import numpy as np

from bench import dot_peak, int8_peer
from bench.kpu import _convs, _input, best, models, plain_ms, plan_of
from k210sim.kpu.kernels import table, tiles
from k210sim.kpu.kernels.dot_conv import DotConv
from k210sim.kpu.warmup import warmup

COLUMNS = ("target", "wanted", "measured", "holds")


def measure(options):
    """One row per target, and one per model that misses the chip's target."""
    warmup()
    kernels = table.default().NAME
    repeats = 3 if options.quick else 7
    sums = dict.fromkeys(("host", "host2", "convs", "convs2", "plain", "macs", "deep", "deep_macs",
                          "peer"), 0.0)
    slowest, peer_ok = (None, np.inf), int8_peer.available()
    for name, model_of in models(options.models):
        model = model_of(kernels)
        x = _input(model)
        model.run(x)
        host = best(lambda m=model, v=x: m.run(v), repeats)
        model.run(x, threads=2)
        host2 = best(lambda m=model, v=x: m.run(v), repeats)
        model.run(x, threads=1)
        if model.version < 5:
            ratio = model.forecast().total_ms / host
            if ratio < 3:
                yield _row(f"{name}: times faster than the chip", 3, ratio)
            slowest = min(slowest, (name, ratio), key=lambda pair: pair[1])
            layers = [(plan_of(model.net, i), body, s) for i, body, s in _convs(model, x)]
            if not layers:
                continue
            one = best(lambda found=layers: [p.run(s) for p, _, s in found], repeats)
            two = best(lambda found=layers: [p.run(s, 2) for p, _, s in found], repeats)
            deep_ms, deep_macs = _deep(layers, repeats)
            if not options.quick:
                sums["plain"] += plain_ms(model, x)
                sums["peer"] += int8_peer.run_ms(layers, repeats) if peer_ok else 0.0
            for key, value in (("convs", one), ("convs2", two), ("deep", deep_ms),
                               ("deep_macs", deep_macs),
                               ("macs", sum(_macs(p) for p, _, _ in layers))):
                sums[key] += value
        sums["host"] += host
        sums["host2"] += host2
    if not sums["convs"]:
        return
    peak = dot_peak.gmacs(kernels)
    if sums["plain"]:
        yield _row("KPU layers against plain loops", 60, sums["plain"] / sums["convs"])
    if peak:
        rate = sums["macs"] / sums["convs"] * 1e-6
        deep = sums["deep_macs"] / sums["deep"] * 1e-6 if sums["deep"] else 0.0
        yield {"target": f"peak of {kernels}, GMAC/s", "measured": peak}
        yield _row("sums of 1x1 and 3x3 with 64 channels or more, part of the peak", 0.5,
                   deep / peak)
        yield _row("all KPU layers with activation and pool, part of the peak", 0.25, rate / peak)
    yield _row(f"slowest against the chip: {slowest[0]}", 3, slowest[1])
    yield _row("KPU layers, two threads against one", 1.7, sums["convs"] / sums["convs2"])
    yield _row("whole models, two threads against one", 1.7, sums["host"] / sums["host2"])
    if sums["peer"]:
        yield _row("KPU layers against onnxruntime int8, one thread", 1,
                   sums["peer"] / sums["convs"])
    else:
        print("# onnxruntime and onnx are not installed (or --quick): no comparison")
    print("# the vendor's V5 simulator needs Python 3.10 or older: not measured here")


def _row(target, wanted, measured):
    return {"target": target, "wanted": wanted, "measured": float(measured),
            "holds": "yes" if measured >= wanted else "no"}


def _macs(plan) -> int:
    p = plan.p
    return p.weights.size * p.in_shape[1] * p.in_shape[2]


def _deep(layers, repeats) -> tuple[float, float]:
    """Milliseconds of the dot products alone in layers of 64 channels or more on both sides, and
    their multiplications (those of the positions really computed)."""
    total, macs = 0.0, 0.0
    for plan, _, _ in layers:
        p = plan.p
        if not isinstance(plan, DotConv) or min(p.in_shape[0], p.out_shape[0]) < 64:
            continue
        k = plan.kernels
        groups = -(-p.in_shape[0] // plan.group)
        x = tiles.scratch("words", (groups, plan.in_pitch, plan.group),
                          np.int16 if plan.wide else np.uint8)
        acc = tiles.scratch("acc", (len(plan.weights) * k.ROWS, int(plan.chunks[:, 1].max())),
                            np.int32)
        chunks = plan.chunks.tolist()
        weights = plan.weights.astype(np.int16) if plan.wide else plan.weights

        def run(plan=plan, k=k, x=x, acc=acc, chunks=chunks, weights=weights):
            for base, count in chunks:
                k.sums(x, plan.steps, weights, base, count, acc)

        total += best(run, repeats)
        macs += p.weights.size * sum(count for _, count in chunks)
    return total, macs
