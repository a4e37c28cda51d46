# bytes, bytearray, memoryview, array: slices, methods, errors.
import array

b = b"abc\x00\xff'"
print(
    b,
    b[0],
    b[1:3],
    b + b"x",
    b * 2,
    len(b),
    list(b),
    b.hex() if hasattr(b, "hex") else "no hex",
    b.find(b"c"),
    b.split(b"c"),
    b.decode("utf8", "ignore") if 0 else "",
)
print(
    bytes(3),
    bytes([1, 2]),
    bytes("ab", "utf8"),
    bytes(b"q"),
    bytearray(2),
    bytearray(b"xy"),
    bytearray([65]),
)
a = bytearray(b"hello")
a[0] = 72
a[1:3] = b"EY"
a.append(33)
a.extend(b"??")
a += b"."
print(a, a[-1], a.find(b"l") if hasattr(a, "find") else "no find", a == b"HEYlo!??.", bytes(a))
m = memoryview(a)
m[0] = 74
print(a, m[1:3], bytes(m[1:4]), len(m), list(m)[:3])
for code in "bBhHiIlLqQfd":
    r = array.array(code, [1, 2, 3])
    r.append(100)
    r[0] = 5
    print(code, r, r[1:3], len(r), sum(r), bytes(r)[:8])
for what in (
    "b[100]",
    "a[0:2]",
    "bytes([256])",
    "bytes(-1)",
    "bytes('a')",
    "bytearray([300])",
    "array.array('z')",
    "array.array('b', [200])",
    "a.append(256)",
    "m[100]",
    "memoryview(1)",
    "b'a' + 'b'",
    "b'a' == 'a'",
    "b[0] == 97",
    "b'abc' < b'abd'",
    "a < b",
    "b'%d' % 3",
    "b'x'.join([b'1', b'2'])",
    "b.foo",
):
    try:
        print(what, repr(eval(what)))
    except Exception as e:
        print(what, type(e).__name__, e)
