"""The kernel set that runs everywhere: numba loops the compiler vectorises for the host."""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kernels import conv2d, pool2d

NAME = "portable"
CHUNK = 64
PICKS = {0: (1, 0), 5: (2, 0), 6: (2, 1), 7: (4, 0)}


def available() -> bool:
    return True


def prepare(params):
    """A runnable layer for ConvParams: call `.run(x)` with uint8 (C, H, W)."""
    return PortableConv(params)


class PortableConv:
    """One layer with its weights laid out for the kernels in conv2d.py."""

    def __init__(self, p):
        self.p = p
        channels, height, width = p.in_shape
        out = p.out_shape[0]
        self.border = 1 if p.taps == 9 else 0
        self.row = width + 2 * self.border
        rows, cols = np.divmod(np.arange(p.taps), 3 if p.taps == 9 else 1)
        self.offsets = (rows * self.row + cols).astype(np.int64)
        self.runs = self._runs(height, width)
        reach = int((self.runs[:, 0] + self.runs[:, 1]).max())
        self.out_pitch = max(reach, height * self.row)
        self.in_pitch = max(reach + int(self.offsets[-1]), (height + 2 * self.border) * self.row)
        self.folded = False
        if p.depthwise:
            self.weights = np.array(p.weights)
            whole = self.weights.astype(np.int64) + (p.arg_x >> p.shr_x)
            if (p.taps == 9 and p.arg_x % (1 << p.shr_x) == 0 and np.abs(whole).max() < 1 << 19
                    and (p.spans[:, 0] >= 0).all()):
                self.folded, self.weights = True, whole.astype(np.int32)
        else:
            fill = channels if p.taps == 9 else -(-channels // 4) * 4
            self.weights = np.zeros((-(-out // 4) * 4, fill * p.taps), p.weights.dtype)
            self.weights[:out, : channels * p.taps] = p.weights.reshape(out, -1)
        self.acc_type = np.int32 if p.weights.dtype == np.uint8 else np.int64

    def _runs(self, height, width):
        """Which flat positions to compute: all, or the rows a decimating pool keeps."""
        stride, _ = PICKS.get(self.p.pool, (1, 0))
        if stride > 1 and width >= CHUNK:
            starts = np.arange(0, height - height % stride, stride) * self.row
            length = width
        else:
            starts, length = np.zeros(1, np.int64), (height - 1) * self.row + width
        length = -(-length // CHUNK) * CHUNK
        return np.stack([starts, np.full(len(starts), length)], axis=1).astype(np.int64)

    def run(self, x: np.ndarray, threads: int = 1) -> np.ndarray:
        """uint8 (C, H, W) in, uint8 (C, H, W) after the pool out."""
        p = self.p
        channels, height, width = p.in_shape
        out = p.out_shape[0]
        b = self.border
        planes = np.empty((channels, self.in_pitch), np.uint8)
        size = (height + 2 * b) * self.row
        planes[:, size:] = 0
        framed = planes[:, :size].reshape(channels, height + 2 * b, self.row)
        if b:
            framed[:, 0] = framed[:, -1] = p.pad_value
            framed[:, :, 0] = framed[:, :, -1] = p.pad_value
            framed[:, 1:-1, 1:-1] = x
        else:
            framed[:] = x
        result = np.empty((out, self.out_pitch), np.uint8)
        self.sums(planes, result)
        maps = result[:, : height * self.row].reshape(out, height, self.row)[:, :, :width]
        return pool(maps, p.pool, p.out_shape)

    def sums(self, planes, result):
        """Fill `result` (uint8 planes after the activation) from the framed input planes."""
        p = self.p
        channels, out = p.in_shape[0], p.out_shape[0]
        if self.folded:
            conv2d.depthwise3x3(planes, self.weights, self.offsets, self.runs, p.norm, p.fnorm,
                                p.fseg, p.spans, p.rule, result, 0, out)
        elif p.depthwise:
            conv2d.depthwise(planes, self.weights, self.offsets, self.runs, p.arg_x, p.shr_x,
                             p.norm, p.segments, p.fnorm, p.fseg, p.spans, p.rule,
                             result, 0, out)
        else:
            sx = np.zeros(self.out_pitch, np.int64)
            conv2d.input_sums(planes, self.offsets, self.runs, p.arg_x, p.shr_x, 0, sx)
            acc = np.empty((4, conv2d.TILE), self.acc_type)
            if p.taps == 9:
                conv2d.conv3x3(planes, self.weights, self.offsets, self.runs, acc, sx, p.norm,
                               p.segments, p.fnorm, p.fseg, p.spans, p.rule, result, 0, out)
            else:
                conv2d.conv1x1(planes, self.weights, channels, self.runs, acc, sx, p.norm,
                               p.segments, p.fnorm, p.fseg, p.spans, p.rule, result, 0, out)


def pool(maps: np.ndarray, kind: int, shape) -> np.ndarray:
    """Apply a KPU pool to uint8 (C, H, W) maps of any strides; returns a contiguous map."""
    out = np.empty(shape, np.uint8)
    if kind == 0:
        out[:] = maps
    elif kind in PICKS:
        pool2d.pick(maps, *PICKS[kind], out)
    elif kind == 1:
        pool2d.max2(maps, out)
    elif kind == 3:
        pool2d.max_block(maps, 4, out)
    elif kind in (2, 4):
        pool2d.mean_block(maps, kind, out)
    elif kind == 8:
        pool2d.mean_slide(maps, out)
    else:
        pool2d.max_slide(maps, out)
    return out
