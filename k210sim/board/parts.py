"""Makes the parts of a board from its options, each module imported only when it is needed."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from k210sim.board.profiles import BoardProfile
from k210sim.clock import Clock
from k210sim.errors import ConfigError
from k210sim.flash.storage import FlashStorage

FACTORY = "factory:"  # flash_image for a factory image in memory


def open_flash(image: str | Path | None, profile: BoardProfile, clock: Clock) -> FlashStorage:
    """The flash chip: one in memory with nothing to run (None), a factory board's, or a file."""
    path = None if image is None or str(image) == FACTORY else image
    content = quiet_image if image is None else _factory_image
    settings = json.dumps(profile.config()).encode() if profile.config() else b""
    return FlashStorage(
        path, clock=clock, factory=lambda: content(settings), jedec_id=profile.flash_id
    )


@functools.cache
def quiet_image(config: bytes = b"") -> bytes:
    """A flash with a file system whose boot.py and main.py are empty: it boots to its prompt.

    config : content of config.json; empty for no such file
    """
    from k210sim.flash.factory import put_files
    from k210sim.flash.nor import NorFlash

    nor = NorFlash()
    contents = {"/main.py": b"", "/boot.py": b""}  # in the order a first boot leaves
    put_files(nor, {**contents, "/config.json": config} if config else contents)
    return bytes(nor.data)


def _factory_image(config: bytes) -> bytes:
    """A factory board's flash, with config.json if there is something to put in."""
    from k210sim.flash.factory import factory_image

    image = factory_image()
    return _with_file(image, "/config.json", config) if config else image


def _with_file(image: bytes, name: str, content: bytes) -> bytes:
    """A flash image with one more file in its file system."""
    from k210sim.flash import spiffs_layout as layout
    from k210sim.flash.nor import NorFlash
    from k210sim.flash.spiffs import SpiffsVolume

    nor = NorFlash(data=image)
    with nor.untimed():
        volume = SpiffsVolume(nor)
        volume.mount()
        with volume.open(name, layout.O_WRONLY | layout.O_CREAT | layout.O_TRUNC) as file:
            file.write(content)
        volume.unmount()
    return bytes(nor.data)


def make_camera(source: Any, profile: BoardProfile, clock: Clock, seed: int):
    """The camera looking at `source`; an object that is no text or path is taken as a source."""
    from k210sim.camera.camera import Camera
    from k210sim.camera.sources import open_source

    if isinstance(source, (str, Path)):
        source = open_source(str(source), seed)
    return Camera(clock, source, profile.camera_chip)


def make_lcd(profile: BoardProfile):
    """The panel of the board."""
    from k210sim.lcd import panel

    return panel.Panel(getattr(panel, profile.panel))


def make_sd(sd: str | Path | None):
    """The SD slot, with an image file or a folder as the card in it, or empty."""
    from k210sim.sd.slot import SdSlot

    return SdSlot(sd)


def checked_wires(wires: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Pairs of pads to join; raises ConfigError for what is none."""
    from k210sim.pins import N_PADS

    pairs = []
    for wire in wires:
        ends = tuple(wire) if isinstance(wire, (tuple, list)) else ()
        if len(ends) != 2 or not all(type(pad) is int and 0 <= pad < N_PADS for pad in ends):
            raise ConfigError(f"wire {wire!r}: expected two pads of 0 to {N_PADS - 1}, as (10, 12)")
        if ends[0] == ends[1]:
            raise ConfigError(f"wire {wire!r}: from a pad to itself; expected two pads")
        pairs.append(ends)
    return tuple(pairs)
