"""Where pictures are: pixels on the GC heap or in a frame buffer, and files.

The pixels of a picture are a host array; the block charged for them on the GC heap holds the
bytes only when a program asks for them (`to_bytes`, the buffer protocol).
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging import bmp, formats, jpeg_reader
from k210sim.micropython.native import GuestError
from k210sim.modules.image_object import HostImage, new_image
from k210sim.modules.vfs import NOWHERE, ROOT

EPERM, ENOENT, EIO = 1, 2, 5
NO_ROOM = (
    "Out of normal MicroPython Heap Memory! Please reduce the resolution of the image you are "
    "running this algorithm on to bypass this issue!"
)


def take(vm, n_bytes: int) -> int:
    """A GC-heap block for pixels; MemoryError in the firmware's words when there is none."""
    block = vm.malloc_maybe(n_bytes) if n_bytes > 0 else 0
    if not block:
        raise vm.error("MemoryError", NO_ROOM, formatted=False)
    return block


def new_picture(vm, pixels: np.ndarray) -> int:
    """An Image object with pixels of its own."""
    block = take(vm, formats.memory_size(pixels))
    return new_image(vm, HostImage(pixels, block=block))


def new_compressed(vm, data: bytes, shape: tuple[int, int]) -> int:
    """A JPEG Image object of a picture with that (h, w)."""
    block = take(vm, len(data))
    return new_image(vm, HostImage(np.broadcast_to(np.uint8(0), shape), block=block, data=data))


def alias(vm, image: HostImage, pixels: np.ndarray, behind: bytes = b"") -> int:
    """Another Image object over the same memory."""
    extra = {key: value for key, value in image.extra.items() if key != "behind"}
    if behind:
        extra["behind"] = behind
    return new_image(vm, HostImage(pixels, image.planes, image.block, image.ai_block, extra=extra))


def content(image: HostImage) -> bytes:
    """The bytes of a picture as they lie in memory."""
    return image.data or formats.to_memory(image.pixels)


def size_of(image: HostImage) -> int:
    return len(image.data) if image.data else formats.memory_size(image.pixels)


def place(vm, image: HostImage) -> int:
    """Guest address where the picture's bytes can be read now."""
    data = content(image)
    address = image.block or image.extra.get("address", 0)
    if not address:
        address = vm.malloc(max(1, len(data)))
    vm.memory.write(address, data)
    return address


def extension(vm, image_pixels: np.ndarray | None, path: str) -> str:
    """What a path's ending asks for: jpg, bmp or nothing; OSError where the picture cannot be it.

    image_pixels is None for a compressed picture.
    """
    name = path.lower()
    if name.endswith((".jpeg", ".jpg")):
        return "jpg"
    rgb = image_pixels is not None and image_pixels.dtype == np.uint16
    gray = image_pixels is not None and image_pixels.dtype == np.uint8
    for ending, good, text in (
        (".bmp", image_pixels is not None, "Image is not BMP!"),
        (".ppm", rgb, "Image is not PPM!"),
        (".pgm", gray, "Image is not PGM!"),
        (".raw", False, "Image is not BAYER!"),
    ):
        if name.endswith(ending):
            if not good:
                raise vm.error("OSError", text, formatted=False)
            return ending[1:] if ending == ".bmp" else ""
    return ""


def decode(vm, data: bytes, bmp_allowed: bool = True) -> np.ndarray:
    """The picture of a file's bytes, told by its first two."""
    if data[:2] == b"BM":
        if not bmp_allowed:
            raise vm.error("OSError", "Not support", formatted=False)
        try:
            return bmp.decode(data)
        except bmp.BadBmp as error:
            kind = "ValueError" if "corrupted" in str(error) else "OSError"
            raise vm.error(kind, str(error), formatted=False) from None
    if data[:2] == b"\xff\xd8":
        try:
            return jpeg_reader.decode(data)
        except jpeg_reader.BadJpeg as error:
            if error.progressive:
                vm.write("Progressive JPEG files are not supported.\n")
            raise vm.os_error(EPERM) from None
    raise vm.error("ValueError", "format not supported", formatted=False)


def _file_error(vm, path: str) -> GuestError:
    """ENOENT for a path in no mounted file system; EIO for all that goes wrong in one."""
    mount, _ = vm.vfs.lookup(path.encode())
    return vm.os_error(ENOENT if mount in (ROOT, NOWHERE) else EIO)


def read_file(vm, path: str) -> bytes:
    """A file's bytes, or an OSError."""
    try:
        return bytes(vm.vfs.read_file(path))
    except GuestError:
        raise _file_error(vm, path) from None


def read_picture(vm, path: str) -> np.ndarray:
    """The picture in a file."""
    pixels = decode(vm, read_file(vm, path))
    extension(vm, pixels, path)
    return pixels


def write_file(vm, path: str, data: bytes) -> None:
    try:
        vm.vfs.write_file(path, data)
    except GuestError:
        raise _file_error(vm, path) from None
