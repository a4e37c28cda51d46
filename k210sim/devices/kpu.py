"""The KPU's registers on the bus; k210sim/kpu/device.py is the KPU."""

from __future__ import annotations

from k210sim.devices.device import Device
from k210sim.errors import NotSimulated
from k210sim.kpu.device import WINDOW, Kpu


class KpuRegisters(Device):
    NAME = "KPU"

    def __init__(self, kpu: Kpu):
        self.kpu = kpu
        super().__init__()

    def reset(self) -> None:
        self.kpu.reset()

    def save_state(self) -> dict:
        return {"registers": super().save_state(), "kpu": self.kpu.save_state()}

    def load_state(self, state: dict) -> None:
        super().load_state(state["registers"])
        self.kpu.load_state(state["kpu"])

    def read(self, offset: int, size: int) -> int:
        if offset >= WINDOW or size < 4:
            return super().read(offset, size)
        return self.kpu.read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        if offset >= WINDOW or size < 4:
            super().write(offset, size, value)
        else:
            self.kpu.write(offset, value & ((1 << 8 * size) - 1), size)

    def dma_read(self, count: int) -> list[int] | None:
        """Words of the output stream, or None while there are not as many."""
        if self.kpu.stream_bytes < 8 * count:
            return None
        data = self.kpu.take(8 * count)
        return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]

    def dma_write(self, values: list[int]) -> None:
        raise NotSimulated("DMA into the KPU")
