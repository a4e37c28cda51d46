"""Decoding the scan of a baseline JPEG: Huffman codes, dequantisation, inverse DCT in 16 bits.

Ref: ITU-T T.81; the transform is Winograd's with 8-bit constants, as in the picojpeg library.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit("int64(int64)", cache=True)
def wrap16(value):
    """The value a signed 16-bit variable takes."""
    return ((value + 32768) & 65535) - 32768


@numba.njit("void(int64[::1])", cache=True)
def inverse(v):
    """One line of eight of the inverse DCT, in place."""
    x4, x7 = wrap16(v[5] - v[3]), wrap16(v[5] + v[3])
    x5, x6 = wrap16(v[1] + v[7]), wrap16(v[1] - v[7])
    turned = wrap16((wrap16(x4 - x6) * 196 + 128) >> 8)
    far = wrap16(wrap16((x6 * 277 + 128) >> 8) - turned)
    near = wrap16(turned - wrap16((x4 * 669 + 128) >> 8))
    x15, x17 = wrap16(x5 - x7), wrap16(x5 + x7)
    b = wrap16(far - x17)
    c = wrap16(wrap16((x15 * 362 + 128) >> 8) - b)
    d = wrap16(c + near)
    x30, x31 = wrap16(v[0] + v[4]), wrap16(v[0] - v[4])
    x12, x13 = wrap16(v[2] - v[6]), wrap16(v[2] + v[6])
    x32 = wrap16(wrap16((x12 * 362 + 128) >> 8) - x13)
    x40, x43 = wrap16(x30 + x13), wrap16(x30 - x13)
    x41, x42 = wrap16(x31 + x32), wrap16(x31 - x32)
    v[0], v[7] = wrap16(x40 + x17), wrap16(x40 - x17)
    v[1], v[6] = wrap16(x41 + b), wrap16(x41 - b)
    v[2], v[5] = wrap16(x42 + c), wrap16(x42 - c)
    v[3], v[4] = wrap16(x43 - d), wrap16(x43 + d)


@numba.njit("int64(uint8[::1], int64[::1], int64)", cache=True)
def take_bits(data, state, count):
    """The next bits; zeros after the end. state: place, bits held, the bits, marker met."""
    while state[1] < count:
        byte = 0
        if state[0] < len(data) and state[3] == 0:
            byte = np.int64(data[state[0]])
            state[0] += 1
            if byte == 255:
                follower = np.int64(data[state[0]]) if state[0] < len(data) else 0
                if follower == 0:
                    state[0] += 1
                else:
                    state[0] -= 1
                    state[3] = 1
                    byte = 0
        else:
            state[3] += 1
        state[2] = ((state[2] << 8) | byte) & 0xFFFFFFFF
        state[1] += 8
    state[1] -= count
    return (state[2] >> state[1]) & ((1 << count) - 1)


@numba.njit("int64(uint8[::1], int64[::1], int64[:, ::1], uint8[::1])", cache=True)
def take_symbol(data, state, codes, symbols):
    """The next Huffman symbol, -1 for no valid code.

    codes : (16, 3) least code, greatest code (-1: none), first symbol of each length
    """
    code = 0
    for length in range(16):
        code = (code << 1) | take_bits(data, state, 1)
        if codes[length, 1] >= code and codes[length, 1] >= 0:
            return np.int64(symbols[codes[length, 2] + code - codes[length, 0]])
    return -1


@numba.njit(
    "int64(uint8[::1], int64[:, ::1], int64[:, ::1], int64[:, :, ::1], uint8[:, ::1],"
    " int64[::1], int64, int64, int64, uint8[:, :, ::1])",
    cache=True,
)
def decode(data, parts, quant, codes, symbols, order, mcus_x, mcus_y, restart, planes):
    """Decode all blocks of a scan into `planes`; returns 0, or 1 for broken data.

    parts : (components, 5) horizontal and vertical blocks an MCU, quantisation, DC and AC table
    quant : (tables, 64) steps with the transform's scale, zigzag order
    order : (64) place of each coefficient, row by row, by its zigzag number
    restart : MCUs between restart markers, 0 for none
    """
    state = np.zeros(4, np.int64)
    last = np.zeros(len(parts), np.int64)
    block = np.empty((8, 8), np.int64)
    line = np.empty(8, np.int64)
    done = 0
    for my in range(mcus_y):
        for mx in range(mcus_x):
            if restart and done and done % restart == 0:
                state[1] = 0
                state[3] = 0
                while state[0] + 1 < len(data) and not (
                    data[state[0]] == 255 and 0xD0 <= data[state[0] + 1] <= 0xD7
                ):
                    state[0] += 1
                state[0] += 2
                last[:] = 0
            done += 1
            for c in range(len(parts)):
                for by in range(parts[c, 1]):
                    for bx in range(parts[c, 0]):
                        block[:] = 0
                        size = take_symbol(data, state, codes[parts[c, 3]], symbols[parts[c, 3]])
                        if size < 0 or size > 15:
                            return 1
                        bits = take_bits(data, state, size)
                        if size and bits < (1 << (size - 1)):
                            bits -= (1 << size) - 1
                        last[c] = wrap16(last[c] + bits)
                        step = quant[parts[c, 2]]
                        block[0, 0] = wrap16(last[c] * step[0])
                        k = 1
                        while k < 64:
                            symbol = take_symbol(
                                data, state, codes[parts[c, 4]], symbols[parts[c, 4]]
                            )
                            if symbol < 0:
                                return 1
                            zeros, size = symbol >> 4, symbol & 15
                            if size == 0:
                                if zeros != 15:
                                    break
                                k += 16
                                if k > 64:
                                    return 1
                                continue
                            k += zeros
                            if k > 63:
                                return 1
                            bits = take_bits(data, state, size)
                            if bits < (1 << (size - 1)):
                                bits -= (1 << size) - 1
                            block[order[k] >> 3, order[k] & 7] = wrap16(bits * step[k])
                            k += 1
                        for i in range(8):
                            inverse(block[i])
                        for i in range(8):
                            for j in range(8):
                                line[j] = block[j, i]
                            inverse(line)
                            for j in range(8):
                                level = wrap16(((line[j] + 64) >> 7) + 128)
                                planes[
                                    c,
                                    8 * (my * parts[c, 1] + by) + j,
                                    8 * (mx * parts[c, 0] + bx) + i,
                                ] = min(max(level, 0), 255)
            if state[3] > 64:
                return 1
    return 0
