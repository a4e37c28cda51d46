"""The sort and suppression of the yolo2 region layer, float32.

The C library's quicksort is not stable, and quantised networks give many equal scores, so the
order of equals is part of the result. Source: description of newlib's qsort (Bentley and McIlroy's
partition into less, equal, greater); which revision the firmware links is not known.
"""

import numpy as np

from k210sim.kpu.kernels.late_numba import njit

# Division by zero gives infinity or NaN, as on the chip, and no exception.
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit("void(int64[::1], int64, int64)", **OPTIONS)
def swap(order, i, j):
    order[i], order[j] = order[j], order[i]


@njit("int64(float32[::1], int64[::1], int64, int64)", **OPTIONS)
def compare(score, order, i, j):
    """Negative when place i comes first: descending scores, 0 for equal ones."""
    a = score[order[i]]
    b = score[order[j]]
    return -1 if a > b else (1 if a < b else 0)


@njit("int64(float32[::1], int64[::1], int64, int64, int64)", **OPTIONS)
def median(score, order, a, b, c):
    """The place among a, b, c that the library takes as middle one."""
    if compare(score, order, a, b) < 0:
        if compare(score, order, b, c) < 0:
            return b
        return c if compare(score, order, a, c) < 0 else a
    if compare(score, order, b, c) > 0:
        return b
    return a if compare(score, order, a, c) < 0 else c


@njit("void(float32[::1], int64[::1], int64, int64)", **OPTIONS)
def insertion(score, order, first, end):
    for i in range(first + 1, end):
        j = i
        while j > first and compare(score, order, j - 1, j) > 0:
            swap(order, j, j - 1)
            j -= 1


@njit("void(float32[::1], int64[::1])", **OPTIONS)
def sort_descending(score, order):
    """Permute `order` (indices into score) the way the library's qsort does."""
    stack = np.empty((128, 2), np.int64)
    depth = 1
    stack[0, 0] = 0
    stack[0, 1] = order.shape[0]
    while depth > 0:
        depth -= 1
        first = stack[depth, 0]
        end = stack[depth, 1]
        n = end - first
        if n < 7:
            insertion(score, order, first, end)
            continue
        middle = first + n // 2
        if n > 7:
            left = first
            right = end - 1
            if n > 40:
                d = n // 8
                left = median(score, order, left, left + d, left + 2 * d)
                middle = median(score, order, middle - d, middle, middle + d)
                right = median(score, order, right - 2 * d, right - d, right)
            middle = median(score, order, left, middle, right)
        swap(order, first, middle)
        swapped = False
        equal_left = first + 1
        up = first + 1
        down = end - 1
        equal_right = end - 1
        while True:
            while up <= down:
                sign = compare(score, order, up, first)
                if sign > 0:
                    break
                if sign == 0:
                    swapped = True
                    swap(order, equal_left, up)
                    equal_left += 1
                up += 1
            while up <= down:
                sign = compare(score, order, down, first)
                if sign < 0:
                    break
                if sign == 0:
                    swapped = True
                    swap(order, down, equal_right)
                    equal_right -= 1
                down -= 1
            if up > down:
                break
            swap(order, up, down)
            swapped = True
            up += 1
            down -= 1
        if not swapped:
            insertion(score, order, first, end)
            continue
        count = min(equal_left - first, up - equal_left)
        for i in range(count):
            swap(order, first + i, up - count + i)
        count = min(equal_right - down, end - equal_right - 1)
        for i in range(count):
            swap(order, up + i, end - count + i)
        less = up - equal_left
        more = equal_right - down
        # The smaller part goes on top of the stack, so the depth stays logarithmic.
        for part in range(2):
            size = max(less, more) if part == 0 else min(less, more)
            is_less = (less >= more) == (part == 0)
            if size > 1:
                stack[depth, 0] = first if is_less else end - more
                stack[depth, 1] = first + less if is_less else end
                depth += 1


@njit("float32(float32, float32, float32, float32)", **OPTIONS)
def overlap(centre_a, size_a, centre_b, size_b):
    half = np.float32(0.5)
    left = max(np.float32(centre_a - np.float32(size_a * half)),
               np.float32(centre_b - np.float32(size_b * half)))
    right = min(np.float32(centre_a + np.float32(size_a * half)),
                np.float32(centre_b + np.float32(size_b * half)))
    return np.float32(right - left)


@njit("void(float32[:, ::1], float32[::1], int64[::1], float32)", **OPTIONS)
def suppress(boxes, score, order, limit):
    """Zero the score of every box that overlaps a better one by more than `limit` (IoU).

    boxes: float32[n, 4] = centre x, centre y, width, height; order: descending scores.
    """
    zero = np.float32(0)
    for a in range(order.shape[0]):
        i = order[a]
        if score[i] == zero:
            continue
        for b in range(a + 1, order.shape[0]):
            j = order[b]
            w = overlap(boxes[i, 0], boxes[i, 2], boxes[j, 0], boxes[j, 2])
            h = overlap(boxes[i, 1], boxes[i, 3], boxes[j, 1], boxes[j, 3])
            common = zero if w < zero or h < zero else np.float32(w * h)
            area_i = np.float32(boxes[i, 2] * boxes[i, 3])
            area_j = np.float32(boxes[j, 2] * boxes[j, 3])
            union = np.float32(np.float32(area_i + area_j) - common)
            if np.float32(common / union) > limit:
                score[j] = zero
