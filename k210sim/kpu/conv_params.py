"""One KPU layer as numbers and arrays, read from its registers and tables, ready for kernels."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu import step_lines
from k210sim.kpu.kmodel.writer import POOL_STRIDE
from k210sim.kpu.layer_regs import Activation, BatchNorm, LayerRegs

RULES = {"even": 0, "up": 1}
LINES = 1 << 20  # as in kernels/conv2d.py, which is not imported here: it compiles
MOST_LINES = 4
NO_WEIGHTS = np.zeros(0, np.uint8)
NO_NORM, NO_SEGMENTS = np.zeros((0, 4), np.int64), np.zeros((0, 5), np.int64)
_making = threading.Lock()


@dataclass(slots=True)
class ConvParams:
    """in_shape (C, H, W); weights uint8 or uint16 [out, in, taps] ([C, taps] if depthwise);
    norm int32 or int64 [out, 4] = const, mul, shift, add; segments int64[n, 5], see `segments`."""

    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    taps: int
    depthwise: bool
    pool: int
    pad_value: int
    arg_x: int
    shr_x: int
    weights: np.ndarray
    norm: np.ndarray
    segments: np.ndarray
    rule: int
    _made: list | None = field(default=None, init=False, repr=False, compare=False)

    # Tables of the float64 path (conv2d.py): fnorm float64[out, 2] = mul / 2**shift, add; fseg
    # float64[n, 4] = threshold, start, mul / 2**shift, bias; spans int32[out, 2] = the segments a
    # channel can reach, or -1 where only the integer path is exact. Channels that need few lines
    # (step_lines.py) have spans of lines, counted from LINES, whose rows follow the segments in
    # fseg; its last row then begins with the limits of y. Made when first asked for.

    @property
    def fnorm(self) -> np.ndarray:
        _, mul, shift, add = (self.norm[:, k] for k in range(4))
        return np.stack([mul * 2.0**-shift, add.astype(np.float64)], axis=1)

    @property
    def fseg(self) -> np.ndarray:
        return self._tables[0]

    @property
    def spans(self) -> np.ndarray:
        return self._tables[1]

    @property
    def _tables(self) -> list:
        """Made by the first thread that asks; the others wait for it."""
        if self._made is None:
            with _making:
                if self._made is None:
                    self._made = self._make_tables()
        return self._made

    def _make_tables(self) -> list:
        seg = self.segments
        fseg = np.stack([seg[:, 0], seg[:, 1], seg[:, 2] * 2.0 ** -np.minimum(seg[:, 3], 62),
                         seg[:, 4]], axis=1).astype(np.float64)
        tables = [fseg, self._spans()]
        if self.rule == RULES["even"]:
            self._take_lines(tables)
        return tables

    def longer(self, at: slice = slice(None)) -> tuple:
        """norm, segments, fnorm, fseg, spans of some channels, as the kernels take them."""
        return (self.norm[at].astype(np.int64), self.segments, self.fnorm[at], self.fseg,
                self.spans[at].astype(np.int64))


    def numbers_alone(self) -> ConvParams:
        """The layer without its arrays, one for all layers of these numbers. Nobody changes it."""
        return _numbers_alone(self.in_shape, self.out_shape, self.taps, self.depthwise, self.pool,
                              self.pad_value, self.arg_x, self.shr_x, self.rule)

    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 bounds of each output channel's sum of products and inputs, without the constant.
        """
        flat = self.weights.reshape(self.out_shape[0], -1)
        low = np.empty(len(flat), np.int64)
        high = low.copy()
        exact = self.arg_x % (1 << self.shr_x) == 0
        # Where the shift is exact the factor adds to every weight: tight bounds.
        factor = self.arg_x >> self.shr_x if exact else 0
        if flat.dtype == np.uint8:
            from k210sim.kpu.kernels import stair_fit

            stair_fit.reach(np.ascontiguousarray(flat), factor, low, high)
        else:
            whole = flat.astype(np.int64) + factor
            low, high = (limit(whole, 0).sum(axis=1) * 255 for limit in (np.minimum, np.maximum))
        if not exact:
            reach = (self.arg_x * 255 * flat.shape[1]) >> self.shr_x
            low, high = low + min(0, reach), high + max(0, reach)
        return low, high

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest sum (before batch norm) of each output channel."""
        low, high = self.sums()
        return low + self.norm[:, 0], high + self.norm[:, 0]

    def _spans(self) -> np.ndarray:
        seg = self.segments
        spans = np.full((self.out_shape[0], 2), -1, np.int32)
        for o, (low, high) in enumerate(zip(*self.bounds(), strict=True)):
            mul, shift, add = (int(v) for v in self.norm[o, 1:])
            ends = [((int(v) * mul) >> shift) + add for v in (low, high)]
            if max(abs(int(low)), abs(int(high))) * abs(mul) >= 1 << 52:
                continue
            if max(abs(e) for e in ends) >= 1 << 36:
                continue
            first = int(np.searchsorted(seg[1:, 0], min(ends), "left"))
            last = int(np.searchsorted(seg[1:, 0], max(ends), "left")) + 1
            used = seg[first:last]
            below = first == 0 and min(ends) < seg[0, 1] and seg[0, 2] != 0
            if (used[:, 2] < 0).any() or below:
                continue
            spans[o] = first, last
        return spans

    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest value after the batch norm, of channels with a span."""
        ends = [((v * self.norm[:, 1]) >> self.norm[:, 2]) + self.norm[:, 3]
                for v in self.bounds()]
        return np.minimum(*ends), np.maximum(*ends)

    def _take_lines(self, tables: list) -> None:
        fseg, spans = tables
        # Sums of products and inputs alone must fit 32 bits.
        low, high = self.sums()
        chosen = (spans[:, 0] >= 0) & (low >= -(2**31)) & (high < 2**31)
        if not chosen.any():
            return
        bottom, top = (ends[chosen] for ends in self._ends())
        table = step_lines.lines(self.segments, int(bottom.min()), int(top.max()))
        if not len(table):
            return
        first = np.searchsorted(table[1:, 0], bottom, "right")
        end = np.searchsorted(table[1:, 0], top, "right") + 1
        few = end - first <= MOST_LINES
        rows = np.flatnonzero(chosen)[few]
        base = LINES + len(fseg)
        spans[rows] = np.stack([first[few] + base, end[few] + base], axis=1)
        limits = [table[0, 1], table[0, 2], 0.0, 0.0]
        tables[0] = np.ascontiguousarray(np.vstack([fseg, table[:, [0, 3, 4, 5]], limits]))

    @classmethod
    def from_layer(cls, regs: LayerRegs, weights, bn, act: bytes, rule: str = "even") -> ConvParams:
        """Check the registers and derive the constants. Raises KmodelError for what is not
        described: unknown kernel or pool types, first_stride, bypass_conv, full_add, and an
        output size that is not the input's divided by the pool's stride."""
        for name in ("first_stride", "bypass_conv", "full_add", "pad_type"):
            if getattr(regs, name):
                raise KmodelError(f"register bit {name} is set, it is not simulated", field=name)
        if regs.pool_type >= len(POOL_STRIDE):
            raise KmodelError(f"pool type {regs.pool_type}, expected 0 to {len(POOL_STRIDE) - 1}",
                              field="pool_type")
        stride = POOL_STRIDE[regs.pool_type]
        channels, height, width = regs.in_shape
        want = (regs.out_channels, height // stride, width // stride)
        if regs.out_shape != want:
            raise KmodelError(f"output {regs.out_shape}, pool type {regs.pool_type} on the input "
                              f"{regs.in_shape} gives {want}", field="o_row_wid")
        if regs.depthwise and regs.out_channels > channels:
            raise KmodelError(f"depthwise with {channels} input and {regs.out_channels} output "
                              "channels", field="o_ch_num")
        taps, out = regs.taps, regs.out_channels
        shape = (out, taps) if regs.depthwise else (out, channels, taps)
        weights = np.ascontiguousarray(weights).reshape(shape)
        sums = weights.reshape(out, -1).sum(axis=1, dtype=np.int64)
        terms = 1 if regs.depthwise else channels
        const = ((regs.arg_w * sums) >> regs.shr_w) + regs.arg_add * terms
        table = BatchNorm.unpack(bn)
        norm = np.stack([const, table.mul, table.shift, table.add], axis=1)
        if np.array_equal(norm, norm.astype(np.int32)):
            norm = norm.astype(np.int32)  # half the memory; kernels widen it for a run
        return cls(regs.in_shape, regs.out_shape, taps, regs.depthwise, regs.pool_type,
                   regs.pad_value, regs.arg_x, regs.shr_x, weights, np.ascontiguousarray(norm),
                   segments(Activation.unpack(act), rule), RULES[rule])


@lru_cache(maxsize=1024)
def _numbers_alone(*numbers) -> ConvParams:
    *most, rule = numbers
    return ConvParams(*most, NO_WEIGHTS, NO_NORM, NO_SEGMENTS, rule)


def segments(act: Activation, rule: str) -> np.ndarray:
    """The reachable segments, int64[n, 5] = threshold, start, mul, shift, bias, ascending.

    The chip takes the last segment whose start lies below y ("even": strictly, "up": or at it), so
    a segment below a later one with a lower start is never reached. A value holds segment s while
    threshold[s] < y <= threshold[s+1]. Row 0 also serves values below every start (a guess: a
    table starts at -2**35, the lowest value there is).
    """
    keys = act.x_start - (1 if rule == "up" else 0)
    rows, lowest = [], None
    for i in range(len(keys) - 1, -1, -1):
        if lowest is None or keys[i] < lowest:
            lowest = keys[i]
            rows.append(i)
    rows.reverse()
    if rows[0] != 0:
        rows.insert(0, 0)
    table = [(keys[i], act.x_start[i], act.mul[i], act.shift[i], act.bias[i]) for i in rows]
    return np.array(table, np.int64)
