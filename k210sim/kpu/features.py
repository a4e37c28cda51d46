"""Face features in bytes: the arithmetic of `KPU.face_encode` and `KPU.face_compare`.

Ref: behaviour of sipeed/MaixPy-v1 components/kendryte_sdk/libs/lib_sipeed_kpu.a, as described in
public write-ups of its machine code.
"""

from __future__ import annotations

import math

import numpy as np

MAX_ELEMENTS = 512


def face_encode(values) -> bytearray:
    """One signed byte per float: clamp to +-0.25, times 512, toward zero, low 8 bits.

    0.25 and above give 0x80, which reads back as -128: the firmware's own overflow. NaN counts
    as -0.25. The caller checks the length (at most 512 elements).
    """
    x = np.asarray(values, np.float32)
    x = np.where(np.isnan(x), np.float32(-0.25), x)
    x = np.clip(x, np.float32(-0.25), np.float32(0.25)) * np.float32(512)
    return bytearray(np.trunc(x).astype(np.int32).astype(np.uint8).tobytes())


def face_compare(a, b) -> float:
    """Likeness of two encoded features of equal length: 50 + 50 * cosine, a float32 value.

    NaN when one of them is all zeros.
    """
    x = np.frombuffer(bytes(a), np.int8).astype(np.int64)
    y = np.frombuffer(bytes(b), np.int8).astype(np.int64)
    if x.size != y.size:
        raise ValueError(f"features of {x.size} and {y.size} bytes")
    product = int((x * x).sum()) * int((y * y).sum())
    if product == 0:
        return math.nan
    half = np.float32(np.float32(int((x * y).sum())) * np.float32(0.5))
    return float(np.float32((float(half) / math.sqrt(product) + 0.5) * 100))
