"""A model's main memory: a byte array with checked, typed reads and writes."""

from __future__ import annotations

import numpy as np

from k210sim.errors import KmodelError

LIMIT = 8 << 20


class MainMemory:
    """`size` bytes, zeroed. The chip checks nothing: a range outside raises KmodelError here.

    `grow` adds room behind the end for feature map dumps, which on the chip run over whatever the
    system heap holds there.
    """

    def __init__(self, size: int):
        if size > LIMIT:
            raise KmodelError(f"main memory of {size} bytes, the chip has {LIMIT} bytes in all",
                              offset=20, field="HeaderV3.main_mem_usage")
        self.size = size
        self.data = np.zeros(size, np.uint8)
        self._behind: np.ndarray | None = None

    def attach(self, cells: np.ndarray) -> None:
        """Let this memory be the first bytes of `cells`, e.g. guest RAM from the block's address.

        The contents move there; `grow` then reaches into what lies behind, as on the chip.
        """
        if cells.size < self.data.size:
            raise KmodelError(f"{cells.size} bytes cannot hold {self.data.size}")
        cells[: self.data.size] = self.data
        self.data, self._behind = cells[: self.data.size], cells

    def grow(self, size: int) -> None:
        """Make at least `size` bytes addressable, 8 MiB at most; old views keep the old array."""
        size = min(size, LIMIT)
        if self._behind is not None:
            self.data = self._behind[: max(size, self.data.size)]
        elif size > self.data.size:
            data = np.zeros(size, np.uint8)
            data[: self.data.size] = self.data
            self.data = data

    def cells(self, address: int, count: int, field: str = "") -> np.ndarray:
        """A writable uint8 view; raises KmodelError when it leaves the memory."""
        if address < 0 or count < 0 or address + count > self.data.size:
            raise KmodelError(f"{count} bytes at main memory offset {address}, the model has "
                              f"{self.data.size}", field=field)
        return self.data[address : address + count]

    def u8(self, address: int, count: int, field: str = "") -> np.ndarray:
        return self.cells(address, count, field)

    def f32(self, address: int, count: int, field: str = "") -> np.ndarray:
        """float32 values, copied when the address is not aligned."""
        view = self.cells(address, count * 4, field).view("<f4")
        return view if view.flags.aligned else view.copy()

    def put(self, address: int, values: np.ndarray, field: str = "") -> None:
        """Store an array's bytes."""
        raw = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        self.cells(address, raw.size, field)[:] = raw
