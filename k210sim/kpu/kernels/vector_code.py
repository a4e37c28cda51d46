"""Small pieces of generated code that work on vectors, for line_code.py and cell_code.py."""

from llvmlite import ir

I8, I32, I64, F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()


def spread(builder, value, lanes):
    """A number in every lane."""
    vector = ir.VectorType(value.type, lanes)
    undefined = ir.Constant(vector, ir.Undefined)
    single = builder.insert_element(undefined, value, ir.Constant(I32, 0))
    return builder.shuffle_vector(single, undefined,
                                  ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def call(builder, name, *args):
    """LLVM's function of that name for vectors of float32 or float64."""
    vector = args[0].type
    full = f"llvm.{name}.v{vector.count}f{32 if vector.element == F32 else 64}"
    function = builder.module.globals.get(full)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(vector, [vector] * len(args)), full)
    return builder.call(function, args)


def load(builder, address, kind):
    """What lies at an address, which needs no alignment."""
    value = builder.load(builder.inttoptr(address, kind.as_pointer()))
    value.align = 1
    return value
