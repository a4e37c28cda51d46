"""`ucryptolib`: AES in the modes ECB, CBC and GCM, done by the chip.

The object keeps the address of the key, not a copy, and starts from its own IV at every call.
GCM gives no tag. Source of names, checks and messages: MaixPy v0.6.3 port/src/moducryptolib_maix.c.
"""

from __future__ import annotations

from k210sim import cipher
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import GuestModule, GuestType, NativeFunction, method
from k210sim.micropython.textargs import (
    buffer_bytes,
    buffer_view,
    no_buffer,
    writable_view,
)
from k210sim.micropython.vstr import built_string

module = GuestModule("ucryptolib")

GCM, CBC, ECB = 1, 2, 3
BLOCK = cipher.BLOCK
_MODES = {GCM: cipher.GCM, CBC: cipher.CBC, ECB: cipher.ECB}
OBJECT_BYTES = 40  # type, key address, IV (16), mode, key length
_TWO_OR_THREE = NativeFunction("aes", None, 2, 3)


def transform(mode: int, key: bytes, iv: bytes, data: bytes, encrypt: bool, checkpoint=None
              ) -> bytes:
    """`data` (whole blocks) encrypted or decrypted; `iv` is 16 bytes (GCM uses the first 12)."""
    stream = cipher.Stream(_MODES[mode], key, iv, encrypt)
    out = bytearray()
    for number, at in enumerate(range(0, len(data), BLOCK)):
        out += stream.block(data[at : at + BLOCK])
        if checkpoint is not None and number & 0xFF == 0xFF:
            checkpoint()
    return bytes(out)


def _run(vm, o: int, data: int, into: int, encrypt: bool) -> int:
    raw = buffer_bytes(vm, data)
    if len(raw) % BLOCK:
        raise vm.error("ValueError", "input length must be multiple of 16", formatted=False)
    if into:
        addr, length = writable_view(vm, into)[:2]
        if length < len(raw):
            raise vm.error("ValueError", "output too small", formatted=False)
    fields = vm.memory.read(o, OBJECT_BYTES)
    key_at = int.from_bytes(fields[8:16], "little")
    key = vm.memory.read(key_at, 16 + 8 * fields[33])
    result = transform(fields[32], key, fields[16:32], raw, encrypt, vm.checkpoint)
    if not into:
        return built_string(vm, result, "bytes")
    vm.memory.write(addr, result)
    return into


class AesType(GuestType):
    """A key with its mode and IV."""

    name = "aes"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_TWO_OR_THREE, len(args), len(kw))
        o = vm.new_object(type_word, OBJECT_BYTES)
        mode = vm.get_int(args[1]) & 0xFF
        if mode not in (GCM, CBC, ECB):
            raise vm.error("ValueError", "wrong mode", formatted=False)
        view = buffer_view(vm, args[0])
        if view is None:
            raise no_buffer(vm)
        key_at, length = view[:2]
        if length not in (16, 24, 32):
            raise vm.error("ValueError", "wrong key length", formatted=False)
        iv_length = 16 if mode == CBC else 12
        iv = bytes(range(iv_length))
        if len(args) > 2 and not vm.is_type(args[2], "NoneType"):
            iv = buffer_bytes(vm, args[2])
            if len(iv) != iv_length:
                raise vm.error("ValueError", "wrong IV length", formatted=False)
        vm.words[((o - RAM_BASE) >> 3) + 1] = key_at
        vm.memory.write(o + 16, iv.ljust(16, b"\0") + bytes((mode, (length - 16) // 8)))
        return o

    @method(2, 3)
    def encrypt(vm, self, data, into=0):
        return _run(vm, self, data, into, True)

    @method(2, 3)
    def decrypt(vm, self, data, into=0):
        return _run(vm, self, data, into, False)


module.add_type(AesType)
module.constant("MODE_GCM", GCM)
module.constant("MODE_CBC", CBC)
module.constant("MODE_ECB", ECB)
