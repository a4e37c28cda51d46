"""Small kmodel V5 files written with the project's own layouts: for tests and mutation runs."""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kmodel import stackvm, v3, v5
from k210sim.kpu.kmodel.writer import MAX_2X2, ModelBuilder, Quant

F32, U8, I32, I64 = 9, 4, 2, 3


class Code:
    """Byte code under construction: instructions in order, registers numbered per call."""

    def __init__(self, release=7):
        self.release, self.list, self.registers = release, [], 0

    def add(self, name, *operands, **named):
        operands = named or {str(i): v for i, v in enumerate(operands)}
        self.list.append(stackvm.Instruction(0, name, operands))

    def push(self, value):
        self.add("LDC_R4" if isinstance(value, float) else "LDC_I4", value)

    def buffer(self, location, offset):
        self.add("LEA_BUFFER", location, 0, offset)

    def shape(self, numbers) -> int:
        for n in numbers:
            self.push(int(n))
        self.registers += 1
        self.add("STSHAPE", self.registers - 1, len(numbers))
        return self.registers - 1

    def tensor(self, name, /, **fields):
        row = next(r for r in stackvm.TABLES[self.release] if r[0] == name)
        self.add("TENSOR." + name, **{field: fields[field] for field in row[2]})
        self.registers = 0

    def text(self) -> bytes:
        return stackvm.assemble(self.list, self.release)


def strides(shape):
    out, step = [], 1
    for d in reversed(shape):
        out.append(step if d > 1 else 0)
        step *= d
    return out[::-1]


def section(name, body, gap=b"", flags=0):
    return v5.Section(v5.SectionHeader(name=name, flags=flags, body_start=len(gap),
                                       body_size=len(body)), gap, body)


def function(inputs, outputs, entrypoint, text_size):
    """inputs and outputs: (datatype, shape, start, bytes)."""
    f = v5.Function(v5.FunctionHeader(
        input_pool_size=sum(p[3] for p in inputs), output_pool_size=sum(p[3] for p in outputs),
        inputs=len(inputs), outputs=len(outputs), entrypoint=entrypoint, text_size=text_size))
    for parts, ranges, shapes, location in ((inputs, f.inputs, f.input_shapes, 0),
                                            (outputs, f.outputs, f.output_shapes, 1)):
        for datatype, shape, start, size in parts:
            ranges.append(v5.RangeV5(location=location, datatype=datatype, start=start, size=size))
            shapes.append(tuple(shape))
    size = 32 + 12 * (len(inputs) + len(outputs)) + 4 * sum(
        1 + len(p[1]) for p in (*inputs, *outputs))
    f.padding = bytes(-size % 8)
    f.header.size = size + len(f.padding)
    return f


def module(kind, functions, sections, pools):
    m = v5.Module(v5.ModuleHeader(type=kind, version=1, mempools=len(pools),
                                  sections=len(sections), functions=len(functions)))
    m.pools = [v5.MemoryPool(location=place, size=size) for place, size in pools]
    m.functions, m.sections = functions, sections
    size = 48 + 8 * len(pools) + sum(f.header.size for f in functions) + sum(
        32 + len(s.gap) + len(s.body) for s in sections)
    m.tail = bytes(-size % 8)
    m.header.size = size + len(m.tail)
    return m


def file(*modules) -> bytes:
    model = v5.ModelV5(v5.HeaderV5(alignment=256, modules=len(modules)))
    model.modules = list(modules)
    return v5.build(model)


SIZES = {F32: 4, U8: 1, I32: 4, I64: 8}


def one_tensor_function(name, in_shape, out_shape, *, before=(), after=(), in_dt=F32, out_dt=F32,
                        registers=(), pads=None, more_outputs=(), rdata=b"", release=7,
                        **fields) -> bytes:
    """A file that applies one tensor function to its input. `before` is pushed before the
    input's address, `after` behind it: numbers, "out", "rdata", or (location, offset) for other
    addresses. registers: (field, numbers); pads: (before, after, between) per axis for the padding
    register 0; more_outputs: (datatype, shape) of those behind the first."""
    c = Code(release)
    for value in (*before, (0, 0), *after):
        value = {"rdata": (2, 0), "out": (1, 0)}.get(value, value)
        c.buffer(*value) if isinstance(value, tuple) else c.push(value)
    known = {"dt": in_dt, "dt_out": out_dt, "shape": c.shape(in_shape),
             "in_strides": c.shape(strides(in_shape)), "out_strides": c.shape(strides(out_shape))}
    for field, numbers in registers:
        known[field] = c.shape(numbers)
    for one in pads or ():
        for number in one:
            c.push(number)
    if pads is not None:
        c.add("STPADDINGS", 0, len(pads))
    known.update(fields)
    c.tensor(name, **known)
    return whole(c, [(in_dt, in_shape)], [(out_dt, out_shape), *more_outputs], rdata)


def whole(code, inputs, outputs, rdata=b"", data=64) -> bytes:
    """A file of this code; inputs and outputs: (datatype, shape), each behind the one before; data:
    bytes of the module's own."""
    places = []
    for tensors in (inputs, outputs):
        start, row = 0, []
        for dt, shape in tensors:
            size = int(np.prod(shape)) * SIZES[dt]
            row.append((dt, shape, start, size))
            start += size
        places.append(row)
    text = code.text()
    main = function(*places, 0, len(text))
    return file(module(b"stackvm", [main], [section(b".rdata", rdata), section(b".text", text)],
                       [(2, len(rdata)), (3, data)]))


def small_v5(seed=0) -> bytes:
    """quantize, one KPU layer with a pool, dequantize, softmax over the channels."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder((3, 12, 20))
    b.output(b.add_quantized_conv(b.input, rng.integers(0, 256, (6, 3, 3, 3)), scale=0.01,
                                  zero=128, bias=rng.normal(size=6), in_quant=Quant(1 / 255, 0),
                                  out_quant=Quant(0.02, 10), activation="leaky", pool=MAX_2X2))
    layer = next(body for body in v3.parse(b.build()).layers if body.NAME == "K210_CONV")
    regs, weights = layer.regs, np.asarray(layer.weights, np.uint8).tobytes()
    regs.image_src_addr, regs.image_dst_addr = 0, 64
    bn = np.asarray(layer.bn).tobytes()
    act_at = 0
    bn_at = 256
    weights_at = bn_at + len(bn)
    rdata = bytes(layer.act).ljust(256, b"\0") + bn + weights
    x, y = (1, 3, 12, 20), (1, 6, 6, 10)
    place = v5.Place
    ops = [v5.K210Op(b"\0\0\0\0", src=place(0, U8, 0, 0, 720), dst=place(64, U8, 0, 0, 64 * 36),
                     shape=x),
           v5.K210Op(b"\2\0\0\0", weights=place(2, U8, 0, weights_at, len(weights)),
                     batch_norm=place(2, 7, 0, bn_at, len(bn)), activation=place(2, U8, 0, act_at,
                                                                                 144),
                     main_out=place(0, 0, 0, 0, 0), batches=1, regs=regs),
           v5.K210Op(b"\1\0\0\0", src=place(64, U8, 0, 64 * 64, 64 * 36),
                     dst=place(1, U8, 0, 0, 360), shape=y)]
    kpu_text = b"".join(op.write() for op in ops)
    kpu = module(b"k210", [function([(U8, x, 0, 720)], [(U8, y, 0, 360)], 0, len(kpu_text))],
                 [section(b".rdata", rdata, bytes(24)), section(b".text", kpu_text)],
                 [(2, len(rdata)), (3, 0), (64, 2 << 20)])
    c = Code()
    c.buffer(0, 0)
    c.buffer(3, 0)
    c.push(255.0)
    c.push(0.0)
    s = c.shape(x), c.shape(strides(x))
    c.tensor("QUANTIZE", dt=F32, dt_out=U8, shape=s[0], in_strides=s[1], out_strides=s[1])
    c.buffer(3, 0)
    c.push(U8)
    c.push(c.shape(x))
    c.push(c.shape(strides(x)))
    c.buffer(3, 720)
    c.push(U8)
    c.push(c.shape(y))
    c.push(c.shape(strides(y)))
    c.tensor("CALL", function=0, module=1, inputs=1, outputs=1)
    c.buffer(3, 720)
    c.buffer(3, 1080)
    c.push(0.02)
    c.push(-0.2)
    s = c.shape(y), c.shape(strides(y))
    c.tensor("DEQUANTIZE", dt=U8, dt_out=F32, shape=s[0], in_strides=s[1], out_strides=s[1])
    c.buffer(3, 1080)
    c.buffer(1, 0)
    s = c.shape(y), c.shape(strides(y))
    c.tensor("SOFTMAX", dt=F32, shape=s[0], in_strides=s[1], out_strides=s[1], axis=1, beta=1.0)
    text = c.text()
    main = function([(F32, x, 0, 2880)], [(F32, y, 0, 1440)], 0, len(text))
    return file(module(b"stackvm", [main], [section(b".rdata", b""), section(b".text", text)],
                       [(2, 0), (3, 2520)]), kpu)
