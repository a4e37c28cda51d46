# How numbers are written: %, str.format, repr, and the conversions between them.
values = (0, 1, -1, 7, 255, -4096, 2**31, -(2**31), 2**62, 2**64 + 1, -(10**25))
for v in values:
    print(
        "%d|%5d|%-8d|%+d|%x|%X|%o" % (v, v, v, v, v, v, v),
        "{:,}|{:>12}|{:<6}|{:^8}".format(v, v, v, v),
    )
    print(hex(v), oct(v), bin(v))
for f in (
    0.0,
    -0.0,
    1.0,
    0.5,
    1 / 3,
    2 / 3,
    1e6,
    1e7,
    123456.0,
    1234567.0,
    1e-4,
    1e-5,
    5e-39,
    3e38,
    -2.5,
    99.9995,
):
    print(f, "%f|%.0f|%.1f|%.3f|%10.2f|%-10.2f|%+.2e|%g" % (f, f, f, f, f, f, f, f))
    print("{:.2f}|{:e}|{:g}|{:8.1f}|{:<8.1f}|{:%}".format(f, f, f, f, f, f))
print("{!r} {!s} {:>5} {:*^9} {:05d} {:#x}".format("a", "b", "c", "mid", 42, 255))
print("%s %r %c %c %%" % ("x", "y", "z", 65))
print("%(a)d %(b)s" % {"a": 1, "b": "two"})
for bad in ("%d" % 3.99, "%i" % 7):
    print(bad)
for text in ("12", " -7 ", "0x1f", "1_000", "", "x", "1.5", "١"):
    for kind in (int, float):
        try:
            print(kind.__name__, repr(text), kind(text))
        except Exception as e:
            print(kind.__name__, repr(text), type(e).__name__, e)
print(int("ff", 16), int("0b101", 0), int("z", 36), int("-0o17", 0))
print(
    divmod(7, 3), divmod(-7, 3), divmod(7, -3), -7 // 2, -7 % 2, 7 % -2, 2**100 // 7, -(2**100) % 97
)
print(divmod(7.5, 2), divmod(-7.5, 2), 7.5 // -2, 7.5 % -2, 1e20 // 3)
print(
    round(2.5),
    round(3.5),
    round(-2.5),
    round(1234.567, 2),
    round(1234.567, -2),
    round(15, -1),
    round(25, -1),
)
print(abs(-5), abs(-5.5), pow(2, 10), pow(2, -1), pow(3, 200, 13), 2**0.5, 10**-2)
print(1 << 70, (1 << 70) >> 65, ~5, -1 >> 3, 5 & -2, 5 | -8, 5 ^ -1, (2**80) & (2**79 + 3))
print(True + True, isinstance(True, int), bool([]), int(True), 3 == 3.0, 2**53 == 2.0**53)
