"""The kernel set that runs everywhere: numba loops the compiler vectorises for the host."""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kernels import conv2d, pool2d, tiles

NAME = "portable"
CHUNK = 64
PICKS = {0: (1, 0), 5: (2, 0), 6: (2, 1), 7: (4, 0)}
GROUP_BYTES = 128 * 1024  # input of the depthwise channels worked on at once, to stay in the cache


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
            self._lay_out_weights()
        self.acc_type = np.int32 if p.weights.dtype == np.uint8 else np.int64

    def _lay_out_weights(self):
        p = self.p
        channels, out = p.in_shape[0], p.out_shape[0]
        fill = channels if p.taps == 9 else -(-channels // 4) * 4
        self.weights = np.zeros((-(-out // 4) * 4, fill * p.taps), p.weights.dtype)
        self.weights[:out, : channels * p.taps] = p.weights.reshape(out, -1)

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
        out = np.empty(p.out_shape, np.uint8)
        if p.depthwise:
            tiles.run(lambda first, end: self._depthwise(x, first, end, out), len(out), threads)
            return out
        planes = self._frame(x, "planes")
        result = tiles.scratch("result", (len(out), self.out_pitch), np.uint8)
        self.sums(planes, result, threads)
        tiles.run(lambda first, end: pool_planes(result[first:end], self.row, p.pool,
                                                 out[first:end]), len(out), threads)
        return out

    def _frame(self, x, name):
        """The maps with their border as planes of a scratch array."""
        p, b = self.p, self.border
        channels, height, width = x.shape
        planes = tiles.scratch(name, (channels, self.in_pitch), np.uint8)
        size = (height + 2 * b) * self.row
        planes[:, size:] = 0
        framed = planes[:, :size].reshape(channels, height + 2 * b, self.row)
        if b:
            framed[:, 0] = framed[:, -1] = p.pad_value
            framed[:, :, 0] = framed[:, :, -1] = p.pad_value
            framed[:, 1:-1, 1:-1] = x
        else:
            framed[:] = x
        return planes

    def _depthwise(self, x, first, end, out):
        """Channels [first, end), from the map to the pooled map."""
        p = self.p
        group = max(1, GROUP_BYTES // self.in_pitch)
        for a in range(first, end, group):
            b = min(end, a + group)
            planes = self._frame(x[a:b], "channels")
            result = tiles.scratch("bytes", (b - a, self.out_pitch), np.uint8)
            norm, *rest = p.longer(slice(a, b))
            if self.folded:
                conv2d.depthwise3x3(planes, self.weights[a:b], self.offsets, self.runs,
                                    norm, *rest[1:], p.rule, result, 0, b - a)
            else:
                conv2d.depthwise(planes, self.weights[a:b], self.offsets, self.runs, p.arg_x,
                                 p.shr_x, norm, *rest, p.rule, result, 0, b - a)
            pool_planes(result, self.row, p.pool, out[a:b])

    def sums(self, planes, result, threads):
        """Fill `result` (uint8 planes after the activation) from the framed input planes."""
        p = self.p
        sx = tiles.scratch("sx", (self.out_pitch,), np.int64)
        conv2d.input_sums(planes, self.offsets, self.runs, p.arg_x, p.shr_x, 0, sx)
        chunks = split(self.runs, conv2d.TILE * 4)
        rest = (sx, *p.longer(), p.rule, result)

        def work(runs, first, end):
            acc = tiles.scratch("acc", (4, conv2d.TILE), self.acc_type)
            if p.taps == 9:
                conv2d.conv3x3(planes, self.weights, self.offsets, runs, acc, *rest, first, end)
            else:
                conv2d.conv1x1(planes, self.weights, p.in_shape[0], runs, acc, *rest, first, end)

        if len(chunks) >= 4 * threads:
            tiles.run(lambda a, b: work(chunks[a:b], 0, len(result)), len(chunks), threads)
        else:
            tiles.run(lambda a, b: work(self.runs, a, b), len(result), threads, step=4)


def split(runs: np.ndarray, size: int) -> np.ndarray:
    """The runs cut into chunks of at most `size` positions."""
    parts = [(start + at, min(size, length - at))
             for start, length in runs.tolist() for at in range(0, length, size)]
    return np.array(parts, np.int64)


def pool(maps: np.ndarray, kind: int, shape) -> np.ndarray:
    """Apply a KPU pool to contiguous uint8 (C, H, W) maps; returns a map of `shape`."""
    out = np.empty(shape, np.uint8)
    pool_planes(np.ascontiguousarray(maps).reshape(len(maps), -1), maps.shape[2], kind, out)
    return out


def pool_planes(planes: np.ndarray, row: int, kind: int, out: np.ndarray) -> None:
    """Apply a KPU pool to planes with `row` bytes from one map row to the next."""
    if kind in PICKS:
        pool2d.pick(planes, row, *PICKS[kind], out)
    elif kind == 1:
        pool2d.max2(planes, row, out)
    elif kind == 3:
        pool2d.max_block(planes, row, 4, out)
    elif kind in (2, 4):
        pool2d.mean_block(planes, row, kind, out)
    elif kind == 8:
        pool2d.mean_slide(planes, row, out)
    else:
        pool2d.max_slide(planes, row, out)
