"""An optional peer: onnxruntime running int8 convolutions of the same shapes, one thread."""

from __future__ import annotations

import importlib.util

import numpy as np

from bench.kpu import best
from k210sim.kpu.kernels.portable import PICKS


def available() -> bool:
    """Whether onnxruntime and onnx can be imported."""
    return all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnx"))


def run_ms(layers, repeats: int) -> float:
    """Milliseconds of all layers in one session: bytes times signed bytes, per-channel scales,
    strides where the pool decimates, a MaxPool node for the pools that look at every pixel."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, inputs, outputs, constants, feed = [], [], [], [], {}
    for i, (plan, body, source) in enumerate(layers):
        p = plan.p
        out, side = p.out_shape[0], 3 if p.taps == 9 else 1
        weights = (body.weights.astype(np.int16) - 128).astype(np.int8)
        weights = weights.reshape(out, 1 if p.depthwise else p.in_shape[0], side, side)
        names = {}
        for key, value in (("xs", np.float32(0.02)), ("xz", np.uint8(0)), ("w", weights),
                           ("ws", np.full(out, 0.01, np.float32)), ("wz", np.zeros(out, np.int8)),
                           ("ys", np.float32(0.5)), ("yz", np.uint8(0)),
                           ("b", np.zeros(out, np.int32))):
            names[key] = f"{key}{i}"
            constants.append(numpy_helper.from_array(np.asarray(value), names[key]))
        stride = PICKS.get(p.pool, (1, 0))[0]
        pooled = p.pool in (1, 2, 3, 4)
        nodes.append(helper.make_node(
            "QLinearConv", [f"x{i}", names["xs"], names["xz"], names["w"], names["ws"],
                            names["wz"], names["ys"], names["yz"], names["b"]],
            [f"c{i}" if pooled else f"y{i}"], kernel_shape=[side, side], strides=[stride, stride],
            pads=[side // 2] * 4, group=p.in_shape[0] if p.depthwise else 1))
        if pooled:
            size = 2 if p.pool in (1, 2) else 4
            nodes.append(helper.make_node("MaxPool", [f"c{i}"], [f"y{i}"],
                                          kernel_shape=[size, size], strides=[size, size]))
        inputs.append(helper.make_tensor_value_info(f"x{i}", TensorProto.UINT8, [1, *p.in_shape]))
        outputs.append(helper.make_tensor_value_info(f"y{i}", TensorProto.UINT8,
                                                     [f"{axis}{i}" for axis in "nchw"]))
        feed[f"x{i}"] = np.ascontiguousarray(source)[None]
    graph = helper.make_graph(nodes, "layers", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    session.run(None, feed)
    return best(lambda: session.run(None, feed), repeats)
