"""How the interpreter's loop calls a compiled region: through its address."""

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
