"""A KPU layer between two maps of the AI RAM, and several in a row as one call.

The kernels read and write the chip's own layout, so nothing is copied between; a layer whose maps
overlap, or whose kernel set works on plain maps only, goes through copies. Both give the same
bytes: the whole input is read before the first output is written, or none of it is touched.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram

SOON = 3  # layers; what comes before the first KPU layer is an upload, or little work


class PlacedConv:
    """`plan`: a prepared layer of a kernel set; `batch`: which of the maps that lie in a row."""

    __slots__ = ("plan", "source", "target", "in_shape", "out_shape", "direct", "source_place",
                 "target_place")

    def __init__(self, plan, regs, batch: int = 0):
        """Raises KmodelError when a map leaves the AI RAM."""
        self.plan = plan
        self.source = regs.image_src_addr + batch * ai_ram.map_lines(regs.in_shape)
        self.target = regs.image_dst_addr + batch * ai_ram.map_lines(regs.out_shape)
        self.in_shape, self.out_shape = regs.in_shape, regs.out_shape
        source_end = ai_ram.check_map(self.source, regs.in_shape)
        target_end = ai_ram.check_map(self.target, regs.out_shape)
        self.direct = (hasattr(plan, "run_cells")
                       and (source_end <= self.target or target_end <= self.source))
        self.source_place = ai_ram.place(self.source, regs.in_shape)
        self.target_place = ai_ram.place(self.target, regs.out_shape)

    @property
    def chains(self) -> bool:
        """Whether it can be a part of a chain (kernels/chain.py)."""
        return self.direct and self.plan.pool_after is None

    def run(self, ram: ai_ram.AiRam, threads: int) -> None:
        """Convolve from map to map."""
        if self.direct:
            self.plan.run_cells(ram.data, self.source_place, ram.data, self.target_place, threads)
            return
        out = self.plan.run(ram.read_map(self.source, self.in_shape), threads)
        ram.write_map(self.target, out)

    def forget(self) -> None:
        """Drop what only runs of this layer by itself need; the next makes it anew."""
        if self.chains:
            self.plan.last = None

    def output(self, ram: ai_ram.AiRam):
        """A copy of the output map, uint8 (C, H, W)."""
        return ram.read_map(self.target, self.out_shape)


class PlacedPart:
    """What always is a part of a chain, and knows its own places: `plan` as chain.Chain takes them.
    """

    __slots__ = ("plan",)
    chains, source_place, target_place = True, None, None

    def __init__(self, plan):
        self.plan = plan


class PlacedTransfer(PlacedPart):
    """A map on its way from (`down`) or to the AI RAM. rows: uint8[channels, pixels] of main memory
    that stay where they are."""

    __slots__ = ()

    def __init__(self, rows, shape, line: int, down: bool):
        """Raises KmodelError when the map leaves the AI RAM."""
        from k210sim.kpu.kernels import transfer  # compiles

        ai_ram.check_map(line, shape)
        super().__init__(transfer.Transfer(rows, shape[1], shape[2], ai_ram.place(line, shape),
                                           down))


class PlacedChain:
    """Layers that follow one another, none of whose outputs anybody looks at between."""

    __slots__ = ("chain",)

    def __init__(self, layers: list[PlacedConv | PlacedPart],
                 again: Callable[[], list] | None = None):
        """again: makes the same layers anew, as chain.Chain wants it."""
        from k210sim.kpu.kernels import chain  # compiles

        self.chain = chain.Chain(_as_in_chains(layers),
                                 again and (lambda: _as_in_chains(again())))

    def run(self, ram: ai_ram.AiRam, threads: int) -> None:
        """As PlacedConv.run, one layer after the other."""
        self.chain.run(ram.data, ram.data, threads)

    def expect(self, threads: int) -> None:
        """Say that `run` follows soon."""
        self.chain.expect(threads)


def _as_in_chains(layers: list) -> list[tuple]:
    return [(one.plan, one.source_place, one.target_place) for one in layers]


def joined(layers: list, again: Callable[[], list] | None = None) -> list:
    """The same layers and other parts in as few calls as possible.

    again: makes all of them anew; then those in a chain are not kept longer than it needs them."""
    found, row = [], []
    for n, layer in enumerate([*layers, None]):
        if layer is not None and layer.chains:
            row.append(layer)
            continue
        if row:
            alone = len(row) == 1 and isinstance(row[0], PlacedConv)
            found += row if alone else [PlacedChain(row, again and _cut(again, n - len(row), n))]
        row = []
        if layer is not None:
            found.append(layer)
    return found


def _cut(again: Callable[[], list], first: int, end: int) -> Callable[[], list]:
    return lambda: again()[first:end]


def group(known: dict[int, tuple[int, list]], first: int, end: int, parts_of) -> tuple[int, list]:
    """Which of a net's layers [first, end) run together: the last one's index, and what to run;
    nothing where the first runs by itself. `known` keeps the answers.

    parts_of(index): what is to run in a layer's place, all that leaves the AI RAM included; None
    for a layer that has to run by itself. One that cannot be prepared ends the group and is met
    again when it is its turn.
    """
    if first in known:
        return known[first]
    parts: list = []
    index = first
    while index < end:
        try:
            more = parts_of(index)
        except KmodelError:
            break
        if more is None:
            break
        parts += more
        index += 1
    def again():
        return [part for n in range(first, index) for part in parts_of(n)]

    known[first] = (index - 1, joined(parts, again)) if index > first else (first, [])
    return known[first]


class KpuCalls:
    """What the nets of kmodel V3 and V4 tell of how they run their KPU layers."""

    def kpu_calls(self) -> list:
        """All that runs of the net hand to compiled code, in its order: KPU layers and what runs
        with them. Each has run(ai_ram, threads). CPU layers that run by themselves are not among
        them. KmodelError for a layer that cannot be prepared."""
        found, index = [], 0
        while index < self.layer_count:
            last, together = self._group(index)
            found += together or self._kpu_layer(index)
            index = last + 1
        return found

    def kpu_plan(self, index: int):
        """The prepared kernel of KPU layer `index` (run(x), p, and more by its kind), None for
        another layer. KmodelError as of kpu_calls."""
        layers = self._kpu_layer(index)
        return layers[0].plan if layers else None

    def _kpu_layer(self, index) -> list[PlacedConv]:
        return self._placed(index) if self._is_kpu(index) else []


def call_helpers(groups: dict[int, tuple[int, list]], threads: int) -> None:
    """Wake the threads of the first chain among a net's groups, if it is near the beginning."""
    for index in range(SOON if threads > 1 else 0):
        _, calls = groups.get(index, (index, []))
        if calls:
            if isinstance(calls[0], PlacedChain):
                calls[0].expect(threads)
            return
