"""How compiled code uses what it has the address of: arrays, regions, the interpreter's loop."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def call_region(typing_context, address, entry, x, ram, n, budget):
    """region(entry, hart, ram, n, budget) -> n; see jit_ir.py. A hart's arrays begin with x."""
    signature = types.int64(address, entry, x, ram, n, budget)

    def generate(context, builder, signature, arguments):
        word, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
        region = ir.FunctionType(word, [word, pointer, pointer, word, word])
        function = builder.inttoptr(arguments[0], region.as_pointer())
        arrays = [
            builder.bitcast(
                cgutils.create_struct_proxy(kind)(context, builder, value).data, pointer
            )
            for kind, value in zip(signature.args[2:4], arguments[2:4], strict=True)
        ]  # fmt: skip
        return builder.call(function, [arguments[1], *arrays, *arguments[4:]])

    return signature, generate


@intrinsic
def call_run(typing_context, address, budget, hart):
    """execute.run(budget, hart), through its address: other compiled code need not contain it."""
    signature = types.int64(address, budget, hart)

    def generate(context, builder, signature, arguments):
        word = ir.IntType(64)
        function = ir.FunctionType(word, [word, word]).as_pointer()
        return builder.call(builder.inttoptr(arguments[0], function), arguments[1:])

    return signature, generate


def pointer_to(kind):
    """A compiled function that makes an address a pointer to numba's type `kind`."""

    @intrinsic
    def pointer(typing_context, address):
        def generate(context, builder, signature, arguments):
            target = context.get_value_type(types.CPointer(kind))
            return builder.inttoptr(arguments[0], target)

        return types.CPointer(kind)(types.int64), generate

    return pointer


int64_at, int32_at, int16_at, int8_at, uint32_at, uint8_at, float64_at, float32_at = map(
    pointer_to,
    (types.int64, types.int32, types.int16, types.int8, types.uint32, types.uint8, types.float64,
     types.float32),
)  # fmt: skip
