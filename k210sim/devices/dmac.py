"""DMAC: six channels between memory and devices; a transfer happens at once when it can.

Ref: kendryte-standalone-sdk lib/drivers/include/dmac.h. A channel that reads from a device waits
until the device has all of the block. Of the ways to go on after a block, modelled are lists in
memory (Synopsys' description of the block, DW_axi_dmac: an item is valid by bit 63 of its control
word, which is cleared when it is done, and the last by bit 62), and blocks that repeat from the
same addresses or go on behind the last one, until the channel is switched off; the latter with a
device that has a pace (I2S, APU), for elsewhere a block takes no time here. That each of them only
raises "block complete", and waits for nobody, is our reading. What is not modelled leaves the
channel enabled for ever, with a line in the log.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from k210sim.devices import cells as c
from k210sim.devices.device import Device, Register

CHANNELS = 6
BLOCK_DONE, DONE = 0x1, 0x3  # block, and DMA transfer complete too
_CHANNEL = (
    (0x00, "sar"), (0x08, "dar"), (0x10, "block_ts"), (0x18, "ctl"), (0x20, "cfg"), (0x28, "llp"),
    (0x30, "status"), (0x38, "swhssrc"), (0x40, "swhsdst"), (0x48, "blk_tfr"), (0x50, "axi_id"),
    (0x58, "axi_qos"), (0x80, "intstatus_en"), (0x88, "intstatus"), (0x90, "intsignal_en"),
    (0x98, "intclear"),
)  # fmt: skip
# of cfg: how the source (bits 0, 1) and the target (2, 3) go on after a block
CONTIGUOUS, RELOAD, LINKED = 0, 1, 3
ITEM, ITEM_FIELDS = 64, ("sar", "dar", "block_ts", "llp", "ctl")
_OFFSETS = {name: 0x100 + offset for offset, name in _CHANNEL}
_DTYPES = (np.uint8, np.uint16, np.uint32, np.uint64)


class Dmac(Device):
    """ram : uint8 view of RAM. bus : has `at(address)`. irqs[channel](level) are set by the mapper.

    A device takes part when it has `dma_read(count)` and `dma_write(values)`, a list, or an array
    where the device has DMA_ARRAYS; one that holds several has `dma_part(offset)`, which gives it.
    One that ends each block at a pace of its own has DMA_PACED.
    """

    NAME = "DMAC"
    REGISTERS = (
        Register(0x00, "id", width=8, read_only=True),
        Register(0x08, "compver", width=8, read_only=True),
        Register(0x10, "cfg", width=8, kind=c.DMAC_CFG),
        Register(0x18, "chen", width=8, kind=c.DMAC_CHEN),
        Register(0x30, "intstatus", width=8),
        Register(0x38, "com_intclear", width=8),
        Register(0x40, "com_intstatus_en", width=8),
        Register(0x48, "com_intsignal_en", width=8),
        Register(0x50, "com_intstatus", width=8, read_only=True),
        Register(0x58, "reset", width=8),
        *(
            Register(0x100 + offset, f"ch_{name}", width=8, count=CHANNELS, stride=0x100,
                     read_only=name == "intstatus",
                     kind=c.DMAC_INTCLEAR if name == "intclear" else c.PLAIN)
            for offset, name in _CHANNEL
        ),
    )

    def __init__(self, ram: np.ndarray, bus: Any):
        self.ram, self.bus = ram, bus
        self.irqs = [lambda level: None] * CHANNELS
        self._waiting: set[int] = set()
        self._common = bus.rows[-1]
        self._pumping = False
        super().__init__()

    def reset_channels(self) -> None:
        super().reset()
        self._waiting.clear()
        self._tell()
        for irq in self.irqs:
            irq(False)

    def reset(self) -> None:
        self.reset_channels()

    def _tell(self) -> None:
        """Let the core know whether a channel waits: then accesses to devices may move it."""
        self._common[c.DMA_WAITS] = len(self._waiting)

    def _channel(self, number: int, name: str) -> int:
        return (number << 8) + _OFFSETS[name]

    # --- registers ------------------------------------------------------------------------------

    def write_reset(self, value: int) -> None:
        if value & 1:
            self.reset_channels()

    def write_cfg(self, value: int) -> None:
        self._put(0x10, 8, value & 3)
        self.pump()

    def write_com_intclear(self, value: int) -> None:
        """Nothing to clear: the common errors do not occur here."""

    def read_intstatus(self) -> int:
        return sum(
            1 << n for n in range(CHANNELS) if self._take(self._channel(n, "intstatus"), 8)
        )

    def write_chen(self, value: int) -> None:
        enabled = self._take(0x18, 8) & 0x3F
        for n in range(CHANNELS):
            if value >> (8 + n) & 1:
                if value >> n & 1:
                    enabled |= 1 << n
                    self._waiting.add(n)
                else:
                    enabled &= ~(1 << n)
                    self._waiting.discard(n)
        self._put(0x18, 8, enabled)
        self._tell()
        self.pump()

    def write_ch_intclear(self, number: int, value: int) -> None:
        status = self._channel(number, "intstatus")
        before = self._take(status, 8)
        if before & value:
            self._put(status, 8, before & ~value)
            self._update(number)

    def write_ch_intstatus_en(self, number: int, value: int) -> None:
        self._put(self._channel(number, "intstatus_en"), 8, value)
        self._update(number)

    def write_ch_intsignal_en(self, number: int, value: int) -> None:
        self._put(self._channel(number, "intsignal_en"), 8, value)

    def _update(self, number: int) -> None:
        raised = self._take(self._channel(number, "intstatus"), 8)
        self.irqs[number](bool(raised & self._take(self._channel(number, "intstatus_en"), 8)))

    # --- transfers ------------------------------------------------------------------------------

    def pump(self) -> None:
        """Do the transfers that are possible now; one may make another possible.

        A device that calls this while a transfer goes on is served after it.
        """
        if self._pumping or not self._take(0x10, 8) & 1:
            return
        self._pumping = True
        try:
            self._pump()
        finally:
            self._pumping = False

    def _pump(self) -> None:
        moved = True
        while moved and self._waiting:
            moved = False
            for n in sorted(self._waiting):
                if n in self._waiting and self._transfer(n):
                    moved = True
                    self._waiting.discard(n)
                    self._tell()
                    self._put(0x18, 8, self._take(0x18, 8) & ~(1 << n))
                    self._note(n, DONE)

    def _note(self, n: int, done: int) -> None:
        status = self._channel(n, "intstatus")
        self._put(status, 8, self._take(status, 8) | done)
        self._update(n)

    def _transfer(self, n: int) -> bool:
        """A block, or all of a list; False when it has to wait."""
        kinds = self._take(self._channel(n, "cfg"), 8) & 0xF
        source, target = kinds & 3, kinds >> 2
        if not kinds:
            return self._block(n)
        if source == target == LINKED:
            return self._list(n)
        if {source, target} <= {CONTIGUOUS, RELOAD}:
            self._repeat(n, source, target)
        else:
            self._refuse(n, "shadow registers, and lists for one side only")
        return False

    def _repeat(self, n: int, source: int, target: int) -> None:
        """Blocks without end, each when the device has done with the one before."""
        sides = (("sar", source, 4), ("dar", target, 6))  # and the bit of ctl that holds it still
        ends = [self._take(self._channel(n, name), 8) for name, *_ in sides]
        if not any(getattr(self._device(end), "DMA_PACED", False) for end in ends):
            self._refuse(n, "blocks that repeat without a device that has a pace")
            return
        while self._block(n):
            ctl = self._take(self._channel(n, "ctl"), 8)
            size = (self._take(self._channel(n, "block_ts"), 8) & 0x3FFFFF) + 1 << (ctl >> 8 & 7)
            for name, kind, fixed in sides:
                if kind == CONTIGUOUS and not ctl >> fixed & 1:
                    place = self._channel(n, name)
                    self._put(place, 8, self._take(place, 8) + size)
            self._note(n, BLOCK_DONE)

    def _list(self, n: int) -> bool:
        """Blocks described in memory, from the item that llp points to up to the last one."""
        place = self._channel(n, "llp")
        for _ in range(self.ram.size // ITEM):  # a list that renews itself has no end
            memory = self.memory(self._take(place, 8) & ~(ITEM - 1), ITEM)
            if memory is None:
                self._refuse(n, f"a list item at 0x{self._take(place, 8):08x}")
                return False
            item = memory.view(np.uint64)
            fields = {name: int(item[i]) for i, name in enumerate(ITEM_FIELDS)}
            if not fields["ctl"] >> 63:  # not valid, or done before
                return False
            for name in ("sar", "dar", "block_ts", "ctl"):
                self._put(self._channel(n, name), 8, fields[name])
            if not self._block(n):
                return False
            item[ITEM_FIELDS.index("ctl")] = fields["ctl"] & ~(1 << 63)
            if fields["ctl"] >> 62 & 1:
                return True
            self._put(place, 8, fields["llp"])
        self._refuse(n, "a list longer than memory")
        return False

    def _block(self, n: int) -> bool:
        """One block; False when it has to wait."""
        ctl = self._take(self._channel(n, "ctl"), 8)
        source = self._take(self._channel(n, "sar"), 8)
        target = self._take(self._channel(n, "dar"), 8)
        count = (self._take(self._channel(n, "block_ts"), 8) & 0x3FFFFF) + 1
        width = ctl >> 8 & 7
        out_width = ctl >> 11 & 7
        if width > 3 or out_width > 3:
            self._refuse(n, "transfers of more than 64 bits")
            return False
        values = self._fetch(n, source, count, width, bool(ctl >> 4 & 1))
        if values is None:
            return False
        return self._store(n, target, values, out_width, bool(ctl >> 6 & 1))

    def _fetch(self, n: int, address: int, count: int, width: int, fixed: bool):
        memory = self.memory(address, (1 if fixed else count) << width)
        if memory is not None:
            data = memory.view(_DTYPES[width]) if address % (1 << width) == 0 else None
            if data is None:
                data = np.frombuffer(memory.tobytes(), _DTYPES[width])
            return np.repeat(data, count) if fixed else data.copy()
        read = getattr(self._device(address), "dma_read", None)
        if read is None:
            self._refuse(n, f"reading from 0x{address:08x}")
            return None
        got = read(count)
        return None if got is None else np.asarray(got, np.uint64).astype(_DTYPES[width])

    def _store(self, n: int, address: int, values, width: int, fixed: bool) -> bool:
        if values.dtype != _DTYPES[width]:
            values = np.frombuffer(values.tobytes(), _DTYPES[width])
        memory = self.memory(address, values.itemsize if fixed else values.nbytes)
        if memory is not None:
            raw = np.frombuffer(values.tobytes(), np.uint8)
            memory[:] = raw[-values.itemsize :] if fixed else raw
            return True
        device = self._device(address)
        write = getattr(device, "dma_write", None)
        if write is None:
            self._refuse(n, f"writing to 0x{address:08x}")
            return False
        took = write(values if getattr(device, "DMA_ARRAYS", False) else values.tolist())
        return took is not False

    def memory(self, address: int, size: int):
        """The bytes of RAM at an address, or None where there is none."""
        off = address & 0x3FFFFFFF
        if address >> 30 not in (1, 2) or off + size > self.ram.size:
            return None
        return self.ram[off : off + size]

    def _device(self, address: int):
        try:
            device, offset = self.bus.at(address)
        except KeyError:
            return None
        part = getattr(device, "dma_part", None)
        return part(offset) if part else device

    def _refuse(self, n: int, what: str) -> None:
        self._unmodelled(f"channel {n}: {what}", 0x100 + 0x100 * n)
