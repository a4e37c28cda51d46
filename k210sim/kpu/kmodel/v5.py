"""kmodel V5 ("LDMK", version 5; nncase 1.x, K210 target): parse and build a whole file.

A file is a list of modules; a module holds functions and named sections. The entry function lives
in a "stackvm" module (kmodel/stackvm.py) and calls functions of a "k210" module (`OPS` below).
No MaixPy v1 firmware loads this version: it runs on the host only.
Ref: nncase v1.9.0 include/nncase/runtime/model.h, modules/k210/include/nncase/runtime/k210.
`build(parse(data)) == data`: gaps, paddings and trailing data are kept as they are.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from k210sim.errors import KmodelError
from k210sim.kpu.kmodel.header import CUT_OFF, LDMK
from k210sim.kpu.layer_regs import LayerRegs
from k210sim.records import U8, U16, U32, Bytes, Record

MAX_RANK = 8
DATATYPES = ("i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8")
INPUT, OUTPUT, RDATA, DATA, SHARED, AI_RAM = 0, 1, 2, 3, 4, 64


class HeaderV5(Record):
    """The first 32 bytes."""

    ERROR = KmodelError
    identifier = U32(const=LDMK)
    version = U32(const=5)
    header_size = U32(const=32)
    flags = U32()
    alignment = U32(doc="of the address the file is loaded at")
    modules = U32()
    entry_module = U32()
    entry_function = U32(doc="inside the entry module")


class ModuleHeader(Record):
    ERROR = KmodelError
    type = Bytes(16, doc="stackvm or k210, zero padded")
    version = U32()
    header_size = U32(const=48)
    size = U32(doc="bytes of the whole module")
    mempools = U32()
    shared_mempools = U32()
    sections = U32()
    functions = U32()
    reserved = U32()


class MemoryPool(Record):
    """Bytes the module wants of a memory: 2 rdata, 3 data, 64 AI RAM."""

    ERROR = KmodelError
    location = U8()
    pad = Bytes(3)
    size = U32()


class SharedPool(Record):
    ERROR = KmodelError
    module = U32()
    size = U32()


class FunctionHeader(Record):
    ERROR = KmodelError
    header_size = U32(const=32)
    size = U32(doc="bytes with ranges, shapes and padding")
    input_pool_size = U32()
    output_pool_size = U32()
    inputs = U32()
    outputs = U32()
    entrypoint = U32(doc="byte in .text")
    text_size = U32()


class RangeV5(Record):
    """A tensor's place. For inputs and outputs `start` is the offset in the pool."""

    ERROR = KmodelError
    location = U8()
    datatype = U8()
    shared_module = U16()
    start = U32()
    size = U32()


class SectionHeader(Record):
    ERROR = KmodelError
    name = Bytes(16)
    flags = U32(doc="bit 0: the body is a part of .rdata")
    body_start = U32(doc="gap before the body, or offset in .rdata")
    body_size = U32()
    reserved = U32()


class Function:
    """header, inputs and outputs (RangeV5), input_shapes and output_shapes (tuples), padding."""

    def __init__(self, header):
        self.header = header
        self.inputs: list[RangeV5] = []
        self.outputs: list[RangeV5] = []
        self.input_shapes: list[tuple[int, ...]] = []
        self.output_shapes: list[tuple[int, ...]] = []
        self.padding = b""


class Section:
    """header, gap (bytes before the body) and body (a view of the file's bytes, empty when it is a
    part of .rdata)."""

    def __init__(self, header, gap=b"", body=b""):
        self.header, self.gap, self.body = header, gap, body

    @property
    def name(self) -> str:
        return self.header.name.rstrip(b"\0").decode("ascii", "replace")


class Module:
    """header, pools, shared, functions, sections, tail (padding up to the header's size)."""

    def __init__(self, header):
        self.header = header
        self.pools: list[MemoryPool] = []
        self.shared: list[SharedPool] = []
        self.functions: list[Function] = []
        self.sections: list[Section] = []
        self.tail = b""

    @property
    def type(self) -> str:
        return self.header.type.rstrip(b"\0").decode("ascii", "replace")

    def section(self, name: str) -> bytes | memoryview:
        """A section's bytes, a view of the file's; empty when the module has none of that name."""
        for section in self.sections:
            if section.name == name:
                if not section.header.flags & 1:
                    return section.body
                start = section.header.body_start
                if name == ".rdata":
                    raise KmodelError("section .rdata is a part of itself",
                                      field="SectionHeader.flags")
                return self.section(".rdata")[start : start + section.header.body_size]
        return b""

    def pool_size(self, location: int) -> int:
        """Bytes the module asks of a memory."""
        return sum(p.size for p in self.pools if p.location == location)


class ModelV5:
    """A parsed file: header, modules, trailing bytes, and the offset of every module."""

    version = 5
    eight_bit = True

    def __init__(self, header):
        self.header = header
        self.modules: list[Module] = []
        self.offsets: list[int] = []
        self.trailing = b""
        self.size = HeaderV5.SIZE

    @property
    def entry(self) -> Function:
        """The function that runs first. parse() has checked both numbers."""
        return self.modules[self.header.entry_module].functions[self.header.entry_function]


def parse(data: bytes) -> ModelV5:
    """Read a V5 file; raises KmodelError with offset and field."""
    data = bytes(data)
    header = HeaderV5.parse(data)
    model = ModelV5(header)
    at = HeaderV5.SIZE
    for _ in range(header.modules):
        model.offsets.append(at)
        module, at = _read_module(data, at)
        model.modules.append(module)
    model.size, model.trailing = at, data[at:]
    if header.entry_module >= header.modules:
        raise KmodelError(f"module {header.entry_module} of {header.modules}", offset=24,
                          field="HeaderV5.entry_module")
    functions = len(model.modules[header.entry_module].functions)
    if header.entry_function >= functions:
        raise KmodelError(f"function {header.entry_function} of {functions}", offset=28,
                          field="HeaderV5.entry_function")
    return model


def _read_module(data, start):
    header = ModuleHeader.parse(data, start)
    end, module = start + header.size, Module(header)
    if end > len(data) or header.size < ModuleHeader.SIZE:
        raise KmodelError(f"a module of {header.size} bytes, {len(data) - start} are left",
                          hint=CUT_OFF,
                          offset=start + 24, field="ModuleHeader.size")
    at = start + ModuleHeader.SIZE
    inside = memoryview(data)[:end]
    for cls, count, into in ((MemoryPool, header.mempools, module.pools),
                             (SharedPool, header.shared_mempools, module.shared)):
        for _ in range(count):
            into.append(cls.parse(inside, at))
            at += cls.SIZE
    for _ in range(header.functions):
        function, at = _read_function(inside, at)
        module.functions.append(function)
    for _ in range(header.sections):
        entry = SectionHeader.parse(inside, at)
        at += SectionHeader.SIZE
        section = Section(entry)
        if not entry.flags & 1:
            body = at + entry.body_start
            if body + entry.body_size > end:
                raise KmodelError(f"section of {entry.body_size} bytes at 0x{body:08x}, the module "
                                  f"ends at 0x{end:08x}", offset=at - SectionHeader.SIZE,
                                  field="SectionHeader.body_size")
            section.gap = data[at:body]
            at = body + entry.body_size
            section.body = memoryview(data)[body:at]
        module.sections.append(section)
    module.tail = data[at:end]
    return module, end


def _read_function(data, start):
    header = FunctionHeader.parse(data, start)
    end = start + header.size
    if end > len(data) or header.size < FunctionHeader.SIZE:
        raise KmodelError(f"a function record of {header.size} bytes, {len(data) - start} are left",
                          offset=start + 4, field="FunctionHeader.size")
    inside, at, function = data[:end], start + FunctionHeader.SIZE, Function(header)
    for count, ranges, shapes in ((header.inputs, function.inputs, function.input_shapes),
                                  (header.outputs, function.outputs, function.output_shapes)):
        for _ in range(count):
            ranges.append(RangeV5.parse(inside, at))
            at += RangeV5.SIZE
        for _ in range(count):
            if at + 4 > end:
                raise KmodelError("the function record ends inside its shapes", offset=at)
            (rank,) = struct.unpack_from("<I", inside, at)
            if rank > MAX_RANK or at + 4 + 4 * rank > end:
                raise KmodelError(f"a shape of rank {rank}, at most {MAX_RANK} fit", offset=at,
                                  field="Function.rank")
            shapes.append(struct.unpack_from(f"<{rank}I", inside, at + 4))
            at += 4 + 4 * rank
    function.padding = bytes(inside[at:end])
    return function, end


def build(model: ModelV5) -> bytes:
    """The file's bytes."""
    out = bytearray(model.header.build())
    for module in model.modules:
        out += module.header.build()
        for part in (*module.pools, *module.shared):
            out += part.build()
        for function in module.functions:
            out += function.header.build()
            for ranges, shapes in ((function.inputs, function.input_shapes),
                                   (function.outputs, function.output_shapes)):
                out += b"".join(r.build() for r in ranges)
                out += b"".join(struct.pack(f"<{len(s) + 1}I", len(s), *s) for s in shapes)
            out += function.padding
        for section in module.sections:
            out += section.header.build() + section.gap + section.body
        out += module.tail
    return bytes(out) + model.trailing


# -- the code of a k210 function ---------------------------------------------------------------


class Place(NamedTuple):
    """A range inside an operation: like RangeV5."""

    location: int
    datatype: int
    shared_module: int
    start: int
    size: int


# Kinds: R range, S four u32, I u32, D the 96-byte layer descriptor.
KINDS = {"R": struct.Struct("<BBHII"), "S": struct.Struct("<4I"), "I": struct.Struct("<I"),
         "D": struct.Struct("<96s")}
OPS = {
    0: ("kpu_upload", (("src", "R"), ("dst", "R"), ("shape", "S"))),
    1: ("kpu_download", (("src", "R"), ("dst", "R"), ("shape", "S"))),
    2: ("kpu_conv2d", (("weights", "R"), ("batch_norm", "R"), ("activation", "R"),
                       ("main_out", "R"), ("batches", "I"), ("regs", "D"))),
    3: ("copy", (("src", "R"), ("dst", "R"), ("shape", "S"), ("src_strides", "S"),
                 ("dst_strides", "S"))),
}


class K210Op:
    """One operation: NAME and the fields of OPS. `head` is the opcode with its three pad bytes."""

    def __init__(self, head: bytes, **fields):
        self.head, self.opcode = head, head[0]
        self.NAME, self.layout = OPS[head[0]]
        for name, _ in self.layout:
            setattr(self, name, fields[name])

    def write(self) -> bytes:
        out = self.head
        for name, kind in self.layout:
            value = getattr(self, name)
            if kind == "D":
                out += value.build()
            else:
                out += KINDS[kind].pack(*(value if isinstance(value, tuple) else (value,)))
        return out


def read_ops(text: bytes) -> list[K210Op]:
    """The operations of a k210 function, up to the end of its text. Raises KmodelError with the
    offset inside the text."""
    ops, at = [], 0
    while at < len(text):
        if text[at] not in OPS:
            raise KmodelError(f"opcode {text[at]} of a k210 function, expected 0 to 3", offset=at,
                              field="k210.opcode")
        head, layout = bytes(text[at : at + 4]), OPS[text[at]][1]
        size = 4 + sum(KINDS[kind].size for _, kind in layout)
        if at + size > len(text):
            raise KmodelError(f"{OPS[text[at]][0]} needs {size} bytes, {len(text) - at} are left",
                              offset=at, field="k210.opcode")
        fields, here = {}, at + 4
        for name, kind in layout:
            values = KINDS[kind].unpack_from(text, here)
            if kind == "R":
                fields[name] = Place(*values)
            elif kind == "D":
                fields[name] = LayerRegs.parse(values[0])
            else:
                fields[name] = values if len(values) > 1 else values[0]
            here += KINDS[kind].size
        ops.append(K210Op(head, **fields))
        at += size
    return ops
