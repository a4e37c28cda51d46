"""How the interpreter's loop calls a compiled region: through its address."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def call_region(typing_context, address, entry, s, x, f, ram, n, budget):
    """region(entry, s, x, f, ram, n, budget) -> n; see jit_ir.py. The arrays go as pointers."""
    signature = types.int64(address, entry, s, x, f, ram, n, budget)

    def generate(context, builder, signature, arguments):
        word, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
        region = ir.FunctionType(word, [word, *[pointer] * 4, word, word])
        function = builder.inttoptr(arguments[0], region.as_pointer())
        arrays = [
            builder.bitcast(
                cgutils.create_struct_proxy(kind)(context, builder, value).data, pointer
            )
            for kind, value in zip(signature.args[2:6], arguments[2:6], strict=True)
        ]  # fmt: skip
        return builder.call(function, [arguments[1], *arrays, *arguments[6:]])

    return signature, generate
