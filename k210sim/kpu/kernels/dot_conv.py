"""A normal convolution with 8-bit weights laid out for one of the dot product kernels."""

from __future__ import annotations

import importlib

import numpy as np

from k210sim.kpu.kernels import chain, cuts, dot_frame, maps, portable, stairs
from k210sim.kpu.kernels.dot_frame import MAXIMA
from k210sim.kpu.kernels.schemes import BY_SIZE


class DotConv:
    """`kernels` names the file with ROWS, STEP, SIGNED, WINOGRAD and sums; `wide`: 16-bit pairs,
    else bytes; shift: what is taken off every weight to make it fit.

    A decimating pool computes only the pixels it keeps. A maximum pool is taken on the sums where
    every channel's activation is proved to rise (stairs.py): its blocks' pixels are phases of the
    output, each computed as a decimating pool of its own. Many 3x3 layers take one of Winograd's
    ways (schemes.py); winograd: the sizes of those allowed where not all are, 0 being the direct
    way. fold: whether the factor of the input sum may go into the weights.
    """

    __slots__ = ("p", "kernels", "wide", "group", "shift", "stairs", "layout", "pool_after",
                 "weights", "factor", "adds", "last")

    def __init__(self, p, kernels: str, wide: bool, shift: int | None = None,
                 winograd: tuple = (0, *BY_SIZE), fold: bool = True):
        self.p = p
        # Imported late, since it compiles.
        self.kernels = importlib.import_module(f"k210sim.kpu.kernels.{kernels}")
        self.wide = wide
        self.group = 2 if wide else 4
        self.shift = (0 if wide else 128) if shift is None else shift
        self.stairs = stairs.Stairs(p)
        # The factor of the input sum goes into the weights where they have room for it.
        factor = self.stairs.factor
        folded = (fold and self.kernels.SIGNED and factor is not None and abs(factor) < 1 << 14
                  and self.stairs.narrow)
        self.factor = factor if folded else 0
        self.adds = not folded and bool(p.arg_x or self.shift)
        self.layout = self._place_pixels(winograd)
        self.pool_after = p.pool if self.layout.pool_after else None
        self._lay_out_weights()
        if self.stairs.complete:
            self.p = p.numbers_alone()
        self.last = None

    @property
    def work(self) -> int:
        """As chain.WORTH counts it."""
        (channels, height, width), outputs = self.p.in_shape, self.p.out_shape[0]
        return height * width * outputs * (channels * self.p.taps + 32)

    def _place_pixels(self, wanted) -> dot_frame.Frame:
        p, k = self.p, self.kernels
        on_sums = p.pool in MAXIMA and self.stairs.complete and self.stairs.rises
        at_once = 0 if self.adds else getattr(k, "PHASES", 0)
        # A step of one tap alone needs a byte that is 0 with the factor.
        pairs = self.wide and not self.adds and 0 <= -self.factor <= 255
        direct = dot_frame.of(p.in_shape, p.out_shape[0], p.taps, p.pool, on_sums, p.pad_value,
                              self.group, k.ROWS, k.STEP, at_once, pairs)
        frames = [dot_frame.winograd(p.in_shape, p.out_shape[0], on_sums, p.pad_value, self.group,
                                     k.ROWS, k.STEP, size)
                  for size in self._suiting(on_sums) if size in wanted]
        if 0 in wanted or not frames:
            frames.append(direct)
        return min(frames, key=lambda frame: dot_frame.cost(frame, k.STEP))

    def _suiting(self, on_sums) -> list[int]:
        """Sizes of Winograd's ways that can compute the layer and are exact for it."""
        p = self.p
        if not (self.kernels.WINOGRAD and p.taps == 9 and not self.adds
                and (p.pool == 0 or p.pool == 1 and on_sums)):
            return []
        low, high = p.sums()
        return [size for size, scheme in BY_SIZE.items()
                if scheme.exact(int(low.min()), int(high.max()), self.factor)]

    def _lay_out_weights(self):
        p, rows, groups, blocks = self.p, self.kernels.ROWS, self.layout.groups, self.layout.blocks
        channels, out = p.in_shape[0], p.out_shape[0]
        # Wide weights are kept as bytes, half the memory, and widened at every run.
        dtype = np.uint8 if self.wide or not self.shift else np.int8
        laid = np.zeros((blocks * rows, groups * self.group, p.taps), dtype)
        laid[:out, :channels] = (p.weights.astype(np.int16) - self.shift).astype(dtype)
        laid = laid.reshape(blocks, rows, groups, self.group, p.taps)
        if self.layout.size:  # tap by tap, see winograd.weights
            self.weights = _with_room(laid.transpose(0, 4, 2, 1, 3).reshape(blocks, -1))
            return
        laid = laid.transpose(0, 2, 4, 1, 3)
        whole = laid.reshape(blocks, groups * p.taps, rows, self.group)
        if self.layout.pairs:  # the second taps of the last channel's rows beside the first
            whole[:, [-9, -6, -3], :, 1] = whole[:, [-8, -5, -2], :, 0]
            whole[:, [-7, -4, -1], :, 1] = -self.factor
            whole = np.delete(whole, [-8, -5, -2], axis=1)
        self.weights = np.empty((blocks, whole[0].size), dtype)
        self.weights.reshape(whole.shape)[...] = whole

    def run(self, x: np.ndarray, threads: int = 1) -> np.ndarray:
        """uint8 (C, H, W) in, uint8 (C, H, W) after the pool out."""
        p = self.p
        out = np.empty(p.out_shape, np.uint8)
        self.run_cells(np.ascontiguousarray(x).reshape(-1), chain.plain(p.in_shape),
                       out.reshape(-1), chain.plain(p.out_shape), threads)
        return out

    def run_cells(self, source, source_place, target, target_place, threads: int = 1) -> None:
        """From one place in flat bytes to another (maps.py); they must not overlap."""
        p = self.p
        if self.pool_after is None:
            self._run(source, source_place, target, target_place, threads)
            return
        whole = np.empty((p.out_shape[0], *p.in_shape[1:]), np.uint8)
        self._run(source, source_place, whole.reshape(-1), chain.plain(p.in_shape), threads)
        pooled = np.empty(p.out_shape, np.uint8)
        flat = whole.reshape(len(whole), -1)
        portable.pool_planes(flat, p.in_shape[2], p.pool, pooled)
        maps.store(pooled.reshape(len(pooled), -1), p.out_shape[2], 0, 0, p.out_shape[1],
                   p.out_shape[2], target_place, target)

    def _run(self, source, source_place, target, target_place, threads):
        self.last = chain.single(self.last, self, source_place, target_place)
        self.last.run(source, target, threads)

    def _by_outputs(self) -> int:
        """The address of a set's function that counts output channels, not blocks, or 0."""
        f = self.layout
        if f.size or f.copies > 1:
            return 0
        name = "greatest" if len(f.steps) > 1 else "by_outputs"
        if len(f.steps) == 1 and len(set(np.diff(f.steps[0]))) <= 1 and self.kernels.WINOGRAD:
            name = "even"
        function = getattr(self.kernels, name, None)
        return 0 if function is None else function.address

    def parts(self, threads: int, source_place, target_place) -> chain.Parts:
        """The sums and all that follows without the pool behind them; see dot_part.py."""
        from k210sim.kpu.kernels import dot_part

        p, s, k, f = self.p, self.stairs, self.kernels, self.layout
        cut = cuts.whole(f)
        if threads > 1:
            cut = cuts.best(f, k.ROWS, k.STEP, threads, self.wide)
        outputs, kept = p.out_shape[0], self.weights.shape[1]
        blocks = cut.per_piece if cut.by_blocks else f.blocks
        bands = -(-f.rows // cut.band)
        phases, some = len(f.steps), min(f.together, blocks)
        rows = some * k.ROWS
        if f.size:
            from k210sim.kpu.kernels import winograd

            # All words at once would be as many as in the frame; sums are of a patch's outputs.
            sizes = (int(f.steps[-1, -1]) + 4 * f.positions,
                     4 * f.edge**2 * rows * f.positions, 0, f.edge**2 * rows * f.positions,
                     phases * winograd.kind_bytes(f.groups, rows)
                     * (-(-blocks // some) if bands > 1 else 1),
                     phases * winograd.apart(4 * rows * f.positions))
        else:
            sizes = (4 * f.groups * f.pitch, 4 * f.copies * rows * f.positions,
                     8 * phases * f.positions * self.adds, rows * f.positions,
                     2 * kept * blocks * self.wide, 0)
        ints, factors = s.of_channels(outputs)
        norm, segments, fnorm, fseg, spans = longer = s.longer(p)
        *places, products, own = chain.room_for(*sizes)
        at = chain.address
        record = [
            (k.even if f.size else k.sums).address, at(source_place), at(target_place),
            at(f.shape), at(f.planes), len(f.planes), at(f.taps), *f.taps.shape, at(f.frame),
            at(f.steps), f.steps.shape[1],
            at(self.weights), f.blocks, kept, self.factor, f.groups, f.pitch, f.copies,
            f.positions, self.adds, outputs, at(ints), at(factors), at(s.lines),
            len(s.lines), at(s.edges), len(s.edges), at(s.buckets), len(s.buckets),
            len(norm) > 0, at(norm), at(segments), len(segments), at(fnorm), at(fseg), len(fseg),
            at(spans),
            bands, cut.by_blocks, cut.per_piece, *places, self.wide, k.STEP, cut.band, f.below,
            f.rows, f.columns, p.arg_x, p.shr_x, self.shift, p.rule, not s.complete, k.ROWS,
            self._by_outputs(),
            maps.PAIRS if f.pairs else maps.WIDE if self.wide else maps.BYTES, some]
        keep = [] if s.complete else [ints, factors, *longer]
        part = dot_part.layer
        if f.size:
            part = k.WINOGRAD
            record += [f.size, f.edge, some, f.batch, *p.out_shape[1:], f.steps[0, 0],
                       f.steps[1, 0] - f.steps[0, 0], products]
        return chain.Parts([int(word) for word in record], [(part.address, cut.pieces)], own, keep)


def _with_room(weights: np.ndarray) -> np.ndarray:
    """A copy of bytes with more behind it that may be read."""
    room = np.zeros(weights.size + 16, weights.dtype)
    room[: weights.size] = weights.reshape(-1)
    return room[: weights.size].reshape(weights.shape)
