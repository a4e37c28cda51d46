"""Addresses to devices, and the registers' home in arrays that the compiled core reads."""

from __future__ import annotations

import numpy as np

from k210sim.devices.cells import ROW
from k210sim.devices.device import Device

PAGE = 4096
TOP = 0x90000000  # no device lies above
MAX_PAGES = 256


class Bus:
    """All devices by address.

    regs, flags : the words of all mapped pages and what the core may do with each (see
        cells.py). page_of : index of a page's words, -1 where there is nothing
    rows : cells that the core works on, a row a page; the last one is everybody's
    """

    def __init__(self):
        self.regs = np.zeros(MAX_PAGES * PAGE // 4, np.uint32)
        self.flags = np.zeros(MAX_PAGES * PAGE // 4, np.uint8)
        self.rows = np.zeros((MAX_PAGES, ROW), np.int64)
        self.page_of = np.full(TOP // PAGE, -1, np.int16)
        self.devices: dict[str, Device] = {}
        self._by_page: dict[int, tuple[int, Device]] = {}
        self._used = 0

    def map(self, base: int, device: Device, *, pages: tuple[int, ...] = ()) -> Device:
        """Put a device at `base`. pages : the ones of a large window that hold anything."""
        for page in pages or range(-(-device.SIZE // PAGE)):
            self.page_of[base // PAGE + page] = self._used
            self._by_page[base // PAGE + page] = (base, device)
            if not pages:
                first = self._used * PAGE // 4
                span = slice(first, first + min(PAGE, device.SIZE) // 4)
                if device.SIZE <= PAGE:
                    device.place(self.regs[span], self.flags[span], self.rows[self._used])
            self._used += 1
        self.devices[device.NAME] = device
        return device

    def map_rest(self, base: int, size: int, device: Device) -> None:
        """Have a device of one page's size answer wherever nobody else does, with its offset from
        `base`."""
        for page in range(base // PAGE, (base + size) // PAGE):
            if self.page_of[page] < 0:
                self.page_of[page] = self._used
                self._by_page[page] = (base, device)
        self._used += 1
        self.devices[device.NAME] = device

    def at(self, address: int) -> tuple[Device, int]:
        """(device, offset in it) of an address in a mapped page."""
        base, device = self._by_page[address // PAGE]
        return device, address - base

    def unmodelled_used(self) -> list[str]:
        """Registers nobody modelled that were used, as `device+0x1c`."""
        return [f"{name}+0x{offset:x}" for name, device in self.devices.items()
                for offset in sorted(device.unmodelled_used)]  # fmt: skip

    def save_state(self) -> dict:
        """The registers of all devices, and what each holds besides."""
        used = self._used * PAGE // 4
        return {
            "regs": self.regs[:used].tobytes(),
            "flags": self.flags[:used].tobytes(),
            "rows": self.rows.tobytes(),
            "devices": {name: device.save_state() for name, device in self.devices.items()},
        }

    def load_state(self, state: dict) -> None:
        """Put back what `save_state` gave, with the same devices mapped and the clock as then."""
        for array, kept in ((self.regs, state["regs"]), (self.flags, state["flags"])):
            array[: self._used * PAGE // 4] = np.frombuffer(kept, array.dtype)
        self.rows[:] = np.frombuffer(state["rows"], np.int64).reshape(self.rows.shape)
        for name, device in self.devices.items():
            device.load_state(state["devices"][name])

    def reset(self) -> None:
        for device in self.devices.values():
            device.reset()
