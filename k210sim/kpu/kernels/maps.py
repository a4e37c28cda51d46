"""Feature maps between where they lie and the kernels' working layouts.

A place tells where the pixels of a map are in flat bytes: int64[5] = byte of the first pixel,
channels that share a group, bytes between them, bytes between groups, bytes between rows. So a map
can be read from the AI RAM, whose lines narrow channels share (ai_ram.py), as from plain planes.

Working layout: a band of the map with its border, split by the stride of a decimating pool. Plane
(a, b) holds pixels (stride * i + a, stride * j + b) of the framed map, `row` positions from one of
its rows to the next. So the taps of neighbouring outputs are neighbours, whatever the stride.
frame: int64[5] = border, pad value, stride, row, positions of a plane.
Source: as ai_ram.py.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from k210sim.kpu.kernels.atomic import fetch, vector
from k210sim.kpu.kernels.late_numba import njit
from k210sim.kpu.kernels.rows import copy_rows
from k210sim.kpu.kernels.vector_code import load

BYTES, WIDE, PAIRS = range(3)  # what a word holds, see `words`


@njit("int64(int64[::1], int64)", cache=True, nogil=True)
def byte_of(place, channel):
    """The byte of a channel's first pixel."""
    return place[0] + channel // place[1] * place[3] + channel % place[1] * place[2]


@njit("void(int64, int64, int64, int64, int64)", cache=True, nogil=True)
def fetch_rows(at, pitch, first, end, width):
    """Have the rows [first, end) of a map, `pitch` bytes apart from address `at` on, brought into
    the cache while others are worked on."""
    for y in range(first, end):
        for x in range(0, width, 64):
            fetch(at + y * pitch + x)


@intrinsic
def mix16(typingctx, out, row0, row1, row2, row3, wide, mask):
    """Words of 16 pixels of two or four rows, all by their addresses."""
    def codegen(context, builder, sig, args):
        i32 = ir.IntType(32)
        words = ir.VectorType(i32, 16)

        def row(address, shift):
            pixels = ir.VectorType(ir.IntType(8), 16)
            some = builder.load(builder.inttoptr(address, pixels.as_pointer()))
            some.align = 1
            return builder.shl(builder.zext(some, words), ir.Constant(words, [shift] * 16))

        def put(value):
            alone = builder.insert_element(ir.Constant(words, ir.Undefined), args[6],
                                           ir.Constant(i32, 0))
            every = builder.shuffle_vector(alone, ir.Constant(words, ir.Undefined),
                                           ir.Constant(words, [0] * 16))
            store = builder.store(builder.and_(value, every),
                                  builder.inttoptr(args[0], words.as_pointer()))
            store.align = 1

        with builder.if_else(args[5]) as (two, four):
            with two:
                put(builder.or_(row(args[1], 0), row(args[2], 16)))
            with four:
                put(builder.or_(builder.or_(row(args[1], 0), row(args[2], 8)),
                                builder.or_(row(args[3], 16), row(args[4], 24))))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5, types.boolean, types.int32), codegen


@intrinsic
def pair16(typingctx, out, row0, row1):
    """Words of 16 pixels of two rows, by their addresses: as mix16, with nothing to mask."""
    def codegen(context, builder, sig, args):
        pixels, i32 = ir.VectorType(ir.IntType(8), 16), ir.IntType(32)
        rows = [builder.load(builder.inttoptr(one, pixels.as_pointer())) for one in args[1:]]
        for row in rows:
            row.align = 1
        turns = [i // 2 + i % 2 * 16 for i in range(32)]
        both = builder.shuffle_vector(*rows, ir.Constant(ir.VectorType(i32, 32), turns))
        words = builder.zext(both, ir.VectorType(ir.IntType(16), 32))
        builder.store(words, builder.inttoptr(args[0], words.type.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), codegen


def _interleave(edge, lanes):
    @intrinsic
    def interleave(typingctx, out, source, apart):
        """`lanes` bytes from each of `edge` addresses, `apart` bytes from one to the next, by turns
        to `out`."""
        def codegen(context, builder, sig, args):
            out, source, apart = args
            rows = []
            for n in range(edge):
                place = builder.add(source, builder.mul(apart, ir.Constant(apart.type, n)))
                rows.append(load(builder, place, ir.VectorType(ir.IntType(8), lanes)))
            while len(rows) > 1:
                half, size = len(rows) // 2, rows[0].type.count
                turns = [i // 2 + i % 2 * size for i in range(2 * size)]
                mask = ir.Constant(ir.VectorType(ir.IntType(32), 2 * size), turns)
                rows = [builder.shuffle_vector(rows[n], rows[n + half], mask) for n in range(half)]
            to = builder.inttoptr(out, rows[0].type.as_pointer())
            builder.store(rows[0], to).align = 1
            return context.get_dummy_value()

        return types.void(*[types.int64] * 3), codegen

    return interleave


(_two16, _two8, _two4, _two2, _two1), (_four16, _four8, _four4, _four2, _four1) = (
    [_interleave(edge, lanes) for lanes in (16, 8, 4, 2, 1)] for edge in (2, 4))


def _split(stride):
    @intrinsic
    def split(typingctx, out, plane, row0, row1):
        """Words of 16 pixels of two rows, split by columns modulo the stride: into planes of a map
        with a border of one pixel, `plane` bytes apart; out: address of the first one's place in
        the first plane."""
        def codegen(context, builder, sig, args):
            out, plane, *addresses = args
            i8, i16, i32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
            rows = [load(builder, one, ir.VectorType(i8, 16)) for one in addresses]
            each = 16 // stride
            turns = [k * stride + c + row * 16 for c in range(stride) for k in range(each)
                     for row in range(2)]
            both = builder.shuffle_vector(*rows, ir.Constant(ir.VectorType(i32, 32), turns))
            some = ir.VectorType(i8, 2 * each)
            for c in range(stride):
                part = builder.shuffle_vector(
                    both, ir.Constant(both.type, ir.Undefined),
                    ir.Constant(ir.VectorType(i32, 2 * each),
                                [c * 2 * each + k for k in range(2 * each)]))
                words = builder.zext(part, ir.VectorType(i16, some.count))
                # The border puts column c into plane c + 1, the last into the next of the first.
                number, on = (c + 1) % stride, (c + 1) // stride * 4
                place = builder.add(out, builder.mul(plane, ir.Constant(plane.type, number)))
                place = builder.add(place, ir.Constant(place.type, on))
                to = builder.inttoptr(place, words.type.as_pointer())
                builder.store(words, to).align = 1
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), codegen

    return split


_split2, _split4 = _split(2), _split(4)


@intrinsic
def beside16(typingctx, out, row, following):
    """Words of 16 pixels of a row, each with the one to its right above it; `following`: the one
    behind them."""
    def codegen(context, builder, sig, args):
        i8, i16 = ir.IntType(8), ir.IntType(16)
        pixels = ir.VectorType(i8, 16)
        some = builder.load(builder.inttoptr(args[1], pixels.as_pointer()))
        some.align = 1
        last = builder.insert_element(ir.Constant(pixels, ir.Undefined),
                                      builder.trunc(args[2], i8), ir.Constant(ir.IntType(32), 0))
        turns = [i // 2 + i % 2 for i in range(32)]
        both = builder.shuffle_vector(some, last,
                                      ir.Constant(ir.VectorType(ir.IntType(32), 32), turns))
        words = builder.zext(both, ir.VectorType(i16, 32))
        builder.store(words, builder.inttoptr(args[0], words.type.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int32), codegen


def _columns(builder, row):
    """16 bytes at an address as eight 16-bit numbers, each an even pixel below an odd one."""
    some = builder.load(builder.inttoptr(row, ir.VectorType(ir.IntType(16), 8).as_pointer()))
    some.align = 1
    return some


def _put_words(builder, to, halves, mask):
    """Store eight words of two vectors of their lower and upper 16 bits."""
    i32 = ir.IntType(32)
    turns = ir.Constant(ir.VectorType(i32, 16), [i // 2 + i % 2 * 8 for i in range(16)])
    words = builder.bitcast(builder.shuffle_vector(*halves, turns), ir.VectorType(i32, 8))
    alone = builder.insert_element(ir.Constant(words.type, ir.Undefined), mask,
                                   ir.Constant(i32, 0))
    every = builder.shuffle_vector(alone, alone, ir.Constant(words.type, [0] * 8))
    store = builder.store(builder.and_(words, every),
                          builder.inttoptr(to, words.type.as_pointer()))
    store.align = 1


@intrinsic
def halve16(typingctx, even, odd, row0, row1, row2, row3, wide, mask):
    """Words as of mix16 of the eight even pixels to `even` and of the odd ones to `odd`."""
    def codegen(context, builder, sig, args):
        i16 = ir.VectorType(ir.IntType(16), 8)
        low, high = ir.Constant(i16, [0x00FF] * 8), ir.Constant(i16, [0xFF00] * 8)
        eight = ir.Constant(i16, [8] * 8)

        def both(rows):
            """Even and odd pixels of two rows, those of the second above those of the first."""
            a, b = (_columns(builder, row) for row in rows)
            return (builder.or_(builder.and_(a, low), builder.shl(b, eight)),
                    builder.or_(builder.lshr(a, eight), builder.and_(b, high)))

        with builder.if_else(args[6]) as (two, four):
            with two:
                rows = [_columns(builder, row) for row in args[2:4]]
                _put_words(builder, args[0], [builder.and_(row, low) for row in rows], args[7])
                _put_words(builder, args[1], [builder.lshr(row, eight) for row in rows], args[7])
            with four:
                for to, halves in zip(args[:2], zip(both(args[2:4]), both(args[4:6]), strict=True),
                                      strict=True):
                    _put_words(builder, to, halves, args[7])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6, types.boolean, types.int32), codegen


@intrinsic
def halve_beside16(typingctx, even, odd, row, following):
    """Words as of beside16 of the eight even pixels to `even` and of the odd ones to `odd`."""
    def codegen(context, builder, sig, args):
        i8, i16, i32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
        pixels = ir.VectorType(i8, 16)
        some = builder.load(builder.inttoptr(args[2], pixels.as_pointer()))
        some.align = 1
        last = builder.insert_element(ir.Constant(pixels, ir.Undefined),
                                      builder.trunc(args[3], i8), ir.Constant(i32, 0))
        turns = ir.Constant(ir.VectorType(i32, 16), list(range(1, 17)))
        for to, row in ((args[0], some), (args[1], builder.shuffle_vector(some, last, turns))):
            words = builder.zext(row, ir.VectorType(i16, 16))
            builder.store(words, builder.inttoptr(to, words.type.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3, types.int32), codegen


@njit("void(int64, int64, int64, int64, int64, boolean, int32, boolean, int32, int64, int64, "
      "int64)", cache=True, nogil=True)
def halve_row(at0, at1, at2, at3, width, wide, mask, alone, pad, border, to0, to1):
    """The words of a row with its border, even columns to the address to0 and odd ones to to1.
    width: even and at least 16; pad: of a pixel. The words right of the row are left to others."""
    even, odd = to0, to1
    if border == 1:
        even, odd = to1, to0 + 4
        if alone:
            vector(to0, 1, np.int32)[0] = pad | np.int32(vector(at0, 1, np.uint8)[0]) << 16
    for some in range(0, width, 16):
        j = min(some, width - 16)
        if alone:
            following = pad
            if j + 16 < width:
                following = np.int32(vector(at0 + j + 16, 1, np.uint8)[0])
            halve_beside16(even + 2 * j, odd + 2 * j, at0 + j, following)
        else:
            halve16(even + 2 * j, odd + 2 * j, at0 + j, at1 + j, at2 + j, at3 + j, wide, mask)


@njit("void(int64, int64, int64, int64, int64, int64, int64)", cache=True, nogil=True)
def pair_rows(to, to_pitch, row0, row1, pitch, rows, size):
    """Words of rows of `size` pixels of two channels, at least 16, from address to address;
    to_pitch and pitch: bytes from row to row."""
    for _ in range(rows):
        for some in range(0, size, 16):
            j = min(some, size - 16)
            pair16(to + 4 * j, row0 + j, row1 + j)
        to, row0, row1 = to + to_pitch, row0 + pitch, row1 + pitch


@njit("void(int64, int64, int32, int64)", cache=True, nogil=True)
def beside(row, width, pad, to):
    """The words of a row whose channel is alone (PAIRS); row, to: addresses."""
    pixels, line = vector(row, width, np.uint8), vector(to, width, np.int32)
    if width >= 16:
        for some in range(0, width, 16):
            j = min(some, width - 16)
            following = pad if j + 16 == width else np.int32(pixels[j + 16])
            beside16(to + 4 * j, row + j, following)
        return
    for j in range(width - 1):
        line[j] = np.int32(pixels[j]) | np.int32(pixels[j + 1]) << 16
    line[width - 1] = np.int32(pixels[width - 1]) | pad << 16


@njit(inline="always")
def mix(row0, row1, row2, row3, wide, mask, count, line):
    """Words of two or four rows of bytes; `count` may be a constant."""
    if wide:
        for j in range(count):
            line[j] = (np.int32(row0[j]) | (np.int32(row1[j]) << 16)) & mask
    else:
        for j in range(count):
            line[j] = (np.int32(row0[j]) | (np.int32(row1[j]) << 8) | (np.int32(row2[j]) << 16)
                       | (np.int32(row3[j]) << 24)) & mask


@njit("void(int64, int64, int64, int64, int64, int64, int64, int32)", cache=True, nogil=True)
def split_row(row0, row1, width, stride, row, plane, to, around):
    """A row of at least 16 pixels of two channels into its places in `stride` planes, 2 or 4, of a
    map with a border of one pixel, whose words are `around`. row0, row1, to: addresses; row: words
    of a plane's row; plane: from one to the next."""
    pixels0, pixels1 = vector(row0, width, np.uint8), vector(row1, width, np.uint8)
    out = vector(to, (stride - 1) * plane + row, np.int32)
    out[0] = around
    # The last vector begins at a multiple of the stride, so up to three pixels are left.
    last = (width - 16) // stride * stride
    for some in range(0, last + 16, 16):
        j = min(some, last)
        if stride == 4:
            _split4(to + j, 4 * plane, row0 + j, row1 + j)
        else:
            _split2(to + 2 * j, 4 * plane, row0 + j, row1 + j)
    for j in range(last + 17, width + 1):
        word = np.int32(pixels0[j - 1]) | np.int32(pixels1[j - 1]) << 16
        out[j % stride * plane + j // stride] = word
    for j in range(width + 1, stride * row):
        out[j % stride * plane + j // stride] = around


@njit("void(uint8[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64, int64, int64, "
      "int64, int32[:, ::1])", cache=True, nogil=True)
def words(cells, place, shape, frame, planes, kind, first, rows, group_from, out):
    """A band of `rows` plane rows from row `first` on; out[g]: group `group_from` + g of channels
    side by side in every position's word.

    kind: BYTES, four channels of 8 bits, or WIDE, two of 16; with PAIRS a channel that is left
    alone lies beside the pixel to its right. planes: int64[n, 2] = (a, b) of each plane, those of
    one `a` together. Channels that are missing are 0. `out` has room for 32 positions behind the
    last plane.
    """
    wide = kind != BYTES
    border, pad, stride, row = frame[0], np.int32(frame[1]), frame[2], frame[3]
    height, width = shape[1], shape[2]
    group = np.int64(2) if wide else np.int64(4)
    step = np.int32(16) if wide else np.int32(8)
    # Where channels share a line every row has room for whole vectors. What they write too much is
    # written over by the rows behind.
    size = (width + 15) // 16 * 16 if place[1] > 1 else width
    base = np.int64(cells.ctypes.data)
    framed = np.empty(stride * row + border + 64, np.int32)
    # The byte of channel c, its slot among those that share lines, the way to the next such group.
    at, slot = byte_of(place, group_from * group), group_from * group % place[1]
    to_group = place[3] - place[1] * place[2]
    # Whether a row may go into all its planes at once.
    at_once = wide and border == 1 and width >= 16 and (stride == 2 or stride == 4)
    at_once = at_once and planes.shape[0] == stride * stride
    for n in range(planes.shape[0]):
        at_once = at_once and planes[n, 0] * stride + planes[n, 1] == n
    to_framed, to_out = np.int64(framed.ctypes.data), np.int64(out.ctypes.data)
    halved = stride == 2 and width >= 16 and width % 2 == 0
    for g in range(out.shape[0]):
        c = (group_from + g) * group
        mask = np.int32(-1)
        if c + group > shape[0]:
            mask = np.int32((np.int64(1) << (step * (shape[0] - c))) - 1)
        # Missing channels are masked; the last one stands for them.
        at0 = at1 = at2 = at3 = at
        for i in range(1, min(group, shape[0] - c)):
            at, slot = at + place[2], slot + 1
            if slot == place[1]:
                at, slot = at + to_group, np.int64(0)
            if i == 1:
                at1 = at2 = at3 = at
            elif i == 2:
                at2 = at3 = at
            else:
                at3 = at
        at, slot = at + place[2], slot + 1
        if slot == place[1]:
            at, slot = at + to_group, np.int64(0)
        around = pad | (pad << step)
        if not wide:
            around |= around << 16
        alone = kind == PAIRS and c + 1 == shape[0]
        if not alone:
            around &= mask
        top = max(first * stride - border, np.int64(0))
        below = min((first + rows) * stride - border + stride, height)
        if c + group < shape[0]:
            fetch_rows(base + at, place[4], top, below, width)
            for k in range(1, min(group, shape[0] - c - group)):
                if (slot + k) % place[1] == 0:
                    fetch_rows(base + at + k * place[2] + to_group, place[4], top, below, width)
        if wide and mask == -1 and not alone and stride == 1 and border == 0 and size >= 16:
            pair_rows(to_out + 4 * g * out.shape[1], 4 * row, base + at0 + first * place[4],
                      base + at1 + first * place[4], place[4], rows, size)
            continue
        for i in range(rows):
            done = np.int64(-1)  # the row that `framed` holds, or that was halved
            for n in range(planes.shape[0]):
                start = n * frame[4] + i * row
                y = (first + i) * stride + planes[n, 0] - border
                if y < 0 or y >= height:
                    for j in range(row):
                        out[g, start + j] = around
                    continue
                # The row with its border, as it is or to be split by columns. By address: a view
                # of an array costs more than the row.
                x = y * place[4]
                if at_once and mask == -1:
                    if planes[n, 1] == 0:
                        split_row(base + x + at0, base + x + at1, width, stride, row, frame[4],
                                  to_out + 4 * (g * out.shape[1] + start), around)
                    continue
                if halved:
                    if y == done:
                        continue
                    done = y
                    # Both columns at once; one that nobody wants goes where it does no harm.
                    to0 = to1 = to_framed
                    for m in range(n, planes.shape[0]):
                        if planes[m, 0] == planes[n, 0]:
                            to = to_out + 4 * (g * out.shape[1] + m * frame[4] + i * row)
                            if planes[m, 1] == 0:
                                to0 = to
                            else:
                                to1 = to
                    z = base + x
                    if border == 1:
                        vector(to0, 1, np.int32)[0] = around
                        vector(to1 + 4 * (row - 1), 1, np.int32)[0] = around
                    halve_row(z + at0, z + at1, z + at2, z + at3, width, wide, mask, alone, pad,
                              border, to0, to1)
                    continue
                to = to_framed + 4 * border
                if stride == 1:
                    to = to_out + 4 * (g * out.shape[1] + start + border)
                if y == done:
                    pass
                elif alone:
                    beside(base + at0 + x, width, pad, to)
                    if border == 1:
                        vector(to - 4, 1, np.int32)[0] = pad | np.int32(cells[at0 + x]) << 16
                elif size < 16:
                    line = framed[border : border + size]
                    if stride == 1:
                        line = out[g, start + border : start + border + size]
                    mix(cells[at0 + x : at0 + x + size], cells[at1 + x : at1 + x + size],
                        cells[at2 + x : at2 + x + size], cells[at3 + x : at3 + x + size], wide,
                        mask, size, line)
                elif wide and mask == -1:
                    for some in range(0, size, 16):
                        j = min(some, size - 16)
                        pair16(to + 4 * j, base + x + j + at0, base + x + j + at1)
                else:
                    for some in range(0, size, 16):
                        j = min(some, size - 16)
                        z = base + x + j
                        mix16(to + 4 * j, z + at0, z + at1, z + at2, z + at3, wide, mask)
                if stride == 1:
                    if border == 1:
                        if not alone:
                            out[g, start] = around
                        out[g, start + row - 1] = around
                    continue
                if y != done:
                    done = y
                    if border == 1 and not alone:
                        framed[0] = around
                    for j in range(border + width, stride * row):
                        framed[j] = around
                column = planes[n, 1]
                line = out[g, start : start + row]
                if stride == 2:
                    pairs = framed[column : column + 2 * row]
                    for j in range(row):
                        line[j] = pairs[2 * j]
                else:
                    for j in range(row):
                        line[j] = framed[column + stride * j]


@njit("void(int32[:, ::1], boolean, int64, int64, int32[::1])", cache=True, nogil=True)
def add_channels(x, wide, at, count, total):
    """total[0:count] = the sums over channels at the positions from `at` on."""
    for p in range(count):
        total[p] = 0
    for g in range(x.shape[0]):
        line = x[g, at : at + count]
        if wide:
            for p in range(count):
                total[p] += (line[p] & np.int32(0xFFFF)) + (line[p] >> np.int32(16))
        else:
            for p in range(count):
                v = line[p]
                pairs = (v & np.int32(0xFF00FF)) + ((v >> np.int32(8)) & np.int32(0xFF00FF))
                total[p] += (pairs & np.int32(0xFFFF)) + (pairs >> np.int32(16))


@njit("void(int32[:, ::1], boolean, int64[:, ::1], int64, int64, int64, int64, int64[:, ::1])",
      cache=True, nogil=True)
def word_sums(x, wide, taps, count, arg_x, shr_x, extra, out):
    """out[n, p] = ((arg_x * s) >> shr_x) + extra * s for `count` positions, where s is the sum of x
    over channels and the taps of output phase n. taps: int64[phases, taps], offsets in positions;
    `extra` is what a kernel took off every weight."""
    total = np.empty(count + taps.max(), np.int32)
    add_channels(x, wide, 0, np.int64(total.shape[0]), total)
    for n in range(taps.shape[0]):
        terms = out[n, 0:count]
        for p in range(count):
            terms[p] = 0
        for t in range(taps.shape[1]):
            part = total[taps[n, t] : taps[n, t] + count]
            for p in range(count):
                terms[p] += np.int64(part[p])
        for p in range(count):
            terms[p] = ((arg_x * terms[p]) >> shr_x) + extra * terms[p]


@njit("void(uint8[:, ::1], int64, int64, int64, int64, int64, int64[::1], uint8[::1])", cache=True,
      nogil=True)
def store(rows, row, channel, first, count, width, place, cells):
    """Channels from `channel` on, one row of `rows` each, into map rows first to first + count."""
    source, target = np.int64(rows.ctypes.data), np.int64(cells.ctypes.data)
    for c in range(rows.shape[0]):
        at = target + byte_of(place, channel + c) + first * place[4]
        line = source + c * rows.shape[1]
        copy_rows(at, place[4], line, row, count, width)


@njit("void(int64, int64, int64, int64, int64, int64, int64)", cache=True, nogil=True)
def join_row(edge, lanes, source, apart, whole, rest, to):
    """A row of pixels from `edge` rows by turns, 2 or 4, `apart` bytes from one to the next:
    `whole` from each, by `lanes` at once, and one more from the first `rest`."""
    for some in range(0, whole, lanes):
        j = min(some, whole - lanes)
        here, there = to + edge * j, source + j
        if edge == 4:
            if lanes == 16:
                _four16(here, there, apart)
            elif lanes == 8:
                _four8(here, there, apart)
            elif lanes == 4:
                _four4(here, there, apart)
            elif lanes == 2:
                _four2(here, there, apart)
            else:
                _four1(here, there, apart)
        elif lanes == 16:
            _two16(here, there, apart)
        elif lanes == 8:
            _two8(here, there, apart)
        elif lanes == 4:
            _two4(here, there, apart)
        elif lanes == 2:
            _two2(here, there, apart)
        else:
            _two1(here, there, apart)
    pixels = vector(to + edge * whole, rest, np.uint8)
    for j in range(rest):
        pixels[j] = vector(source + j * apart + whole, 1, np.uint8)[0]


@njit("void(uint8[:, ::1], int64, int64, int64, int64, int64, int64, int64, int64, int64[::1], "
      "uint8[::1])", cache=True, nogil=True)
def store_patches(rows, edge, columns, phase, channel, first, count, height, width, place, cells):
    """`count` rows of `columns` patches of edge x edge pixels, edge 1, 2 or 4, from patch row
    `first` on, into channels from `channel` on of a map of height x width. rows: uint8[channels,
    n]: the patches' first pixels, those to their right, ..., `phase` bytes apart."""
    source, to = np.int64(rows.ctypes.data), np.int64(cells.ctypes.data)
    whole, rest = width // edge, width % edge
    lanes = np.int64(16)
    while lanes > max(whole, 1):
        lanes //= 2
    for c in range(rows.shape[0]):
        at, line = to + byte_of(place, channel + c), source + c * rows.shape[1]
        if edge == 1:
            copy_rows(at + first * place[4], place[4], line, columns, count, width)
            continue
        for y in range(count):
            for i in range(min(edge, height - edge * (first + y))):
                join_row(edge, lanes, line + i * edge * phase + y * columns, phase, whole, rest,
                         at + (edge * (first + y) + i) * place[4])
