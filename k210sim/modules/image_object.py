"""The guest's `Image` object: what every module that takes or returns pictures shares.

The object is 64 bytes on the GC heap. Its pixels are a host array (see imaging.formats), charged
where the board keeps them: a GC-heap block for pictures a program makes, the sensor's frame
buffer in the system heap for snapshots, somebody else's memory for views.
`modules/image.py` gives the type its methods.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from k210sim.imaging import formats
from k210sim.micropython.native import GuestType

OBJECT_BYTES = 64
BAYER, JPEG = 3, 4
KIND_NAMES = {formats.BINARY: "binary", formats.GRAYSCALE: "grayscale",
              formats.RGB565: "rgb565", BAYER: "bayer", JPEG: "jpeg"}


@dataclass
class HostImage:
    """Host state of an Image.

    pixels    array as in imaging.formats; for a compressed picture `data` holds its bytes
    planes    the AI buffer, uint8 (channels, h, w), or None
    block     GC-heap block charged for the pixels, 0 for a frame or a view
    ai_block  GC-heap block charged for the AI buffer, 0 if the board keeps it elsewhere
    """

    pixels: np.ndarray
    planes: np.ndarray | None = None
    block: int = 0
    ai_block: int = 0
    data: bytes = b""
    extra: dict = field(default_factory=dict)

    @property
    def w(self) -> int:
        return self.pixels.shape[1]

    @property
    def h(self) -> int:
        return self.pixels.shape[0]

    @property
    def kind(self) -> str:
        """binary, grayscale, rgb565, bayer or jpeg."""
        return "jpeg" if self.data else KIND_NAMES[formats.kind_of(self.pixels)]

    @property
    def ai(self) -> np.ndarray | None:
        """The AI buffer as flat bytes, or None."""
        return None if self.planes is None else self.planes.reshape(-1)


class ImageType(GuestType):
    """`Image`. The blocks a picture owns are reachable from the object's words, so the collector
    frees them with it: word 1 the pixels, word 2 the AI buffer, word 3 what it is a view of."""

    name = "Image"


def new_image(vm, image: HostImage, keep: int = 0) -> int:
    """An Image object; `keep` is a guest object whose memory the pixels are a view of."""
    o = vm.new_host_object(ImageType, image, OBJECT_BYTES)
    vm.memory.set_word(o + 8, image.block)
    vm.memory.set_word(o + 16, image.ai_block)
    vm.memory.set_word(o + 24, keep)
    return o


def new_gray_view(vm, pixels: np.ndarray, keep: int = 0) -> int:
    """A grayscale Image over memory that belongs to `keep`: writing to it writes there."""
    return new_image(vm, HostImage(pixels), keep)


def is_image(vm, o: int) -> bool:
    return vm.is_instance_of(o, ImageType)


def get_image(vm, o: int) -> HostImage:
    """The picture of an Image argument; TypeError in the firmware's odd words otherwise."""
    if not is_image(vm, o):
        raise vm.error("TypeError", "Can't convert %s to type" % vm.type_name(o), formatted=True)
    return vm.host(o)
