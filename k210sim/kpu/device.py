"""The KPU as the chip shows it: registers, layer FIFO, AI RAM, output stream, interrupt.

Ref: kendryte-standalone-sdk lib/drivers/include/kpu.h (kpu_config_t, kpu_layer_argument_t) and
lib/drivers/kpu.c, which is also the best account of how the registers are used.

    kpu = Kpu(clock, read_memory, irq)
    kpu.write(LAYER_ARGUMENT_FIFO, word)      twelve times: a layer; it runs as soon as it can
    kpu.read(INTERRUPT_STATUS)                bit 0 once it is done, if the layer asked for it
    kpu.ram.data                              the 2 MiB of AI RAM, in the chip's own layout
    kpu.read(FIFO_DATA_OUT), kpu.take(n)      the output stream, by word or as a DMA engine does

A layer takes the time of the forecast at `hz`; its result appears when it ends, by an alarm of the
clock. Arithmetic: `ConvParams` and the same kernels as `runtime.py`.

Known from no document, so guesses: the FIFO thresholds count words; almost_empty is raised when
taking a layer lets the FIFO fall to its threshold (not while it lies empty: the V3 driver enables
it before the input is there); a layer with load_para or load_coor 0 uses the table or weights
loaded last; full_add adds the pixels after activation and pool; a map that passes the AI RAM's end
goes on at its start; an input that its own output overwrites is read completely before.
In strict mode a layer that breaks a rule raises DeviceError with the rule's name instead.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

import numpy as np

from k210sim import compiling
from k210sim.clock import Alarm
from k210sim.errors import DeviceError, KmodelError, NotSimulated
from k210sim.kpu import ai_ram
from k210sim.kpu.forecast import DMA_OUT_NS, conv_seconds
from k210sim.kpu.layer_regs import ACT_SIZE, WORDS, Bits, LayerRegs
from k210sim.kpu.layer_rules import ACT_ALIGNMENT, faults

WINDOW = 0x48
LAYER_ARGUMENT_FIFO = 0x00
INTERRUPT_STATUS = 0x08
INTERRUPT_RAW = 0x10
INTERRUPT_MASK = 0x18
INTERRUPT_CLEAR = 0x20
FIFO_THRESHOLD = 0x28
FIFO_DATA_OUT = 0x30
FIFO_CTRL = 0x38
EIGHT_BIT_MODE = 0x40

CALC_DONE, ALMOST_EMPTY, ALMOST_FULL = 1, 2, 4
FIFO_WORDS = 64 * WORDS  # the chip's depth is not known; no driver queues more than a few layers
CACHED_PLANS = 256


def _word(offset: int) -> int:
    return offset // 8


class KpuRegs:
    """The registers that hold something, as 64-bit words by offset."""

    calc_done = Bits(_word(INTERRUPT_RAW), 0, 1, doc="a layer with int_en has ended")
    layer_cfg_almost_empty = Bits(_word(INTERRUPT_RAW), 1, 1)
    layer_cfg_almost_full = Bits(_word(INTERRUPT_RAW), 2, 1)
    raw = Bits(_word(INTERRUPT_RAW), 0, 3, doc="the three together")
    mask = Bits(_word(INTERRUPT_MASK), 0, 3, doc="1 = this cause does not interrupt")
    full_threshold = Bits(_word(FIFO_THRESHOLD), 0, 4)
    empty_threshold = Bits(_word(FIFO_THRESHOLD), 4, 4)
    dma_fifo_flush_n = Bits(_word(FIFO_CTRL), 0, 1, doc="0 empties the output stream")
    gs_fifo_flush_n = Bits(_word(FIFO_CTRL), 1, 1)
    cfg_fifo_flush_n = Bits(_word(FIFO_CTRL), 2, 1, doc="0 empties the layer FIFO")
    cmd_fifo_flush_n = Bits(_word(FIFO_CTRL), 3, 1)
    resp_fifo_flush_n = Bits(_word(FIFO_CTRL), 4, 1)
    eight_bit = Bits(_word(EIGHT_BIT_MODE), 0, 1, doc="1 = weights have 8 bits")

    WRITABLE = {INTERRUPT_MASK: 0x7, FIFO_THRESHOLD: 0xFF, FIFO_CTRL: 0x1F, EIGHT_BIT_MODE: 0x1}

    def __init__(self):
        self.words = [0] * _word(WINDOW)
        self.mask = 0x7
        self.words[_word(FIFO_CTRL)] = 0x1F

    @property
    def status(self) -> int:
        """Causes that are raised and not masked."""
        return self.raw & ~self.mask


class Kpu:
    """One KPU. See the module's docstring.

    clock: a k210sim.clock.Clock. read_memory(address, count) -> bytes of the bus, exactly `count`
    of them; it raises DeviceError where there is no memory. irq(level: bool) is told each change
    of the interrupt line. data_ready() is called when a layer's output stream is complete (the DMA
    handshake). hz: the KPU's clock, to be changed whenever it changes.
    """

    def __init__(self, clock, read_memory: Callable[[int, int], bytes],
                 irq: Callable[[bool], None] = lambda level: None, *,
                 data_ready: Callable[[], None] = lambda: None, hz: float = 400e6,
                 ram: ai_ram.AiRam | None = None, activation: str = "even",
                 kernels: str | None = None, strict: bool = False):
        self.clock, self.hz, self.strict = clock, hz, strict
        self.ram = ram or ai_ram.AiRam()
        self._read_memory, self._irq, self._data_ready = read_memory, irq, data_ready
        self._activation, self._kernels = activation, kernels
        self._plans: OrderedDict[tuple, tuple] = OrderedDict()
        self._alarm: Alarm | None = None
        self._line = False
        self._clear()

    def _clear(self):
        self.regs = KpuRegs()
        self.layers_started = self.layers_done = 0
        self._fifo: deque[int] = deque()
        self._running: LayerRegs | None = None
        self._ends_ns = 0
        self._stream = bytearray()
        self._weights = self._bn = b""

    def reset(self) -> None:
        """Registers, FIFOs and counts as at power-on; the AI RAM keeps its bytes."""
        if self._alarm is not None:
            self.clock.cancel(self._alarm)
            self._alarm = None
        self._clear()
        self._update_line()

    # -- registers --------------------------------------------------------------------------------

    def read(self, offset: int, size: int = 8) -> int:
        """A register's value, or its half (size 4). Reading fifo_data_out takes a word."""
        base, shift = self._place(offset, size)
        if base == FIFO_DATA_OUT:
            if size != 8:
                raise NotSimulated("a 32-bit read of the KPU's output FIFO")
            return int.from_bytes(self.take(8), "little")
        value = self.regs.status if base == INTERRUPT_STATUS else self.regs.words[_word(base)]
        return (value >> shift) & ((1 << 8 * size) - 1)

    def write(self, offset: int, value: int, size: int = 8) -> None:
        """Store into a register. Twelve words into the layer FIFO make a layer."""
        base, shift = self._place(offset, size)
        if base == LAYER_ARGUMENT_FIFO:
            if size != 8:
                raise NotSimulated("a 32-bit write into the KPU's layer FIFO")
            self._push(value & 0xFFFFFFFFFFFFFFFF)
        elif base == INTERRUPT_CLEAR:
            self.regs.raw &= ~(value << shift) & 0x7
        elif base in KpuRegs.WRITABLE:
            keep = self.regs.words[_word(base)] & ~(((1 << 8 * size) - 1) << shift)
            self.regs.words[_word(base)] = (keep | value << shift) & KpuRegs.WRITABLE[base]
            if base == FIFO_CTRL:
                self._flush()
        self._update_line()

    @staticmethod
    def _place(offset: int, size: int) -> tuple[int, int]:
        if size not in (4, 8) or offset % size or not 0 <= offset < WINDOW:
            raise DeviceError(f"KPU register access of {size} bytes at offset {offset:#x}: the "
                              f"registers are 64 bits wide, up to {WINDOW - 8:#x}")
        return offset & ~7, offset % 8 * 8

    def _flush(self):
        r = self.regs
        if not (r.cfg_fifo_flush_n and r.cmd_fifo_flush_n):
            self._fifo.clear()
        if not (r.dma_fifo_flush_n and r.resp_fifo_flush_n):
            self._stream.clear()

    def _update_line(self):
        level = self.regs.status != 0
        if level != self._line:
            self._line = level
            self._irq(level)

    # -- layers -----------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a layer is running."""
        return self._running is not None

    @property
    def queued_words(self) -> int:
        """Words in the layer FIFO."""
        return len(self._fifo)

    def _push(self, word: int):
        if len(self._fifo) >= FIFO_WORDS:
            raise DeviceError(f"the KPU's layer FIFO holds {FIFO_WORDS} words already, and the "
                              "layer that runs does not end")
        self._fifo.append(word)
        if len(self._fifo) >= self.regs.full_threshold > 0:
            self.regs.layer_cfg_almost_full = 1
        self._start()

    def _start(self):
        """Take the next layer from the FIFO if one is complete and nothing runs."""
        if self.busy or len(self._fifo) < WORDS:
            return
        self._running = regs = LayerRegs([self._fifo.popleft() for _ in range(WORDS)])
        if len(self._fifo) <= self.regs.empty_threshold:
            self.regs.layer_cfg_almost_empty = 1
        self.layers_started += 1
        try:
            if self.strict:
                self._insist(regs)
            self._check_size(regs)
            seconds = conv_seconds(regs, self._item, self.hz)
        except (DeviceError, KmodelError) as error:
            self._running = None
            if isinstance(error, KmodelError):
                raise NotSimulated("a KPU layer", str(error)) from None
            raise
        if regs.send_data_out:
            seconds += (regs.dma_total_byte + 1) * DMA_OUT_NS * 1e-9
        self._ends_ns = self.clock.now_ns + round(seconds * 1e9)
        self._alarm = self.clock.alarm(self._ends_ns, self._finish)

    @staticmethod
    def _check_size(regs: LayerRegs):
        """Refuse kernels nobody has described (by `taps`) and maps larger than the AI RAM."""
        for shape in (regs.in_shape, regs.out_shape):
            if regs.taps and ai_ram.map_lines(shape) > ai_ram.LINES:
                raise DeviceError(f"a KPU map of {'x'.join(map(str, shape))} is larger than the "
                                  "AI RAM")

    @property
    def _item(self) -> int:
        return 1 if self.regs.eight_bit else 2

    def _insist(self, regs: LayerRegs):
        broken = faults(regs, self._item)
        if regs.active_addr % ACT_ALIGNMENT:
            raise DeviceError(f"KPU layer {self.layers_started - 1} breaks the rule act-alignment: "
                              f"activation table at {regs.active_addr:#x}, expected a multiple of "
                              f"{ACT_ALIGNMENT}")
        if broken and broken[0].fatal:
            raise DeviceError(f"KPU layer {self.layers_started - 1} breaks the rule "
                              f"{broken[0].rule}: {broken[0].text}")

    def _finish(self):
        """The running layer's end: its output, its interrupt, and the next layer's start."""
        self._alarm = None
        regs = self._running
        try:
            out = self._compute(regs)
        finally:
            self._running = None
        self.layers_done += 1
        self._write_map(regs.image_dst_addr, out)
        if regs.send_data_out:
            self._stream += self._streamed(regs, out)
            self._data_ready()
        if regs.int_en:
            self.regs.calc_done = 1
        self._start()
        self._update_line()

    @staticmethod
    def _streamed(regs, out) -> bytes:
        """What the output FIFO delivers: planar bytes in whole words; a word per channel with
        full_add."""
        if regs.full_add:
            return out.sum(axis=(1, 2), dtype=np.uint64).astype("<u8").tobytes()
        count = regs.dma_total_byte + 1
        raw = out.tobytes()[:count]
        return raw.ljust(-(-count // 8) * 8, b"\0")

    def _compute(self, regs: LayerRegs) -> np.ndarray:
        """The output map, uint8 (C, H, W)."""
        if not regs.load_act:
            return np.zeros(regs.out_shape, np.uint8)
        item = self._item
        if regs.load_coor:
            self._weights = self._fetch_weights(regs, item)
        if regs.load_para:
            self._bn = self._fetch(regs.bwsx_base_addr, 8 * regs.out_channels)
        act = self._fetch(regs.active_addr, ACT_SIZE)
        need = regs.weight_count * item
        if len(self._weights) < need or len(self._bn) < 8 * regs.out_channels:
            raise DeviceError(f"KPU layer {self.layers_started - 1} loads no weights or no batch "
                              "norm table of its own, and those of the layer before are too short")
        plan = self._plan(regs, self._weights[:need], self._bn[: 8 * regs.out_channels], act)
        return plan.run(self._read_map(regs.image_src_addr, regs.in_shape))

    def _fetch(self, address: int, count: int) -> bytes:
        raw = bytes(self._read_memory(address, count))
        if len(raw) != count:
            raise DeviceError(f"the KPU reads {count} bytes at {address:#x}, the bus gives "
                              f"{len(raw)}")
        return raw

    def _fetch_weights(self, regs, item) -> bytes:
        """All weights, load by load: load i lies para_size bytes behind load i - 1."""
        one = regs.taps * item * (1 if regs.depthwise else regs.in_channels)
        per, channels = regs.o_ch_num_coef + 1, regs.out_channels
        if per >= channels or regs.para_size == one * per:
            return self._fetch(regs.para_start_addr, one * channels)
        parts = []
        for start in range(0, channels, per):
            at = regs.para_start_addr + start // per * regs.para_size
            parts.append(self._fetch(at, one * min(per, channels - start)))
        return b"".join(parts)

    def _plan(self, regs, weights, bn, act):
        """The prepared kernel for a layer; the same layer with the same tables is kept."""
        import zlib

        compiling.announce()  # a fresh installation compiles here: not without a word
        from k210sim.kpu.conv_params import ConvParams
        from k210sim.kpu.kernels import table

        bare = LayerRegs(regs.words)
        for name in ("int_en", "send_data_out", "full_add", "ram_flag", "image_src_addr",
                     "image_dst_addr"):
            setattr(bare, name, 0)
        tables = (weights, bn, act)
        key = (*bare.words, self._item, *(zlib.crc32(t) for t in tables))
        known = self._plans.get(key)
        if known is not None and known[0] == tables:
            self._plans.move_to_end(key)
            return known[1]
        dtype = np.uint8 if self._item == 1 else "<u2"
        try:
            params = ConvParams.from_layer(bare, np.frombuffer(weights, dtype),
                                           np.frombuffer(bn, "<u8"), act, self._activation)
        except KmodelError as error:
            raise NotSimulated("a KPU layer", str(error)) from None
        kernels = table.load(self._kernels) if self._kernels else table.default()
        plan = kernels.prepare(params)
        self._plans[key] = (tables, plan)
        while len(self._plans) > CACHED_PLANS:
            self._plans.popitem(last=False)
        return plan

    # -- AI RAM and output stream -----------------------------------------------------------------

    def _read_map(self, line, shape):
        if line + ai_ram.map_lines(shape) <= ai_ram.LINES:
            return self.ram.read_map(line, shape)
        return self._turned(line).read_map(0, shape)

    def _write_map(self, line, out):
        if line + ai_ram.map_lines(out.shape) <= ai_ram.LINES:
            self.ram.write_map(line, out)
            return
        turned = self._turned(line)
        turned.write_map(0, out)
        self.ram.data[:] = np.roll(turned.data, line * ai_ram.LINE)

    def _turned(self, line) -> ai_ram.AiRam:
        """A copy of the AI RAM with `line` first, for maps that pass its end."""
        turned = ai_ram.AiRam()
        turned.data[:] = np.roll(self.ram.data, -line * ai_ram.LINE)
        return turned

    @property
    def stream_bytes(self) -> int:
        """Bytes waiting in the output FIFO."""
        return len(self._stream)

    def take(self, count: int) -> bytes:
        """The next bytes of the output stream, zeros behind its end (DeviceError if strict)."""
        if count > len(self._stream) and self.strict:
            raise DeviceError(f"{count} bytes of the KPU's output FIFO, it holds "
                              f"{len(self._stream)}")
        part = bytes(self._stream[:count])
        del self._stream[:count]
        return part.ljust(count, b"\0")

    # -- state ------------------------------------------------------------------------------------

    def save_state(self) -> dict:
        """Everything, with the AI RAM; times are relative to the clock's now."""
        return {
            "words": list(self.regs.words), "fifo": list(self._fifo),
            "running": list(self._running.words) if self._running else None,
            "left_ns": max(0, self._ends_ns - self.clock.now_ns) if self._running else 0,
            "stream": bytes(self._stream), "weights": self._weights, "bn": self._bn,
            "started": self.layers_started, "done": self.layers_done, "hz": self.hz,
            "ram": self.ram.data.tobytes(),
        }

    def load_state(self, state: dict) -> None:
        """Restore what save_state gave; the interrupt line is reported as it then stands."""
        self.reset()
        self.regs.words = list(state["words"])
        self._fifo.extend(state["fifo"])
        self._stream += state["stream"]
        self._weights, self._bn = state["weights"], state["bn"]
        self.layers_started, self.layers_done = state["started"], state["done"]
        self.hz = state["hz"]
        self.ram.data[:] = np.frombuffer(state["ram"], np.uint8)
        if state["running"] is not None:
            self._running = LayerRegs(state["running"])
            self._ends_ns = self.clock.now_ns + state["left_ns"]
            self._alarm = self.clock.alarm(self._ends_ns, self._finish)
        self._update_line()
