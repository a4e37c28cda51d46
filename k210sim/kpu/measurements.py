"""Published times of the real chip, which the forecast is fitted to and judged by.

Sources: "topic N" is bbs.sipeed.com/t/topic/N or en.bbs.sipeed.com/t/topic/N, "nncase#N" an issue
of kendryte/nncase. Layer times come from the runtimes' own debug output, whose clock ticks in
microseconds. CPU and KPU run at 400 MHz unless said otherwise (the vendor's demos; most reports do
not say).
"""

from __future__ import annotations

from dataclasses import dataclass

from k210sim.kpu.layer_regs import LayerRegs

LOAD_LIMIT = {1: 30 * 1024, 2: 60 * 1024}  # bytes of weights a compiler puts in one load


@dataclass(frozen=True)
class ConvTime:
    """One KPU layer: input size before pooling, channels, kernel, and milliseconds."""

    source: str
    width: int
    height: int
    channels: int
    outputs: int
    kernel: int
    ms: float
    depthwise: bool = False
    weight_bytes: int = 1
    kpu_hz: float = 400e6

    @property
    def regs(self) -> LayerRegs:
        """The layer's descriptor as a compiler would write it, as far as time depends on it."""
        taps = self.kernel * self.kernel
        one = taps * self.weight_bytes * (1 if self.depthwise else self.channels)
        per = self.outputs
        if not self.depthwise:
            per = min(per, LOAD_LIMIT[self.weight_bytes] // one)
        return LayerRegs(
            i_row_wid=self.width - 1, i_col_high=self.height - 1, o_row_wid=self.width - 1,
            o_col_high=self.height - 1, i_ch_num=self.channels - 1, o_ch_num=self.outputs - 1,
            o_ch_num_coef=per - 1, kernel_type=int(self.kernel == 3),
            depth_wise_layer=int(self.depthwise))

    @property
    def name(self) -> str:
        kind = "depthwise" if self.depthwise else f"{self.kernel}x{self.kernel}"
        return f"{self.width}x{self.height} {self.channels}->{self.outputs} {kind}"


@dataclass(frozen=True)
class TotalTime:
    """A run of a whole model of ours or like ours (`model`: its name among the shared models)."""

    source: str
    what: str
    model: str
    ms: float
    cpu_hz: float = 400e6
    kpu_hz: float = 400e6
    dma: bool = False
    upload: bool = True  # whether the time includes the input's upload
    spi_hz: float = 0.0  # load_flash
    dual: bool = False
    batch_size: int = 0


# 3x3, 128 -> 128 channels, 16-bit weights, KPU at 300 MHz.
SIZES = tuple(
    ConvTime("topic 691", w, h, 128, 128, 3, ms, weight_bytes=2, kpu_hz=300e6)
    for w, h, ms in ((4, 4, 0.339), (16, 4, 0.339), (16, 16, 0.417), (32, 16, 0.692),
                     (32, 32, 1.138), (64, 32, 2.125), (64, 64, 3.891), (128, 64, 7.709),
                     (128, 128, 14.778), (256, 256, 57.756)))

# Layers of runs whose geometry is known from the text or the model.
LAYERS = (
    ConvTime("nncase#77", 320, 240, 3, 16, 3, 0.206),
    ConvTime("nncase#77", 160, 120, 16, 16, 3, 0.039, depthwise=True),
    ConvTime("nncase#77", 160, 120, 16, 32, 1, 0.514),
    ConvTime("nncase#77", 80, 60, 32, 32, 3, 0.029, depthwise=True),
    ConvTime("nncase#77", 80, 60, 32, 64, 1, 0.680),
    ConvTime("nncase#77", 80, 60, 64, 64, 3, 0.053, depthwise=True),
    ConvTime("nncase#77", 80, 60, 64, 64, 1, 1.328),
    ConvTime("nncase#77", 40, 30, 64, 64, 3, 0.020, depthwise=True),
    ConvTime("nncase#77", 40, 30, 64, 128, 1, 0.704),
    ConvTime("nncase#77", 40, 30, 128, 128, 3, 0.034, depthwise=True),
    ConvTime("nncase#77", 40, 30, 128, 128, 1, 1.385),
    ConvTime("nncase#77", 20, 15, 128, 128, 3, 0.016, depthwise=True),
    ConvTime("nncase#77", 20, 15, 128, 256, 1, 0.781),
    ConvTime("nncase#77", 20, 15, 256, 256, 3, 0.026, depthwise=True),
    ConvTime("nncase#77", 20, 15, 256, 256, 1, 1.521),
    # Keras test nets at 320x240 with 2x2 steps; sizes from the text and the output lengths.
    ConvTime("nncase#95", 320, 240, 3, 16, 3, 0.210),
    ConvTime("nncase#95", 160, 120, 16, 16, 3, 0.268),
    ConvTime("nncase#96", 80, 60, 16, 16, 3, 0.099),
    ConvTime("nncase#97", 160, 120, 16, 32, 1, 0.519),
    ConvTime("nncase#97", 160, 120, 32, 32, 3, 0.072, depthwise=True),
)

TOTALS = (
    TotalTime("nncase#77", "face detector, V3, sum of the layers", "face_v3", 12.732, dma=True,
              upload=False),
    TotalTime("topic 1790", "MobileNet 0.75, 1000 classes, V3", "mbnet75_1000_v3", 37.0),
    TotalTime("topic 1811", "MobileNet from RAM", "mbnet75_1000_v3", 40.0, 481e6, 398e6),
    # SPI at 80 MHz (asked) and 0xC000 bytes a batch (the vendor's example) are assumed; the one
    # buffer's extra 66 ms is this model's size at that rate.
    TotalTime("topic 1811", "MobileNet, load_flash, one buffer", "mbnet75_1000_v3", 106.0, 481e6,
              398e6, spi_hz=80.17e6),
    TotalTime("topic 1811", "MobileNet, load_flash, two buffers", "mbnet75_1000_v3", 83.0, 481e6,
              398e6, spi_hz=80.17e6, dual=True, batch_size=0xC000),
    TotalTime("nncase#79", "RFB-320 face detector, V4", "rfb320_face_v4", 180.0),
)

# Per-layer milliseconds of nncase#77 in order, for the model face_v3.
FACE_LAYERS = (0.206, 0.039, 0.514, 0.029, 0.680, 0.053, 1.328, 0.020, 0.704, 0.034, 1.385, 0.016,
               0.781, 0.025, 1.522, 0.026, 1.521, 0.026, 1.521, 0.026, 1.521, 0.025, 0.326, 0.404)


# Single CPU steps of V4: (source, what, bytes or elements, ms), with the clock at 400 MHz.
STEPS = (
    ("nncase#95", "output copy of 160x120x16, with its 0.268 ms layer", "copy", 307200, 26.295),
    ("nncase#96", "output copy of 80x60x16, with its 0.099 ms layer", "copy", 76800, 6.591),
    ("nncase#95", "dequantize 160x120x16", "dequantize", 307200, 9.357),
    ("nncase#96", "dequantize 80x60x16", "dequantize", 76800, 2.341),
    ("nncase#97", "quantized add, 80x60x16", "quantized_binary", 76800, 15.974),
    ("nncase#97", "quantized add, 160x120x16", "quantized_binary", 307200, 58.699),
    ("nncase#97", "KPU upload, 160x120x16", "kpu_upload", 307200, 20.367),
    ("nncase#97", "input by DMA, 320x240x3", "dma_in", 230400, 0.329),
)
