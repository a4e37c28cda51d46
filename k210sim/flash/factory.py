"""What a new board has in its flash: the demo model at 0x300000 and /flash with its main.py.

There is no firmware at address 0: the built-in engine runs then. The two files are the project's
own and shipped in `k210sim/data/` (`demo_detector.kmodel`, `demo_main.py`).
"""

from __future__ import annotations

from importlib.resources import files

from k210sim.errors import ConfigError
from k210sim.flash import spiffs_layout as L
from k210sim.flash.nor import SIZE, NorFlash
from k210sim.flash.program import MODEL_ADDRESS
from k210sim.flash.spiffs import SpiffsVolume


def factory_image(model: bytes | None = None, main_py: bytes | None = None) -> bytes:
    """The `SIZE` bytes of a factory flash image, the same every time.

    `model` and `main_py` replace the shipped ones; `b""` leaves one out.
    """
    model = _shipped("demo_detector.kmodel") if model is None else bytes(model)
    main_py = _shipped("demo_main.py") if main_py is None else bytes(main_py)
    if MODEL_ADDRESS + len(model) > L.BASE:
        raise ConfigError(
            f"factory model: {len(model)} bytes do not fit between 0x{MODEL_ADDRESS:08x} and "
            f"the file system at 0x{L.BASE:08x}"
        )
    nor = NorFlash()
    nor.program(MODEL_ADDRESS, model)
    put_files(nor, {"/main.py": main_py} if main_py else {})
    return bytes(nor.data)


def put_files(nor: NorFlash, contents: dict[str, bytes]) -> None:
    """Format the file system at its usual place and write files (names with leading slash)."""
    with nor.untimed():
        volume = SpiffsVolume(nor)
        volume.format()
        volume.mount()
        for name, data in contents.items():
            with volume.open(name, L.O_WRONLY | L.O_CREAT | L.O_TRUNC) as file:
                file.write(data)
        volume.unmount()


def blank_image() -> bytes:
    """A chip as it leaves its maker: erased."""
    return b"\xff" * SIZE


def _shipped(name: str) -> bytes:
    return (files("k210sim") / "data" / name).read_bytes()
