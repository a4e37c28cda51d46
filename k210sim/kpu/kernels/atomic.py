"""What compiled code needs of the machine: words that threads share, a pause, and calls, arrays
and bytes by address.

Addresses are int64. Loads and stores are sequentially consistent: who sees a value sees all that
was written before it.
"""

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

llvm.initialize_native_asmparser()  # without it LLVM ends the process at inline assembly

I64 = ir.IntType(64)
_MACHINE = llvm.get_process_triple().split("-")[0]
_FETCH = {"x86_64": "prefetcht0 ($0)", "aarch64": "prfm pldl1keep, [$0]",
          "arm64": "prfm pldl1keep, [$0]"}.get(_MACHINE)
_PAUSE = {"x86_64": "pause", "i686": "pause", "aarch64": "isb", "arm64": "isb"}.get(_MACHINE)


def _word(builder, address):
    return builder.inttoptr(address, I64.as_pointer())


@intrinsic
def load(typingctx, address):
    """The int64 at an address."""
    def codegen(context, builder, sig, args):
        return builder.load_atomic(_word(builder, args[0]), "seq_cst", 8)

    return types.int64(types.int64), codegen


@intrinsic
def store(typingctx, address, value):
    """Set the int64 at an address."""
    def codegen(context, builder, sig, args):
        builder.store_atomic(args[1], _word(builder, args[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def fetch_add(typingctx, address, value):
    """The int64 at an address before `value` is added to it, in one step."""
    def codegen(context, builder, sig, args):
        return builder.atomic_rmw("add", _word(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def swap(typingctx, address, old, new):
    """Put `new` where `old` is, in one step; whether it was there."""
    def codegen(context, builder, sig, args):
        found = builder.cmpxchg(_word(builder, args[0]), args[1], args[2], "seq_cst", "seq_cst")
        return builder.extract_value(found, 1)

    return types.boolean(types.int64, types.int64, types.int64), codegen


@intrinsic
def pause(typingctx):
    """Tell the processor that this thread waits for another."""
    def codegen(context, builder, sig, args):
        if _PAUSE:
            builder.asm(ir.FunctionType(ir.VoidType(), []), _PAUSE, "", [], True)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def fetch(typingctx, address):
    """Have the cache line at an address brought, which another core may have written."""
    def codegen(context, builder, sig, args):
        if _FETCH:
            builder.asm(ir.FunctionType(ir.VoidType(), [I64]), _FETCH, "r", [args[0]], True)
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def copy(typingctx, to, source, count):
    """Copy bytes from address to address, which do not overlap."""
    def codegen(context, builder, sig, args):
        places = [builder.inttoptr(one, ir.IntType(8).as_pointer()) for one in args[:2]]
        cgutils.raw_memcpy(builder, *places, args[2], 1)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), codegen


@intrinsic
def call4(typingctx, function, a, b, c, d):
    """Call a C function of four int64 by its address; its int64."""
    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(I64, [I64] * 4)
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return types.int64(*[types.int64] * 5), codegen


@intrinsic
def call_lock(typingctx, function, lock, wait):
    """Call a C function of a pointer and an int by its address, for the locks of team.py."""
    def codegen(context, builder, sig, args):
        i32 = ir.IntType(32)
        kind = ir.FunctionType(i32, [I64, i32])
        number = builder.trunc(args[2], i32)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1], number])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), codegen


@intrinsic
def _pointer(typingctx, address):
    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), codegen


@njit(inline="always")
def numbers(address, count):
    """The int64[count] at an address. Arrays by address belong to nobody: threads that count
    references to one array take the counter from each other all the time."""
    return carray(_pointer(address), (count,), np.int64)


@njit(inline="always")
def matrix(address, rows, columns, dtype):
    """The dtype[rows, columns] at an address."""
    return carray(_pointer(address), (rows, columns), dtype)


@njit(inline="always")
def vector(address, count, dtype):
    """The dtype[count] at an address."""
    return carray(_pointer(address), (count,), dtype)


@njit(inline="always")
def cube(address, planes, rows, columns, dtype):
    """The dtype[planes, rows, columns] at an address."""
    return carray(_pointer(address), (planes, rows, columns), dtype)
