"""Pictures and arrays as inputs of a model on the host, and boxes drawn on what it saw.

    x = load_input("cat.jpg", (3, 224, 224), "uint8")       uint8 (C, H, W), planes R, G, B
    x = load_input("x.npy", shape, dtype)                   as stored, checked
    boxes = find_boxes(model, outputs[0], anchors)          yolo2, as the firmware computes it
    draw_boxes(x, boxes, labels).save("out.png")

How a picture of another size is fitted: "letterbox" keeps its proportions and fills the rest with
black, "stretch" does not keep them, "crop" cuts the largest middle part of the right proportions.
All scale bilinearly with Pillow. One-channel models get grey values (ITU-R 601 weights).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from k210sim.errors import HostError
from k210sim.kpu.kmodel.nodes import KpuConv2d
from k210sim.kpu.yolo2 import Detection, region_layer

FITS = ("letterbox", "stretch", "crop")
COLOURS = ("#ff4040", "#40c040", "#4080ff", "#ffc000", "#c040ff", "#00c0c0")


def load_input(path, shape, dtype, fit: str = "letterbox", *, rgb565: bool = False) -> np.ndarray:
    """The input array from a picture or a .npy file. Raises HostError naming the file.

    rgb565: round the colours as the camera's 16-bit pixels do (for pictures).
    """
    if Path(path).suffix.lower() == ".npy":
        return _load_array(path, tuple(shape), np.dtype(dtype))
    if np.dtype(dtype) != np.uint8 or len(shape) != 3 or shape[0] not in (1, 3):
        raise HostError(f"{path}: the model takes {np.dtype(dtype)} {tuple(shape)}, which is no "
                        "picture; give a .npy file")
    return picture_planes(_open(path), shape, fit, rgb565=rgb565)


def _load_array(path, shape, dtype):
    try:
        x = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise HostError(f"{path}: cannot be read as .npy: {reason}") from error
    if not isinstance(x, np.ndarray):
        raise HostError(f"{path}: an .npz archive, expected one array in a .npy file")
    if x.dtype != dtype or x.shape not in (shape, (1, *shape)):
        raise HostError(f"{path}: an array {x.dtype} {x.shape}, the model takes {dtype} {shape}")
    return np.ascontiguousarray(x.reshape(shape))


def _open(path):
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(path)
        picture.load()
    except UnidentifiedImageError as error:
        raise HostError(f"{path}: expected a picture (PNG, JPEG, BMP ...) or a .npy array, found "
                        "neither") from error
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise HostError(f"{path}: cannot be read: {reason}") from error
    return picture


def picture_planes(picture, shape, fit: str = "letterbox", *, rgb565: bool = False) -> np.ndarray:
    """A Pillow picture as uint8 (C, H, W) of that shape."""
    from PIL import Image, ImageOps

    if fit not in FITS:
        raise HostError(f"fit {fit!r}, expected one of {', '.join(FITS)}")
    channels, height, width = shape
    picture = picture.convert("RGB" if channels == 3 else "L")
    if picture.size != (width, height):
        how = Image.Resampling.BILINEAR
        if fit == "stretch":
            picture = picture.resize((width, height), how)
        elif fit == "crop":
            picture = ImageOps.fit(picture, (width, height), how)
        else:
            picture = ImageOps.pad(picture, (width, height), how, color=0)
    x = np.asarray(picture)
    x = x[None] if x.ndim == 2 else x.transpose(2, 0, 1)
    if rgb565 and channels == 3:
        x = np.stack([_rounded(plane, bits) for plane, bits in zip(x, (5, 6, 5), strict=True)])
    return np.ascontiguousarray(x, np.uint8)


def _rounded(plane, bits: int):
    """8-bit values cut to `bits` bits and spread over 0 to 255 again, as pix_to_ai does."""
    top = (1 << bits) - 1
    return ((plane >> (8 - bits)).astype(np.uint32) * 510 + top) // (2 * top)


# -- yolo2 --------------------------------------------------------------------------------------


def find_boxes(model, output, anchors, threshold: float = 0.5,
               nms: float = 0.3) -> list[Detection]:
    """Boxes from output 0 of a run, in pixels of the model's input, as `KPU.run_yolo2` finds them.

    output: the float32 array; it is not changed. Raises HostError when it is no yolo2 head, and
    KmodelError where the firmware would read past it.
    """
    if not anchors or len(anchors) % 2:
        raise HostError(f"{len(anchors)} anchor numbers, expected pairs of width and height")
    if output.dtype != np.float32 or len(model.input_shape) != 3:
        raise HostError(f"output 0 is {output.dtype} of an input {tuple(model.input_shape)}, a "
                        "yolo2 head is float32 of a picture")
    data = np.array(output, np.float32).ravel()
    _, height, width = model.input_shape
    return region_layer(data, head_shape(model, data.size), anchors, threshold, nms,
                        (width, height))


def head_shape(model, count: int) -> tuple[int, int, int]:
    """(channels, rows, columns) of output 0: as the firmware, the last convolution's; V4 has no
    shapes in the file, there it is the last convolution with `count` values."""
    if model.version == 3:
        return model.net.yolo_shape()
    for node in reversed(model.model.nodes if model.version == 4 else []):
        if isinstance(node, KpuConv2d) and int(np.prod(node.regs.out_shape)) == count:
            return node.regs.out_shape
    raise HostError(f"no convolution has the {count} values of output 0, so it is no yolo2 head")


def draw_boxes(x: np.ndarray, boxes, labels=()):
    """A Pillow picture of the input (uint8 planes) with boxes and `label value` above each."""
    from PIL import Image, ImageDraw

    pixels = np.ascontiguousarray(x.transpose(1, 2, 0))
    picture = Image.fromarray(pixels[:, :, 0] if x.shape[0] == 1 else pixels).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        colour = COLOURS[box.classid % len(COLOURS)]
        corners = [box.x, box.y, max(box.x, box.x + box.w - 1), max(box.y, box.y + box.h - 1)]
        draw.rectangle(corners, outline=colour, width=2)
        name = labels[box.classid] if box.classid < len(labels) else str(box.classid)
        draw.text((box.x + 3, max(0, box.y - 11)), f"{name} {box.value:.2f}", fill=colour)
    return picture
