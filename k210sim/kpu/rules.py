"""Why a layer runs on the CPU: the rule of the KPU that it breaks, in one line.

Ref: nncase v0.2.0-beta4 src/transforms/hlir/k210/kpu_conv2d.cpp and v1.9.0
modules/k210/include/nncase/transforms/k210/kpu_utils.h (what its compilers give to the KPU);
kendryte/nncase docs/FAQ_EN.md.
"""

from __future__ import annotations

from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel import nodes as nd

MAX_CHANNELS = 1024
MIN_SIZE = 4
MAX_HEIGHT, MAX_WIDTH = 256, 512

NO_UNIT = "the KPU has no {}"
V3_RULES = {
    kl.Add: "addition of two maps", kl.QuantizedAdd: "addition of two maps",
    kl.GlobalAveragePool2d: "global average pool", kl.Quantize: "conversion from float",
    kl.Dequantize: "conversion to float", kl.ChannelwiseDequantize: "conversion to float",
    kl.Requantize: "table lookup outside a convolution", kl.L2Normalization: "l2 normalisation",
    kl.Softmax: "softmax", kl.Logistic: "logistic on floats", kl.Concat: "concatenation",
    kl.QuantizedConcat: "concatenation", kl.FullyConnected: "fully connected layer",
    kl.TensorflowFlatten: "change of layout", kl.QuantizedTensorflowFlatten: "change of layout",
    kl.ResizeNearestNeighbor: "resize", kl.QuantizedResizeNearestNeighbor: "resize",
    kl.Upload: "way to fetch maps from main memory", kl.AddPadding: "padding of a 1x1 map to 4x4",
    kl.RemovePadding: "cut of a 4x4 map to 1x1",
}
V4_RULES = {
    nd.Binary: "arithmetic of two maps", nd.QuantizedBinary: "arithmetic of two maps",
    nd.Concat: "concatenation", nd.Conv2dTranspose: "transposed convolution",
    nd.Dequantize: "conversion to float", nd.Quantize: "conversion from float",
    nd.Matmul: "matrix product", nd.QuantizedMatmul: "matrix product",
    nd.Pad: "padding but its own single pixel", nd.Reduce: "reduction over axes",
    nd.MemoryCopy: "copy in main memory", nd.ResizeImage: "resize", nd.Softmax: "softmax",
    nd.Transpose: "transpose", nd.StridedSlice: "slice", nd.Unary: "functions of one value",
    nd.TableLookup1d: "table lookup outside a convolution",
    nd.NnilUnaryMethod: "functions of one value",
    nd.KpuUpload: "way to fetch maps from main memory",
}


def cpu_rule(item) -> str:
    """The broken rule of a V3 layer body or a V4 node; "" for a layer of the KPU."""
    if isinstance(item, kl.Conv | nd.KpuConv2d):
        return ""
    if isinstance(item, kl.QuantizedMaxPool2d):
        return (f"the KPU pools only behind a convolution, with 2x2 or 4x4 windows; this is "
                f"{item.kernel_width}x{item.kernel_height} with stride {item.stride_width}")
    if isinstance(item, nd.ReduceWindow2d):
        return (f"the KPU pools only behind a convolution, with 2x2 or 4x4 windows; this is "
                f"{item.filter_w}x{item.filter_h} with stride {item.stride_w}, on its own")
    if isinstance(item, nd.Conv2d | nd.QuantizedConv2d):
        return conv_rule(item)
    what = V3_RULES.get(type(item)) or V4_RULES.get(type(item))
    return NO_UNIT.format(what) if what else "not a layer this firmware's KPU driver knows"


def conv_rule(node) -> str:
    """The first rule a V4 convolution on the CPU breaks."""
    _, channels, height, width = node.in_shape
    depthwise = node.groups == channels == node.out_channels
    kernel = f"{node.filter_w}x{node.filter_h}"
    checks = (
        (kernel not in ("1x1", "3x3"), f"kernel {kernel}, the KPU has 1x1 and 3x3"),
        (node.groups != 1 and not depthwise,
         f"{node.groups} groups, the KPU has none or one for each channel"),
        (max(node.dilation_h, node.dilation_w) > 1,
         f"dilation {node.dilation_h}, the KPU has none"),
        (max(channels, node.out_channels) > MAX_CHANNELS,
         f"{max(channels, node.out_channels)} channels, the KPU takes up to {MAX_CHANNELS}"),
        (min(height, width) < MIN_SIZE,
         f"input {width}x{height}, the KPU takes {MIN_SIZE}x{MIN_SIZE} and more"),
        (height > MAX_HEIGHT or width > MAX_WIDTH,
         f"input {width}x{height}, the KPU takes up to {MAX_WIDTH}x{MAX_HEIGHT}"),
        (node.stride_h != node.stride_w or node.stride_h not in (1, 2),
         f"stride {node.stride_w}x{node.stride_h}, the KPU has 1, and 2 by dropping pixels"),
    )
    for broken, text in checks:
        if broken:
            return text
    if isinstance(node, nd.Conv2d):
        return "its shape fits the KPU, but it was compiled as float: its input or output is float"
    return "its shape fits the KPU; the compiler left it on the CPU"


# Layer types the firmware's V3 driver executes; any other stops it in an assertion for good.
V3_EXECUTED = frozenset((1, 2, 5, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25,
                         0x2800, 0x2801, 0x2802, 0x2803))
