"""The 2 MiB AI RAM and how feature maps lie in it.

Ref: kendryte-standalone-sdk lib/drivers/kpu.c (input upload), nncase
src/common/include/runtime/k210/k210_runtime_op_utility.h (map layout).
Addresses are in 64-byte lines. Narrow maps share a line between several channels; bytes behind
the width of a row are never read as pixels and keep whatever was there.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from k210sim.errors import KmodelError

LINE = 64
LINES = 32768
SIZE = LINE * LINES


def layout(width: int) -> tuple[int, int, int]:
    """(channels sharing a line, lines per row, bytes between channels in a line) for a width."""
    if width <= 16:
        return 4, 1, 16
    if width <= 32:
        return 2, 1, 32
    return 1, -(-width // LINE), LINE


def map_lines(shape: tuple[int, int, int]) -> int:
    """64-byte lines a (channels, height, width) map occupies."""
    channels, height, width = shape
    group, row_lines, _ = layout(width)
    return row_lines * height * -(-channels // group)


def check_map(line: int, shape: tuple[int, int, int]) -> int:
    """The line behind a map at `line`; raises KmodelError when that is outside the AI RAM."""
    end = line + map_lines(shape)
    if line < 0 or end > LINES:
        raise KmodelError(
            f"a {'x'.join(map(str, shape))} map at line {line} ends at line {end}, "
            f"the AI RAM has {LINES}",
            field="image address",
        )
    return end


@lru_cache(maxsize=1024)
def place(line: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Where the pixels of a map at `line` are, as the kernels take it (kernels/maps.py). Shared:
    nobody changes it."""
    group, row_lines, pitch = layout(shape[2])
    return np.array([line * LINE, group, pitch, row_lines * LINE * shape[1], row_lines * LINE],
                    np.int64)


class AiRam:
    """The memory itself: `data` is uint8[2 MiB]. Starts as zeros (the chip's starts undefined)."""

    def __init__(self):
        self.data = np.zeros(SIZE, np.uint8)

    def _planes(self, line: int, shape: tuple[int, int, int]) -> np.ndarray:
        """A writable (groups, height, channels in group, bytes) view of a map's cells."""
        channels, height, width = shape
        group, row_lines, pitch = layout(width)
        groups = -(-channels // group)
        cells = self.data[line * LINE : check_map(line, shape) * LINE]
        if group == 1:
            return cells.reshape(groups, height, 1, row_lines * LINE)
        return cells.reshape(groups, height, group, pitch)

    def write_map(self, line: int, chw: np.ndarray) -> None:
        """Store a uint8 (C, H, W) map; nothing but its pixels is written."""
        channels, _, width = chw.shape
        planes = self._planes(line, chw.shape)
        group = planes.shape[2]
        if group == 1:
            planes[:, :, 0, :width] = chw
            return
        full = channels // group
        if full:
            blocks = chw[: full * group].reshape(full, group, *chw.shape[1:])
            planes[:full, :, :, :width] = blocks.transpose(0, 2, 1, 3)
        if channels % group:
            planes[full, :, : channels % group, :width] = chw[full * group :].transpose(1, 0, 2)

    def store_map(self, line: int, chw: np.ndarray) -> None:
        """As write_map, by compiled code; KmodelError when the map leaves the memory."""
        from k210sim.kpu.kernels import maps  # compiles

        check_map(line, chw.shape)
        if not (chw.flags.c_contiguous and chw.flags.writeable):
            chw = np.array(chw, order="C")  # as the kernel's signature says
        channels, height, width = chw.shape
        maps.store(chw.reshape(channels, -1), width, 0, 0, height, width, place(line, chw.shape),
                   self.data)

    def read_map(self, line: int, shape: tuple[int, int, int], out=None) -> np.ndarray:
        """The (C, H, W) map at a line as a new C-contiguous uint8 array (or into `out`)."""
        channels, _, width = shape
        planes = self._planes(line, shape)
        group = planes.shape[2]
        if out is None:
            out = np.empty(shape, np.uint8)
        if group == 1:
            out[:] = planes[:, :, 0, :width]
            return out
        full = channels // group
        if full:
            blocks = planes[:full, :, :, :width].transpose(0, 2, 1, 3)
            out[: full * group].reshape(full, group, *shape[1:])[:] = blocks
        if channels % group:
            out[full * group :] = planes[full, :, : channels % group, :width].transpose(1, 0, 2)
        return out
