# ujson, ustruct and their errors.
import ujson as json
import ustruct as struct

for text in (
    '{"a": [1, 2.5, -3e2, true, false, null, "x\\n\\u20ac"]}',
    "[]",
    "{}",
    " 1 ",
    '"s"',
    "1e400",
    "-0",
    "123456789012345678901234567890",
):
    v = json.loads(text)
    print(text, v, json.dumps(v))
for v in (
    {"k": (1, None)},
    {1: 2},
    [True, 1.5, 'q"\\\n\t\x01\xe9'],
    b"bytes",
    {None: []},
    "",
    {"n": {"m": [[]]}},
):
    print(json.dumps(v))
for bad in (
    "",
    "{",
    "[1,",
    '{"a"}',
    "nul",
    "'a'",
    "[1 2]",
    "{1:2}",
    "]",
    '"open',
    "tru",
    "1.2.3",
    "-",
    "[1]x",
):
    try:
        print(repr(bad), json.loads(bad))
    except Exception as e:
        print(repr(bad), type(e).__name__, e)
for fmt, args in (
    ("<bBhHiIqQ", (-1, 255, -2, 65535, -3, 2**32 - 1, -4, 2**63)),
    (">hf4s", (258, 1.5, b"ab")),
    ("<3B2x", (1, 2, 3)),
    ("@bi", (1, 2)),
    ("!Id", (7, 0.1)),
    ("<lLp", (1, 2, 3)),
    ("10s", (b"toolongforten",)),
    ("P", (0,)),
):
    try:
        data = struct.pack(fmt, *args)
        print(fmt, struct.calcsize(fmt), data, struct.unpack(fmt, data))
    except Exception as e:
        print(fmt, type(e).__name__, e)
buffer = bytearray(8)
struct.pack_into("<HH", buffer, 2, 1, 2)
print(buffer, struct.unpack_from("<H", buffer, 4))
for what in (
    "struct.pack('<b', 200)",
    "struct.pack('<B', -1)",
    "struct.pack('<HH', 1)",
    "struct.unpack('<I', b'abc')",
    "struct.pack('<f', 'a')",
    "struct.calcsize('y')",
    "struct.pack('<I', 2**40)",
    "struct.unpack_from('<I', b'abcd', 2)",
    "struct.pack_into('<I', bytearray(2), 0, 1)",
    "struct.pack('<i', 1.5)",
    "json.dumps(object)",
    "json.loads(5)",
    "json.dumps(lambda: 0)[:9]",
    "json.load",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
