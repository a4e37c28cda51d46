"""kmodel V3: parse and build a whole file from the declarations in header.py and layers.py.

`build(parse(data)) == data` for every file, including files without the padding of the last
body and files with bytes behind it. Parsing never reads outside the data, and allocates nothing
the data's own length does not bound.
"""

from __future__ import annotations

from k210sim.errors import KmodelError
from k210sim.kpu.kmodel.header import CUT_OFF, HeaderV3, LayerHeader, OutputV3
from k210sim.kpu.kmodel.layers import BODIES, Conv, RawBody

MAX_MISSING_TAIL = 7


class ModelV3:
    """A parsed file: `header`, `outputs`, `layers` (bodies in order), `body_sizes`, `trailing`."""

    version = 3

    def __init__(self, header, outputs, layers, body_sizes, *, missing_tail=0, trailing=b""):
        self.header, self.outputs, self.layers = header, outputs, layers
        self.body_sizes = body_sizes
        self.missing_tail, self.trailing = missing_tail, trailing

    @property
    def eight_bit(self) -> bool:
        """True when the weights have 8 bits."""
        return bool(self.header.flags & 1)

    @property
    def size(self) -> int:
        """Bytes as the firmware counts them: header, tables and every body with its padding."""
        tables = OutputV3.SIZE * len(self.outputs) + LayerHeader.SIZE * len(self.layers)
        return HeaderV3.SIZE + tables + sum(self.body_sizes)

    @property
    def convs(self) -> list[tuple[int, Conv]]:
        """(layer index, body) of every KPU convolution."""
        return [(i, body) for i, body in enumerate(self.layers) if isinstance(body, Conv)]


def parse(data: bytes, *, strict: bool = True) -> ModelV3:
    """Read a V3 file. Raises KmodelError with offset and field at the first fault.

    With strict=False a layer body that cannot be read becomes a RawBody carrying the error, since
    the firmware too only meets it when the layer runs.
    """
    data = bytes(data)
    header = HeaderV3.parse(data)
    at = HeaderV3.SIZE
    tables = OutputV3.SIZE * header.output_count + LayerHeader.SIZE * header.layers_length
    if at + tables > len(data):
        raise KmodelError(
            f"{header.output_count} outputs and {header.layers_length} layers need {tables} bytes "
            f"of tables, {len(data) - at} are left",
            offset=12, field="HeaderV3.layers_length", hint=CUT_OFF,
        )
    outputs = []
    for _ in range(header.output_count):
        outputs.append(OutputV3.parse(data, at))
        at += OutputV3.SIZE
    headers, header_at = [], at
    for _ in range(header.layers_length):
        headers.append(LayerHeader.parse(data, at))
        at += LayerHeader.SIZE
    layers, missing = [], 0
    for i, entry in enumerate(headers):
        end = at + entry.body_size
        if entry.body_size == 0:
            raise KmodelError(f"layer {i} has body size 0",
                              offset=header_at + 8 * i + 4, field="LayerHeader.body_size")
        if end > len(data):
            missing = end - len(data)
            if i != len(headers) - 1 or missing > MAX_MISSING_TAIL:
                raise KmodelError(
                    f"layer {i} ends at 0x{end:08x}, the file has {len(data)} bytes", hint=CUT_OFF,
                    offset=header_at + 8 * i + 4, field="LayerHeader.body_size",
                )
            end = len(data)
        layers.append(_read_body(data, entry.type, at, end, header.flags, strict, i))
        at += entry.body_size
    return ModelV3(header, outputs, layers, [h.body_size for h in headers],
                   missing_tail=missing, trailing=data[at:])


def _read_body(data, type_number, at, end, flags, strict, index):
    cls = BODIES.get(type_number)
    if cls is None:
        return RawBody(type_number, memoryview(data)[at:end])
    try:
        return cls.read(data, at, end, flags)
    except KmodelError as error:
        if strict:
            error.args = (f"{error.args[0]}, in layer {index}",)
            raise
        return RawBody(type_number, memoryview(data)[at:end], error)


def build(model: ModelV3) -> bytes:
    """The file's bytes. Raises KmodelError when a value does not fit its field."""
    out = bytearray(model.header.build())
    for output in model.outputs:
        out += output.build()
    for body, size in zip(model.layers, model.body_sizes, strict=True):
        out += LayerHeader(type=body.TYPE, body_size=size).build()
    blobs = []
    for i, (body, size) in enumerate(zip(model.layers, model.body_sizes, strict=True)):
        base = len(out)
        written = body.write(base)
        last = i == len(model.layers) - 1
        if len(written) > size:
            raise KmodelError(f"layer {i} has {len(written)} bytes, its header says {size}",
                              offset=base)
        fill = size - len(written) - (model.missing_tail if last else 0)
        out += written + bytes(max(0, fill))
        if isinstance(body, Conv):
            blobs += body.blobs()
    out += model.trailing
    for offset, blob in blobs:
        if offset + len(blob) > len(out):
            raise KmodelError(f"{len(blob)} bytes do not fit the file", offset=offset)
        out[offset : offset + len(blob)] = blob
    return bytes(out)
