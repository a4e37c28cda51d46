"""`ubinascii`: hex, base64 and CRC-32.

Source: micropython v1.11 extmod/modubinascii.c (functions, messages, buffer sizes).
"""

from __future__ import annotations

import binascii
import zlib

from k210sim.micropython.native import GuestModule
from k210sim.micropython.textargs import buffer_bytes, text_data
from k210sim.micropython.types.int import word_of
from k210sim.micropython.vstr import Vstr, built_string

module = GuestModule("ubinascii")

_HEX = frozenset(b"0123456789abcdefABCDEF")
_SEXTETS = {c: i for i, c in enumerate(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}


@module.function(1, 2)
def hexlify(vm, data, separator=0):
    raw = buffer_bytes(vm, data)
    if not raw:
        return vm.empty_bytes
    if not separator:
        return built_string(vm, raw.hex().encode(), "bytes")
    between = (text_data(vm, separator) + b"\0")[:1]
    return built_string(vm, between.join(b"%02x" % b for b in raw), "bytes")


@module.function(1)
def unhexlify(vm, data):
    raw = buffer_bytes(vm, data)
    if len(raw) & 1:
        raise vm.error("ValueError", "odd-length string", formatted=False)
    if not _HEX.issuperset(raw):
        vm.malloc(len(raw) // 2 + 1)
        raise vm.error("ValueError", "non-hex digit found", formatted=False)
    return built_string(vm, binascii.unhexlify(raw), "bytes")


@module.function(1)
def a2b_base64(vm, data):
    raw = buffer_bytes(vm, data)
    buffer = Vstr(vm, len(raw) // 4 * 3 + 1)
    out = bytearray()
    shift = n_bits = 0
    padded = False
    for c in raw:
        if c == 0x3D:
            if n_bits == 2 or (n_bits == 4 and padded):
                n_bits = 0
                break
            padded = True
        sextet = _SEXTETS.get(c)
        if sextet is None:
            continue
        padded = False
        shift = (shift << 6 | sextet) & 0xFFFFFFFF
        n_bits += 6
        if n_bits >= 8:
            n_bits -= 8
            out.append(shift >> n_bits & 0xFF)
    if n_bits:
        raise vm.error("ValueError", "incorrect padding", formatted=False)
    buffer.add(bytes(out))
    return buffer.finish("bytes")


@module.function(1)
def b2a_base64(vm, data):
    return built_string(vm, binascii.b2a_base64(buffer_bytes(vm, data)), "bytes")


@module.function(1, 2)
def crc32(vm, data, start=0):
    raw = buffer_bytes(vm, data)
    seed = 0
    if start:
        seed = (vm.int_value(start) if vm.is_int(start) else vm.get_int(start)) & 0xFFFFFFFF
    return word_of(vm, zlib.crc32(raw, seed))
