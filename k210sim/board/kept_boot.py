"""Boots kept on disk: a board that would boot exactly as one did before goes on from there.

All that the boot of a firmware depends on is in the name of its file: the content of the flash
chip, kind of board, seed, options, the sources of this package, Python's and numpy's versions. Not
kept are boots that depend on more (a card, a camera other than the scene, the wall's time, what the
host sends meanwhile) and those that write into flash, as the first one of MaixPy does. A boot is
kept when it is seen for the second time. What is kept: the state of the board as a snapshot has it,
without the flash chip's content, and what the device has sent.

K210SIM_BOOT_CACHE names another folder; "" means none. MOST_BYTES in all; the oldest go. A file
that is damaged is not used. Nothing in a file is executed, but who can write there can change what
a board does, as with the compiled code beside it.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k210sim import kept_files, kernel_cache
from k210sim.errors import HostError

if TYPE_CHECKING:
    from k210sim.board.hardware import Hardware
    from k210sim.flash.nor import NorFlash

log = logging.getLogger("k210sim.board")

ENVIRONMENT = "K210SIM_BOOT_CACHE"
MAGIC = b"k210boot"  # of kept_files.py; what follows is packed by zlib
MOST_BYTES, MOST_FILES = 64 << 20, 200
MOST_OF_ONE = 32 << 20  # unpacked
STAMP = "sources.json"


def folder() -> Path | None:
    """Where the files are, or None when none are to be kept."""
    named = os.environ.get(ENVIRONMENT)
    if named is not None:
        return Path(named) if named else None
    import platformdirs

    return Path(platformdirs.user_cache_dir("k210sim", appauthor=False)) / "boots"


def find(hardware: Hardware, camera: Any) -> KeptBoot | None:
    """Where the boot of the riscv engine on this hardware, just made, is or may be kept.

    camera : what the board was told to look at. None : this boot depends on more than is looked at
    """
    place = folder()
    if (place is None or hardware.clock.mode == "real" or hardware.clock.now_ns
            or hardware.safe or hardware.port.pending or camera != "scene"
            or getattr(hardware.sd, "inserted", False)):  # fmt: skip
        return None
    sources = kernel_cache.content(kernel_cache.ROOT, STAMP, _all_files)
    if sources is None:
        return None
    import platform

    import numpy as np

    parts = (
        sources, hashlib.sha256(hardware.flash.data).hexdigest(), hardware.profile.name,
        hardware.seed, hardware.run_main, hardware.strict, hardware.clock.mode, hardware.port.baud,
        platform.python_version(), np.__version__, platform.machine(),
    )  # fmt: skip
    name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
    return KeptBoot(place / f"{name}.boot", hardware)


def _all_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*")
                  if path.is_file() and "__pycache__" not in path.parts)  # fmt: skip


class KeptBoot:
    """The boot of one board; `path` need not exist yet. No error of the file system leaves here."""

    def __init__(self, path: Path, hardware: Hardware):
        self.path, self._hardware = path, hardware
        self._flash_before = _counters(hardware.flash)
        self.output = bytearray()  # what the device sends while it boots

    def deliver(self, data: bytes) -> None:
        """As a host end of the serial port."""
        self.output += data

    def load(self) -> dict | None:
        """What `save` was given, or None."""
        import zlib

        try:
            packed = kept_files.read(self.path, MAGIC, MOST_BYTES)
            if packed is None:
                return None
            return _values().unpack(zlib.decompressobj().decompress(packed, MOST_OF_ONE))
        except (OSError, ValueError, zlib.error) as error:
            log.warning("the kept boot %s is not used: %s", self.path, error)
            return None

    def save(self, engine_state: dict) -> None:
        """Keep the state after the boot, if it is the second time that it would be."""
        now = _counters(self._hardware.flash)
        if now[1:] != self._flash_before[1:]:
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            seen = self.path.with_suffix(".seen")
            if not seen.exists():
                seen.touch()
            else:
                self._write(engine_state, now[0] - self._flash_before[0])
                seen.unlink(missing_ok=True)
            kept_files.trim(self.path.parent, MOST_BYTES, MOST_FILES)

    def _write(self, engine_state: dict, flash_read: int) -> None:
        hardware = self._hardware
        port = hardware.port
        try:
            body = _values().pack({
                "output": bytes(self.output),
                "clock_ns": hardware.clock.now_ns,
                "flash": (flash_read, hardware.flash.busy_until_ns),
                "port": (port.baud, port.sent, port.dropped),
                "parts": {name: _state(part) for name, part in self._parts()},
                "engine": engine_state,
            })  # fmt: skip
        except TypeError as error:
            log.info("this boot is not kept: %s", error)
            return
        if len(body) >= MOST_OF_ONE:
            return
        import zlib

        kept_files.write(self.path, MAGIC, zlib.compress(body, 1))

    def restore(self, state: dict, load_engine: Callable[[dict], None]) -> None:
        """Put everything back. Raises HostError, and deletes the file, for one that another hand
        has made; the board is of no use then."""
        hardware = self._hardware

        def put_parts() -> None:
            for name, part in self._parts():
                part.load_state(copy.deepcopy(state["parts"][name]))
            hardware.clock.now_ns = state["clock_ns"]

        try:
            hardware.port.repeat(state["output"])
            port = hardware.port
            port.baud, port.sent, port.dropped = state["port"]
            put_parts()
            load_engine(state["engine"])
            put_parts()  # once more: starting the engine may have used them
            read, hardware.flash.busy_until_ns = state["flash"]
            hardware.flash.bytes_read = self._flash_before[0] + read
        except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise HostError(
                f"kept boot {self.path}: expected the state of a board, found "
                f"{type(error).__name__} ({error}); it is deleted, start again"
            ) from None

    def _parts(self) -> list[tuple[str, Any]]:
        """What is kept as it is: nothing is on its way in the port, and flash is as it was."""
        parts = self._hardware.parts()
        return [(name, part) for name, part in parts.items() if name not in ("flash", "port")]


def _counters(flash: NorFlash) -> tuple[int, int, int]:
    return flash.bytes_read, flash.erases, flash.pages_programmed


def _values():
    from k210sim.board.plain_values import PlainValues
    from k210sim.camera.registers import ChipKind
    from k210sim.riscv.core import Spin
    from k210sim.saving import SavedAlarm

    return PlainValues((Spin, SavedAlarm, ChipKind))


def _state(part: Any) -> Any:
    return part.save_state() if hasattr(part, "save_state") else part.state()
