# math and cmath where the result is exact or its class is: not the last digit of the C library.
import cmath, math

for x in (0.0, 0.25, 1.0, -1.0, 2.5, -7.75, 1e10):
    print(
        x,
        math.floor(x),
        math.ceil(x),
        math.trunc(x),
        math.fabs(x),
        math.modf(x),
        math.frexp(x),
        math.ldexp(x, 3),
        math.copysign(2, x),
        math.isfinite(x),
    )
print(
    math.fmod(7.5, 2),
    math.fmod(-7.5, 2),
    math.sqrt(2.25),
    math.pow(2, 10),
    math.exp(0),
    math.log(1),
    math.log10(1000) == 3,
    math.degrees(math.pi),
    math.radians(180),
)
print(math.isnan(float("nan")), math.isinf(float("inf")), math.e, math.pi)
for what in (
    "math.sqrt(-1)",
    "math.log(0)",
    "math.log(-1)",
    "math.acos(2)",
    "math.fmod(1, 0)",
    "math.sqrt('a')",
    "math.pow(0, -1)",
    "math.factorial",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
print(cmath.phase(-1), cmath.polar(1j), dir(math))
