"""Making arrays, and linear algebra on them."""

from __future__ import annotations

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.imaging.rounding import fused
from k210sim.micropython import layout as L
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import Arg
from k210sim.micropython.types import typecodes
from k210sim.modules.ulab.ndarray import (
    FLOAT,
    Shape,
    block,
    create,
    elements,
    floats,
    get,
    is_ndarray,
    needs_ndarray,
    within,
)

EPSILON = np.float32(1.2e-7)
JACOBI_ROUNDS = 20
F32 = np.float32
_DTYPE = Arg("dtype", "int", ord(FLOAT), kw_only=True)


def _type_error(vm, text: str):
    return vm.error("TypeError", text, formatted=False)


def _value_error(vm, text: str):
    return vm.error("ValueError", text, formatted=False)


# --- making ---------------------------------------------------------------------------------------
_SHAPE = [Arg("", "obj", required=True), _DTYPE]


def _of_shape(vm, args, kw) -> int:
    shape, dtype = vm.parse_args(args, kw, _SHAPE)
    code = chr(dtype & 0xFF)
    if vm.is_int(shape):
        return create(vm, 1, vm.get_int(shape) & 0xFFFFFFFFFFFFFFFF, code)
    if not vm.is_type(shape, "tuple") or len(vm.items_of(shape)) != 2:
        raise _type_error(vm, "input argument must be an integer or a 2-tuple")
    m, n = (vm.get_int(w) & 0xFFFFFFFFFFFFFFFF for w in vm.items_of(shape))
    return create(vm, m, n, code)


def zeros(vm, args, kw) -> int:
    return _of_shape(vm, args, kw)


def ones(vm, args, kw) -> int:
    made = _of_shape(vm, args, kw)
    elements(vm, made)[:] = 1
    return made


_EYE = [Arg("", "int", required=True), Arg("M", "obj", L.NONE, kw_only=True),
        Arg("k", "int", 0, kw_only=True), _DTYPE]


def eye(vm, args, kw) -> int:
    """Ones on a diagonal. Where there are fewer rows than the diagonal has elements, the firmware
    goes on behind the array."""
    n, rows, k, dtype = vm.parse_args(args, kw, _EYE)
    m = n if rows == L.NONE else vm.get_int(rows)
    k = (k + 0x8000 & 0xFFFF) - 0x8000
    made = create(vm, m & 0xFFFFFFFFFFFFFFFF, n & 0xFFFFFFFFFFFFFFFF, chr(dtype & 0xFF))
    if 0 <= k < n:
        places = k + (n + 1) * np.arange(n - k)
    elif k < 0 and -k < m:
        places = -k * n + (n + 1) * np.arange(m + k)
    else:
        return made
    view = block(vm, made)
    within(view, places, "ulab.eye of this shape")
    view[places] = 1
    return made


_SIZE = [Arg("", "obj", required=True), Arg("axis", "obj", L.NONE, kw_only=True)]


def size(vm, args, kw) -> int:
    o, axis = vm.parse_args(args[:1], kw, _SIZE)
    if not is_ndarray(vm, o):
        raise _type_error(vm, "size is defined for ndarrays only")
    s = Shape(vm, o)
    if axis == L.NONE:
        return vm.new_int(s.length)
    if not vm.is_int(axis):
        raise _type_error(vm, "wrong argument type")
    number = vm.get_int(axis) & 0xFF
    if number == 0:
        return vm.new_int(s.n if s.m == 1 else s.m)
    if number != 1 or s.m == 1:
        raise _value_error(vm, "tuple index out of range")
    return vm.new_int(s.n)


# --- matrices -------------------------------------------------------------------------------------
def invert(vm, a: np.ndarray) -> bool:
    """Invert a square matrix in place by elimination without exchange of rows; False when
    a pivot is next to zero. `a`: float32 (N, N)."""
    n = len(a)
    room = vm.malloc(4 * n * n)
    unit = np.eye(n, dtype=F32)
    good = True
    with np.errstate(all="ignore"):
        for m in range(n):
            if abs(a[m, m]) < EPSILON:
                good = False
                break
            for row in range(n):
                if row != m:
                    factor = a[row, m] / a[m, m]
                    a[row] = fused(-factor, a[m], a[row])
                    unit[row] = fused(-factor, unit[m], unit[row])
        if good:
            a[:] = unit * (F32(1) / _diagonals(a))
    if room:
        vm.free_temp(room, 4 * n * n)
    return good


def _diagonals(a: np.ndarray) -> np.ndarray:
    """What each row of the unit matrix is divided by."""
    return a.diagonal().copy()[:, None]


def _square(vm, o: int, not_square: str) -> Shape:
    s = Shape(vm, o)
    if s.m != s.n:
        raise _value_error(vm, not_square)
    return s


def inv(vm, o: int) -> int:
    if not is_ndarray(vm, o):
        raise _type_error(vm, "only ndarrays can be inverted")
    s = _square(vm, o, "only square matrices can be inverted")
    made = create(vm, s.m, s.n)
    data = elements(vm, made).reshape(s.m, s.n)
    for index in range(s.length):  # each element passes through an object
        data.flat[index] = vm.get_float(get(vm, o, index))
    if not invert(vm, data):
        if s.length:
            vm.free_temp(Shape(vm, made).at, 4 * s.length)
        raise _value_error(vm, "input matrix is singular")
    return made


def dot(vm, a: int, b: int) -> int:
    """Matrix product. The firmware counts the rows of the result by the rows of `a` instead of
    its columns, so that only products of as many columns as rows come out whole."""
    for o in (a, b):
        needs_ndarray(vm, o, "dot")
    x, y = Shape(vm, a), Shape(vm, b)
    if x.n != y.m:
        raise _value_error(vm, "matrix dimensions do not match")
    made = create(vm, x.m, y.n)
    left, right = floats(vm, a).reshape(x.m, x.n), floats(vm, b).reshape(y.m, y.n)
    product = np.zeros((x.m, y.n), F32)
    with np.errstate(all="ignore"):
        for k in range(y.m):
            product = fused(left[:, k, None], right[None, k], product)
    vm.charge_ns(50 * x.m * y.n * y.m)  # a guess: twenty cycles for each product
    view = block(vm, made)
    for i in range(x.m):
        places = i * x.m + np.arange(y.n)
        within(view, places, "ulab.dot of these shapes")
        view[places] = product[i]
    return made


def det(vm, o: int) -> int:
    if not is_ndarray(vm, o):
        raise _type_error(vm, "function defined for ndarrays only")
    s = _square(vm, o, "input must be square matrix")
    if not s.m:
        raise NotSimulated("ulab.det of an empty array", "the firmware reads other memory")
    room = vm.malloc(4 * s.length)
    a = floats(vm, o).reshape(s.m, s.n)
    result = F32(1.0)
    with np.errstate(all="ignore"):
        for m in range(s.m - 1):
            if abs(a[m, m]) < EPSILON:
                result = F32(0.0)
                break
            for row in range(s.n):
                if row != m:
                    a[row] = fused(-(a[row, m] / a[m, m]), a[m], a[row])
        else:
            for m in range(s.m):
                result = result * a[m, m]
    vm.free_temp(room, 4 * s.length)
    return vm.new_float(float(result))


def eig(vm, o: int) -> int:
    """Eigenvalues and, in columns, eigenvectors of a symmetric matrix, by Jacobi's rotations."""
    if not is_ndarray(vm, o):
        raise _type_error(vm, "function defined for ndarrays only")
    s = _square(vm, o, "input must be square matrix")
    if not s.m:
        raise NotSimulated("ulab.eig of an empty array", "the firmware reads other memory")
    room = vm.malloc(4 * s.length)
    a = floats(vm, o).reshape(s.m, s.n)
    with np.errstate(all="ignore"):
        if (EPSILON < abs(np.triu(a, 1) - np.tril(a, -1).T)).any():
            raise _value_error(vm, "input matrix is asymmetric")
        vectors = create(vm, s.m, s.n)
        v = elements(vm, vectors).reshape(s.m, s.n)
        v[:] = np.eye(s.n, dtype=F32)
        left = JACOBI_ROUNDS * s.n * s.n
        while True:
            left -= 1
            if not _rotate(a, v) or not left:
                break
    if not left:
        vm.free_temp(room, 4 * s.length)
        raise _value_error(vm, "iterations did not converge")
    values = create(vm, 1, s.n)
    elements(vm, values)[:] = a.diagonal()
    vm.free_temp(room, 4 * s.length)
    return vm.new_tuple([values, vectors])


def _rotate(a: np.ndarray, v: np.ndarray) -> bool:
    """One rotation that takes the largest element off the diagonal to zero; False when all are
    next to zero."""
    above = np.triu(abs(a), 1)
    p, q = np.unravel_index(int(np.argmax(above)), a.shape)
    if not EPSILON < above[p, q]:
        return False
    one = F32(1.0)
    w = (a[q, q] - a[p, p]) / (F32(2.0) * a[p, q])
    root = np.sqrt(fused(w, w, one))
    t = root - w if w > 0 else -(root + w)
    norm = np.sqrt(fused(t, t, one))
    sine, cosine = t / norm, one / norm
    tau = (one - cosine) / sine
    a[p, p] = fused(-t, a[p, q], a[p, p])
    a[q, q] = fused(t, a[p, q], a[q, q])
    a[p, q] = a[q, p] = 0
    others = [k for k in range(len(a)) if k not in (p, q)]
    row_p, row_q = a[p, others].copy(), a[q, others].copy()
    a[p, others] = fused(-sine, fused(tau, row_p, row_q), row_p)
    a[q, others] = fused(sine, fused(-tau, row_q, row_p), row_q)
    a[others, p], a[others, q] = a[p, others], a[q, others]
    column_p, column_q = v[:, p].copy(), v[:, q].copy()
    v[:, p] = fused(cosine, column_p, -(sine * column_q))
    v[:, q] = fused(sine, column_p, cosine * column_q)
    return True


def float_table(vm, n: int) -> int:
    """A block for n floats of a function's own; 0 for none."""
    return vm.malloc(4 * n)


def store_float(vm, table: int, index: int, word: int) -> None:
    """One number into such a block."""
    typecodes.store(vm, FLOAT, table, index, word)


def table_view(vm, table: int, n: int) -> np.ndarray:
    at = table - RAM_BASE if n else 0
    return vm.memory.u8[at : at + 4 * n].view("<f4")
