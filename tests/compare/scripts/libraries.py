# ure, ubinascii, uhashlib, uzlib, urandom, uheapq, utimeq, uctypes, ucryptolib, uio.
import ubinascii, ucryptolib, uctypes, uhashlib, uheapq, uio, urandom, ure, uzlib

for pattern, text in (
    ("a+b", "xaaab"),
    ("^(\\w+)\\s(\\d+)$", "item 42"),
    ("[a-c]*?x", "abcx"),
    ("(a|b)c", "bc"),
    ("\\.", "a.b"),
    ("^$", ""),
    ("(x)?y", "y"),
    ("a.c", "a\nc"),
    ("[^0-9]+", "12ab3"),
):
    m = ure.search(pattern, text)
    print(
        pattern,
        m and [m.group(i) for i in range(pattern.count("(") + 1)],
        ure.match(pattern, text) is not None,
    )
print(
    ure.compile("[,;]").split("a,b;c"),
    ure.compile(",").split("a,b,c", 1),
    ure.sub("o+", "0", "foo boo") if hasattr(ure, "sub") else "no sub",
)
for what in (
    "ure.compile('(')",
    "ure.compile('*')",
    "ure.compile('[')",
    "ure.match('a', 5)",
    "ure.match('a', 'a').group(3)",
    "ubinascii.unhexlify('abc')",
    "ubinascii.unhexlify('zz')",
    "ubinascii.a2b_base64(b'####')",
    "uzlib.decompress(b'bad')",
    "uhashlib.md5",
    "uhashlib.sha1",
    "ucryptolib.aes(b'short', 1)",
    "uheapq.heappop([])",
    "urandom.getrandbits(33)",
    "urandom.randrange(0)",
    "urandom.choice([])",
):
    try:
        v = eval(what)
        print(what, v if not callable(v) else "callable")
    except Exception as e:
        print(what, type(e).__name__, e)
print(
    ubinascii.hexlify(b"\x00\xffab"),
    ubinascii.hexlify(b"abc", ":"),
    ubinascii.unhexlify("00ff"),
    ubinascii.b2a_base64(b"hello world"),
    ubinascii.a2b_base64(b"aGk="),
    ubinascii.crc32(b"123456789") if hasattr(ubinascii, "crc32") else "no crc32",
)
h = uhashlib.sha256(b"abc")
print(ubinascii.hexlify(h.digest()))
print(
    uzlib.decompress(b"x\x9cKLJNIMK\xcf\xc8LLJ\x06\x00\x1f\xb6\x05\xa5")
    if 0
    else ubinascii.hexlify(b"z")
)
for mode in (1, 2):
    aes = (
        ucryptolib.aes(b"0123456789abcdef", mode, b"fedcba9876543210")
        if mode == 2
        else ucryptolib.aes(b"0123456789abcdef", mode)
    )
    print(mode, ubinascii.hexlify(aes.encrypt(b"sixteen bytes ok" * 2)))
urandom.seed(7)
print(
    [urandom.getrandbits(8) for i in range(6)],
    urandom.randint(1, 100),
    urandom.randrange(10),
    urandom.uniform(0, 1),
    urandom.random(),
    urandom.choice("abcdef"),
)
heap = []
for v in (5, 2, 9, 1):
    uheapq.heappush(heap, v)
print(heap, uheapq.heappop(heap), heap)
s = uio.StringIO("one\ntwo")
print(s.readline(), s.read(), s.getvalue(), uio.BytesIO(b"xyz").read(2))
layout = {
    "a": uctypes.UINT8 | 0,
    "b": uctypes.UINT16 | 2,
    "arr": (uctypes.ARRAY | 4, uctypes.UINT8 | 4),
}
data = bytearray(range(8))
st = uctypes.struct(uctypes.addressof(data), layout, uctypes.LITTLE_ENDIAN)
st.a = 99
print(st.a, st.b, list(st.arr), uctypes.sizeof(layout), data)
