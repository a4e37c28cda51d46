"""The speed targets of the KPU part, measured in one process, and whether they hold.

Every figure is a ratio of two times taken here, except the chip's, which is the forecast. What one
thread does is measured in its processor time, two against one in wall time, which means nothing on
a busy machine. Peers that are not installed are left out with a line. A model cannot be three
times as fast as a chip that needs more than a third of this host's dot-product peak: such models
are marked.
"""

from __future__ import annotations

import numpy as np

from bench import dot_peak, int8_peer, kpu_threads
from bench.kpu import _convs, _input, best, models, plain_ms
from bench.kpu_memory import SMALL_FILE, held_bytes
from k210sim.kpu.kernels import chain, table, tiles, winograd
from k210sim.kpu.kernels.dot_conv import DotConv
from k210sim.kpu.warmup import warmup

COLUMNS = ("target", "wanted", "measured", "holds")
CHIP, MEMORY = 3, 3


def measure(options):
    """One row per target, and one per model that misses the chip's target."""
    warmup()
    kernels = table.default().NAME
    peak = dot_peak.gmacs(kernels)
    repeats = 3 if options.quick else 7
    sums = dict.fromkeys(("convs", "plain", "macs", "deep", "deep_macs", "peer"), 0.0)
    ratios, beyond, heaviest = {}, [], ("", 0.0)
    peer_ok = int8_peer.available() and not options.quick
    for name, model_of in models(options.models):
        model = model_of(kernels)
        x = _input(model)
        host = best(lambda m=model, v=x: m.run(v, threads=1), repeats)
        if model.file_size > SMALL_FILE:
            held = held_bytes(model_of, kernels) / model.file_size
            heaviest = max(heaviest, (name, held), key=lambda pair: pair[1])
        if model.version == 5:
            continue
        model.run(x, threads=1)
        forecast = model.forecast()
        ratios[name] = forecast.total_ms / host
        macs = sum(layer.macs for layer in forecast.layers)
        if peak and macs * 1e-6 / peak * CHIP > forecast.total_ms:
            beyond.append(name)
        layers = [(model.net.kpu_plan(i), body, s) for i, body, s in _convs(model, x)]
        if not layers:
            continue
        one = best(lambda found=layers: [p.run(s) for p, _, s in found], repeats)
        deep_ms, deep_macs = _deep(layers, repeats)
        if not options.quick:
            sums["plain"] += plain_ms(model, x)
        if peer_ok:
            sums["peer"] += int8_peer.run_ms(layers, repeats)
        for key, value in (("convs", one), ("deep", deep_ms), ("macs", macs),
                           ("deep_macs", deep_macs)):
            sums[key] += value
    if not sums["convs"]:
        return
    if sums["plain"]:
        yield _row("KPU layers against plain loops", 60, sums["plain"] / sums["convs"])
    if peak:
        rate = sums["macs"] / sums["convs"] * 1e-6
        deep = sums["deep_macs"] / sums["deep"] * 1e-6 if sums["deep"] else 0.0
        yield {"target": f"peak of {kernels}, GMAC/s", "measured": peak}
        yield _row("sums of 1x1 and 3x3 with 64 channels or more, part of the peak", 0.5,
                   deep / peak)
        yield _row("all KPU layers with activation and pool, part of the peak", 0.25, rate / peak)
    yield from _against_the_chip(ratios, beyond)
    yield from _two_threads(options)
    yield {"target": f"memory of a loaded model by its file's size, most: {heaviest[0]}",
           "wanted": MEMORY, "measured": heaviest[1],
           "holds": "yes" if heaviest[1] <= MEMORY else "no"}
    if sums["peer"]:
        yield _row("KPU layers against onnxruntime int8, one thread", 1,
                   sums["peer"] / sums["convs"])
    else:
        print("# onnxruntime and onnx are not installed (or --quick): no comparison")
    print("# the vendor's V5 simulator has a subject of its own: nncase_peer")


def _against_the_chip(ratios, beyond):
    held = sum(ratio >= CHIP for ratio in ratios.values())
    yield {"target": f"models of {len(ratios)} that are {CHIP} times faster than the chip",
           "wanted": len(ratios), "measured": held,
           "holds": "yes" if held == len(ratios) else "no"}
    for name, ratio in sorted(ratios.items(), key=lambda pair: pair[1]):
        if ratio < CHIP:
            note = " (beyond this host's peak)" if name in beyond else ""
            yield _row(f"{name}: times faster than the chip{note}", CHIP, ratio)


def _two_threads(options):
    for row in kpu_threads.measure(options):
        if row["model"] == "all":
            yield _row(f"{row['what']}, two threads against one", 1.7, row["ratio"])
            yield {"target": f"{row['what']}, two independent copies at once on this host",
                   "measured": row["host"]}


def _row(target, wanted, measured):
    return {"target": target, "wanted": wanted, "measured": float(measured),
            "holds": "yes" if measured >= wanted else "no"}


def _deep(layers, repeats) -> tuple[float, float]:
    """Milliseconds of the sums alone in layers of 64 channels or more on both sides, and their
    multiplications, done one by one (those of the positions really computed)."""
    total, macs = 0.0, 0.0
    for plan, body, source in layers:
        p = plan.p
        if not isinstance(plan, DotConv) or min(p.in_shape[0], p.out_shape[0]) < 64:
            continue
        plan.run(source)  # fills the work arrays
        k, f = plan.kernels, plan.layout
        if f.size:
            run = _patches(plan)
            macs += body.weights.size * f.size**2 * f.rows * f.columns
        else:
            x = tiles.scratch("words", (f.groups, f.pitch), np.int32)
            acc = tiles.scratch("acc", (f.copies, f.blocks * k.ROWS, f.positions), np.int32)
            weights = plan.weights
            if plan.wide:
                weights = weights.astype(np.int16) + np.int16(plan.factor)

            def run(k=k, f=f, x=x, acc=acc, weights=weights):
                for _ in range(f.bands):
                    for steps in f.steps:
                        k.sums.ctypes(x.ctypes.data, steps.ctypes.data, len(steps),
                                      weights.ctypes.data, f.blocks, f.positions,
                                      acc.ctypes.data, 4 * f.positions)

            macs += body.weights.size * f.positions * f.bands * len(f.steps)
        total += best(run, repeats)
    return total, macs


def _patches(plan):
    """What makes the sums of a layer by Winograd's way from words of the map and transformed
    weights."""
    k, f, kinds = plan.kernels, plan.layout, len(plan.layout.steps)
    row, count = 4 * f.positions, -(-f.band * f.columns // k.STEP) * k.STEP
    kind = winograd.kind_bytes(f.groups, k.ROWS * f.together)
    x = tiles.scratch("words", (int(f.steps[-1, -1]) // 4 + f.positions,), np.int32)
    acc = tiles.scratch("acc", (f.together * k.ROWS, f.edge**2 * f.positions), np.int32)
    each = winograd.apart(f.together * k.ROWS * row)
    kept = tiles.scratch("kept", (kinds * each,), np.uint8)
    made = np.empty(kinds * kind, np.uint8)
    at = [chain.address(one) for one in (x, made, kept, acc)]
    inputs, x_kind = at[0] + int(f.steps[0, 0]), int(f.steps[1, 0] - f.steps[0, 0])
    winograd.weights(f.size, chain.address(plan.weights), f.together, 2 * f.groups * k.ROWS,
                     plan.factor, at[1], kind)

    def run():
        for _ in range(f.bands):
            for g in range(0, f.groups, f.batch):
                winograd.inputs(f.size, at[0], min(f.batch, f.groups - g), 4 * f.pitch, f.frame,
                                f.band, f.columns, inputs + g * row, x_kind, row)
            for c in range(0, f.blocks, f.together):
                some = min(f.together, f.blocks - c)
                winograd.products(k.even.address, f.size, at[0], chain.address(f.steps),
                                  f.groups, at[1], kind, some * k.ROWS, count, at[2], each, row)
                winograd.outputs(f.size, f.edge, at[2], each, row, some * k.ROWS, count, at[3],
                                 4 * acc.shape[1])

    return run
