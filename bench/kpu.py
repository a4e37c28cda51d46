"""How fast models run, as ratios taken in one process.

Per model and kernel set: host milliseconds of one thread's processor time (best of several), the
same layers by plain loops
(bench/plain_kpu.py), the chip's forecast, and GMAC/s counting every multiplication before pooling.
`vs_plain` and `vs_chip` above 1 mean faster. Models: those of --models, of ../shared/models, or a
synthetic one when there are none.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench import plain_kpu
from k210sim.kpu import KModel
from k210sim.kpu.conv_params import ConvParams
from k210sim.kpu.kernels import table
from k210sim.kpu.kernels.portable import pool
from k210sim.kpu.kmodel.writer import LEFT_TOP_2X2, MAX_2X2, ModelBuilder, Quant
from k210sim.kpu.layer_regs import Activation
from k210sim.kpu.warmup import warmup

COLUMNS = ("model", "kernels", "host_ms", "conv_ms", "gmac_per_s", "plain_ms", "vs_plain",
           "chip_ms", "vs_chip")
SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"


def measure(options):
    """One row per model and kernel set, then the sums over the set."""
    warmup()
    repeats = 2 if options.quick else 5
    sums: dict[str, list[float]] = {}
    for name, model_of in models(options.models):
        plain = None
        for kernels in table.available():
            model = model_of(kernels)
            x = _input(model)
            model.run(x)
            host = best(lambda m=model, v=x: m.run(v), repeats)
            if model.version == 5:  # neither a chip nor layers that stand alone: just the time
                yield {"model": name, "kernels": kernels, "host_ms": host}
                continue
            forecast = model.forecast()
            macs = sum(layer.macs for layer in forecast.layers)
            if plain is None and not options.quick:
                plain = plain_ms(model, x)
            convs = conv_ms(model, x, repeats)
            row = {"model": name, "kernels": kernels, "host_ms": host, "conv_ms": convs,
                   "gmac_per_s": macs / convs * 1e-6 if convs else None, "plain_ms": plain,
                   "vs_plain": plain / convs if plain and convs else None,
                   "chip_ms": forecast.total_ms, "vs_chip": forecast.total_ms / host}
            yield row
            total = sums.setdefault(kernels, [0.0] * 5)
            for i, value in enumerate((host, convs, plain or 0.0, forecast.total_ms, macs)):
                total[i] += value
    for kernels, (host, convs, plain, chip, macs) in sums.items():
        yield {"model": "all", "kernels": kernels, "host_ms": host, "conv_ms": convs,
               "gmac_per_s": macs / convs * 1e-6, "plain_ms": plain or None,
               "vs_plain": plain / convs if plain else None, "chip_ms": chip,
               "vs_chip": chip / host}


def models(folder):
    """(name, function of a kernel set giving the model)."""
    folder = folder or (SHARED if SHARED.is_dir() else None)
    paths = sorted(folder.glob("*.kmodel")) if folder else []
    found = False
    for path in paths:
        data = path.read_bytes()
        try:
            KModel.from_bytes(data)
        except Exception as error:  # a file of another kind: say so, go on
            print(f"# {path.name}: {error}")
            continue
        found = True
        yield path.stem, lambda kernels, d=data: KModel.from_bytes(d, kernels=kernels)
    if not found:
        data = synthetic()
        yield "synthetic", lambda kernels: KModel.from_bytes(data, kernels=kernels)


def synthetic() -> bytes:
    """A detector-like network at 320x240 with seeded random weights."""
    rng = np.random.default_rng(1)
    q = Quant(0.05, 0)
    b = ModelBuilder((3, 240, 320))

    def conv(x, out, k, **kw):
        shape = (out, k, k) if kw.get("depthwise") else (out, x.shape[0], k, k)
        return b.add_quantized_conv(x, rng.integers(0, 256, shape), scale=0.002, zero=128,
                                    in_quant=q, out_quant=q, activation="leaky", **kw)

    x = conv(b.input, 16, 3, pool=MAX_2X2)
    for channels in (32, 64, 128):
        x = conv(x, x.shape[0], 3, depthwise=True)
        x = conv(x, channels, 1, pool=LEFT_TOP_2X2)
    x = conv(x, 128, 3)
    b.output(b.add_dequantize(conv(x, 30, 1)))
    return b.build()


# A busy machine takes the processor away for most of the wall time; what one thread used of it
# does not suffer from that. Clocks that tick too slowly for it give way to the wall's.
ONE_THREAD = (time.thread_time if time.get_clock_info("thread_time").resolution < 1e-5
              else time.perf_counter)


def best(run, repeats: int, clock=ONE_THREAD) -> float:
    """Milliseconds of the fastest of some runs, in this thread's processor time unless told."""
    times = []
    for _ in range(repeats):
        started = clock()
        run()
        times.append(clock() - started)
    return min(times) * 1e3


def _input(model):
    rng = np.random.default_rng(0)
    if model.input_dtype == np.uint8:
        return rng.integers(0, 256, model.input_shape, dtype=np.uint8)
    return rng.random(model.input_shape, dtype=np.float32)


def _convs(model, x):
    """(index, body, input) of every KPU layer, as a run meets them."""
    net, layers = model.net, []

    def note(index, body):
        if net.kpu_plan(index) is not None:
            source = net.ai_ram.read_map(body.regs.image_src_addr, body.regs.in_shape)
            layers.append((index, body, source))

    net.run(x, keep_layers=True, before=note)
    return layers


def conv_ms(model, x, repeats: int) -> float:
    """Milliseconds of the KPU layers alone: sums, batch norm, activation, pool."""
    layers = _convs(model, x)
    plans = [(model.net.kpu_plan(index), source) for index, _, source in layers]
    return best(lambda: [plan.run(source) for plan, source in plans], repeats) if plans else 0.0


def plain_ms(model, x) -> float:
    """Milliseconds of the same layers by plain loops; their bytes must be the kernels'."""
    total = 0.0
    for index, body, source in _convs(model, x):
        p = ConvParams.from_layer(body.regs, body.weights, body.bn, body.act)
        act = Activation.unpack(body.act)
        rows = np.stack([act.x_start, act.mul, act.shift, act.bias], axis=1)
        weights = np.ascontiguousarray(p.weights.reshape(p.out_shape[0], -1, p.taps), np.int64)
        args = np.array([p.pad_value, p.arg_x, p.shr_x], np.int64)
        out = np.empty((p.out_shape[0], *p.in_shape[1:]), np.uint8)
        norm = p.norm.astype(np.int64)
        started = ONE_THREAD()
        plain_kpu.layer(source, weights, p.depthwise, args, norm, np.ascontiguousarray(rows), out)
        total += ONE_THREAD() - started
        got = pool(out, p.pool, p.out_shape)
        if not np.array_equal(got, model.net.kpu_plan(index).run(source)):
            raise AssertionError(f"layer {index}: plain loops and kernels differ")
    return total * 1e3
