"""The kernel set for every AArch64 host: 16-bit products added in pairs, for 1x1 and 3x3 layers.

Depthwise layers take the kernel all such sets share, 16-bit weights the portable set.
"""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kernels import arm, depth_conv, dot_conv, portable

NAME = "neon"


def available() -> bool:
    """Whether this is such a host."""
    return arm.neon()


def prepare(params):
    """A runnable layer for ConvParams."""
    if params.weights.dtype != np.uint8:
        return portable.PortableConv(params)
    if params.depthwise:
        return depth_conv.prepare(params)
    return dot_conv.DotConv(params, "dot_neon", wide=True)
