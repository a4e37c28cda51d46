"""What kind of model some bytes are, and how the firmware sizes a model it finds in flash.

Ref: sipeed/MaixPy-v1 components/kendryte_sdk/include/sipeed_kpu.h and the shipped loader's
behaviour: identification by the first 32-bit word, size from the header, limits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from k210sim.errors import KmodelError
from k210sim.records import U32, Record

MAX_MODEL_SIZE = 0x600000
CUT_OFF = "the file seems to be cut off: copy or download it again"
LDMK = 0x4B4D444C

# First little-endian word -> kind. `v3_swapped` is a model prepared for load_flash.
KINDS = {
    3: "v3",
    0x03000000: "v3_swapped",
    0x2713: "smodel",
    0x534D444C: "smodel_v4",
    0x454D444C: "emodel",
    1: "v1",
}

class Refusal(KmodelError):
    """The device answers with an error number: `code` is 2001 to 2015."""

    def __init__(self, code: int, message: str, **where):
        self.code = code
        super().__init__(f"{message} (device error {code})", **where)


class HeaderV3(Record):
    """The first 28 bytes of a V3 file."""

    ERROR = KmodelError
    version = U32(const=3)
    flags = U32(default=1, doc="bit 0: weights have 8 bits, else 16")
    arch = U32(const=0, doc="0 = K210")
    layers_length = U32()
    max_start_address = U32(doc="lowest AI RAM line in use; information only")
    main_mem_usage = U32(doc="bytes of main memory to allocate")
    output_count = U32()


class OutputV3(Record):
    """One entry of the output table: a range of main memory."""

    ERROR = KmodelError
    address = U32()
    size = U32(doc="bytes; vendor files write elements * 4")


class LayerHeader(Record):
    """One entry of the layer table."""

    ERROR = KmodelError
    type = U32()
    body_size = U32(doc="bytes, with the padding that follows the body")


def identify(data) -> str:
    """The kind of model: v3, v3_swapped, v4, v5, v6, v1, smodel, smodel_v4, emodel or unknown.

    The firmware's loader knows v3 and LDMK (v4, whatever the version word says), and the three
    encrypted kinds; everything else is its error 2002.
    """
    if len(data) < 4:
        return "unknown"
    (first,) = struct.unpack_from("<I", data, 0)
    if first == LDMK:
        version = struct.unpack_from("<I", data, 4)[0] if len(data) >= 8 else 0
        return f"v{version}" if version in (4, 5, 6) else "unknown"
    return KINDS.get(first, "unknown")


def swap_words(data: bytes) -> bytes:
    """Reverse the four bytes of every 32-bit word, as `load_flash` models are stored.

    A tail that is no whole word is filled with ASCII "0" first, as the vendor's script does.
    The operation is its own inverse (the fill bytes stay as trailing data).
    """
    data = bytes(data) + b"0" * (-len(data) % 4)
    return struct.pack(f">{len(data) // 4}I", *struct.unpack(f"<{len(data) // 4}I", data))


def flash_size(read: Callable[[int, int], bytes]) -> int:
    """Bytes of a plain V3 model in flash, computed from its header as the firmware does.

    `read(offset, count)` returns bytes from the model's start. Raises Refusal 2002 when the first
    words are no V3 model, 2003 for a layer with body size 0 or a total above 6 MiB.
    The firmware adds up whatever the table says; here a layer or output count whose table alone
    would pass the limit is refused before it is read.
    """
    head = bytes(read(0, HeaderV3.SIZE))
    kind = identify(head)
    if kind != "v3":
        raise Refusal(2002, f"no V3 model here: {describe_word(head)}", offset=0)
    words = struct.unpack_from("<7I", head)
    layers, outputs = words[3], words[6]
    table = HeaderV3.SIZE + OutputV3.SIZE * outputs
    total = table + LayerHeader.SIZE * layers
    if total > MAX_MODEL_SIZE:
        raise Refusal(2003, f"{layers} layers and {outputs} outputs do not fit 6 MiB", offset=12)
    raw = bytes(read(table, LayerHeader.SIZE * layers))
    for i in range(layers):
        body_size = struct.unpack_from("<I", raw, 8 * i + 4)[0]
        if body_size == 0:
            raise Refusal(2003, f"layer {i} has body size 0", offset=table + 8 * i + 4,
                          field="body_size")
        total += body_size
        if total > MAX_MODEL_SIZE:
            raise Refusal(2003, f"the model would be larger than {MAX_MODEL_SIZE} bytes",
                          offset=table + 8 * i + 4, field="body_size")
    return total


def flash_size_v4(read: Callable[[int, int], bytes]) -> int:
    """The same for a V4 model: header, constants, tables and node bodies."""
    head = bytes(read(0, 40))
    if len(head) < 40 or struct.unpack_from("<I", head)[0] != LDMK:
        raise Refusal(2002, f"no V4 model here: {describe_word(head)}", offset=0)
    constants, _, nodes, inputs, outputs = struct.unpack_from("<5I", head, 16)
    total = 40 + constants + 32 * inputs + 16 * outputs + 8 * nodes
    if total > MAX_MODEL_SIZE:
        raise Refusal(2003, f"the model would be larger than {MAX_MODEL_SIZE} bytes", offset=16)
    raw = bytes(read(total - 8 * nodes, 8 * nodes))
    total += sum(struct.unpack_from(f"<{2 * nodes}I", raw)[1::2])
    if total > MAX_MODEL_SIZE:
        raise Refusal(2003, f"the model would be larger than {MAX_MODEL_SIZE} bytes", offset=16)
    return total


def describe_word(data) -> str:
    """What the first bytes look like, for a person who expected a model there."""
    kind = identify(data)
    first = bytes(data[:4])
    if first == b"\xff" * 4:
        return "erased flash (ff ff ff ff)"
    known = {
        "v3": "kmodel V3", "v4": "kmodel V4", "v5": "kmodel V5 (no MaixPy v1 firmware loads it)",
        "v6": "kmodel V6 (no MaixPy v1 firmware loads it)",
        "v1": "kmodel V1 (firmware before v0.3.0 only)",
        "v3_swapped": "a byte-swapped V3 model: use load_flash",
        "smodel": "an encrypted V3 model", "smodel_v4": "an encrypted V4 model",
        "emodel": "an emodel container",
    }
    return known.get(kind, f"bytes {first.hex(' ')}" if first else "no bytes")
