"""kmodel V4 ("LDMK", version 4): parse and build a whole file.

Ref: nncase v0.2.0-beta4 src/common/include/runtime/model.h, src/codegen/codegen.cpp.
`build(parse(data)) == data`, with missing tail padding and trailing data tolerated as in V3.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from k210sim.errors import KmodelError
from k210sim.kpu.kmodel.header import CUT_OFF, LDMK
from k210sim.kpu.kmodel.nodes import NODES, KpuConv2d, MemoryRange, RawNode
from k210sim.records import I32, U32, Record

MAX_MISSING_TAIL = 7


class HeaderV4(Record):
    """The first 40 bytes."""

    ERROR = KmodelError
    identifier = U32(const=LDMK)
    version = U32(const=4)
    flags = U32()
    target = U32(doc="0 CPU, 1 K210")
    constants = U32(doc="bytes of the constants blob")
    main_mem = U32(doc="bytes of main memory")
    nodes = U32()
    inputs = U32()
    outputs = U32()
    reserved = U32(doc="uninitialised in vendor files")


class RangeV4(Record):
    """A range of one of the memories."""

    ERROR = KmodelError
    type = U32()
    datatype = U32()
    start = U32()
    size = U32()

    @property
    def range(self) -> MemoryRange:
        return MemoryRange(self.type, self.datatype, self.start, self.size)


class ShapeV4(Record):
    """N, C, H, W."""

    ERROR = KmodelError
    n = I32()
    c = I32()
    h = I32()
    w = I32()

    @property
    def dims(self) -> tuple[int, int, int, int]:
        return self.n, self.c, self.h, self.w


class NodeHeader(Record):
    ERROR = KmodelError
    opcode = U32()
    body_size = U32()


class Nodes(Sequence):
    """The nodes of a file, each read whenever it is asked for: a model may have hundreds, of which
    nobody wants many after its first run, and their fields take more than their bytes."""

    __slots__ = ("_data", "_opcodes", "_starts")

    def __init__(self, data: bytes):
        self._data, self._opcodes, self._starts = data, array("I"), array("Q", [0])

    def add(self, opcode: int, start: int, end: int, index: int, strict: bool) -> None:
        """The next node, which is read once to see whether that goes well."""
        _read_node(self._data, opcode, start, end, strict, index)
        self._opcodes.append(opcode)
        self._starts[-1] = start
        self._starts.append(end)

    def __len__(self):
        return len(self._opcodes)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return _read_node(self._data, self._opcodes[index], self._starts[index],
                          self._starts[index + 1], False, index)


class ModelV4:
    """A parsed file: header, inputs, input_shapes, outputs, constants, nodes, body_sizes."""

    version = 4
    eight_bit = True

    def __init__(self, header, data: bytes):
        self.header = header
        self.inputs: list[RangeV4] = []
        self.input_shapes: list[ShapeV4] = []
        self.outputs: list[RangeV4] = []
        self.constants = b""
        self.nodes, self.body_sizes = Nodes(data), array("I")
        self.missing_tail, self.trailing = 0, b""

    @property
    def size(self) -> int:
        """Bytes of the model with all padding, without trailing data."""
        h = self.header
        tables = 32 * h.inputs + 16 * h.outputs + 8 * h.nodes
        return HeaderV4.SIZE + tables + h.constants + sum(self.body_sizes)

    @property
    def convs(self) -> list[tuple[int, KpuConv2d]]:
        """(node index, node) of every KPU convolution."""
        return [(i, node) for i, node in enumerate(self.nodes) if isinstance(node, KpuConv2d)]


def parse(data: bytes, *, strict: bool = True) -> ModelV4:
    """Read a V4 file; raises KmodelError with offset and field. strict=False keeps nodes that
    cannot be read as RawNode with the error, to be met when they run."""
    data = bytes(data)
    header = HeaderV4.parse(data)
    model = ModelV4(header, data)
    if header.target > 1:
        raise KmodelError(f"target {header.target}, expected 0 (CPU) or 1 (K210)", offset=12,
                          field="HeaderV4.target")
    need = 32 * header.inputs + 16 * header.outputs + header.constants + 8 * header.nodes
    if 40 + need > len(data):
        raise KmodelError(f"tables and constants need {need} bytes, {len(data) - 40} are left",
                          hint=CUT_OFF,
                          offset=16, field="HeaderV4.constants")
    at = HeaderV4.SIZE
    for cls, count, into in ((RangeV4, header.inputs, model.inputs),
                             (ShapeV4, header.inputs, model.input_shapes),
                             (RangeV4, header.outputs, model.outputs)):
        for _ in range(count):
            into.append(cls.parse(data, at))
            at += cls.SIZE
    model.constants = memoryview(data)[at : at + header.constants]
    at += header.constants
    headers = []
    for _ in range(header.nodes):
        headers.append(NodeHeader.parse(data, at))
        at += NodeHeader.SIZE
    for i, entry in enumerate(headers):
        end = at + entry.body_size
        if end > len(data):
            model.missing_tail = end - len(data)
            if i != len(headers) - 1 or model.missing_tail > MAX_MISSING_TAIL:
                raise KmodelError(f"node {i} ends at 0x{end:08x}, the file has {len(data)} bytes",
                                  hint=CUT_OFF,
                                  offset=at, field="NodeHeader.body_size")
            end = len(data)
        model.nodes.add(entry.opcode, at, end, i, strict)
        model.body_sizes.append(entry.body_size)
        at += entry.body_size
    model.trailing = data[at:]
    return model


def _read_node(data, opcode, at, end, strict, index):
    cls = NODES.get(opcode)
    if cls is None:
        return RawNode(opcode, memoryview(data)[at:end])
    try:
        return cls.read(data, at, end)
    except KmodelError as error:
        if strict:
            error.args = (f"{error.args[0]}, in node {index}",)
            raise
        return RawNode(opcode, memoryview(data)[at:end], error)


def build(model: ModelV4) -> bytes:
    """The file's bytes."""
    out = bytearray(model.header.build())
    for part in (*model.inputs, *model.input_shapes, *model.outputs):
        out += part.build()
    out += model.constants
    for node, size in zip(model.nodes, model.body_sizes, strict=True):
        out += NodeHeader(opcode=node.OPCODE, body_size=size).build()
    for i, (node, size) in enumerate(zip(model.nodes, model.body_sizes, strict=True)):
        written = node.write()
        if len(written) > size:
            raise KmodelError(f"node {i} has {len(written)} bytes, its header says {size}")
        last = i == len(model.nodes) - 1
        fill = size - len(written) - (model.missing_tail if last else 0)
        out += written + bytes(max(0, fill))
    return bytes(out) + model.trailing
