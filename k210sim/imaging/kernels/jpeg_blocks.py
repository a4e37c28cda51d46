"""JPEG entropy coding of 8x8 blocks: whole-number DCT, quantisation, Huffman codes.

Ref: ITU-T T.81; the DCT is the scaled one of Arai, Agui and Nakajima with 8-bit constants.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit("void(int64[:, ::1])", cache=True)
def transform(block):
    """The scaled forward DCT of int64 (8, 8), in place: rows, then columns."""
    for turn in range(2):
        for i in range(8):
            v = np.empty(8, np.int64)
            for k in range(8):
                v[k] = block[i, k] if turn == 0 else block[k, i]
            s0, s1, s2, s3 = v[0] + v[7], v[1] + v[6], v[2] + v[5], v[3] + v[4]
            d0, d1, d2, d3 = v[0] - v[7], v[1] - v[6], v[2] - v[5], v[3] - v[4]
            outer, inner = s0 + s3, s1 + s2
            tilt, lean = s0 - s3, s1 - s2
            half = ((lean + tilt) * 181) >> 8
            v[0], v[4] = outer + inner, outer - inner
            v[2], v[6] = tilt + half, tilt - half
            a, b, c = d3 + d2, d2 + d1, d1 + d0
            turned = ((a - c) * 98) >> 8
            low = ((a * 139) >> 8) + turned
            high = ((c * 334) >> 8) + turned
            half = (b * 181) >> 8
            near, far = d0 + half, d0 - half
            v[5], v[3] = far + low, far - low
            v[1], v[7] = near + high, near - high
            for k in range(8):
                if turn == 0:
                    block[i, k] = v[k]
                else:
                    block[k, i] = v[k]


@numba.njit("void(uint8[::1], int64[::1], int64, int64)", cache=True)
def put_bits(out, state, code, length):
    """Append `length` bits; state is (bytes written, bits held, the bits at 23 and below)."""
    state[1] += length
    state[2] |= code << (24 - state[1])
    while state[1] > 7:
        byte = (state[2] >> 16) & 255
        out[state[0]] = byte
        state[0] += 1
        if byte == 255:
            out[state[0]] = 0
            state[0] += 1
        state[2] = (state[2] << 8) & 0xFFFFFF
        state[1] -= 8


@numba.njit("void(uint8[::1], int64[::1], int64, int64[:, ::1], int64)", cache=True)
def put_number(out, state, value, codes, zeros):
    """Append the code of (zeros before, length of value), then the value's own bits."""
    size = 0
    rest = abs(value)
    while rest:
        size += 1
        rest >>= 1
    symbol = (zeros << 4) | size
    put_bits(out, state, codes[symbol, 0], codes[symbol, 1])
    if size:
        if value < 0:
            value -= 1
        put_bits(out, state, value & ((1 << size) - 1), size)


@numba.njit(
    "void(int8[:, :, ::1], int64[::1], float32[:, ::1], int64[:, :, ::1], int64[::1],"
    " int64[::1], uint8[::1], int64[::1], int64)",
    cache=True,
)
def encode(blocks, parts, factors, codes, zigzag, last, out, state, skip):
    """Encode int8 (n, 8, 8) blocks in their order.

    parts : component 0..2 of each block; 0 is luminance
    factors : float32 (2, 64), the quantisation of luminance and chrominance with the DCT's scale
    codes : (4, 256, 2) code and length: luminance DC and AC, chrominance DC and AC
    zigzag : where each of the 64 coefficients goes
    last : int64 (3), the DC value of the block before of each component; goes on
    skip : the first `skip` blocks only set `last`
    """
    quantised = np.empty(64, np.int64)
    work = np.empty((8, 8), np.int64)
    for n in range(len(blocks)):
        part = parts[n]
        table = 0 if part == 0 else 1
        for i in range(8):
            for k in range(8):
                work[i, k] = np.int64(blocks[n, i, k])
        transform(work)
        end = 0
        for i in range(64):
            level = np.int64(np.float32(work[i >> 3, i & 7]) * factors[table, i])
            quantised[zigzag[i]] = level
            if level and zigzag[i] > end:
                end = zigzag[i]
        if n >= skip:
            put_number(out, state, quantised[0] - last[part], codes[2 * table], 0)
            zeros = 0
            for i in range(1, end + 1):
                if quantised[i] == 0:
                    zeros += 1
                    continue
                while zeros > 15:
                    put_bits(
                        out, state, codes[2 * table + 1, 0xF0, 0], codes[2 * table + 1, 0xF0, 1]
                    )
                    zeros -= 16
                put_number(out, state, quantised[i], codes[2 * table + 1], zeros)
                zeros = 0
            if end != 63:
                put_bits(out, state, codes[2 * table + 1, 0, 0], codes[2 * table + 1, 0, 1])
        last[part] = quantised[0]
