"""The error function and its complement."""

from __future__ import annotations

from k210sim.libm.arithmetic import MAGNITUDE, NAN, UPPER, fused, series, single, value, word
from k210sim.libm.exponential import exp

SMALL = ((-2.3763017452438362e-05, -0.005770270247012377, -0.028481749817728996,
          -0.32504209876060486, 0.12837916612625122),
         (-3.9602282413397916e-06, 0.0001324947370449081, 0.0050813062116503716,
          0.06502225250005722, 0.3979172110557556, 1.0))  # fmt: skip
NEAR_ONE = ((-0.002166375517845154, 0.03547830507159233, -0.11089469492435455, 0.31834661960601807,
             -0.3722078800201416, 0.41485610604286194, -0.0023621185682713985),
            (0.011984500102698803, 0.01363708358258009, 0.12617121636867523, 0.07182865589857101,
             0.5403979420661926, 0.10642088204622269, 1.0))  # fmt: skip
MIDDLE = ((-9.814329147338867, -81.28743743896484, -184.60508728027344, -162.39666748046875,
           -62.37533187866211, -10.558626174926758, -0.6938585638999939, -0.009864944033324718),
          (-0.06042441353201866, 6.570249557495117, 108.63500213623047, 429.0081481933594,
           645.3872680664062, 434.5658874511719, 137.6577606201172, 19.65127182006836,
           1.0))  # fmt: skip
LARGE = ((-483.5191955566406, -1025.0950927734375, -637.5664672851562, -160.63638305664062,
          -17.75795555114746, -0.7992832660675049, -0.009864943102002144),
         (-22.44095230102539, 474.5285339355469, 2553.05029296875, 3199.858154296875,
          1536.7296142578125, 325.7925109863281, 30.33806037902832, 1.0))  # fmt: skip
AT_ONE, FROM_ONE = 0.8450629115104675, 0.15493708848953247
GROWTH, GROWTH_8 = 0.12837916612625122, 1.0270333290100098  # of erf at 0, less 1; eightfold


def _ratio(x: float, parts) -> float:
    return single(series(x, *parts[0]) / series(x, *parts[1]))


def _far(x: float, middle: bool) -> float:
    """The complement of a larger number."""
    parts = MIDDLE if middle else LARGE
    upper = value(word(x) & UPPER)
    ratio = _ratio(single(1.0 / single(x * x)), parts)
    first = exp(fused(-upper, upper, -0.5625))
    second = exp(fused(single(upper - x), single(x + upper), ratio))
    return single(single(first * second) / x)


def erf(x: float) -> float:
    size = word(x) & MAGNITUDE
    if size > 0x7F800000:
        return NAN
    sign = -1.0 if x < 0.0 else 1.0
    if size < 0x31800000:
        if size < 0x04000000:
            return single(fused(x, 8.0, single(x * GROWTH_8)) * 0.125)
        return fused(x, GROWTH, x)
    if size < 0x3F580000:
        return fused(x, _ratio(single(x * x), SMALL), x)
    magnitude = abs(x)
    if size < 0x3FA00000:
        return sign * single(_ratio(single(magnitude - 1.0), NEAR_ONE) + AT_ONE)
    if size >= 0x40C00000:
        return sign
    return sign * single(1.0 - _far(magnitude, size <= 0x4036DB6D))


def erfc(x: float) -> float:
    """1 - erf(x)."""
    size = word(x) & MAGNITUDE
    if size > 0x7F800000:
        return NAN
    if size < 0x3F580000:
        if size < 0x23800000:
            return single(1.0 - x)
        y = single(_ratio(single(x * x), SMALL) * x)
        if x < 0.25:
            return single(1.0 - single(x + y))
        return single(0.5 - single(single(x - 0.5) + y))
    magnitude = abs(x)
    if size < 0x3FA00000:
        ratio = _ratio(single(magnitude - 1.0), NEAR_ONE)
        if x >= 0.0:
            return single(FROM_ONE - ratio)
        return single(single(ratio + AT_ONE) + 1.0)
    if size >= 0x41E00000 or x < 0.0 and size >= 0x40C00000:
        return 0.0 if x > 0.0 else 2.0
    rest = _far(magnitude, size <= 0x4036DB6C)
    return rest if x > 0.0 else single(2.0 - rest)
