"""Tensor functions of kmodel V5 that carry a value from element to element, and blocks of space.

As in ops.py, each takes the machine and the operands. "Packed" tensors have no strides.
Ref: nncase v1.9.0 src/kernels/cpu/reference (behaviour, not code); the random numbers are those of
libstdc++, which the vendor's PC and chip builds share: minstd_rand0, generate_canonical and the
polar method.
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.v5.ops import FLOAT, float_only

F32 = np.float32
I32 = 2
MAX_GRU_STEPS = 1 << 28
MAX_GRU_PRODUCTS = 1 << 24
MAX_RANDOM = 1 << 20
MODULUS = 0x7FFFFFFF


def running(values, axis, start=0, function=np.add):
    """`function` from `start` along an axis, each step rounded; one element more than values."""
    shape = [1 if a == axis else d for a, d in enumerate(values.shape)]
    first = np.full(shape, start, values.dtype)
    return function.accumulate(np.concatenate([first, values], axis), axis, dtype=values.dtype)


def cumsum(m, o):
    """Sums up to each element along an axis, with it or (exclusive) without; packed."""
    out_at, in_at = m.pop_address(), m.pop_address()
    x = m.read_packed(in_at, o["dt"], m.shape(o["shape"]))
    if o["dt"] not in (I32, FLOAT) or not 0 <= o["axis"] < x.ndim:
        raise KmodelError(f"datatype {o['dt']}, axis {o['axis']} of {x.ndim}", field="axis")
    axis = o["axis"]
    if o["reverse"]:
        x = np.flip(x, axis)
    with np.errstate(all="ignore"):
        sums = running(x, axis)
    part = slice(None, -1) if o["exclusive"] else slice(1, None)
    sums = sums[(slice(None),) * axis + (part,)]
    return m.write_packed(out_at, o["dt"], np.flip(sums, axis) if o["reverse"] else sums)


def reduce_prod(m, o):
    """Products over the axes, in index order."""
    out_at, in_at = m.pop_address(), m.pop_address()
    dt = o.get("dt", FLOAT)
    x = m.read(in_at, dt, m.shape(o["shape"]), o["in_strides"])
    axes = sorted(set(m.shape(o["axes"])))
    if dt not in (I32, FLOAT) or any(not 0 <= a < x.ndim for a in axes):
        raise KmodelError(f"datatype {dt}, axes {axes} of {x.ndim}", field="axes")
    kept = [a for a in range(x.ndim) if a not in axes]
    rows = x.transpose(kept + axes).reshape(math.prod(x.shape[a] for a in kept),
                                            math.prod(x.shape[a] for a in axes))
    with np.errstate(all="ignore"):
        out = running(rows, 1, 1, np.multiply)[:, -1]
    shape = [1 if a in axes else x.shape[a] for a in range(x.ndim) if o["keep"] or a in kept]
    return m.write(out_at, dt, o["out_strides"], out.reshape(shape or [1]))


def layer_norm(m, o):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the axes from `axis` on; the parts
    of a mean are divided before they are summed; packed."""
    out_at, bias_at, scale_at, in_at = (m.pop_address() for _ in range(4))
    float_only(o)
    x = m.read_packed(in_at, FLOAT, m.shape(o["shape"]))
    if not 0 <= o["axis"] < x.ndim:
        raise KmodelError(f"axis {o['axis']} of {x.ndim}", field="axis")
    inner = math.prod(x.shape[o["axis"] :])
    if inner == 0:
        raise KmodelError(f"the mean of nothing, {x.shape}", field="shape")
    rows = x.reshape(-1, inner)
    scale, bias = (m.read_flat(at, FLOAT, inner) for at in (scale_at, bias_at))
    with np.errstate(all="ignore"):
        apart = rows - running(rows / F32(inner), 1)[:, -1:]
        spread = running(apart * apart / F32(inner), 1)[:, -1:]
        out = apart / np.sqrt(spread + F32(o["epsilon"])) * scale + bias
    return m.write_packed(out_at, FLOAT, out.reshape(x.shape))


def _sigmoid(x):
    return F32(1) / (F32(1) + np.exp(-x.astype(np.float64)).astype(F32))


def gru(m, o):
    """A gated recurrent unit over a sequence, forward, reverse or both; packed float32.

    x (steps, batch, inputs), w (directions, 3 * hidden, inputs) in the order update, reset, new.
    The vendor's runtime leaves the last state in the tensor of the initial one, even in .rdata, so
    its second run starts elsewhere; every run starts from the file here.
    """
    last_at, out_at, first_at, bias_at, r_at, w_at, in_at = (m.pop_address() for _ in range(7))
    shape, w_shape = m.shape(o["shape"]), m.shape(o["w_shape"])
    if len(shape) != 3 or len(w_shape) != 3 or w_shape[0] not in (1, 2) or w_shape[1] % 3 \
            or w_shape[2] != shape[2]:
        raise KmodelError(f"a sequence of {shape} with weights {w_shape}", field="w_shape")
    (steps, batch, _), (directions, gates, inputs) = shape, w_shape
    hidden = gates // 3
    products = batch * gates * (inputs + hidden)
    if products > MAX_GRU_PRODUCTS or steps * directions * products > MAX_GRU_STEPS:
        raise KmodelError("the sequence would take minutes", field="GRU")
    x = m.read_packed(in_at, FLOAT, shape)
    w = m.read_packed(w_at, FLOAT, w_shape)
    r = m.read_packed(r_at, FLOAT, (directions, gates, hidden))
    bias = m.read_packed(bias_at, FLOAT, (directions, 2, gates))
    state = m.read_packed(first_at, FLOAT, (directions, batch, hidden))
    out = np.zeros(m.check_size((steps, directions, batch, hidden)), F32)
    order = list(range(steps))
    if o["direction"] == 1:
        order.reverse()
    with np.errstate(all="ignore"):
        for d in range(directions):
            if d == 1:
                order.reverse()
            for i in order:
                state[d] = _gru_step(x[i], state[d], w[d], r[d], bias[d], o.get("linear", 0))
                out[i, d] = state[d]
    m.write_packed(out_at, FLOAT, out)
    m.write_packed(last_at, FLOAT, state)
    return out


def _products(x, w, bias):
    """x (batch, n) times w (rows, n): sums from 0 in index order, then the bias."""
    return running(x[:, None, :] * w[None], 2)[..., -1] + bias


def _gru_step(x, state, w, r, bias, linear):
    hidden = state.shape[1]
    parts = [slice(g * hidden, (g + 1) * hidden) for g in range(3)]
    given = [_products(x, w[p], bias[0, p]) for p in parts]
    update, reset = (_sigmoid(given[g] + _products(state, r[parts[g]], bias[1, parts[g]]))
                     for g in range(2))
    if linear:
        new = np.tanh(given[2] + reset * _products(state, r[parts[2]], bias[1, parts[2]]))
    else:
        new = np.tanh(given[2] + _products(reset * state, r[parts[2]], bias[1, parts[2]]))
    return (F32(1) - update) * new + update * state


def random_numbers(seed, count):
    """The first `count` float32 numbers in [0, 1): x -> 16807 x modulo 2**31 - 1, less 1, by 2**31.

    Doubling: the second half of any stretch is the first, so many steps on.
    """
    if not math.isfinite(seed):
        raise KmodelError(f"seed {seed}", field="seed")
    state = np.array([(int(seed) % MODULUS or 1) * 16807 % MODULUS], np.uint64)
    factor = 16807
    while len(state) < count:
        state = np.concatenate([state, state * np.uint64(factor) % np.uint64(MODULUS)])
        factor = factor * factor % MODULUS
    unit = (state[:count] - np.uint64(1)).astype(F32) / F32(2.0**31)
    return np.minimum(unit, F32(1 - 2.0**-24))


def _normal(seed, count):
    """The polar method: pairs inside the unit circle, the second of a pair first."""
    drawn = 2 * count + 64
    while True:
        pairs = random_numbers(seed, drawn).reshape(-1, 2) * F32(2) - F32(1)
        size = pairs[:, 0] * pairs[:, 0] + pairs[:, 1] * pairs[:, 1]
        inside = (size <= 1) & (size != 0)
        pairs, size = pairs[inside], size[inside]
        if 2 * len(size) >= count:
            break
        drawn *= 2
    log = np.log(size.astype(np.float64)).astype(F32)
    factor = np.sqrt(F32(-2) * log / size)
    return (pairs[:, ::-1] * factor[:, None]).reshape(-1)[:count]


def _fill(m, o, draw, factor, plus):
    out_at = m.pop_address()
    float_only(o)
    shape = m.check_size(m.shape(o["shape"]))
    count = math.prod(shape)
    if count > MAX_RANDOM:
        raise KmodelError(f"{count} random numbers, expected {MAX_RANDOM} at most", field="shape")
    with np.errstate(all="ignore"):
        values = draw(o["seed"], count) * F32(factor) + F32(plus)
    return m.write_packed(out_at, FLOAT, values.reshape(shape))


def random_normal(m, o):
    return _fill(m, o, _normal, o["deviation"], o["mean"])


def random_uniform(m, o):
    with np.errstate(all="ignore"):
        width = F32(o["high"]) - F32(o["low"])
    return _fill(m, o, random_numbers, width, o["low"])


EXECUTED = {
    "CUMSUM": cumsum, "GRU": gru, "LAYER_NORM": layer_norm, "RANDOM_NORMAL": random_normal,
    "RANDOM_UNIFORM": random_uniform, "REDUCE_PROD": reduce_prod,
}
