"""Whole models through the KPU's registers, as the vendor's drivers run them.

`DeviceNet` and `DeviceNetV4` are the nets of runtime.py and runtime_v4.py with another way to
convolve: weights and tables lie in general SRAM, the descriptor goes into the layer FIFO word by
word, the end comes as an interrupt, and outputs of V3 leave by the output stream. Slower than the
plain nets, with the same bytes; for tests, and for whoever wants to see the registers move.

Ref: kendryte-standalone-sdk lib/drivers/kpu.c (V3), lib/nncase/v0/runtime/k210/k210_ops.cpp (V4).
"""

from __future__ import annotations

import numpy as np

from k210sim.clock import Clock
from k210sim.errors import DeviceError
from k210sim.kpu import ai_ram
from k210sim.kpu import device as dev
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.layer_regs import LayerRegs
from k210sim.kpu.runtime import Net
from k210sim.kpu.runtime_v4 import NetV4

SRAM_BASE, SRAM_SIZE = 0x40000000, 6 << 20  # general SRAM without cache, as the KPU sees it
THRESHOLDS = 10 | 1 << 4


class Machine:
    """A Kpu with a clock, general SRAM and a driver's interrupt handler around it."""

    def __init__(self, **options):
        self.clock = Clock("virtual")
        self.sram = bytearray()
        self.interrupts = 0
        self.kpu = dev.Kpu(self.clock, self._read, self._interrupt, **options)

    def _read(self, address: int, count: int) -> bytes:
        at = address - SRAM_BASE
        if at < 0 or at + count > len(self.sram):
            raise DeviceError(f"the KPU reads {count} bytes at {address:#x}, where there is no "
                              "memory")
        return bytes(self.sram[at : at + count])

    def _interrupt(self, level: bool) -> None:
        if level:
            self.interrupts += 1
            self.kpu.write(dev.INTERRUPT_CLEAR, 7)

    def place(self, blob: bytes, align: int) -> int:
        """Put bytes into SRAM; returns the bus address."""
        self.sram += bytes(-len(self.sram) % align)
        at = len(self.sram)
        if at + len(blob) > SRAM_SIZE:
            raise DeviceError(f"{at + len(blob)} bytes of parameters, the chip has {SRAM_SIZE}")
        self.sram += blob
        return SRAM_BASE + at

    def setup(self, eight_bit: bool) -> None:
        """What the drivers write once before a run."""
        self.kpu.write(dev.INTERRUPT_CLEAR, 7)
        self.kpu.write(dev.FIFO_THRESHOLD, THRESHOLDS)
        self.kpu.write(dev.EIGHT_BIT_MODE, int(eight_bit))
        self.kpu.write(dev.INTERRUPT_MASK, 7)

    def run(self, regs: LayerRegs, stream: bool = False) -> bytes:
        """One layer with its interrupt, or with its output stream; returns what came out of it."""
        regs = LayerRegs(regs.words)
        regs.int_en, regs.send_data_out = int(not stream), int(stream)
        self.kpu.write(dev.INTERRUPT_CLEAR, 7)
        self.kpu.write(dev.INTERRUPT_MASK, 0b111 if stream else 0b110)
        before, done = self.interrupts, self.kpu.layers_done
        for word in regs.words:
            self.kpu.write(dev.LAYER_ARGUMENT_FIFO, word)
        self.clock.advance_ns(self.clock.next_alarm_ns() - self.clock.now_ns)
        if self.kpu.layers_done != done + 1 or self.interrupts - before != int(not stream):
            raise DeviceError("a KPU layer ended without its interrupt")
        if not stream:
            return b""
        words = (regs.dma_total_byte + 8) // 8
        return b"".join(self.kpu.read(dev.FIFO_DATA_OUT).to_bytes(8, "little")
                        for _ in range(words))

    def parameters(self, item) -> LayerRegs:
        """The item's descriptor with its tables placed in SRAM."""
        regs = LayerRegs(item.regs.words)
        regs.para_start_addr = self.place(item.weights.tobytes(), 128)
        regs.bwsx_base_addr = self.place(item.bn.tobytes(), 128)
        regs.active_addr = self.place(bytes(item.act), 256)
        return regs


class _ByDevice:
    """Shared by both nets: the machine, and the descriptors with addresses filled in."""

    def _attach(self, strict: bool):
        self.machine = Machine(ram=self.ai_ram, activation=self.activation,
                               kernels=self._kernels, strict=strict)
        self.machine.setup(self.model.eight_bit)
        self._descriptors: dict[int, LayerRegs] = {}

    def _descriptor(self, index, item) -> LayerRegs:
        if index not in self._descriptors:
            ai_ram.check_map(item.regs.image_src_addr, item.regs.in_shape)
            ai_ram.check_map(item.regs.image_dst_addr, item.regs.out_shape)
            self._descriptors[index] = self.machine.parameters(item)
        return self._descriptors[index]

    def _group(self, first):
        """Layers reach the registers one by one."""
        return first, []


class DeviceNet(_ByDevice, Net):
    """A V3 net that convolves through the registers. Its outputs leave by the stream, as with
    MaixPy's dma=1, so `cpu_copy` has no effect."""

    def __init__(self, model, *, strict: bool = True, **options):
        super().__init__(model, **options)
        self._attach(strict)

    def _convolve(self, index, body):
        regs = self._descriptor(index, body)
        stream = bool(body.flags & kl.MAIN_MEM_OUT) or index in self._forced
        raw = self.machine.run(regs, stream)
        if stream:
            out = np.frombuffer(raw, np.uint8)[: int(np.prod(regs.out_shape))]
            self.main.put(body.main_mem_out_address, out, "main_mem_out_address")
        return self.ai_ram.read_map(regs.image_dst_addr, regs.out_shape)


class DeviceNetV4(_ByDevice, NetV4):
    """A V4 net that convolves through the registers, batch by batch; outputs are read from the
    AI RAM, as its driver does."""

    def __init__(self, model, *, strict: bool = True, **options):
        super().__init__(model, **options)
        self._attach(strict)

    def _convolve(self, index, node):
        base = self._descriptor(index, node)
        parts = []
        for n in range(node.batches):
            regs = LayerRegs(base.words)
            regs.image_src_addr = base.image_src_addr + n * ai_ram.map_lines(base.in_shape)
            regs.image_dst_addr = base.image_dst_addr + n * ai_ram.map_lines(base.out_shape)
            self.machine.run(regs)
            parts.append(self.ai_ram.read_map(regs.image_dst_addr, regs.out_shape))
        result = parts[0] if len(parts) == 1 else np.stack(parts)
        if node.main_out.size > 0:
            self.write(node.main_out, result)
        return result
