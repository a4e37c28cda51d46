"""An optional peer: the vendor's own simulator of kmodel V5, one thread each, in one process.

It lives in nncase 1.9, whose wheels end at Python 3.10 and need NumPy 1.24, so it gets an
environment of its own:

    python3.10 -m venv nncase-env
    nncase-env/bin/pip install "nncase==1.9.0.20230322" "numpy==1.24.*" -e .
    nncase-env/bin/python -m bench nncase_peer

The same environment runs the live comparison of tests/kpu/test_v5_functions.py.
"""

from __future__ import annotations

import importlib.util

import numpy as np

from bench.kpu import _input, best, models
from k210sim.kpu.kmodel import v5
from k210sim.kpu.warmup import warmup

COLUMNS = ("model", "kernels", "host_ms", "vendor_ms", "ratio", "wanted", "same_bytes")


def measure(options):
    """One row per V5 model; nothing, with a line that says why, without the peer or a model."""
    if importlib.util.find_spec("nncase") is None:
        print("# nncase 1.9 is not installed here: bench/nncase_peer.py says how to get it")
        return
    from k210sim.kpu.kernels import table

    warmup()
    kernels, found = table.default().NAME, False
    for name, model_of in models(options.models):
        model = model_of(kernels)
        if model.version != 5:
            continue
        found = True
        x = _input(model)
        simulator = _Simulator(v5.build(model.model), x)
        outputs = model.run(x)
        simulator.run()
        same = all(np.array_equal(out, simulator.output(i)) for i, out in enumerate(outputs))
        host = vendor = float("inf")
        for _ in range(2 if options.quick else 5):  # by turns, so that both meet the same machine
            host = min(host, best(lambda m=model, v=x: m.run(v), 3))
            vendor = min(vendor, best(simulator.run, 1))
        yield {"model": name, "kernels": kernels, "host_ms": host, "vendor_ms": vendor,
               "ratio": vendor / host, "wanted": 40, "same_bytes": "yes" if same else "no"}
    if not found:
        print("# no V5 model: name a folder with --models")


class _Simulator:
    """nncase's simulator with a model and its input."""

    def __init__(self, data: bytes, x: np.ndarray):
        import nncase

        self.data = data  # kept: it works in these bytes
        self.simulator = nncase.Simulator()
        self.simulator.load_model(self.data)
        wanted = self.simulator.get_input_tensor(0).to_numpy()
        self.simulator.set_input_tensor(0, nncase.RuntimeTensor.from_numpy(
            np.ascontiguousarray(x.reshape(wanted.shape).astype(wanted.dtype))))

    def run(self):
        self.simulator.run()

    def output(self, index: int) -> np.ndarray:
        return self.simulator.get_output_tensor(index).to_numpy()
