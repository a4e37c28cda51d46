"""The kernel set for hosts with AVX-VNNI (256 bits): byte dot products for 1x1 and 3x3.

Depthwise layers take the kernel all such sets share, 16-bit weights the portable set.
"""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kernels import depth_conv, dot_conv, host, portable

NAME = "avxvnni"


def available() -> bool:
    """Whether this host has the instructions and numba compiles for the host itself."""
    return host.host_has("avx2", "fma", "avxvnni")


def prepare(params):
    """A runnable layer for ConvParams."""
    if params.weights.dtype != np.uint8:
        return portable.PortableConv(params)
    if params.depthwise:
        return depth_conv.prepare(params)
    return dot_conv.DotConv(params, "dot256", wide=False)
