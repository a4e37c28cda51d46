"""Tensors of kmodel V5 as NumPy views over a module's memories, every index checked."""

from __future__ import annotations

import math

import numpy as np

from k210sim.errors import KmodelError

MAX_ELEMENTS = 8 << 20


class Buffer:
    """A place on the operand stack: bytes of a memory from `start` on."""

    def __init__(self, cells: np.ndarray, start: int):
        self.cells, self.start = cells, start


def tensor_at(ranges, tensors, offset):
    """(bytes, offset inside) of the tensor with the greatest start not above `offset`."""
    best = None
    for i, place in enumerate(ranges):
        if place.start <= offset and (best is None or place.start > ranges[best].start):
            best = i
    if best is None:
        raise KmodelError(f"no tensor starts at or below {offset}", field="start")
    return tensors[best], offset - ranges[best].start


def strided(cells, dtype, shape, strides, start: int = 0) -> np.ndarray:
    """A view of `cells` from byte `start` on, strides in elements; every element must lie inside.
    """
    dtype = np.dtype(dtype)
    if len(strides) != len(shape):
        raise KmodelError(f"{len(strides)} strides for {len(shape)} axes", field="strides")
    if any(d < 0 for d in shape) or any(s < 0 for s in strides):
        raise KmodelError(f"a tensor of {shape} with strides {strides}", field="shape")
    if math.prod(max(1, d) for d in shape) > MAX_ELEMENTS:
        raise KmodelError(f"a tensor of {shape}", field="shape")
    if 0 in shape:
        return np.zeros(shape, dtype)
    span = 1 + sum((d - 1) * s for d, s in zip(shape, strides, strict=True))
    if span * dtype.itemsize > cells.size - start:
        raise KmodelError(f"a tensor of {shape} with strides {strides} in {cells.size - start} "
                          "bytes", field="shape")
    return np.ndarray(shape, dtype, cells, start, [s * dtype.itemsize for s in strides])
