"""AES: the cipher, and the modes that the chip's engine has.

AES itself is written after FIPS 197, the modes after NIST SP 800-38A (ECB, CBC) and 800-38D (GCM).
"""

from __future__ import annotations

BLOCK = 16
ECB, CBC, GCM = range(3)


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


def ghash(key: bytes, aad: bytes, text: bytes) -> bytes:
    """The sum that GCM authenticates with: over padded data and their lengths, under H = `key`."""
    h = int.from_bytes(key, "big")
    sum_ = 0
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(text)).to_bytes(8, "big")
    padded = b"".join(part.ljust(-(-len(part) // BLOCK) * BLOCK, b"\0") for part in (aad, text))
    for at in range(0, len(padded) + BLOCK, BLOCK):
        block = padded[at : at + BLOCK] or lengths
        x = sum_ ^ int.from_bytes(block, "big")
        sum_, v = 0, h
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                sum_ ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
    return sum_.to_bytes(BLOCK, "big")


class Stream:
    """A message that goes through the cipher piece by piece.

    mode : ECB, CBC or GCM. iv : 16 bytes, of which GCM uses the first 12. chain : the last
    encrypted block and the number of blocks so far: with the same arguments, all the state there is
    """

    def __init__(self, mode: int, key: bytes, iv: bytes, encrypt: bool):
        self.mode, self.iv, self.encrypt = mode, iv, encrypt
        self.aes = Aes(key)
        self.chain: tuple[bytes, int] = iv, 0

    def block(self, block: bytes) -> bytes:
        """The next block; in GCM the last one may be shorter."""
        previous, number = self.chain
        if self.mode == GCM:
            counter = self.iv[:12] + (number + 2).to_bytes(4, "big")
            result = _xor(block, self.aes.encrypt(counter)[: len(block)])
        elif self.mode == ECB:
            result = self.aes.encrypt(block) if self.encrypt else self.aes.decrypt(block)
        elif self.encrypt:
            result = previous = self.aes.encrypt(_xor(block, previous))
        else:
            result, previous = _xor(self.aes.decrypt(block), previous), block
        self.chain = previous, number + 1
        return result

    def tag(self, aad: bytes, text: bytes) -> bytes:
        """GCM's tag, 16 bytes. text : the whole encrypted message."""
        sum_ = ghash(self.aes.encrypt(bytes(BLOCK)), aad, text)
        return _xor(sum_, self.aes.encrypt(self.iv[:12] + b"\0\0\0\x01"))
