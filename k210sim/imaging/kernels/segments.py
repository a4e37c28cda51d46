"""The line segment detector's inner loops, in single precision as on the board.

A rectangle is a float32 array: x1, y1, x2, y2, width, dx, dy, theta, tolerance of the angle,
probability that an angle fits by chance.
"""

from __future__ import annotations

import math

import numba
import numpy as np

_F = np.float32
_ZERO, _HALF, _ONE, _TWO = _F(0), _F(0.5), _F(1), _F(2)
_PI, _TWO_PI, _THREE_HALF_PI = _F(math.pi), _F(2 * math.pi), _F(1.5 * math.pi)
_TO_RADIANS = _F(math.pi / 180)
_TINY, _CLOSE = _F(1.1754943508222875e-38), _F(100) * _F(2.0**-23)
_LN10 = _F(math.log(10))
_ATAN = (_F(8.05374449538e-2), _F(-1.38776856032e-1), _F(1.99777106478e-1), _F(-3.33329491539e-1))
_LANCZOS = (_F(75122.6331530), _F(80916.6278952), _F(36308.2951477), _F(8687.24529705),
            _F(1168.92649479), _F(83.8676043424), _F(2.50662827511))  # fmt: skip
X1, Y1, X2, Y2, WIDTH, DX, DY, THETA, PREC, P = range(10)


@numba.njit("float32(float32, float32, float32)", cache=True, error_model="numpy")
def fused(a, b, c):
    """a * b + c rounded once (but for about one case in 2**29)."""
    return np.float32(np.float64(a) * np.float64(b) + np.float64(c))


@numba.njit("float32(float32)", cache=True, error_model="numpy")
def atan(value):
    x = abs(value)
    start = _ZERO
    if x > _F(2.414213562373095):
        start, x = _PI * _HALF, -(_ONE / x)
    elif x > _F(0.414213562373095):
        start, x = _PI * _F(0.25), (x - _ONE) / (x + _ONE)
    z = x * x
    result = start + ((((_ATAN[0] * z + _ATAN[1]) * z + _ATAN[2]) * z + _ATAN[3]) * z * x + x)
    return -result if value < _ZERO else result


@numba.njit("float32(float32, float32)", cache=True, error_model="numpy")
def atan2(y, x):
    """The board's, from 0 to 2 pi; pi or -pi on the vertical axis."""
    if x > _ZERO:
        return atan(y / x) if y >= _ZERO else _TWO_PI - atan(-y / x)
    if x < _ZERO:
        return _PI - atan(-y / x) if y >= _ZERO else _PI + atan(y / x)
    if y == _ZERO:
        return _ZERO
    return _PI if y > _ZERO else -_PI


@numba.njit("float32(float32)", cache=True, error_model="numpy")
def log(x):
    """The board's approximation, from the bits of the number; x > 0."""
    fraction, exponent = math.frexp(np.float64(x))
    bits = (np.int64(exponent) + 126) * 8388608 + np.int64((2.0 * fraction - 1.0) * 8388608.0)
    part = np.float32(fraction)
    log2 = fused(np.float32(bits), _F(1.1920928955078125e-7), _F(-124.22551499))
    log2 = fused(_F(-1.498030302), part, log2) - _F(1.72587999) / (_F(0.3520887068) + part)
    return _F(0.69314718) * log2


@numba.njit("float32(float32)", cache=True, error_model="numpy")
def exp(x):
    """The board's approximation, by filling in bits; the exponent wraps for far values."""
    number = np.float64(fused(_F(1512775), x, _F(1072632447)))
    bits = np.int64(min(max(number, 0.0), 4294967295.0))
    exponent = ((bits >> 20 & 0x7FF) - 1023 + 127) & 0xFF
    fraction = np.float64(bits & 0xFFFFF) / 1048576.0
    if exponent == 0:
        return np.float32(math.ldexp(fraction, -126))
    return np.float32(math.ldexp(1.0 + fraction, exponent - 127))


@numba.njit(
    "void(int64[:, ::1], int64[:, ::1], float32, int16[:, ::1])", cache=True, error_model="numpy"
)
def gradient_angles(one, two, to_degrees, angles):
    """The angle in whole degrees, 0..360, of each pair of diagonal differences."""
    for y in range(one.shape[0]):
        for x in range(one.shape[1]):
            a, b = one[y, x], two[y, x]
            angles[y, x] = np.int64(atan2(np.float32(a + b), np.float32(b - a)) * to_degrees)


@numba.njit("boolean(float32, float32)", cache=True, error_model="numpy")
def close(a, b):
    """Equal but for the last digits."""
    if a == b:
        return True
    return abs(a - b) / max(max(abs(a), abs(b)), _TINY) <= _CLOSE


@numba.njit("float32(float32, float32, float32, float32)", cache=True, error_model="numpy")
def distance(x1, y1, x2, y2):
    return np.float32(math.sqrt(fused(x2 - x1, x2 - x1, (y2 - y1) * (y2 - y1))))


@numba.njit("boolean(int16, float32, float32)", cache=True, error_model="numpy")
def aligned(angle, theta, tolerance):
    """Whether an angle in degrees is within the tolerance of theta, in radians."""
    off = abs(theta - np.float32(angle) * _TO_RADIANS)
    if off > _THREE_HALF_PI:
        off = abs(off - _TWO_PI)
    return off <= tolerance


@numba.njit("float32(float32, float32)", cache=True, error_model="numpy")
def turn(a, b):
    """a - b in -pi..pi."""
    a = a - b
    while a <= -_PI:
        a += _TWO_PI
    while a > _PI:
        a -= _TWO_PI
    return a


@numba.njit("float32(float32)", cache=True, error_model="numpy")
def log_gamma(x):
    if x > _F(15):
        inner = x * np.float32(math.sinh(_ONE / x)) + _ONE / (_F(810) * np.float32(x ** _F(6)))
        return _F(0.918938533204673) + (x - _HALF) * log(x) - x + _HALF * x * log(inner)
    a = (x + _HALF) * log(x + _F(5.5)) - (x + _F(5.5))
    b = _ZERO
    for n in range(7):
        a -= log(x + np.float32(n))
        b += _LANCZOS[n] * np.float32(x ** np.float32(n))
    return a + log(b)


@numba.njit("float32(int64, int64, float32, float32)", cache=True, error_model="numpy")
def significance(n, k, p, log_tests):
    """-log10 of how many rectangles with k of n angles that fit chance would give."""
    if n == 0 or k == 0:
        return -log_tests
    if n == k:
        return -log_tests - np.float32(n) * np.float32(math.log10(p))
    total, fit = np.float32(n), np.float32(k)
    log_term = log_gamma(total + _ONE) - log_gamma(fit + _ONE)
    log_term = log_term - log_gamma(total - fit + _ONE)
    log_term = log_term + fit * log(p) + (total - fit) * log(_ONE - p)
    term = exp(log_term)
    if close(term, _ZERO):
        return -log_term / _LN10 - log_tests if fit > total * p else -log_tests
    ratio, tail = p / (_ONE - p), term
    for i in range(k + 1, n + 1):
        left = np.float32(n - i + 1)
        bin_term = left * (_ONE / np.float32(i))
        factor = bin_term * ratio
        term *= factor
        tail += term
        if bin_term < _ONE:
            rest = (_ONE - np.float32(factor**left)) / (_ONE - factor) - _ONE
            limit = _F(0.1) * abs(-np.float32(math.log10(tail)) - log_tests) * tail
            if term * rest < limit:
                break
    return -np.float32(math.log10(tail)) - log_tests


@numba.njit(
    "float32(float32, float32, float32, float32, float32, boolean)", cache=True, error_model="numpy"
)
def edge_at(x, x1, y1, x2, y2, upper):
    """Where the edge of a rectangle is at x; of an upright edge its greater or lesser end."""
    if close(x1, x2) and y1 != y2:
        return max(y1, y2) if upper else min(y1, y2)
    result = y1 + (x - x1) * (y2 - y1) / (x2 - x1)
    if math.isnan(result) or math.isinf(result):
        if y1 == y2:
            return _ZERO
        return max(y1, y2) if upper else min(y1, y2)
    return result


@numba.njit("int64(float32)", cache=True, error_model="numpy")
def ceiling(x):
    """The board's: cut off after adding nearly one."""
    return np.int64(x + _F(0.9999))


@numba.njit("float32(float32[::1], int16[:, ::1], float32)", cache=True, error_model="numpy")
def rect_significance(rect, angles, log_tests):
    height, width = angles.shape
    xs, ys = np.empty(4, np.float32), np.empty(4, np.float32)
    if rect[X1] < rect[X2] and rect[Y1] <= rect[Y2]:
        first = 0
    elif rect[X1] >= rect[X2] and rect[Y1] < rect[Y2]:
        first = 1
    elif rect[X1] > rect[X2] and rect[Y1] >= rect[Y2]:
        first = 2
    else:
        first = 3
    for n in range(4):
        corner = (first + n) % 4
        end = corner == 1 or corner == 2
        sign = -_ONE if corner < 2 else _ONE
        xs[n] = fused(rect[DY] * rect[WIDTH], sign * _HALF, rect[X2] if end else rect[X1])
        ys[n] = fused(rect[DX] * rect[WIDTH], -sign * _HALF, rect[Y2] if end else rect[Y1])
    points = fits = 0
    x = ceiling(xs[0])
    while not np.float32(x) > xs[2]:
        at = np.float32(x)
        if at < xs[3]:
            low = edge_at(at, xs[0], ys[0], xs[3], ys[3], False)
        else:
            low = edge_at(at, xs[3], ys[3], xs[2], ys[2], False)
        if at < xs[1]:
            high = edge_at(at, xs[0], ys[0], xs[1], ys[1], True)
        else:
            high = edge_at(at, xs[1], ys[1], xs[2], ys[2], True)
        y = ceiling(low)
        while not np.float32(y) > high:
            if 0 <= x < width and 0 <= y < height:
                points += 1
                if aligned(angles[y, x], rect[THETA], rect[PREC]):
                    fits += 1
            y += 1
        x += 1
    return significance(points, fits, rect[P], log_tests)


@numba.njit(
    "int64(int64, int64, int16[:, ::1], uint8[:, ::1], int32[:, ::1], float32, float32[:, ::1],"
    " float32[::1])",
    cache=True,
    error_model="numpy",
)
def grow(x, y, angles, used, region, tolerance, turns, angle):
    """Collect in `region` the pixels around (x, y) of like angle; `angle[0]` gets the mean.

    turns : float32 (2, 360), cosine and sine of whole degrees
    Returns how many there are.
    """
    height, width = angles.shape
    region[0, 0], region[0, 1] = x, y
    mean = np.float32(angles[y, x]) * _TO_RADIANS
    sum_x, sum_y = np.float32(math.cos(mean)), np.float32(math.sin(mean))
    used[y, x] = 1
    size, i = 1, 0
    while i < size:
        cx, cy = np.int64(region[i, 0]), np.int64(region[i, 1])
        i += 1
        for nx in range(max(cx - 1, 0), min(cx + 2, width)):
            for ny in range(max(cy - 1, 0), min(cy + 2, height)):
                if used[ny, nx] or not aligned(angles[ny, nx], mean, tolerance):
                    continue
                used[ny, nx] = 1
                region[size, 0], region[size, 1] = nx, ny
                size += 1
                whole = np.int64(angles[ny, nx]) % 360
                sum_x += turns[0, whole]
                sum_y += turns[1, whole]
                mean = atan2(sum_y, sum_x)
    angle[0] = mean
    return size


@numba.njit(
    "boolean(int32[:, ::1], int64, int16[:, ::1], float32, float32, float32, float32[::1])",
    cache=True,
    error_model="numpy",
)
def enclose(region, size, strength, angle, tolerance, p, rect):
    """The rectangle around the region; False where its pixels have no strength to weigh by."""
    x, y, total = _ZERO, _ZERO, _ZERO
    for i in range(size):
        weight = np.float32(strength[region[i, 1], region[i, 0]])
        x = fused(np.float32(region[i, 0]), weight, x)
        y = fused(np.float32(region[i, 1]), weight, y)
        total += weight
    if total <= _ZERO:
        return False
    x, y = x / total, y / total
    xx, yy, xy = _ZERO, _ZERO, _ZERO
    for i in range(size):
        weight = np.float32(strength[region[i, 1], region[i, 0]])
        ox, oy = np.float32(region[i, 0]) - x, np.float32(region[i, 1]) - y
        xx = fused(oy * oy, weight, xx)
        yy = fused(ox * ox, weight, yy)
        xy = fused(-ox * oy, weight, xy)
    if close(xx, _ZERO) and close(yy, _ZERO) and close(xy, _ZERO):
        return False
    root = np.float32(math.sqrt(fused(xx - yy, xx - yy, _F(4) * xy * xy)))
    least = _HALF * (xx + yy - root)
    theta = atan2(least - xx, xy) if abs(xx) > abs(yy) else atan2(xy, least - yy)
    if abs(turn(theta, angle)) > tolerance:
        theta += _PI
    dx, dy = np.float32(math.cos(theta)), np.float32(math.sin(theta))
    l_min = l_max = w_min = w_max = _ZERO
    for i in range(size):
        ox, oy = np.float32(region[i, 0]) - x, np.float32(region[i, 1]) - y
        along, across = fused(ox, dx, oy * dy), fused(-ox, dy, oy * dx)
        l_max, l_min = max(l_max, along), min(l_min, along)
        w_max, w_min = max(w_max, across), min(w_min, across)
    rect[X1], rect[Y1] = fused(l_min, dx, x), fused(l_min, dy, y)
    rect[X2], rect[Y2] = fused(l_max, dx, x), fused(l_max, dy, y)
    rect[WIDTH] = max(w_max - w_min, _ONE)
    rect[DX], rect[DY], rect[THETA], rect[PREC], rect[P] = dx, dy, theta, tolerance, p
    return True


@numba.njit("float32(int64, float32[::1])", cache=True, error_model="numpy")
def density(size, rect):
    length = distance(rect[X1], rect[Y1], rect[X2], rect[Y2])
    return np.float32(size) / (length * rect[WIDTH])


@numba.njit(
    "float32(float32[::1], float32[::1], int16[:, ::1], float32, int64)",
    cache=True,
    error_model="numpy",
)
def try_changes(rect, best, angles, log_tests, kind):
    """Five steps of one kind from `rect`; `best` gets the most significant one.

    kind : 0 finer angle, 1 narrower, 2 narrower from one side, 3 from the other
    """
    found = rect_significance(best, angles, log_tests)
    for _ in range(5):
        if kind == 0:
            rect[P] = rect[P] / _TWO
            rect[PREC] = rect[P] * _PI
        elif rect[WIDTH] - _HALF < _HALF:
            continue
        else:
            if kind > 1:
                step = _F(0.25) if kind == 2 else _F(-0.25)
                rect[X1] -= rect[DY] * step
                rect[Y1] += rect[DX] * step
                rect[X2] -= rect[DY] * step
                rect[Y2] += rect[DX] * step
            rect[WIDTH] -= _HALF
        new = rect_significance(rect, angles, log_tests)
        if new > found:
            found = new
            best[:] = rect
    return found


@numba.njit("float32(float32[::1], int16[:, ::1], float32)", cache=True, error_model="numpy")
def improve(best, angles, log_tests):
    """Change the rectangle until it is significant; returns how much it is."""
    found = rect_significance(best, angles, log_tests)
    for kind in (0, 1, 2, 3, 0):
        if found > _ZERO:
            return found
        found = try_changes(best.copy(), best, angles, log_tests, kind)
    return found


@numba.njit(
    "int64(int32[:, ::1], int16[:, ::1], int16[:, ::1], uint8[:, ::1], float32[:, ::1], float32,"
    " float32, float32, int64, float32, float32[:, ::1])",
    cache=True,
    error_model="numpy",
)
def find_segments(
    seeds, angles, strength, used, turns, tolerance, p, log_tests, least_size, least_density, found
):
    """Segments grown from the seeds (n, 2) in order; x1, y1, x2, y2, significance into `found`.

    angles, strength : int16 (h, w), in degrees and levels
    used : uint8 (h, w), zeros
    turns : float32 (2, 360), cosine and sine of whole degrees
    Returns how many there are, -1 where the board gives up.
    """
    count = 0
    region = np.empty((angles.size, 2), np.int32)
    angle, rect = np.zeros(1, np.float32), np.zeros(10, np.float32)
    for seed in range(len(seeds)):
        sx, sy = np.int64(seeds[seed, 0]), np.int64(seeds[seed, 1])
        if used[sy, sx]:
            continue
        size = grow(sx, sy, angles, used, region, tolerance, turns, angle)
        if size < least_size:
            continue
        if not enclose(region, size, strength, angle[0], tolerance, p, rect):
            return -1
        if density(size, rect) < least_density:
            centre = np.float32(angles[sy, sx]) * _TO_RADIANS
            fx, fy = np.float32(sx), np.float32(sy)
            total, squares, near = _ZERO, _ZERO, 0
            for i in range(size):
                px, py = region[i, 0], region[i, 1]
                used[py, px] = 0
                if distance(fx, fy, np.float32(px), np.float32(py)) < rect[WIDTH]:
                    off = turn(np.float32(angles[py, px]) * _TO_RADIANS, centre)
                    total += off
                    squares += off * off
                    near += 1
            mean = total / np.float32(near)
            spread = (squares - _TWO * mean * total) / np.float32(near) + mean * mean
            finer = _TWO * np.float32(math.sqrt(max(spread, _ZERO)))
            size = grow(sx, sy, angles, used, region, finer, turns, angle)
            if size < 2:
                continue
            if not enclose(region, size, strength, angle[0], tolerance, p, rect):
                return -1
            dense = density(size, rect)
            radius = max(distance(fx, fy, rect[X1], rect[Y1]), distance(fx, fy, rect[X2], rect[Y2]))
            while dense < least_density:
                radius *= _F(0.75)
                i = 0
                while i < size:
                    px, py = region[i, 0], region[i, 1]
                    if distance(fx, fy, np.float32(px), np.float32(py)) > radius:
                        used[py, px] = 0
                        size -= 1
                        region[i, 0], region[i, 1] = region[size, 0], region[size, 1]
                    else:
                        i += 1
                if size < 2:
                    break
                if not enclose(region, size, strength, angle[0], tolerance, p, rect):
                    return -1
                dense = density(size, rect)
            if size < 2:
                continue
        value = improve(rect, angles, log_tests)
        if value > _ZERO:
            for i in range(4):
                found[count, i] = rect[i] + _HALF
            found[count, 4] = value
            count += 1
    return count
