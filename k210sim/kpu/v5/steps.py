"""Tensor functions of kmodel V5 as steps on views of the memories (plans.py).

A maker gets a machine with the operands on its stack and the function's fields, and returns a step,
or None for what is left to the function itself. Steps tell what they read and write, do their work
by `run`, or better give `parts` of a chain that do it. They need sources and targets apart, since
the functions read all before they write.
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.kpu import ai_ram
from k210sim.kpu.kmodel import v5
from k210sim.kpu.node_parts import address, apart, array_part, bits, filled, moved, one
from k210sim.kpu.placed import PlacedTransfer
from k210sim.kpu.v5 import ops
from k210sim.kpu.v5.ops import BINARY, F32, FLOAT
from k210sim.kpu.v5.views import MAX_ELEMENTS

ROOM, LEAST = 1 << 14, 1 << 10  # bytes: what goes through work memory at once; a piece worth a step
IEEE = 6  # the first of BINARY: add, subtract, multiply, divide, minimum, maximum


def _row(view):
    """The elements of a view as one row, None where they do not lie so, or not aligned."""
    view = view.squeeze()
    whole = view.flags.c_contiguous and view.flags.aligned and view.size
    return view.reshape(-1) if whole else None


def _in_and_out(m, o):
    """Views of the source and target of a function that takes both from the stack."""
    out_at, in_at = m.pop_address(), m.pop_address()
    shape = m.shape(o["shape"])
    return (m.view(in_at, o["dt"], shape, o["in_strides"]),
            m.view(out_at, o.get("dt_out", o["dt"]), shape, o["out_strides"]))


class OneToOne:
    """A step from one view to another."""

    __slots__ = ("source", "target")

    def __init__(self, source, target):
        self.source, self.target = source, target

    @property
    def reads(self):
        return [self.source]

    @property
    def writes(self):
        return [self.target]


class Move(OneToOne):
    """COPY, SLICE, TRANSPOSE: from view to view."""

    __slots__ = ()

    def run(self, machine) -> None:
        self.target[...] = self.source

    def parts(self):
        return one(moved(self.target, self.source))


def copy(m, o):
    source, target = _in_and_out(m, o)
    return Move(source, target) if apart(target, source) else None


def transpose(m, o):
    out_at, in_at = m.pop_address(), m.pop_address()
    source = m.view(in_at, o["dt"], m.shape(o["shape"]), o["in_strides"])
    source = source.transpose(m.shape(o["perm"]))
    target = m.view(out_at, o["dt"], source.shape, o["out_strides"])
    return Move(source, target) if apart(target, source) else None


def slice_(m, o):
    out_at, in_at = m.pop_address(), m.pop_address()
    source = m.view(in_at, o["dt"], m.shape(o["shape"]), o["in_strides"])
    parts = zip(*(m.shape(o[name]) for name in ("begins", "ends", "steps")), strict=True)
    picks = []
    for (begin, end, step), size in zip(parts, source.shape, strict=True):
        if begin < 0 or step < 1:
            return None
        picks.append(slice(begin, min(max(end, 0), size), step))
    source = source[tuple(picks)]
    target = m.view(out_at, o["dt"], source.shape, o["out_strides"])
    return Move(source, target) if apart(target, source) else None


class Pad(OneToOne):
    """PAD by a constant: `inside` is where in the target the source lies."""

    __slots__ = ("inside", "value")

    def __init__(self, source, target, inside, value):
        super().__init__(source, target)
        self.inside, self.value = inside, value

    def run(self, machine) -> None:
        self.target[...] = self.value
        self.inside[...] = self.source

    def parts(self):
        row = _row(self.target)
        if row is None:
            return None
        parts = [filled(row, self.value), moved(self.inside, self.source)]
        return None if None in parts else parts


def pad(m, o):
    value, out_at, in_at = m.pop(), m.pop_address(), m.pop_address()
    source = m.view(in_at, o["dt"], m.shape(o["shape"]), o["in_strides"])
    pads = m.paddings(o["pads"])
    if o["mode"] != 0 or any(before < 0 or after < 0 or between for before, after, between in pads):
        return None
    shape = [size + pad[0] + pad[1] for size, pad in zip(source.shape, pads, strict=True)]
    target = m.view(out_at, o["dt"], shape, o["out_strides"])
    inside = target[tuple(slice(pad[0], pad[0] + size)
                          for size, pad in zip(source.shape, pads, strict=True))]
    if not apart(target, source):
        return None
    return Pad(source, target, inside, np.array(value).astype(source.dtype))


class Node(OneToOne):
    """A function that always is a part: graph_code's `kind`, with more words for its record behind
    the addresses of target and source. keep: arrays whose addresses these are."""

    __slots__ = ("kind", "more", "keep")

    def __init__(self, kind, source, target, more, keep=()):
        super().__init__(source, target)
        self.kind, self.more, self.keep = kind, more, keep

    def parts(self):
        from k210sim.kpu.kernels import graph_code

        return array_part(graph_code.nodes.address, self.kind, self.target, self.source, *self.more,
                          keep=self.keep)


class Quantize(Node):
    """QUANTIZE of floats in a row. numbers: scale, bias, lowest and highest."""

    __slots__ = ("numbers",)

    def __init__(self, source, target, numbers):
        from k210sim.kpu.kernels import graph_code

        super().__init__(graph_code.QUANTIZE_V5, source, target,
                         [source.size, *(bits(v) for v in numbers)])
        self.numbers = numbers


def quantize(m, o):
    bias, scale = F32(m.pop()), F32(m.pop())
    source, target = (_row(view) for view in _in_and_out(m, o))
    if source is None or target is None or not apart(target, source):
        return None
    limits = np.iinfo(target.dtype)
    return Quantize(source, target.view(np.uint8), (scale, bias, limits.min, limits.max))


class Dequantize(Node):
    """DEQUANTIZE of bytes in a row. numbers: scale and bias."""

    __slots__ = ("signed", "numbers")

    def __init__(self, source, target, signed, numbers):
        from k210sim.kpu.kernels import graph_code

        super().__init__(graph_code.DEQUANTIZE_V5, source, target,
                         [source.size, int(signed), *(bits(v) for v in numbers)])
        self.signed, self.numbers = signed, numbers


def dequantize(m, o):
    bias, scale = F32(m.pop()), F32(m.pop())
    source, target = (_row(view) for view in _in_and_out(m, o))
    if source is None or target is None or not apart(target, source):
        return None
    return Dequantize(source.view(np.uint8), target, o["dt"] == 0, (scale, bias))


class Requantize(Node):
    """What a Dequantize and a Quantize of its floats do, without the floats."""

    __slots__ = ()

    def __init__(self, before: Dequantize, after: Quantize, source, target):
        from k210sim.kpu.kernels import graph_code

        # The target may be work memory, which nothing else keeps.
        super().__init__(graph_code.REQUANTIZE_V5, source, target,
                         [target.size, int(before.signed),
                          *(bits(v) for v in (*before.numbers, *after.numbers))], (target,))


def keeps_bytes(before: Dequantize, after: Quantize) -> bool:
    """Whether both give every byte back."""
    from k210sim.kpu.kernels import tensors

    every = np.arange(256).astype(np.uint8)
    found = np.empty_like(every)
    tensors.requantize(every, before.signed, *(F32(v) for v in (*before.numbers, *after.numbers)),
                       found)
    return bool((found == every).all())


def requantized(before: Dequantize, after: Quantize, target) -> list | None:
    """Steps from the bytes of a Dequantize to those `after` makes of its floats. These may lie
    where the source does, or begin before it; None for other overlaps."""
    source, distance = before.source, address(before.source) - address(target)
    if keeps_bytes(before, after):
        if not distance:
            return []
        def step(source, target):
            return [Move(source, target)]
    else:
        def step(source, target):
            return [Requantize(before, after, source, target)]
    if apart(target, source):
        return step(source, target)
    room = None
    if not distance:
        room = np.empty(min(ROOM, source.size), np.uint8)
        distance = ROOM
    if distance < LEAST:
        return None
    steps = []
    for at in range(0, source.size, distance):
        here, there = source[at : at + distance], target[at : at + distance]
        if room is None:
            steps += step(here, there)
        else:
            steps += [*step(here, room[: here.size]), Move(room[: here.size], there)]
    return steps


class Binary:
    """BINARY of floats by one NumPy function; limits None where they limit nothing."""

    __slots__ = ("function", "a", "b", "target", "limits")

    def __init__(self, function, a, b, target, limits):
        self.function, self.a, self.b = function, a, b
        self.target, self.limits = target, limits

    @property
    def reads(self):
        return [self.a, self.b]

    @property
    def writes(self):
        return [self.target]

    def run(self, machine) -> None:
        self.function(self.a, self.b, out=self.target)
        if self.limits is not None:
            np.minimum(self.target, self.limits[1], out=self.target)
            np.maximum(self.target, self.limits[0], out=self.target)

    def parts(self):
        return None


def binary(m, o):
    out_at, b_at, a_at = m.pop_address(), m.pop_address(), m.pop_address()
    if o["dt"] != FLOAT or o["op"] >= IEEE:
        return None
    a = m.view(a_at, FLOAT, m.shape(o["a_shape"]), o["a_strides"])
    b = m.view(b_at, FLOAT, m.shape(o["b_shape"]), o["b_strides"])
    target = m.view(out_at, FLOAT, np.broadcast_shapes(a.shape, b.shape), o["out_strides"])
    if not apart(target, a, b):
        return None
    limits = F32(o["low"]), F32(o["high"])
    return Binary(BINARY[o["op"]], a, b, target, None if limits == (-np.inf, np.inf) else limits)


def reduce(m, o):
    """Sums and means over the last axes."""
    from k210sim.kpu.kernels import graph_code

    start, out_at, in_at = m.pop(), m.pop_address(), m.pop_address()
    if o["dt"] != FLOAT or o["op"] not in (0, 3):
        return None
    shape, axes = m.shape(o["shape"]), sorted(set(m.shape(o["axes"])))
    if axes != list(range(len(shape) - len(axes), len(shape))) or not axes:
        return None
    kept = shape[: len(shape) - len(axes)]
    left = [*kept, *[1] * len(axes)] if o["keep"] else list(kept)
    source = _row(m.view(in_at, FLOAT, shape, o["in_strides"]))
    target = _row(m.view(out_at, FLOAT, left or [1], o["out_strides"]))
    if source is None or target is None or not apart(target, source):
        return None
    each = source.size // target.size
    return Node(graph_code.REDUCE, source, target,
                [graph_code.MEAN if o["op"] == 0 else 3, 1, target.size, each, 1, 1, target.size, 1,
                 1, bits(start), bits(each)])


def reduce_window2d(m, o):
    from k210sim.kpu.kernels import graph_code

    shape = m.shape(o["shape"])
    g, (h, w) = ops.windows(m, o, shape, (o["filter_h"], o["filter_w"]))
    out_at, start, in_at = m.pop_address(), m.pop(), m.pop_address()
    source = _row(m.view(in_at, FLOAT, shape, o["in_strides"]))
    target = _row(m.view(out_at, FLOAT, (*shape[:2], h, w), o["out_strides"]))
    if source is None or target is None or not apart(target, source):
        return None
    return Node(graph_code.REDUCE_WINDOW, source, target,
                [shape[0] * shape[1], *shape[2:], o["op"], address(g), bits(start),
                 bits(o["low"]), bits(o["high"]), h, w], (g,))


def resize_image(m, o):
    """To the nearest pixel."""
    from k210sim.kpu.kernels import graph_code

    out_at, in_at, out_w, out_h = m.pop_address(), m.pop_address(), m.pop_int(), m.pop_int()
    if o["mode"] != 1:
        return None
    shape = m.shape(o["shape"])
    source = _row(m.view(in_at, o["dt"], shape, o["in_strides"]))
    target = _row(m.view(out_at, o["dt"], (*shape[:2], out_h, out_w), o["out_strides"]))
    if (source is None or target is None or source.itemsize not in (1, 4)
            or not apart(target, source)):
        return None
    rows, columns = (ops.nearest_picks(size, out, o)
                     for size, out in zip(shape[2:], (out_h, out_w), strict=True))
    return Node(graph_code.NEAREST, source, target,
                [shape[0] * shape[1], *shape[2:], out_h, out_w, address(rows), address(columns),
                 source.itemsize], (rows, columns))


class Call:
    """CALL of a k210 function, whose operations work on the caller's own tensors. layers: KPU
    layers between maps of the AI RAM and what moves maps from and to main memory."""

    __slots__ = ("reads", "writes", "layers")

    def __init__(self, reads, writes, layers):
        self.reads, self.writes, self.layers = reads, writes, layers

    def parts(self):
        return self.layers


def call(m, o):
    net = m.net
    number, function, record, views = m.callee(o)
    rows = [_row(view) for view in views]
    if any(row is None for row in rows):
        return None
    rows = [row.view(np.uint8) for row in rows]
    sources, targets = rows[: o["inputs"]], rows[o["inputs"] :]
    for i, target in enumerate(targets):
        if not apart(target, *sources, *targets[:i]):
            return None
    memory = net.k210_memory(number, record, sources, targets)
    layers, whole = [], set()
    for index, op in enumerate(net.operations(number, function)):
        if op.opcode == 2 and not op.main_out.size:
            layers += net.layers(op, memory, (number, function, index))
        elif op.opcode == 0 and op.src.location == v5.INPUT:
            layers += _maps(op, memory.cells(op.src), op.dst, False)
        elif op.opcode == 1 and op.dst.location == v5.OUTPUT:
            cells = memory.cells(op.dst)
            layers += _maps(op, cells, op.src, True)
            whole |= {i for i, t in enumerate(targets) if math.prod(op.shape) == t.size
                      and np.shares_memory(cells, t) and cells.size >= t.size}
        else:
            return None
    # What no operation fills is zeros.
    return Call(sources, targets, layers) if len(whole) == len(targets) else None


def _maps(op, cells, place, down) -> list[PlacedTransfer]:
    """What moves each map of a batch."""
    batch, shape = op.shape[0], op.shape[1:]
    size = math.prod(shape)
    if not 0 < batch * size <= MAX_ELEMENTS:
        return []
    lines = ai_ram.map_lines(shape)
    rows = cells[: batch * size].reshape(batch, shape[0], -1)
    return [PlacedTransfer(rows[n], shape, place.start // ai_ram.LINE + n * lines, down)
            for n in range(batch)]


MAKERS = {
    "BINARY": binary, "CALL": call, "COPY": copy, "DEQUANTIZE": dequantize, "PAD": pad,
    "QUANTIZE": quantize, "REDUCE": reduce, "REDUCE_WINDOW2D": reduce_window2d,
    "RESIZE_IMAGE": resize_image, "SLICE": slice_, "TRANSPOSE": transpose,
}
