"""`ucryptolib`: AES in the modes ECB, CBC and GCM, done by the chip.

The object keeps the address of the key, not a copy, and starts from its own IV at every call.
GCM gives no tag. AES itself is written after FIPS 197, the modes after NIST SP 800-38A and
800-38D. Source of names, checks and messages: MaixPy v0.6.3 port/src/moducryptolib_maix.c.
"""

from __future__ import annotations

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
BLOCK = 16
OBJECT_BYTES = 40  # type, key address, IV (16), mode, key length
_TWO_OR_THREE = NativeFunction("aes", None, 2, 3)


def _times(a: int, b: int) -> int:
    """Product in the field of AES."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _make_sbox() -> bytes:
    inverse = [0] * 256
    power, logs = [1], {1: 0}
    for i in range(1, 255):
        power.append(_times(power[-1], 3))
        logs[power[-1]] = i
    for a in range(1, 256):
        inverse[a] = power[-logs[a] % 255]
    out = bytearray()
    for b in inverse:
        doubled = b * 0x101
        out.append((doubled ^ doubled >> 4 ^ doubled >> 5 ^ doubled >> 6 ^ doubled >> 7) & 0xFF
                   ^ 0x63)
    return bytes(out)


SBOX = _make_sbox()
_INVERSE = bytes(SBOX.index(i) for i in range(256))
_MIX = {n: bytes(_times(i, n) for i in range(256)) for n in (2, 3, 9, 11, 13, 14)}
_SHIFT = bytes((r + 4 * ((c + r) % 4)) for c in range(4) for r in range(4))
_UNSHIFT = bytes((r + 4 * ((c - r) % 4)) for c in range(4) for r in range(4))


class Aes:
    """A key (16, 24 or 32 bytes) ready for use on blocks of 16 bytes."""

    def __init__(self, key: bytes):
        n = len(key) // 4
        words = [key[4 * i : 4 * i + 4] for i in range(n)]
        constant = 1
        for i in range(n, 4 * (n + 7)):
            word = words[-1]
            if i % n == 0:
                word = bytes(SBOX[b] for b in word[1:] + word[:1])
                word = bytes((word[0] ^ constant,)) + word[1:]
                constant = _times(constant, 2)
            elif n == 8 and i % n == 4:
                word = bytes(SBOX[b] for b in word)
            words.append(bytes(a ^ b for a, b in zip(word, words[-n], strict=True)))
        self._keys = [b"".join(words[i : i + 4]) for i in range(0, len(words), 4)]

    def encrypt(self, block: bytes) -> bytes:
        state = _xor(block, self._keys[0])
        two, three = _MIX[2], _MIX[3]
        for key in self._keys[1:-1]:
            s = bytes(SBOX[state[i]] for i in _SHIFT)
            mixed = bytearray()
            for c in range(0, 16, 4):
                a, b, d, e = s[c : c + 4]
                mixed += bytes((two[a] ^ three[b] ^ d ^ e, a ^ two[b] ^ three[d] ^ e,
                                a ^ b ^ two[d] ^ three[e], three[a] ^ b ^ d ^ two[e]))
            state = _xor(mixed, key)
        return _xor(bytes(SBOX[state[i]] for i in _SHIFT), self._keys[-1])

    def decrypt(self, block: bytes) -> bytes:
        state = _xor(block, self._keys[-1])
        nine, eleven, thirteen, fourteen = _MIX[9], _MIX[11], _MIX[13], _MIX[14]
        for key in self._keys[-2:0:-1]:
            s = _xor(bytes(_INVERSE[state[i]] for i in _UNSHIFT), key)
            mixed = bytearray()
            for c in range(0, 16, 4):
                a, b, d, e = s[c : c + 4]
                mixed += bytes((
                    fourteen[a] ^ eleven[b] ^ thirteen[d] ^ nine[e],
                    nine[a] ^ fourteen[b] ^ eleven[d] ^ thirteen[e],
                    thirteen[a] ^ nine[b] ^ fourteen[d] ^ eleven[e],
                    eleven[a] ^ thirteen[b] ^ nine[d] ^ fourteen[e]))
            state = bytes(mixed)
        return _xor(bytes(_INVERSE[state[i]] for i in _UNSHIFT), self._keys[0])


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def transform(mode: int, key: bytes, iv: bytes, data: bytes, encrypt: bool, checkpoint=None
              ) -> bytes:
    """`data` (whole blocks) encrypted or decrypted; `iv` is 16 bytes (GCM uses the first 12)."""
    cipher = Aes(key)
    out, previous = bytearray(), iv
    for number, at in enumerate(range(0, len(data), BLOCK)):
        block = data[at : at + BLOCK]
        if mode == GCM:
            counter = iv[:12] + (number + 2).to_bytes(4, "big")
            out += _xor(block, cipher.encrypt(counter))
        elif mode == ECB:
            out += cipher.encrypt(block) if encrypt else cipher.decrypt(block)
        elif encrypt:
            previous = cipher.encrypt(_xor(block, previous))
            out += previous
        else:
            out += _xor(cipher.decrypt(block), previous)
            previous = block
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
