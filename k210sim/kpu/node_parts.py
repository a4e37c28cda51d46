"""CPU layers and nodes as parts of a chain: what a run of them needs, found once.

A maker looks at a layer and the net's memories and returns its parts, or None for what is left to
the functions of cpu_layers.py and node_ops.py: sources and targets that share bytes (those read
all before they write), that are not aligned, or a rarer kind. What they would refuse raises
KmodelError here too, or returns None, and is met again there.
"""

from __future__ import annotations

import struct

import numpy as np

AXES = 4


class NodePart:
    """What a chain takes in a layer's place (placed.py), and its own plan. record: int64 words as
    node_code.py reads them; keep: arrays whose addresses are in it, but those of memories."""

    __slots__ = ("function", "record", "keep", "work")
    chains, source_place, target_place = True, None, None

    def __init__(self, function: int, record, work: int, keep=()):
        self.function, self.record = function, struct.pack(f"={len(record)}q", *record)
        self.work, self.keep = work, keep

    @property
    def plan(self) -> NodePart:
        return self

    def parts(self, threads: int, source_place, target_place):
        from k210sim.kpu.kernels import chain

        record = struct.unpack(f"={len(self.record) // 8}q", self.record)
        return chain.Parts(record, [(self.function, 1)], 0, self.keep)


def bits(value) -> int:
    """A float32 as a word of a record."""
    return int(np.float32(value).view(np.int32))


def address(array_: np.ndarray) -> int:
    return array_.__array_interface__["data"][0]


def apart(target, *sources) -> bool:
    """Whether a target may be written while its sources are read."""
    return target.flags.writeable and not any(np.may_share_memory(target, s) for s in sources)


def one(part: NodePart | None) -> list[NodePart] | None:
    """A list of the part, or None."""
    return None if part is None else [part]


def array_part(function: int, kind: int, target, source, *more, others=(),
               keep=()) -> list[NodePart] | None:
    """A part whose record is its kind, two arrays' addresses, and `more`; None unless both are
    there and the target is apart from the source and the others."""
    if target is None or source is None or not apart(target, source, *others):
        return None
    record = [kind, address(target), address(source), *more]
    return [NodePart(function, record, target.nbytes + source.nbytes, keep)]


def moved(target: np.ndarray, source: np.ndarray) -> NodePart | None:
    """Copies a view to another of its shape and type, whose bytes lie apart."""
    from k210sim.kpu.kernels import node_code

    if not apart(target, source):
        return None
    size = target.itemsize
    axes: list[list[int]] = []
    for n, to, at in zip(target.shape, target.strides, source.strides, strict=True):
        if n == 1:
            continue
        if axes and axes[-1][1] == n * to and axes[-1][2] == n * at:
            axes[-1] = [axes[-1][0] * n, to, at]
        else:
            axes.append([n, to, at])
    if axes and axes[-1][1] == axes[-1][2] == size:
        size *= axes.pop()[0]
    if len(axes) > AXES or not target.size:
        return None
    axes = [[1, 0, 0]] * (AXES - len(axes)) + axes
    record = [node_code.MOVE, address(target), address(source), size]
    for column in zip(*axes, strict=True):
        record += column
    return NodePart(node_code.moves.address, record, target.nbytes)


def filled(target: np.ndarray, value) -> NodePart | None:
    """Puts a value of 1 or 4 bytes everywhere into a flat, aligned array."""
    from k210sim.kpu.kernels import node_code

    if not target.flags.writeable or target.itemsize not in (1, 4):
        return None
    pattern = np.array([value], target.dtype).view(f"i{target.itemsize}")
    return NodePart(node_code.moves.address, [node_code.FILL, address(target), target.size,
                                              target.itemsize, int(pattern[0])], target.nbytes)
