"""The compiled bytecode loop: the common cases of the common opcodes.

`run` executes from the registers on until it meets something it leaves to the handlers of
`handlers.py` (an unusual type, a native function, an exception, a full heap ...), a pending
interrupt, or the end of its slice of operations; it then stores the registers so that the
instruction is executed, from its start, by the handler. It therefore never has to be complete,
only right: each case here must do exactly what the handler does. `tests/micropython` runs the
same programs with and without it.

A guest can spoil its objects (with uctypes, for one), so nothing read from RAM is trusted: indexes
are masked and loops bounded. Addresses are RAM offsets inside (`addr - RAM_BASE`), absolute in
memory and registers. The type addresses below repeat layout.py as literals because compiled code
is cached by this file alone; `test_fastloop_constants` compares them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from k210sim.heap import gc_blocks

BASE = 0x80000000
_SLOT0, _STEP = 0x80100000, 64
T_TYPE, T_INT, T_FLOAT = _SLOT0, _SLOT0 + 4 * _STEP, _SLOT0 + 5 * _STEP
T_BYTES, T_BYTEARRAY = _SLOT0 + 8 * _STEP, _SLOT0 + 9 * _STEP
T_TUPLE, T_LIST, T_DICT = _SLOT0 + 12 * _STEP, _SLOT0 + 13 * _STEP, _SLOT0 + 14 * _STEP
T_RANGE, T_FUNCTION, T_FUN_BC = _SLOT0 + 18 * _STEP, _SLOT0 + 20 * _STEP, _SLOT0 + 21 * _STEP
T_CLOSURE, T_GEN_WRAP = _SLOT0 + 22 * _STEP, _SLOT0 + 25 * _STEP
T_BOUND, T_MODULE = _SLOT0 + 26 * _STEP, _SLOT0 + 27 * _STEP
NONE, TRUE, FALSE = _SLOT0 + 56 * _STEP, _SLOT0 + 57 * _STEP, _SLOT0 + 58 * _STEP
EMPTY_TUPLE = _SLOT0 + 61 * _STEP
ROM_END = 0x80200000

R_IP, R_SP, R_CODE, R_FRAME, R_STACK, R_GLOBALS, R_EXC_SP, R_FASTN = 0, 1, 2, 3, 4, 5, 6, 7
R_BUDGET, R_PENDING, R_OPS, R_STACK_MIN, R_LOCALS = 8, 9, 10, 11, 12
R_APPEND_NAME, R_APPEND, R_LEN = 13, 14, 15
FRAME_SIZE, CODE_STATE, EXC_ENTRY = 40, 40, 24
FLAG_ACCESSORS = 2
CALL_OVERHEAD, CLOSURE_OVERHEAD = 480, 150
MAX_STATE_ON_STACK = 88
# Every index is masked to its array: whatever a program does to its RAM, compiled code stays in it.
WM, BM, FM, QM = (1 << 20) - 1, (1 << 23) - 1, (1 << 21) - 1, (1 << 16) - 1
# No loop runs longer than the largest table that fits into RAM beside all else, and no count that
# an instruction names is larger than what code of any size has. (A number in 7-bit groups always
# ends: the instruction that holds it is itself a byte below 0x80, and indexes wrap.)
MAX_TABLE, MAX_COUNT = 1 << 18, 0xFFFF
# What these operations cost beyond a plain one, in plain ones: see frames.py.
LOOKUP_EXTRA, SUBSCRIPT_EXTRA, CALL_EXTRA = 7, 2, 12
SMALL_MAX = (1 << 62) - 1
SMALL_MIN = -(1 << 62)

_U8, _I64, _F32 = "uint8[::1]", "int64[::1]", "float32[::1]"


@njit(f"int64({_I64}, {_U8}, int64, int64)", cache=True, forceinline=True)
def map_find(words, hashes, m, key):
    """Word index of the value slot of an interned or small-int key in the map at word index `m`;
    -1 when it is certainly absent, -2 when only the full comparison can tell."""
    flags, alloc, table = words[m & WM], words[(m + 1) & WM], words[(m + 2) & WM]
    if alloc == 0:
        return np.int64(-1)
    if alloc < 0 or alloc > MAX_TABLE or flags < 0 or flags >> 3 > MAX_TABLE:
        return np.int64(-2)
    certain = (flags & 1) != 0 and (key & 2) != 0 and (key & 1) == 0
    first = (table - BASE) >> 3
    if flags & 4:
        for i in range(flags >> 3):
            if words[(first + 2 * i) & WM] == key:
                return first + 2 * i + 1
        return np.int64(-1) if certain else np.int64(-2)
    if key & 1:
        h = key >> 1
        if h < 0:
            return np.int64(-2)
        pos = h % alloc
    else:
        pos = np.int64(hashes[(key >> 2) & QM]) % alloc
    start = pos
    while True:
        k = words[(first + 2 * pos) & WM]
        if k == key:
            return first + 2 * pos + 1
        if k == 0:
            break
        if k != 4 and not (k & 3):
            certain = False
        if key & 1 and k != 4 and not (k & 1):
            certain = False
        pos += 1
        if pos == alloc:
            pos = 0
        if pos == start:
            break
    if certain or key & 1 == 0 and (flags & 1):
        return np.int64(-1)
    return np.int64(-2)


@njit(f"int64({_U8}, {_I64}, {_I64}, int64)", cache=True, forceinline=True)
def new_block(ram, words, heap, n_bytes):
    """A cleared block (RAM offset) with the firmware's books kept, or -1."""
    if heap[gc_blocks.S_LOCK] > 0 or heap[gc_blocks.S_THRESHOLD] >= 0:
        return np.int64(-1)
    at = gc_blocks.alloc(ram, heap, n_bytes, 0)
    if at >= 0:
        heap[gc_blocks.S_TOTAL] += n_bytes
        heap[gc_blocks.S_CURRENT] += n_bytes
        if heap[gc_blocks.S_CURRENT] > heap[gc_blocks.S_PEAK]:
            heap[gc_blocks.S_PEAK] = heap[gc_blocks.S_CURRENT]
    return at


@njit(f"int64({_I64}, {_F32}, int64)", cache=True, forceinline=True)
def truth(words, floats, o):
    """1 or 0 for the types that are quick to judge, -1 for the rest."""
    if o == TRUE:
        return np.int64(1)
    if o == FALSE or o == NONE:
        return np.int64(0)
    if o & 1:
        return np.int64(1) if o != 1 else np.int64(0)
    if o & 2:
        return np.int64(1) if o >> 2 != 1 else np.int64(0)
    at = (o - BASE) >> 3
    t = words[at & WM]
    if t == T_LIST:
        return np.int64(1) if words[(at + 2) & WM] != 0 else np.int64(0)
    if t == T_TUPLE:
        return np.int64(1) if words[(at + 1) & WM] != 0 else np.int64(0)
    if t == T_DICT:
        return np.int64(1) if words[(at + 1) & WM] >> 3 != 0 else np.int64(0)
    if t == T_FLOAT:
        return np.int64(1) if floats[((o - BASE + 8) >> 2) & FM] != 0 else np.int64(0)
    return np.int64(-1)


@njit(f"int64({_U8}, {_I64}, {_F32}, {_I64}, int64, float32)", cache=True, forceinline=True)
def new_float(ram, words, floats, heap, unused, value):
    """A float object (address), or 0."""
    at = new_block(ram, words, heap, 16)
    if at < 0:
        return np.int64(0)
    words[(at >> 3) & WM] = T_FLOAT
    floats[((at + 8) >> 2) & FM] = value
    return at + BASE


@njit(f"int64({_U8}, {_I64}, {_F32}, {_I64}, int64, int64, int64)", cache=True, forceinline=True)
def arithmetic(ram, words, floats, heap, op, a, b):
    """Result word of a binary operator on small ints and floats; 0 when it is not one of the
    quick cases. Operator numbers: ops.py."""
    if a & 1 and b & 1:
        x, y = a >> 1, b >> 1
        if op == 0:
            return np.int64(TRUE if x < y else FALSE)
        if op == 1:
            return np.int64(TRUE if x > y else FALSE)
        if op == 2:
            return np.int64(TRUE if x == y else FALSE)
        if op == 3:
            return np.int64(TRUE if x <= y else FALSE)
        if op == 4:
            return np.int64(TRUE if x >= y else FALSE)
        if op == 5:
            return np.int64(TRUE if x != y else FALSE)
        if op < 9:
            return np.int64(0)
        if op < 21:
            op += 12
        if op == 26:
            r = x + y
        elif op == 27:
            r = x - y
        elif op == 28:
            if x > 0x7FFFFFFF or x < -0x7FFFFFFF or y > 0x3FFFFFFF or y < -0x3FFFFFFF:
                return np.int64(0)
            r = x * y
        elif op == 29:
            if y == 0:
                return np.int64(0)
            r = x // y
        elif op == 31:
            if y == 0:
                return np.int64(0)
            r = x % y
        elif op == 21:
            r = x | y
        elif op == 22:
            r = x ^ y
        elif op == 23:
            r = x & y
        elif op == 24:
            if y < 0 or y > 30 or x > 0x7FFFFFFF or x < -0x7FFFFFFF:
                return np.int64(0)
            r = x << y
        elif op == 25:
            if y < 0:
                return np.int64(0)
            r = x >> (y if y < 63 else 63)
        else:
            return np.int64(0)
        if r > SMALL_MAX or r < SMALL_MIN:
            return np.int64(0)
        return (r << 1) | 1
    fa = not (a & 3) and words[((a - BASE) >> 3) & WM] == T_FLOAT
    fb = not (b & 3) and words[((b - BASE) >> 3) & WM] == T_FLOAT
    if not (fa and (fb or b & 1)) and not (fb and a & 1):
        return np.int64(0)
    u = floats[((a - BASE + 8) >> 2) & FM] if fa else np.float32(a >> 1)
    v = floats[((b - BASE + 8) >> 2) & FM] if fb else np.float32(b >> 1)
    if op == 0:
        return np.int64(TRUE if u < v else FALSE)
    if op == 1:
        return np.int64(TRUE if u > v else FALSE)
    if op == 2:
        return np.int64(TRUE if u == v else FALSE)
    if op == 3:
        return np.int64(TRUE if u <= v else FALSE)
    if op == 4:
        return np.int64(TRUE if u >= v else FALSE)
    if op == 5:
        return np.int64(TRUE if u != v else FALSE)
    if op < 9:
        return np.int64(0)
    if op < 21:
        op += 12
    if op == 26:
        w = u + v
    elif op == 27:
        w = u - v
    elif op == 28:
        w = u * v
    elif op == 30:
        if v == 0:
            return np.int64(0)
        w = u / v
    else:
        return np.int64(0)
    if w != w:
        w = np.float32(abs(w))  # the chip has one nan, with its sign clear
    return new_float(ram, words, floats, heap, 0, np.float32(w))


@njit(f"int64({_U8}, {_I64}, {_I64}, {_I64}, int64, int64, int64, int64, int64, int64)", cache=True)
def enter(ram, words, regs, heap, fun, args, n_args, extra, n_extra, overhead):
    """Push a frame for a bytecode function called with plain positional arguments.

    `args` is the word index of the first argument, `extra` the word index of `n_extra` words
    that go before them (cells of a closure, or a receiver). Returns 1, or 0 when the general
    call must do it. The caller's registers are already stored.
    """
    f = (fun - BASE) >> 3
    p = words[(f + 2) & WM] - BASE
    n_state = np.int64(0)
    while True:
        b = np.int64(ram[p & BM])
        p += 1
        n_state = (n_state << 7) | (b & 0x7F)
        if b < 0x80:
            break
    n_exc = np.int64(0)
    while True:
        b = np.int64(ram[p & BM])
        p += 1
        n_exc = (n_exc << 7) | (b & 0x7F)
        if b < 0x80:
            break
    if ram[p & BM] & 0x0B or ram[(p + 2) & BM] != 0:  # *args, **kw, defaults of keyword-only, those
        return np.int64(0)
    n_pos, n_def = np.int64(ram[(p + 1) & BM]), np.int64(ram[(p + 3) & BM])
    given = n_args + n_extra
    if given > n_pos or given < n_pos - n_def:
        return np.int64(0)
    p += 4
    size = np.int64(0)
    q = p
    while True:
        b = np.int64(ram[q & BM])
        q += 1
        size = (size << 7) | (b & 0x7F)
        if b < 0x80:
            break
    p += size
    if n_state < 0 or n_state > MAX_COUNT or n_exc < 0 or n_exc > MAX_COUNT:
        return np.int64(0)
    state_size = 8 * n_state + EXC_ENTRY * n_exc
    stack = regs[R_STACK] - overhead
    if stack < regs[R_STACK_MIN]:
        return np.int64(0)
    if ram[p & BM] != 255:  # parameters that become cells
        return np.int64(0)
    heap_bytes = np.int64(0)
    if state_size > MAX_STATE_ON_STACK:
        state = new_block(ram, words, heap, CODE_STATE + state_size)
        if state < 0:
            return np.int64(0)
        heap_bytes = CODE_STATE + state_size
        frame = (stack - FRAME_SIZE) & ~15
    else:
        frame = (stack - CODE_STATE - state_size - FRAME_SIZE) & ~15
        state = frame + FRAME_SIZE - BASE
        first = state >> 3
        for i in range((CODE_STATE + state_size) >> 3):
            words[(first + i) & WM] = 0
    if frame < regs[R_STACK_MIN] - 1024:
        if heap_bytes:
            gc_blocks.free(ram, heap, state)
            heap[gc_blocks.S_CURRENT] -= heap_bytes
        return np.int64(0)
    s = state >> 3
    words[s & WM] = fun
    words[(s + 2) & WM] = state + BASE + CODE_STATE - 8
    words[(s + 3) & WM] = state + BASE + CODE_STATE + 8 * n_state - EXC_ENTRY
    words[(s + 4) & WM] = regs[R_GLOBALS]
    top = s + 5 + n_state - 1
    for i in range(n_extra):
        words[(top - i) & WM] = words[(extra + i) & WM]
    for i in range(n_args):
        words[(top - n_extra - i) & WM] = words[(args + i) & WM]
    for i in range(given, n_pos):
        words[(top - i) & WM] = words[(f + 4 + i - (n_pos - n_def)) & WM]
    fr = (frame - BASE) >> 3
    words[fr & WM], words[(fr + 1) & WM], words[(fr + 2) & WM] = regs[R_FRAME], state + BASE, 0
    words[(fr + 3) & WM], words[(fr + 4) & WM] = regs[R_GLOBALS], heap_bytes
    regs[R_FRAME], regs[R_STACK] = frame, frame
    regs[R_GLOBALS] = words[(f + 1) & WM]
    regs[R_CODE] = state + BASE
    regs[R_IP] = p + 1 + BASE
    regs[R_SP] = words[(s + 2) & WM]
    regs[R_EXC_SP] = words[(s + 3) & WM]
    regs[R_FASTN] = state + BASE + CODE_STATE + 8 * (n_state - 1)
    return np.int64(1)


@njit(f"void({_U8}, {_I64}, {_F32}, {_I64}, {_I64}, {_U8}, {_I64})", cache=True)
def run(ram, words, floats, regs, heap, hashes, builtins):
    """Execute until something has to be left to the host; see the module docstring."""
    ip = regs[R_IP] - BASE
    sp = (regs[R_SP] - BASE) >> 3
    fastn = (regs[R_FASTN] - BASE) >> 3
    left = before = regs[R_BUDGET]
    start_left = left
    at = np.int64(-1)
    while left > 0:
        op = ram[ip & BM]
        before = left
        left -= 1
        at = ip  # where to resume when the handler must do it
        ip += 1
        if 0xB0 <= op < 0xC0:
            w = words[(fastn - (op - 0xB0)) & WM]
            if w == 0:
                ip = at
                break
            sp += 1
            words[sp & WM] = w
        elif 0xC0 <= op < 0xD0:
            words[(fastn - (op - 0xC0)) & WM] = words[sp & WM]
            sp -= 1
        elif 0x70 <= op < 0xB0:
            sp += 1
            words[sp & WM] = ((np.int64(op) - 0x70 - 16) << 1) | 1
        elif op >= 0xD7:
            n = np.int64(op) - 0xD7
            a, b = words[(sp - 1) & WM], words[sp & WM]
            r = np.int64(0)
            if a & b & 1:
                # The commonest cases of `arithmetic`, without the call.
                if n == 14 or n == 26:
                    r = (a >> 1) + (b >> 1)
                    r = (r << 1) | 1 if SMALL_MIN <= r <= SMALL_MAX else np.int64(0)
                elif n == 15 or n == 27:
                    r = (a >> 1) - (b >> 1)
                    r = (r << 1) | 1 if SMALL_MIN <= r <= SMALL_MAX else np.int64(0)
                elif n == 16 or n == 28:
                    x, y = a >> 1, b >> 1
                    if -0x7FFFFFFF < x < 0x7FFFFFFF and -0x3FFFFFFF < y < 0x3FFFFFFF:
                        r = ((x * y) << 1) | 1
                elif n == 0:
                    r = np.int64(TRUE) if a < b else np.int64(FALSE)
                elif n == 1:
                    r = np.int64(TRUE) if a > b else np.int64(FALSE)
                elif n == 2:
                    r = np.int64(TRUE) if a == b else np.int64(FALSE)
                elif n == 3:
                    r = np.int64(TRUE) if a <= b else np.int64(FALSE)
                elif n == 4:
                    r = np.int64(TRUE) if a >= b else np.int64(FALSE)
            if r != 0:
                pass
            elif n == 7:
                r = np.int64(TRUE if a == b else FALSE)
            else:
                r = arithmetic(ram, words, floats, heap, n, a, b)
                if r == 0:
                    if (n == 2 or n == 5) and (a & 2) != 0 and (b & 2) != 0 \
                            and not (a & 1) and not (b & 1):
                        r = np.int64(TRUE if (a == b) == (n == 2) else FALSE)
                    elif (n == 2 or n == 5) and (a == NONE or b == NONE):
                        r = np.int64(TRUE if (a == b) == (n == 2) else FALSE)
                    else:
                        ip = at
                        break
            sp -= 1
            words[sp & WM] = r
        elif op == 0x1C or op == 0x1B:  # LOAD_GLOBAL, LOAD_NAME
            left -= LOOKUP_EXTRA
            q = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            key = (q << 2) | 2
            g = (regs[R_GLOBALS] - BASE) >> 3
            if op == 0x1B and regs[R_LOCALS] != 0 and regs[R_LOCALS] != regs[R_GLOBALS]:
                ip = at
                break
            slot = map_find(words, hashes, g + 1, key)
            if slot >= 0:
                w = words[slot & WM]
            elif slot == -1 and builtins[q] != 0:
                w = builtins[q]
            else:
                ip = at
                break
            ip += 2
            sp += 1
            words[sp & WM] = w
        elif op == 0x37 or op == 0x36:  # POP_JUMP_IF_FALSE, _TRUE
            w = words[sp & WM]
            if w == TRUE:
                t = np.int64(1)
            elif w == FALSE:
                t = np.int64(0)
            else:
                t = truth(words, floats, w)
                if t < 0:
                    ip = at
                    break
            sp -= 1
            label = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            ip += 2
            if (t == 1) == (op == 0x36):
                ip += label - 0x8000
                if regs[R_PENDING]:
                    break
        elif op == 0x35:  # JUMP
            label = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            ip += 2 + label - 0x8000
            if regs[R_PENDING]:
                break
        elif op == 0x43:  # FOR_ITER
            kind = words[(sp - 3) & WM]
            if kind == T_RANGE:
                cur, stop, step = words[(sp - 2) & WM], words[(sp - 1) & WM], words[sp & WM]
                if (step > 0 and cur < stop) or (step < 0 and cur > stop):
                    words[(sp - 2) & WM] = cur + step
                    w = (cur << 1) | 1
                else:
                    w = np.int64(0)
            elif kind == T_LIST:
                o, i = (words[(sp - 1) & WM] - BASE) >> 3, words[sp & WM]
                if i < words[(o + 2) & WM]:
                    w = words[(((words[(o + 3) & WM] - BASE) >> 3) + i) & WM]
                    words[sp & WM] = i + 1
                else:
                    w = np.int64(0)
            elif kind == T_TUPLE:
                o, i = (words[(sp - 1) & WM] - BASE) >> 3, words[sp & WM]
                if i < words[(o + 1) & WM]:
                    w = words[(o + 2 + i) & WM]
                    words[sp & WM] = i + 1
                else:
                    w = np.int64(0)
            else:
                ip = at
                break
            label = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            ip += 2
            if w == 0:
                sp -= 4
                ip += label
            else:
                sp += 1
                words[sp & WM] = w
            if regs[R_PENDING]:
                break
        elif op == 0x11:
            sp += 1
            words[sp & WM] = NONE
        elif op == 0x12:
            sp += 1
            words[sp & WM] = TRUE
        elif op == 0x10:
            sp += 1
            words[sp & WM] = FALSE
        elif op == 0x14:  # LOAD_CONST_SMALL_INT
            value = np.int64(-1) if ram[ip & BM] & 0x40 else np.int64(0)
            while True:
                c = np.int64(ram[ip & BM])
                ip += 1
                value = (value << 7) | (c & 0x7F)
                if c < 0x80:
                    break
            sp += 1
            words[sp & WM] = (value << 1) | 1
        elif op == 0x16:  # LOAD_CONST_STRING
            q = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            ip += 2
            sp += 1
            words[sp & WM] = (q << 2) | 2
        elif op == 0x17:  # LOAD_CONST_OBJ
            n = np.int64(0)
            while True:
                c = np.int64(ram[ip & BM])
                ip += 1
                n = (n << 7) | (c & 0x7F)
                if c < 0x80:
                    break
            fun = words[((regs[R_CODE] - BASE) >> 3) & WM]
            sp += 1
            words[sp & WM] = words[(((words[(((fun - BASE) >> 3) + 3) & WM] - BASE) >> 3) + n) & WM]
        elif op == 0x18:
            sp += 1
            words[sp & WM] = 0
        elif op == 0x19 or op == 0x1A or op == 0x22 or op == 0x23:  # locals and cells by number
            n = np.int64(0)
            while True:
                c = np.int64(ram[ip & BM])
                ip += 1
                n = (n << 7) | (c & 0x7F)
                if c < 0x80:
                    break
            slot = fastn - n
            if op == 0x1A or op == 0x23:
                slot = ((words[slot & WM] - BASE) >> 3) + 1
            if op < 0x20:
                w = words[slot & WM]
                if w == 0:
                    ip = at
                    break
                sp += 1
                words[sp & WM] = w
            else:
                words[slot & WM] = words[sp & WM]
                sp -= 1
        elif op == 0x32:
            sp -= 1
        elif op == 0x30:
            sp += 1
            words[sp & WM] = words[(sp - 1) & WM]
        elif op == 0x31:
            words[(sp + 1) & WM] = words[(sp - 1) & WM]
            words[(sp + 2) & WM] = words[sp & WM]
            sp += 2
        elif op == 0x33:
            w = words[sp & WM]
            words[sp & WM] = words[(sp - 1) & WM]
            words[(sp - 1) & WM] = w
        elif op == 0x34:
            w = words[sp & WM]
            words[sp & WM] = words[(sp - 1) & WM]
            words[(sp - 1) & WM] = words[(sp - 2) & WM]
            words[(sp - 2) & WM] = w
        elif op == 0x38 or op == 0x39:  # JUMP_IF_TRUE_OR_POP, FALSE
            t = truth(words, floats, words[sp & WM])
            if t < 0:
                ip = at
                break
            label = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            ip += 2
            if (t == 1) == (op == 0x38):
                ip += label - 0x8000
            else:
                sp -= 1
        elif op == 0xD3:  # not
            t = truth(words, floats, words[sp & WM])
            if t < 0:
                ip = at
                break
            words[sp & WM] = FALSE if t == 1 else TRUE
        elif op == 0xD1:  # negative
            w = words[sp & WM]
            if not w & 1 or w >> 1 == SMALL_MIN:
                ip = at
                break
            words[sp & WM] = ((-(w >> 1)) << 1) | 1
        elif op == 0x21:  # LOAD_SUBSCR
            left -= SUBSCRIPT_EXTRA
            o, i = words[(sp - 1) & WM], words[sp & WM]
            if o & 3:
                ip = at
                break
            x = (o - BASE) >> 3
            t = words[x & WM]
            w = np.int64(0)
            if i & 1 and t == T_LIST:
                n = i >> 1
                if n < 0:
                    n += words[(x + 2) & WM]
                if 0 <= n < words[(x + 2) & WM]:
                    w = words[(((words[(x + 3) & WM] - BASE) >> 3) + n) & WM]
            elif i & 1 and t == T_TUPLE:
                n = i >> 1
                if n < 0:
                    n += words[(x + 1) & WM]
                if 0 <= n < words[(x + 1) & WM]:
                    w = words[(x + 2 + n) & WM]
            elif i & 1 and t == T_BYTES:
                n = i >> 1
                if n < 0:
                    n += words[(x + 2) & WM]
                if 0 <= n < words[(x + 2) & WM]:
                    w = (np.int64(ram[(words[(x + 3) & WM] - BASE + n) & BM]) << 1) | 1
            elif t == T_DICT and i & 3:
                slot = map_find(words, hashes, x + 1, i)
                if slot >= 0:
                    w = words[slot & WM]
            if w == 0:
                ip = at
                break
            sp -= 1
            words[sp & WM] = w
        elif op == 0x27:  # STORE_SUBSCR
            left -= SUBSCRIPT_EXTRA
            v, o, i = words[(sp - 2) & WM], words[(sp - 1) & WM], words[sp & WM]
            if o & 3 or v == 0:
                ip = at
                break
            x = (o - BASE) >> 3
            done = False
            if i & 1 and words[x & WM] == T_LIST:
                n = i >> 1
                if n < 0:
                    n += words[(x + 2) & WM]
                if 0 <= n < words[(x + 2) & WM]:
                    words[(((words[(x + 3) & WM] - BASE) >> 3) + n) & WM] = v
                    done = True
            elif words[x & WM] == T_DICT and i & 3 and not words[(x + 1) & WM] & 2:
                slot = map_find(words, hashes, x + 1, i)
                if slot >= 0:
                    words[slot & WM] = v
                    done = True
            if not done:
                ip = at
                break
            sp -= 3
        elif op == 0x24 or op == 0x25:  # STORE_NAME, STORE_GLOBAL
            left -= LOOKUP_EXTRA
            d = regs[R_GLOBALS]
            if op == 0x24 and regs[R_LOCALS] != 0 and regs[R_LOCALS] != d:
                ip = at
                break
            q = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            slot = map_find(words, hashes, ((d - BASE) >> 3) + 1, (q << 2) | 2)
            if slot < 0:
                ip = at
                break
            ip += 2
            words[slot & WM] = words[sp & WM]
            sp -= 1
        elif op == 0x1D or op == 0x1E:  # LOAD_ATTR, LOAD_METHOD
            left -= LOOKUP_EXTRA
            o = words[sp & WM]
            if o & 3:
                ip = at
                break
            q = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            key = (q << 2) | 2
            x = (o - BASE) >> 3
            t = words[x & WM]
            w = r = np.int64(0)
            if t >= ROM_END:  # an instance of a class of the guest
                slot = map_find(words, hashes, x + 1, key)
                if slot >= 0:
                    w = words[slot & WM]
                elif slot == -1 and op == 0x1E:
                    y = (t - BASE) >> 3
                    slot = map_find(words, hashes, ((words[(y + 15) & WM] - BASE) >> 3) + 1, key)
                    if slot >= 0:
                        m = words[slot & WM]
                        if not m & 3:
                            k = words[((m - BASE) >> 3) & WM]
                            if k == T_FUN_BC or k == T_CLOSURE or k == T_GEN_WRAP:
                                w, r = m, o
            elif t == T_LIST:
                if op == 0x1E and q == regs[R_APPEND_NAME]:
                    w, r = regs[R_APPEND], o
            elif t == T_MODULE and o >= ROM_END:
                g = words[(x + 1) & WM]
                if g >= ROM_END:
                    slot = map_find(words, hashes, ((g - BASE) >> 3) + 1, key)
                    if slot >= 0:
                        w = words[slot & WM]
            if w == 0:
                ip = at
                break
            ip += 2
            words[sp & WM] = w
            if op == 0x1E:
                sp += 1
                words[sp & WM] = r
        elif op == 0x26:  # STORE_ATTR
            left -= LOOKUP_EXTRA
            o = words[sp & WM]
            if o & 3 or words[(sp - 1) & WM] == 0:
                ip = at
                break
            x = (o - BASE) >> 3
            t = words[x & WM]
            slot = np.int64(-1)
            if t >= ROM_END and not words[(((t - BASE) >> 3) + 1) & WM] & FLAG_ACCESSORS:
                q = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
                slot = map_find(words, hashes, x + 1, (q << 2) | 2)
            if slot < 0:
                ip = at
                break
            ip += 2
            words[slot & WM] = words[(sp - 1) & WM]
            sp -= 2
        elif op == 0x64 or op == 0x66:  # CALL_FUNCTION, CALL_METHOD
            left -= CALL_EXTRA
            n = np.int64(0)
            p = ip
            while True:
                c = np.int64(ram[p & BM])
                p += 1
                n = (n << 7) | (c & 0x7F)
                if c < 0x80:
                    break
            if n > 0xFF:
                ip = at
                break
            args = sp + 1 - n
            extra, n_extra = np.int64(0), np.int64(0)
            overhead = np.int64(CALL_OVERHEAD)
            result = args - 1
            if op == 0x66:
                result -= 1
                if words[(args - 1) & WM] != 0:
                    args -= 1
                    n += 1
            fun = words[result & WM]
            ok = False
            if fun == regs[R_APPEND] and n == 2 and op == 0x66:
                o = words[args & WM]
                x = (o - BASE) >> 3
                if not o & 3 and words[x & WM] == T_LIST:
                    length = words[(x + 2) & WM]
                    if length < words[(x + 1) & WM]:
                        words[(((words[(x + 3) & WM] - BASE) >> 3) + length) & WM] = words[sp & WM]
                        words[(x + 2) & WM] = length + 1
                        sp = result
                        words[sp & WM] = NONE
                        ip = p
                        ok = True
            elif fun == regs[R_LEN] and n == 1 and op == 0x64:
                o = words[args & WM]
                x = (o - BASE) >> 3
                length = np.int64(-1)
                if not o & 3:
                    t = words[x & WM]
                    if t == T_LIST or t == T_BYTES:
                        length = words[(x + 2) & WM]
                    elif t == T_TUPLE:
                        length = words[(x + 1) & WM]
                    elif t == T_DICT:
                        length = words[(x + 1) & WM] >> 3
                if length >= 0:
                    sp = result
                    words[sp & WM] = (length << 1) | 1
                    ip = p
                    ok = True
            elif fun == T_RANGE and 1 <= n <= 3 and op == 0x64:
                a, b = words[args & WM], words[(args + 1) & WM]
                c = words[(args + 2) & WM]
                if a & 1 and (n < 2 or b & 1) and (n < 3 or (c & 1 and c != 1)):
                    o = new_block(ram, words, heap, 32)
                    if o >= 0:
                        x = o >> 3
                        words[x & WM] = T_RANGE
                        words[(x + 1) & WM] = np.int64(0) if n == 1 else a >> 1
                        words[(x + 2) & WM] = a >> 1 if n == 1 else b >> 1
                        words[(x + 3) & WM] = np.int64(1) if n < 3 else c >> 1
                        sp = result
                        words[sp & WM] = o + BASE
                        ip = p
                        ok = True
            elif not fun & 3:
                k = words[((fun - BASE) >> 3) & WM]
                if k == T_BOUND:
                    extra, n_extra = ((fun - BASE) >> 3) + 2, np.int64(1)
                    fun = words[(extra - 1) & WM]
                    k = words[((fun - BASE) >> 3) & WM]
                    if k == T_CLOSURE:
                        k = np.int64(0)
                if k == T_CLOSURE:
                    c = (fun - BASE) >> 3
                    extra, n_extra = c + 3, words[(c + 2) & WM]
                    overhead += CLOSURE_OVERHEAD
                    fun = words[(c + 1) & WM]
                    k = words[((fun - BASE) >> 3) & WM]
                if k == T_FUN_BC:
                    s = (regs[R_CODE] - BASE) >> 3
                    exc_sp = regs[R_EXC_SP]
                    if enter(ram, words, regs, heap, fun, args, n, extra, n_extra, overhead):
                        words[(s + 1) & WM] = p + BASE
                        words[(s + 2) & WM] = (result - 1) * 8 + BASE
                        words[(s + 3) & WM] = exc_sp
                        ip = regs[R_IP] - BASE
                        sp = (regs[R_SP] - BASE) >> 3
                        fastn = (regs[R_FASTN] - BASE) >> 3
                        ok = True
            if not ok:
                ip = at
                break
        elif op == 0x5B:  # RETURN_VALUE
            frame = (regs[R_FRAME] - BASE) >> 3
            if regs[R_EXC_SP] > regs[R_FASTN] or words[(frame + 2) & WM] != 0:
                ip = at
                break
            value = words[sp & WM]
            link = words[frame & WM]
            if words[(frame + 4) & WM] != 0:
                if heap[gc_blocks.S_LOCK] > 0:
                    ip = at
                    break
                gc_blocks.free(ram, heap, words[(frame + 1) & WM] - BASE)
                heap[gc_blocks.S_CURRENT] -= words[(frame + 4) & WM]
            regs[R_GLOBALS] = words[(frame + 3) & WM]
            regs[R_FRAME], regs[R_STACK] = link, link
            state = words[(((link - BASE) >> 3) + 1) & WM]
            regs[R_CODE] = state
            s = (state - BASE) >> 3
            ip = words[(s + 1) & WM] - BASE
            sp = ((words[(s + 2) & WM] - BASE) >> 3) + 1
            regs[R_EXC_SP] = words[(s + 3) & WM]
            p = words[(((words[s & WM] - BASE) >> 3) + 2) & WM] - BASE
            n_state = np.int64(0)
            while True:
                c = np.int64(ram[p & BM])
                p += 1
                n_state = (n_state << 7) | (c & 0x7F)
                if c < 0x80:
                    break
            regs[R_FASTN] = state + CODE_STATE + 8 * (n_state - 1)
            fastn = (regs[R_FASTN] - BASE) >> 3
            words[sp & WM] = value
        elif op == 0x47:  # GET_ITER_STACK
            o = words[sp & WM]
            if o & 3:
                ip = at
                break
            x = (o - BASE) >> 3
            t = words[x & WM]
            if t == T_LIST or t == T_TUPLE:
                words[sp & WM], words[(sp + 1) & WM] = t, 0
                words[(sp + 2) & WM], words[(sp + 3) & WM] = o, 0
            elif t == T_RANGE:
                words[sp & WM], words[(sp + 1) & WM] = t, words[(x + 1) & WM]
                words[(sp + 2) & WM] = words[(x + 2) & WM]
                words[(sp + 3) & WM] = words[(x + 3) & WM]
            else:
                ip = at
                break
            sp += 3
        elif op == 0x3F or op == 0x40:  # SETUP_EXCEPT, SETUP_FINALLY
            label = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            ip += 2
            regs[R_EXC_SP] += EXC_ENTRY
            e = (regs[R_EXC_SP] - BASE) >> 3
            words[e & WM] = ip + label + BASE
            words[(e + 1) & WM] = (sp * 8 + BASE) | (2 if op == 0x40 else 0)
            words[(e + 2) & WM] = 0
        elif op == 0x44:  # POP_EXCEPT_JUMP
            label = np.int64(ram[ip & BM]) | np.int64(ram[(ip + 1) & BM]) << 8
            ip += 2 + label
            regs[R_EXC_SP] -= EXC_ENTRY
        elif op == 0x50 or op == 0x51:  # BUILD_TUPLE, BUILD_LIST
            left -= CALL_EXTRA
            n = np.int64(0)
            p = ip
            while True:
                c = np.int64(ram[p & BM])
                p += 1
                n = (n << 7) | (c & 0x7F)
                if c < 0x80:
                    break
            if n < 0 or n > MAX_COUNT:
                ip = at
                break
            if op == 0x50:
                if n == 0:
                    o = np.int64(EMPTY_TUPLE - BASE)
                else:
                    o = new_block(ram, words, heap, 16 + 8 * n)
                    if o < 0:
                        ip = at
                        break
                    x = o >> 3
                    words[x & WM], words[(x + 1) & WM] = T_TUPLE, n
                    for i in range(n):
                        words[(x + 2 + i) & WM] = words[(sp + 1 - n + i) & WM]
            else:
                alloc = max(n, np.int64(4))
                o = new_block(ram, words, heap, 32)
                if o < 0:
                    ip = at
                    break
                table = new_block(ram, words, heap, 8 * alloc)
                if table < 0:
                    gc_blocks.free(ram, heap, o)
                    heap[gc_blocks.S_CURRENT] -= 32
                    ip = at
                    break
                x = o >> 3
                words[x & WM], words[(x + 1) & WM], words[(x + 2) & WM] = T_LIST, alloc, n
                words[(x + 3) & WM] = table + BASE
                for i in range(n):
                    words[((table >> 3) + i) & WM] = words[(sp + 1 - n + i) & WM]
            ip = p
            sp += 1 - n
            words[sp & WM] = o + BASE
        elif op == 0x59:  # UNPACK_SEQUENCE
            n = np.int64(0)
            p = ip
            while True:
                c = np.int64(ram[p & BM])
                p += 1
                n = (n << 7) | (c & 0x7F)
                if c < 0x80:
                    break
            o = words[sp & WM]
            length = np.int64(-1)
            first = np.int64(0)
            if not o & 3:
                x = (o - BASE) >> 3
                if words[x & WM] == T_TUPLE:
                    length, first = words[(x + 1) & WM], x + 2
                elif words[x & WM] == T_LIST:
                    length, first = words[(x + 2) & WM], (words[(x + 3) & WM] - BASE) >> 3
            if length != n or n > MAX_COUNT:
                ip = at
                break
            ip = p
            for i in range(n):
                words[(sp + i) & WM] = words[(first + n - 1 - i) & WM]
            sp += n - 1
        else:
            ip = at
            break
    regs[R_IP] = ip + BASE
    regs[R_SP] = sp * 8 + BASE
    if ip == at:  # not executed; a jump to itself is executed once more, by its handler
        left = before
    regs[R_OPS] += start_left - left
    regs[R_BUDGET] = left
