# Conversions of what is no finite number to an integer.
import math

inf, nan = float("inf"), float("nan")
for x in (inf, -inf, nan):
    for name, function in (
        ("int", int),
        ("round", round),
        ("floor", math.floor),
        ("ceil", math.ceil),
        ("trunc", math.trunc),
    ):
        try:
            print(name, x, function(x))
        except Exception as e:
            print(name, x, type(e).__name__, e)
print(
    int(1e30),
    int(-1e30),
    int(3.99),
    int(-3.99),
    int(2.0**62),
    int(2.0**63),
    int(1e-5),
    int(16777215.0),
)
print(math.floor(-2.5), math.ceil(-2.5), math.trunc(-2.5), math.floor(1e20))
