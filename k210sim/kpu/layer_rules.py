"""The rules of the chip a layer descriptor can break, each with its name.

Ref: kendryte-standalone-sdk lib/drivers/include/kpu.h and kpu.c; what the vendor's compilers
always keep (nncase v0.2.0-beta4 src/codegen/ops/k210/k210_ops.cpp). Used by the device in strict
mode and by the lint of model files.
"""

from __future__ import annotations

from typing import NamedTuple

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram
from k210sim.kpu.kmodel.writer import POOL_STRIDE
from k210sim.kpu.layer_regs import LayerRegs
from k210sim.kpu.rules import MAX_HEIGHT, MAX_WIDTH, MIN_SIZE

ACT_ALIGNMENT = 256


class Fault(NamedTuple):
    """A broken rule. `fatal` when the chip's result is known to be wrong or unknown."""

    rule: str
    text: str
    fatal: bool = True


def maps(regs: LayerRegs, batches: int = 1) -> tuple[tuple[int, int], tuple[int, int]]:
    """AI RAM lines [start, end) of the input and of the output map."""
    ends = []
    for line, shape in ((regs.image_src_addr, regs.in_shape), (regs.image_dst_addr,
                                                              regs.out_shape)):
        ends.append((line, line + batches * ai_ram.map_lines(shape)))
    return ends[0], ends[1]


def faults(regs: LayerRegs, item: int = 1, batches: int = 1) -> list[Fault]:
    """Every rule the descriptor breaks, worst first. item: bytes per weight."""
    found = []

    def rule(broken, name, text, fatal=True):
        if broken:
            found.append(Fault(name, text, fatal))

    source, target = maps(regs, batches)
    for what, end in (("input", source[1]), ("output", target[1])):
        rule(end > ai_ram.LINES, "ai-ram-overflow",
             f"the {what} map ends at line {end}, the AI RAM has {ai_ram.LINES}")
    rule(source[0] < target[1] and target[0] < source[1], "ai-ram-overlap",
         f"input lines {source[0]} to {source[1]} and output lines {target[0]} to {target[1]} "
         "overlap")
    for name in ("first_stride", "bypass_conv", "pad_type"):
        rule(getattr(regs, name), name.replace("_", "-"), f"{name} is set, no compiler uses it")
    try:
        one = regs.taps * item * (1 if regs.depthwise else regs.in_channels)
    except KmodelError:
        one = 0
        rule(True, "kernel-type", f"kernel type {regs.kernel_type}, expected 0 (1x1) or 1 (3x3)")
    if regs.pool_type >= len(POOL_STRIDE):
        rule(True, "pool-type", f"pool type {regs.pool_type}, expected 0 to {len(POOL_STRIDE) - 1}")
    else:
        stride = POOL_STRIDE[regs.pool_type]
        want = (regs.in_height // stride, regs.in_width // stride)
        rule(regs.out_shape[1:] != want, "output-size",
             f"output {regs.out_width}x{regs.out_height}, the pool gives {want[1]}x{want[0]}")
    rule(regs.depthwise and regs.out_channels != regs.in_channels, "depthwise-channels",
         f"depthwise with {regs.in_channels} input and {regs.out_channels} output channels")
    rule(regs.in_width < MIN_SIZE or regs.in_height < MIN_SIZE, "size-minimum",
         f"input {regs.in_width}x{regs.in_height}, compilers give {MIN_SIZE}x{MIN_SIZE} and more",
         False)
    rule(regs.in_width > MAX_WIDTH or regs.in_height > MAX_HEIGHT, "size-maximum",
         f"input {regs.in_width}x{regs.in_height}, compilers give up to {MAX_WIDTH}x{MAX_HEIGHT}",
         False)
    for prefix, width, height, group in (
            ("", regs.in_width, regs.in_height, "coef_group"),
            ("wb_", regs.out_width, regs.out_height, "wb_group")):
        together, lines, _ = ai_ram.layout(width)
        want = {f"{prefix}row_switch_addr": lines, f"{prefix}channel_switch_addr": lines * height,
                group: together}
        for name, value in want.items():
            rule(getattr(regs, name) != value, "map-layout",
                 f"{name} is {getattr(regs, name)}, a {width}x{height} map wants {value}")
    rule(not regs.load_act, "load-act", "load_act is 0: the output is all zero")
    per, loads = regs.o_ch_num_coef + 1, regs.load_time + 1
    rule(one and per * loads < regs.out_channels, "weight-loads",
         f"{loads} loads of {per} channels are too few for {regs.out_channels}")
    rule(one and regs.para_size < one * min(per, regs.out_channels), "weight-size",
         f"para_size {regs.para_size}, {min(per, regs.out_channels)} channels need "
         f"{one * min(per, regs.out_channels)} bytes")
    total = regs.out_channels * regs.out_height * regs.out_width
    rule(regs.send_data_out and not regs.full_add and regs.dma_total_byte + 1 != total,
         "stream-size", f"dma_total_byte {regs.dma_total_byte}, the output has {total} bytes")
    return sorted(found, key=lambda fault: not fault.fatal)
