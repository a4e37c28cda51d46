# The C library's functions, seven digits of each.
import math

for name in (
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "exp",
    "expm1",
    "log",
    "log2",
    "log10",
    "sqrt",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "atanh",
    "erf",
    "gamma",
    "lgamma",
):
    function = getattr(math, name)
    for x in (0.1, 0.3, 0.5, 0.7, 0.95):
        print(name, x, "%.6e" % function(x))
for a in (0.3, 1.7, 2.5, 10.0, 123.5):
    for b in (-3.3, -0.5, 0.25, 1.1, 5.7):
        print("pow", a, b, "%.6e" % a**b)
    print("atan2", "%.6e" % math.atan2(a, 2))
