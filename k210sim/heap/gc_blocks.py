"""The GC heap's block allocator and mark-and-sweep, compiled, over the simulated RAM.

The heap area holds, in this order, the allocation table (2 bits a block), the finaliser table
(1 bit a block) and the pool of 32-byte blocks. Search order, the remembered free index, in-place
growth and the conservative marking are those of micropython v1.11 py/gc.c (behaviour read there,
written anew), so that addresses and fragmentation come out as on the board.

Every function is `numba.njit` over `ram` (uint8, the whole RAM), `words` (int64, the same
buffer) and `state` (int64): see the S_ indexes. Offsets are relative to the start of the RAM.
Under NUMBA_DISABLE_JIT=1 the same functions are plain Python.
"""

from __future__ import annotations

import numpy as np
from numba import njit

RAM_BASE = 0x80000000
BLOCK = 32

S_ATB, S_ATB_LEN, S_FTB, S_POOL, S_POOL_END = 0, 1, 2, 3, 4
S_LAST_FREE, S_ALLOC_AMOUNT, S_LOCK = 5, 6, 7
S_THRESHOLD, S_TOTAL, S_CURRENT, S_PEAK = 8, 9, 10, 11  # kept by the callers
S_SIZE = 16

FREE, HEAD, TAIL, MARK = 0, 1, 2, 3

_U8, _I64 = "uint8[::1]", "int64[::1]"


@njit(f"int64({_U8}, {_I64}, int64)", cache=True)
def kind(ram, state, block):
    """The allocation table entry of a block: FREE, HEAD, TAIL or MARK."""
    return (np.int64(ram[state[S_ATB] + (block >> 2)]) >> ((block & 3) * 2)) & 3


@njit(f"void({_U8}, {_I64}, int64, int64)", cache=True)
def set_kind(ram, state, block, value):
    at = state[S_ATB] + (block >> 2)
    shift = (block & 3) * 2
    ram[at] = np.uint8((np.int64(ram[at]) & ~(3 << shift)) | (value << shift))


@njit(f"void({_U8}, {_I64}, int64, int64)", cache=True)
def init(ram, state, start, end):
    """Lay out an empty heap in the RAM offsets [start, end)."""
    end = end & ~(BLOCK - 1)
    total = end - start
    atb_len = total * 8 // (8 + 8 * 4 // 8 + 8 * 4 * BLOCK)
    state[S_ATB] = start
    state[S_ATB_LEN] = atb_len
    state[S_FTB] = start + atb_len
    state[S_POOL] = end - atb_len * 4 * BLOCK
    state[S_POOL_END] = end
    state[S_LAST_FREE] = 0
    state[S_ALLOC_AMOUNT] = 0
    state[S_LOCK] = 0
    ftb_len = (atb_len * 4 + 7) // 8
    for i in range(start, start + atb_len + ftb_len):
        ram[i] = 0


@njit(f"int64({_U8}, {_I64}, int64, int64)", cache=True)
def alloc(ram, state, n_bytes, finaliser):
    """Take the first run of blocks that fits; return its RAM offset, or -1 if none does."""
    if n_bytes <= 0 or n_bytes > state[S_POOL_END] - state[S_POOL]:
        return np.int64(-1)
    n_blocks = (n_bytes + BLOCK - 1) // BLOCK
    atb = state[S_ATB]
    n_free = 0
    found = np.int64(-1)
    for i in range(state[S_LAST_FREE], state[S_ATB_LEN]):
        entry = np.int64(ram[atb + i])
        if entry == 0 and n_free + 4 < n_blocks:
            n_free += 4
            continue
        for j in range(4):
            if (entry >> (2 * j)) & 3 == FREE:
                n_free += 1
                if n_free >= n_blocks:
                    found = i * 4 + j
                    break
            else:
                n_free = 0
        if found >= 0:
            break
    if found < 0:
        return np.int64(-1)
    start = found - n_free + 1
    if n_free == 1:
        state[S_LAST_FREE] = (found + 1) // 4
    set_kind(ram, state, start, HEAD)
    for block in range(start + 1, found + 1):
        set_kind(ram, state, block, TAIL)
    state[S_ALLOC_AMOUNT] += n_blocks
    offset = state[S_POOL] + start * BLOCK
    # The firmware clears only the slack behind the request; what lies before it is the caller's
    # to fill. We clear all of it: no caller can tell, and nothing stale survives.
    for i in range(offset, offset + n_blocks * BLOCK):
        ram[i] = 0
    if finaliser != 0:
        ram[state[S_FTB] + (start >> 3)] |= np.uint8(1 << (start & 7))
    return offset


@njit(f"int64({_U8}, {_I64}, int64)", cache=True)
def n_bytes(ram, state, offset):
    """Bytes in the blocks of the allocation at `offset`; 0 if none starts there."""
    if offset < state[S_POOL] or offset >= state[S_POOL_END] or offset & (BLOCK - 1):
        return np.int64(0)
    block = (offset - state[S_POOL]) // BLOCK
    if kind(ram, state, block) != HEAD:
        return np.int64(0)
    count = np.int64(1)
    limit = state[S_ATB_LEN] * 4
    while block + count < limit and kind(ram, state, block + count) == TAIL:
        count += 1
    return count * BLOCK


@njit(f"void({_U8}, {_I64}, int64)", cache=True)
def free(ram, state, offset):
    """Give back the allocation that starts at `offset`; anything else is ignored."""
    if n_bytes(ram, state, offset) == 0:
        return
    block = (offset - state[S_POOL]) // BLOCK
    ram[state[S_FTB] + (block >> 3)] &= np.uint8(255 ^ (1 << (block & 7)))
    if block // 4 < state[S_LAST_FREE]:
        state[S_LAST_FREE] = block // 4
    limit = state[S_ATB_LEN] * 4
    set_kind(ram, state, block, FREE)
    block += 1
    while block < limit and kind(ram, state, block) == TAIL:
        set_kind(ram, state, block, FREE)
        block += 1


@njit(f"int64({_U8}, {_I64}, int64, int64)", cache=True)
def resize(ram, state, offset, n_bytes_wanted):
    """Shrink or grow in place; 1 when done, 0 when the allocation would have to move."""
    if n_bytes(ram, state, offset) == 0 or n_bytes_wanted <= 0 \
            or n_bytes_wanted > state[S_POOL_END] - state[S_POOL]:
        return np.int64(0)
    block = (offset - state[S_POOL]) // BLOCK
    wanted = (n_bytes_wanted + BLOCK - 1) // BLOCK
    have, n_free = np.int64(1), np.int64(0)
    limit = state[S_ATB_LEN] * 4
    b = block + 1
    while b < limit:
        k = kind(ram, state, b)
        if k == TAIL:
            have += 1
        elif k == FREE:
            n_free += 1
            if have + n_free >= wanted:
                break
        else:
            break
        b += 1
    if wanted == have:
        return np.int64(1)
    if wanted < have:
        for b in range(block + wanted, block + have):
            set_kind(ram, state, b, FREE)
        if (block + wanted) // 4 < state[S_LAST_FREE]:
            state[S_LAST_FREE] = (block + wanted) // 4
        return np.int64(1)
    if wanted <= have + n_free:
        for b in range(block + have, block + wanted):
            set_kind(ram, state, b, TAIL)
        for i in range(offset + have * BLOCK, offset + wanted * BLOCK):
            ram[i] = 0
        return np.int64(1)
    return np.int64(0)


@njit(f"void({_U8}, {_I64}, {_I64}, {_I64}, int64, int64)", cache=True)
def mark_range(ram, words, state, stack, start, end):
    """Mark all that the words in RAM offsets [start, end) reach. `stack`: one word a block.

    A guest that spoilt its stack pointer names a range outside the RAM: only what lies inside
    is read.
    """
    start, end = max(start, np.int64(0)), min(end, np.int64(ram.size))
    pool, pool_end = state[S_POOL], state[S_POOL_END]
    limit = state[S_ATB_LEN] * 4
    for root in range(start >> 3, end >> 3):
        value = words[root] - RAM_BASE
        if value < pool or value >= pool_end or value & (BLOCK - 1):
            continue
        block = (value - pool) // BLOCK
        if kind(ram, state, block) != HEAD:
            continue
        set_kind(ram, state, block, MARK)
        depth = 0
        stack[0] = block
        while depth >= 0:
            block = stack[depth]
            depth -= 1
            count = np.int64(1)
            while block + count < limit and kind(ram, state, block + count) == TAIL:
                count += 1
            first = (pool + block * BLOCK) >> 3
            for i in range(first, first + count * (BLOCK // 8)):
                child = words[i] - RAM_BASE
                if child < pool or child >= pool_end or child & (BLOCK - 1):
                    continue
                b = (child - pool) // BLOCK
                if kind(ram, state, b) == HEAD:
                    set_kind(ram, state, b, MARK)
                    depth += 1
                    stack[depth] = b


@njit(f"int64({_U8}, {_I64}, {_I64})", cache=True)
def dying(ram, state, out):
    """List the RAM offsets of unmarked blocks that have a finaliser; returns how many."""
    count = np.int64(0)
    for i in range(state[S_ATB_LEN] * 4 // 8 + 1):
        bits = ram[state[S_FTB] + i] if i * 8 < state[S_ATB_LEN] * 4 else np.uint8(0)
        if bits == 0:
            continue
        for j in range(8):
            block = i * 8 + j
            if (bits >> j) & 1 and kind(ram, state, block) == HEAD:
                out[count] = state[S_POOL] + block * BLOCK
                count += 1
    return count


@njit(f"void({_U8}, {_I64})", cache=True)
def sweep(ram, state):
    """Free what is not marked, unmark the rest."""
    freeing = False
    for block in range(state[S_ATB_LEN] * 4):
        k = kind(ram, state, block)
        if k == HEAD:
            set_kind(ram, state, block, FREE)
            ram[state[S_FTB] + (block >> 3)] &= np.uint8(255 ^ (1 << (block & 7)))
            freeing = True
        elif k == TAIL:
            if freeing:
                set_kind(ram, state, block, FREE)
        elif k == MARK:
            set_kind(ram, state, block, HEAD)
            freeing = False
        else:
            freeing = False
    state[S_LAST_FREE] = 0


@njit(f"void({_U8}, {_I64}, {_I64})", cache=True)
def info(ram, state, out):
    """Fill out[0..6]: used blocks, free blocks, 1-blocks, 2-blocks, largest block, largest
    free run, number of allocations. Sizes in blocks."""
    used = free_blocks = ones = twos = largest = run = best_run = heads = np.int64(0)
    size = np.int64(0)
    n = state[S_ATB_LEN] * 4
    for block in range(n + 1):
        k = kind(ram, state, block) if block < n else np.int64(HEAD)
        if k == TAIL:
            size += 1
            used += 1
            continue
        if size > 0:
            if size == 1:
                ones += 1
            elif size == 2:
                twos += 1
            largest = max(largest, size)
            size = 0
        if block == n:
            break
        if k == FREE:
            free_blocks += 1
            run += 1
            best_run = max(best_run, run)
        else:
            heads += 1
            used += 1
            size = 1
            run = 0
    out[0], out[1], out[2], out[3] = used, free_blocks, ones, twos
    out[4], out[5], out[6] = largest, best_run, heads
