"""From bytes to a runnable net, with the firmware's error numbers.

`load` is what `KPU.load` does after the bytes are read, `load_swapped` what `KPU.load_flash` does.
Both give a `runtime.Net` (V3) or a `runtime_v4.NetV4`, or raise `Refusal` with the device's code
(2002 to 2006, 2015), or KmodelError for a V3 or V4 file cut short, where the firmware would run
into whatever follows in memory.
"""

from __future__ import annotations

from k210sim.kpu.kmodel.header import (
    MAX_MODEL_SIZE,
    Refusal,
    describe_word,
    identify,
    swap_words,
)
from k210sim.kpu.runtime import Net
from k210sim.kpu.runtime_v4 import NetV4


def load(data: bytes, *, v4_support: bool = True, **options):
    """A net from plain model bytes. v4_support=False imitates a firmware built without V4."""
    kind = identify(data)
    if not data or len(data) > MAX_MODEL_SIZE:
        raise Refusal(2003, f"model of {len(data)} bytes, expected up to {MAX_MODEL_SIZE}")
    if kind in ("smodel", "smodel_v4"):
        raise Refusal(2004, f"{describe_word(data)}: it is bound to one chip's key and cannot be "
                            "decoded anywhere else", offset=0)
    if kind == "emodel":
        raise Refusal(2015, "an emodel container cannot be decoded", offset=0)
    if kind == "v3":
        return Net.from_bytes(data, **options)
    if kind == "v4" and v4_support:
        for name in ("truncate", "cpu_copy"):
            options.pop(name, None)
        return NetV4.from_bytes(data, **options)
    raise Refusal(2002, f"expected a kmodel V3 or V4, found {describe_word(data)}", offset=0)


def load_swapped(data: bytes, **options) -> Net:
    """A V3 net from bytes whose 32-bit words are reversed, as `load_flash` wants them."""
    if identify(data) != "v3_swapped":
        raise Refusal(2002, f"expected a byte-swapped V3 model, found {describe_word(data)}",
                      offset=0)
    return Net.from_bytes(swap_words(data), **options)
