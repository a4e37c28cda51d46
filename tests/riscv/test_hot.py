"""The compiled twins of devices' registers do what the devices do, or nothing."""

from __future__ import annotations

import numpy as np
import pytest

from k210sim.devices import cells as c
from k210sim.devices import hot
from k210sim.devices.bus import Bus
from k210sim.devices.dmac import Dmac
from k210sim.devices.spi import Spi
from k210sim.devices.sysctl import Sysctl

SPI, DMAC, SYSCTL = 0x52000000, 0x50000000, 0x50440000


class Echo:
    """A chip that answers with what it got, a byte late, and counts its transactions."""

    raw = True

    def __init__(self):
        self.last, self.log = 0x5A, []

    def select(self, chip_select: int) -> None:
        self.log.append(chip_select)

    def release(self) -> None:
        self.log.append(-1)

    def exchange(self, data: bytes) -> bytes:
        answer = (bytes([self.last]) + data)[: len(data)]
        self.last = data[-1] if data else self.last
        self.log.append(data)
        return answer

    def receive(self, count: int) -> bytes:
        self.log.append(count)
        return bytes(n & 0xFF for n in range(count))


class Chip:
    """SPI, DMAC and SYSCTL on a bus; `compiled` : as the core uses them, or in Python alone."""

    def __init__(self, number: int, slave, compiled: bool):
        self.compiled, self.here, self.python = compiled, 0, 0
        self.bus = bus = Bus()
        self.ram = np.arange(4096, dtype=np.uint8)
        self.dmac = Dmac(self.ram, bus)
        bus.map(DMAC, self.dmac)
        self.irqs = [False] * 6
        self.dmac.irqs = [lambda level, n=n: self.irqs.__setitem__(n, level) for n in range(6)]
        self.spi = Spi(number, slave, on_change=self.dmac.pump)
        bus.map(SPI, self.spi)
        self.clocks = []
        bus.map(SYSCTL, Sysctl(lambda: self.clocks.append(1), lambda: None))
        bus.reset()

    def _at(self, address: int, size: int, plain: int) -> tuple[int, int, int]:
        bus = self.bus
        at = (int(bus.page_of[address >> 12]) << 10) | (address & 0xFFF) >> 2
        flags = [int(flag) for flag in bus.flags[at : at + size // 4]]
        return at, flags[0] >> c.KIND_SHIFT, all(flag & plain for flag in flags)

    def load(self, address: int, size: int) -> int:
        device, offset = self.bus.at(address)
        if self.compiled:
            at, kind, plain = self._at(address, size, c.READ)
            if kind and not plain and size == 4:
                served, value = hot.load(kind, at, self.bus.regs, self.bus.rows)
                self.here += served
                if served:
                    return value
                self.python += 1
        return device.read(offset, size)

    def store(self, address: int, size: int, value: int) -> None:
        device, offset = self.bus.at(address)
        if self.compiled:
            at, kind, plain = self._at(address, size, c.WRITE)
            if kind and not plain:
                signed = value - (1 << 64) if value >> 63 else value
                if hot.store(kind, at, size, signed, self.bus.regs, self.bus.rows):
                    self.here += 1
                    return
                self.python += 1
        device.write(offset, size, value)

    def state(self) -> tuple:
        spi = self.spi
        fifos = [
            [*spi.row[f + c.FRAMES + spi.row[f + c.START] : f + c.FRAMES + spi.row[f + c.END]],
             *np.frombuffer(spi._rest[f], np.uint32)]
            for f in (c.SENT, c.GOT)
        ]  # fmt: skip
        log = getattr(spi.slave, "log", None)
        return (self.bus.regs[: 3 << 10].tobytes(), fifos, spi.row[:4].tolist(), self.dmac._waiting,
                self.irqs, self.clocks, log, self.ram.tobytes())  # fmt: skip


def channel(n: int, name: str) -> int:
    offsets = {"sar": 0, "dar": 8, "block_ts": 0x10, "ctl": 0x18, "cfg": 0x20, "en": 0x80,
               "clear": 0x98}  # fmt: skip
    return DMAC + 0x100 * (n + 1) + offsets[name]


def accesses(rng: np.random.Generator, number: int):
    """Endless: (address, size, value or None for a load), mostly in the order drivers use."""
    dfs, frf, tmod = (0, 22, 10) if number == 3 else (16, 21, 8)
    while True:
        kind = rng.integers(10)
        if kind < 5:  # a transfer by hand
            bits = int(rng.choice([8, 8, 8, 16, 24, 32]))
            wide = int(rng.choice([0, 0, 0, 2]))
            mode = int(rng.integers(4))
            yield SPI, 4, (bits - 1) << dfs | wide << frf | mode << tmod
            yield SPI + 4, 4, int(rng.choice([0, 1, 7, 70, 200]))
            yield SPI + 0xF4, 4, int(rng.choice([0, 2 << 8, 2 << 8 | 6 << 2]))
            steps = [(SPI + 8, 4, int(rng.integers(2))), (SPI + 0x10, 4, int(rng.integers(3)))]
            steps += [(SPI + 0x60 + 4 * int(rng.integers(36)), 4, int(rng.integers(1 << 32)))
                      for _ in range(rng.choice([1, 1, 2, 5, 80]))]  # fmt: skip
            steps += [(SPI + int(o), 4, None) for o in rng.choice([0x20, 0x24, 0x28, 0x60], 6)]
            steps += [(SPI + 0x10, 4, int(rng.integers(2))), (SPI + 8, 4, int(rng.integers(2)))]
            if rng.integers(3) == 0:
                rng.shuffle(steps)
            yield from (tuple(step) for step in steps)
            if rng.integers(4) == 0:
                yield from [(SPI + 0x60, 4, None)] * int(rng.integers(200))
        elif kind < 8:  # a channel
            n = int(rng.integers(6))
            to_spi = rng.integers(2) == 0
            memory = 0x80000000 + 4 * int(rng.integers(64))
            pair = (memory, SPI + 0x60) if to_spi else (SPI + 0x60, memory)
            yield channel(n, "clear"), 8, int(rng.choice([0xFFFFFFFF, (1 << 64) - 1, 2]))
            yield channel(n, "sar"), 8, pair[0]
            yield channel(n, "dar"), 8, pair[1]
            yield channel(n, "block_ts"), 8, int(rng.choice([0, 3, 70]))
            yield channel(n, "ctl"), 8, 2 << 8 | 2 << 11 | 1 << (6 if to_spi else 4)
            yield channel(n, "en"), 8, int(rng.choice([0, 2]))
            yield DMAC + 0x10, 8, int(rng.choice([3, 3, 3, 0, 0xFFFFFFFF00000007]))
            chosen = int(rng.integers(64))
            yield DMAC + 0x18, 8, chosen << 8 | int(rng.choice([0, chosen]))
            yield DMAC + 0x18, 8, None
        else:
            yield SYSCTL + 0x20, 4, int(rng.integers(2))
            yield SYSCTL + 0x20, 4, None
            yield DMAC + 0x18, 4, int(rng.integers(1 << 14))


@pytest.mark.parametrize("number, slave", [(1, None), (0, Echo), (3, None), (3, Echo)])
def test_any_order_of_accesses_gives_the_same(number, slave):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        fast, plain = (Chip(number, slave and slave(), compiled) for compiled in (True, False))
        script = accesses(rng, number)
        for step in range(600):
            address, size, value = next(script)
            if value is None:
                got = fast.load(address, size), plain.load(address, size)
                assert got[0] == got[1], (seed, step, hex(address))
            else:
                fast.store(address, size, value)
                plain.store(address, size, value)
            assert fast.state() == plain.state(), (seed, step, hex(address), value)
        assert fast.here > 20


def test_polling_an_empty_socket_needs_no_python():
    chip = Chip(1, None, True)
    for _ in range(50):
        for offset, value in ((0x10, 0), (8, 0), (0, 7 << 16), (8, 1), (0x60, 0xFF), (0x10, 8)):
            chip.store(SPI + offset, 4, value)
        assert chip.load(SPI + 0x24, 4) == 1 and chip.load(SPI + 0x60, 4) == 0xFF
        chip.store(SPI + 0x10, 4, 0)
        chip.store(SPI + 8, 4, 0)
    assert chip.python == 0 and chip.here == 450


def test_a_long_read_leaves_its_frames_in_order():
    chip = Chip(0, Echo(), True)
    for offset, value in ((0, 7 << 16 | 2 << 8), (4, 299), (8, 1), (0x10, 1), (0x60, 0)):
        chip.store(SPI + offset, 4, value)
    assert chip.load(SPI + 0x24, 4) == 300
    assert [chip.load(SPI + 0x60, 4) for _ in range(301)] == [n & 0xFF for n in range(300)] + [0]
