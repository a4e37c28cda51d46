"""Makes the parts of a board from its options, each module imported only when it is needed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from k210sim.board.profiles import BoardProfile
from k210sim.clock import Clock
from k210sim.errors import ConfigError, NotSimulated
from k210sim.flash.storage import FlashStorage

FACTORY = "factory:"  # flash_image for a factory image in memory
PANEL_SIZE = (320, 240)


def open_flash(image: str | Path | None, profile: BoardProfile, clock: Clock) -> FlashStorage:
    """The flash chip: one in memory with nothing to run (None), a factory board's, or a file."""
    from k210sim.flash.factory import factory_image

    path = None if image is None or str(image) == FACTORY else image
    content = quiet_image if image is None else factory_image
    return FlashStorage(path, clock=clock, factory=content, jedec_id=profile.flash_id)


@functools.cache
def quiet_image() -> bytes:
    """A flash with a file system whose boot.py and main.py are empty: it boots to its prompt."""
    from k210sim.flash.factory import put_files
    from k210sim.flash.nor import NorFlash

    nor = NorFlash()
    put_files(nor, {"/main.py": b"", "/boot.py": b""})  # in the order a first boot leaves
    return bytes(nor.data)


def make_camera(source: Any, profile: BoardProfile, clock: Clock, seed: int):
    """The camera looking at `source`; an object that is no text or path is taken as a source."""
    from k210sim.camera.camera import Camera
    from k210sim.camera.sources import open_source

    if isinstance(source, (str, Path)):
        source = open_source(str(source), seed)
    return Camera(clock, source)


def make_lcd(profile: BoardProfile):
    """The panel of the board; raises NotSimulated for panels other than the usual one."""
    if profile.lcd_size != PANEL_SIZE:
        width, height = profile.lcd_size
        raise NotSimulated(f"the {width}x{height} panel of board {profile.name!r}")
    from k210sim.lcd.panel import Panel

    return Panel()


def make_sd(sd: str | Path | None):
    """The card in the slot: a folder, which must exist; image files are not simulated yet."""
    if sd is None:
        return None
    path = Path(sd)
    if not path.exists():
        raise ConfigError(f"--sd {path}: no such folder or image file")
    if not path.is_dir():
        raise NotSimulated("an SD card image", "give a folder")
    from k210sim.sd.folder import FolderCard

    return FolderCard(path)
