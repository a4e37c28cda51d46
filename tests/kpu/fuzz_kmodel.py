"""Mutations of model files: `python tests/kpu/fuzz_kmodel.py [--both] [CASES] [FILE ...]`.

The FILE "v5" stands for a small written kmodel V5, "functions" for one per tensor function.

Every case must end in a KmodelError or a run inside the model's own memory. The test suite runs a
few hundred; this script as many as wanted, on a small written model and on any files given. With
--both every run is repeated layer by layer with the portable kernels: what compiled chains read or
write beside their places would show in the outputs.
"""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path

import numpy as np
from v5_files import small_v5

from k210sim.errors import KmodelError
from k210sim.kpu import KModel
from k210sim.kpu.kmodel import v3, v5
from k210sim.kpu.kmodel.writer import MAX_2X2, ModelBuilder, Quant
from k210sim.kpu.runtime import Net

WORDS = (0, 1, 7, 8, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000, 10240, 255)


def small_model(seed=0) -> bytes:
    """Two convolutions, then dequantize, flatten, dense, softmax."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder((3, 12, 20))
    x = b.add_quantized_conv(b.input, rng.integers(0, 256, (6, 3, 3, 3)), scale=0.01, zero=128,
                             bias=rng.normal(size=6), in_quant=Quant(1 / 255, 0),
                             out_quant=Quant(0.02, 10), activation="leaky", pool=MAX_2X2)
    x = b.add_quantized_conv(x, rng.integers(0, 256, (6, 3, 3)), scale=0.01, zero=120,
                             out_quant=Quant(0.02, 0), activation="relu", depthwise=True)
    y = b.add_softmax(b.add_fully_connected(b.add_flatten(b.add_dequantize(x)),
                                            rng.normal(size=(4, 6 * 6 * 10))))
    b.output(y)
    return b.build()


def try_everything(data: bytes, both: bool = False) -> str:
    """Parse, build and run; the only acceptable failure is a KmodelError. both: twice, with equal
    outputs."""
    try:
        if data[:4] == b"\3\0\0\0":
            assert v3.build(v3.parse(data)) == data
            Net.from_bytes(data)
        if data[:8] == b"LDMK\5\0\0\0":
            assert v5.build(v5.parse(data)) == data
        model = KModel.from_bytes(data)
        if np.prod(model.input_shape, dtype=float) > 1 << 22:
            return "refused"
        x = np.random.default_rng(len(data)).integers(0, 256, model.input_shape)
        x = x.astype(model.input_dtype)
        outputs = model.run(x) if both else model.run(np.zeros_like(x))
        if both:
            plain = KModel.from_bytes(data, kernels="portable").run(x)
            for one, other in zip(outputs, plain, strict=True):
                np.testing.assert_array_equal(one, other)
        return "ran"
    except KmodelError as error:
        assert str(error)
        return "refused"


def mutate(data: bytes, rng) -> bytes:
    """Flip, set, cut or splice a few places, mostly in the tables and small numbers."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        limit = len(out) if rng.random() < 0.5 else min(len(out), 400)
        at = int(rng.integers(0, max(1, limit)))
        kind = rng.integers(0, 5)
        if kind == 0 and out:
            out[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            at &= ~3
            out[at : at + 4] = struct.pack("<I", int(rng.choice(np.array(WORDS))))
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            out += bytes(int(rng.integers(1, 9)))
        else:
            out[at : at + 8] = rng.bytes(8)
    return bytes(out)


def main(argv) -> int:
    both = "--both" in argv
    argv = [word for word in argv if word != "--both"]
    cases = int(argv[0]) if argv else 2000
    files = []
    for name in argv[1:]:
        if name == "functions":
            from v5_cases import CASES

            files += [data for data, _, _ in CASES.values()]
        else:
            files.append(small_v5() if name == "v5" else Path(name).read_bytes())
    files = files or [small_model()]
    seen = {"ran": 0, "refused": 0}
    started = time.perf_counter()
    for case in range(cases):
        rng = np.random.default_rng(case)
        data = mutate(files[case % len(files)], rng)
        begun = time.perf_counter()
        try:
            seen[try_everything(data, both)] += 1
        except Exception:
            Path(f"failed_{case}.kmodel").write_bytes(data)
            print(f"case {case} failed; kept as failed_{case}.kmodel")
            raise
        if time.perf_counter() - begun > 5:
            print(f"case {case} took {time.perf_counter() - begun:.1f} s")
    print(f"{cases} cases in {time.perf_counter() - started:.0f} s: {seen}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
