# Arithmetic in single precision, bit for bit, and what is not a number.
import ubinascii, ustruct


def bits(x):
    return ubinascii.hexlify(ustruct.pack(">f", x)).decode()


values = [0.0, -0.0, 1.0, -1.5, 3.3, 1e-30, 7e-42, 2.5e30, 16777216.0, 0.1]
for a in values:
    row = []
    for b in values:
        row += [bits(a + b), bits(a - b), bits(a * b)]
        if b:
            row += [bits(a / b), bits(a % b), bits(a // b)]
    print(bits(a), " ".join(row))
inf, nan = float("inf"), float("nan")
print(
    inf,
    -inf,
    nan,
    inf - inf,
    inf * 0,
    1e38 * 10,
    inf > 1e38,
    nan == nan,
    nan != nan,
    nan < 1,
    inf == inf,
)
print(bits(inf), bits(-inf), bits(nan), bits(inf - inf))
print(
    3 < 3.5, 3.0 == 3, 2**24 + 1 == float(2**24 + 1), float(2**70), float(-(2**100)), float(10**20)
)
for what in (
    "1/0",
    "1.0/0",
    "1//0",
    "1%0",
    "1.0%0",
    "divmod(1.0, 0)",
    "0.0**-1",
    "(-8)**0.5",
    "float(2**200)",
    "10**400 + 0.5",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
print(hash(1.5) == hash(1.5), hash(2.0), hash(0.5), {1: "a", 1.0: "b"})
print(1 + 2j, (1 + 2j) * (3 - 1j), abs(3 + 4j), complex("1+2j") if 0 else complex(1, -1), (1j) ** 2)
print(sum([0.1] * 10), min(1, 1.0), max(2, 2.0), sorted([3, 1.5, 2, -0.5]))
