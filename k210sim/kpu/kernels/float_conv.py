"""Float32 convolutions of CPU nodes (NCHW), one rounding a step.

Every output starts with its bias and adds its terms by input channel, row, column; taps outside the
map add nothing. Source: as neutral.py.

Output channels stand side by side, where there are some: their weights are turned round so that
neighbours are neighbours, and a pixel's inputs go to all of them. Else the pixels of a row do.
g: int64[7] = pad top, pad left, stride h, w, dilation h, w, groups.
"""

import numpy as np
from numba import types

from k210sim.kpu.kernels import chain, team_code
from k210sim.kpu.kernels.atomic import cube, matrix, numbers, vector
from k210sim.kpu.kernels.late_numba import cfunc, njit

F32, I64 = types.float32, types.int64
CUBE = types.float32[:, :, ::1]
LANES = 64  # output channels at once; their weights should stay in the second cache
LINE = 16  # floats of a cache line
FEW = 8  # with fewer channels in a group a row has more pixels than a pixel channels
PIECES = 4  # of each thread
COSTLY = 4  # times what a product of a KPU layer takes
(X, CHANNELS, HEIGHT, WIDTH, WEIGHTS, OUTPUTS, INPUTS, FILTER_H, FILTER_W, BIAS, G, LIMITS, OUT,
 OUT_H, OUT_W, PER_PIECE, BANDS, RECORD_WORDS) = range(18)
RECORD = 2  # word of a step, behind its function and number of pieces


@njit(types.UniTuple(I64, 2)(*[I64] * 5), cache=True, nogil=True)
def inside(at, pad, dilation, taps, size):
    """The first tap inside the map and the one behind the last, for a window at output `at` times
    its stride."""
    start = at - pad
    first = np.int64(0)
    if start < 0:
        first = (-start + dilation - 1) // dilation
    end = np.int64(0)
    if start < size:
        end = min(taps, (size - 1 - start) // dilation + 1)
    return first, max(first, end)


@njit(types.void(CUBE, types.float32[:, ::1], F32[::1], I64[::1], I64, I64, F32[::1], CUBE,
                 *[I64] * 4, types.float32[:, ::1]), cache=True, nogil=True)
def by_channels(x, w, bias, g, filter_h, filter_w, limits, out, lane, end_lane, first, end,
                turned):
    """Output channels [lane, end_lane) of one group, rows [first, end). w: [out, all taps]; turned:
    room for the weights, [all taps, end_lane - lane]."""
    lanes, taps = end_lane - lane, np.int64(w.shape[1])
    height, width = np.int64(x.shape[1]), np.int64(x.shape[2])
    inputs = taps // (filter_h * filter_w)
    base = lane // (w.shape[0] // g[6]) * inputs
    for start in range(0, taps, LINE):
        for o in range(lanes):
            for k in range(start, min(start + LINE, taps)):
                turned[k, o] = w[lane + o, k]
    cells = x.reshape(-1)
    value = np.empty(taps, np.float32)
    where, tap = np.empty(taps, np.int64), np.empty(taps, np.int64)
    total = np.empty(lanes, np.float32)
    low, high = limits[0], limits[1]
    for i in range(first, end):
        a0, a1 = inside(i * g[2], g[0], g[4], filter_h, height)
        b0, b1 = np.int64(-1), np.int64(-1)
        count = np.int64(0)
        for j in range(out.shape[2]):
            c0, c1 = inside(j * g[3], g[1], g[5], filter_w, width)
            if c0 != b0 or c1 != b1:
                b0, b1 = c0, c1
                count = 0
                for c in range(inputs):
                    for a in range(a0, a1):
                        for b in range(b0, b1):
                            where[count] = (c * height + a * g[4]) * width + b * g[5]
                            tap[count] = (c * filter_h + a) * filter_w + b
                            count += 1
            at = (base * height + i * g[2] - g[0]) * width + j * g[3] - g[1]
            for k in range(count):
                value[k] = cells[at + where[k]]
            total[:] = bias[lane:end_lane]
            fours = count // 4 * 4
            for k in range(0, fours, 4):
                v0, v1, v2, v3 = value[k], value[k + 1], value[k + 2], value[k + 3]
                w0, w1 = turned[tap[k]], turned[tap[k + 1]]
                w2, w3 = turned[tap[k + 2]], turned[tap[k + 3]]
                for o in range(lanes):
                    s = np.float32(total[o] + np.float32(v0 * w0[o]))
                    s = np.float32(s + np.float32(v1 * w1[o]))
                    s = np.float32(s + np.float32(v2 * w2[o]))
                    total[o] = np.float32(s + np.float32(v3 * w3[o]))
            for k in range(fours, count):
                v0, w0 = value[k], turned[tap[k]]
                for o in range(lanes):
                    total[o] = np.float32(total[o] + np.float32(v0 * w0[o]))
            for o in range(lanes):
                out[lane + o, i, j] = min(max(total[o], low), high)


@njit(types.void(CUBE, types.float32[:, ::1], F32[::1], I64[::1], I64, I64, F32[::1], CUBE, I64,
                 I64), cache=True, nogil=True)
def by_pixels(x, w, bias, g, filter_h, filter_w, limits, out, first, end):
    """Output channels [first, end). w: [out, all taps]."""
    per_out = w.shape[0] // g[6]
    height, width, stride = np.int64(x.shape[1]), np.int64(x.shape[2]), g[3]
    inputs = np.int64(w.shape[1]) // (filter_h * filter_w)
    low, high = limits[0], limits[1]
    for o in range(first, end):
        base = o // per_out * inputs
        for i in range(out.shape[1]):
            row = out[o, i]
            row[:] = bias[o]
            a0, a1 = inside(i * g[2], g[0], g[4], filter_h, height)
            for c in range(inputs):
                for a in range(a0, a1):
                    line = x[base + c, i * g[2] - g[0] + a * g[4]]
                    for b in range(filter_w):
                        f = w[o, (c * filter_h + a) * filter_w + b]
                        shift = b * g[5] - g[1]
                        # Output columns whose tap lies inside the row.
                        begin = max(np.int64(0), (-shift + stride - 1) // stride)
                        stop = np.int64(0)
                        if width > shift:
                            stop = min(np.int64(row.shape[0]), (width - shift - 1) // stride + 1)
                        if stop <= begin:
                            continue
                        some = row[begin:stop]
                        pixels = line[begin * stride + shift : width]
                        if stride == 1:
                            for j in range(some.shape[0]):
                                some[j] = np.float32(some[j] + np.float32(pixels[j] * f))
                        else:
                            for j in range(some.shape[0]):
                                some[j] = np.float32(some[j] + np.float32(pixels[j * stride] * f))
            for j in range(row.shape[0]):
                row[j] = min(max(row[j], low), high)


@cfunc(team_code.PART, cache=True)
def part(job, step, piece, member):
    """Some output channels, or a band of rows of some that stand side by side."""
    j = numbers(job, team_code.JOB_WORDS)
    r = numbers(numbers(step, team_code.STEP_WORDS)[RECORD], RECORD_WORDS)
    # Behind the line that tells what a room holds (team_code.py).
    room = j[team_code.ROOM] + member * j[team_code.ROOM_SIZE] + 64
    x = cube(r[X], r[CHANNELS], r[HEIGHT], r[WIDTH], np.float32)
    taps = r[INPUTS] * r[FILTER_H] * r[FILTER_W]
    w = matrix(r[WEIGHTS], r[OUTPUTS], taps, np.float32)
    bias, limits = vector(r[BIAS], r[OUTPUTS], np.float32), vector(r[LIMITS], 2, np.float32)
    out, g = cube(r[OUT], r[OUTPUTS], r[OUT_H], r[OUT_W], np.float32), numbers(r[G], 7)
    if r[BANDS] == 0:
        first = piece * r[PER_PIECE]
        by_pixels(x, w, bias, g, r[FILTER_H], r[FILTER_W], limits, out, first,
                  min(first + r[PER_PIECE], r[OUTPUTS]))
        return 1
    # Pieces of a group are those of its channels, in bands.
    per_out = r[OUTPUTS] // g[6]
    chunks = (per_out + LANES - 1) // LANES
    chunk, band = piece // r[BANDS], piece % r[BANDS]
    lane = chunk // chunks * per_out + chunk % chunks * LANES
    end_lane = min(lane + LANES, (chunk // chunks + 1) * per_out)
    by_channels(x, w, bias, g, r[FILTER_H], r[FILTER_W], limits, out, lane, end_lane,
                band * r[OUT_H] // r[BANDS], (band + 1) * r[OUT_H] // r[BANDS],
                matrix(room, taps, end_lane - lane, np.float32))
    return 1


class FloatConv:
    """One image's convolution, as a plan that chain.Chain takes: x (C, H, W), w (out, C/groups, fh,
    fw), out (out, oh, ow), all float32 and contiguous, out not empty."""

    __slots__ = ("x", "w", "bias", "g", "limits", "out", "work")

    def __init__(self, x, w, bias, g, low, high, out):
        self.x, self.w, self.bias, self.g, self.out = x, w, bias, g, out
        self.limits = np.array([low, high], np.float32)
        self.work = COSTLY * out.size * w[0].size

    def parts(self, threads: int, source_place, target_place) -> chain.Parts:
        x, w, out, g = self.x, self.w, self.out, self.g
        outputs, inputs, filter_h, filter_w = w.shape
        per_out = outputs // int(g[6])
        at = chain.address
        record = [at(x), *x.shape, at(w), outputs, inputs, filter_h, filter_w, at(self.bias),
                  at(g), at(self.limits), at(out), *out.shape[1:]]
        if per_out < FEW:
            each = -(-outputs // min(outputs, PIECES * threads))
            pieces, more = -(-outputs // each), [each, 0]
        else:
            chunks = int(g[6]) * -(-per_out // LANES)
            bands = min(out.shape[1],
                        max(1, -(-(PIECES * threads if threads > 1 else 1) // chunks)))
            pieces, more = chunks * bands, [0, bands]
        room = 4 * inputs * filter_h * filter_w * min(per_out, LANES)
        return chain.Parts(record + more, [(part.address, pieces)], chain.room_for(room)[-1],
                           [w, self.bias, g, self.limits])


def conv2d(x, w, bias, g, low, high, out, threads: int = 1) -> None:
    """One image at once; arguments as of FloatConv."""
    if out.size:
        plan = FloatConv(x, w, bias, g, low, high, out)
        chain.Chain([(plan, None, None)]).run(chain.NOTHING, chain.NOTHING, threads)
