"""What stands before the camera: the generated scene, a picture, a folder of them, a film.

A source gives the view as uint8 (height, width, 3) RGB for a frame number and a size. Pictures are
scaled to fill the frame with Pillow's bilinear filter; proportions are not kept, like a sheet of
paper held so that it just covers the view.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from k210sim.camera import scene
from k210sim.errors import ConfigError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff")
FILM_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg")
HOLD_FRAMES = 24  # how long a folder's picture stays: about a second


class SceneSource:
    """The generated scene (see camera.scene)."""

    def __init__(self, seed: int = 0):
        self.seed = seed

    def view(self, frame: int, width: int, height: int) -> np.ndarray:
        """The scene at a frame."""
        return scene.render(self.seed, frame, width, height)[0]

    def objects(self, frame: int, width: int, height: int) -> list[scene.SceneObject]:
        """What that view shows: the ground truth."""
        return scene.render(self.seed, frame, width, height)[1]


class StillsSource:
    """Pictures, each shown for `hold` frames, over and over."""

    def __init__(self, pictures: list, hold: int = HOLD_FRAMES):
        self._pictures, self._hold = pictures, max(1, hold)
        self._scaled: tuple | None = None

    @classmethod
    def from_files(cls, paths, hold: int = HOLD_FRAMES):
        """Read picture files; an animated one counts as all its pictures."""
        pictures = []
        for path in paths:
            pictures += _read_pictures(path)
        return cls(pictures, hold)

    def view(self, frame: int, width: int, height: int) -> np.ndarray:
        """The picture of that frame, scaled."""
        from PIL import Image

        which = frame // self._hold % len(self._pictures)
        key = (which, width, height)
        if self._scaled is None or self._scaled[0] != key:
            scaled = self._pictures[which].resize((width, height), Image.Resampling.BILINEAR)
            self._scaled = (key, np.asarray(scaled))
        return self._scaled[1]


class FilmSource:
    """A film file or a webcam, read with OpenCV where that is installed.

    A film starts over at its end. A webcam is outside virtual time: such runs are not repeatable.
    """

    def __init__(self, what: str | int):
        try:
            import cv2
        except ImportError:
            kind = "webcam" if isinstance(what, int) else "film"
            raise ConfigError(
                f"camera {what}: a {kind} needs OpenCV, which is not installed; "
                "run `pip install opencv-python-headless`, or use a picture, a folder or `scene`"
            ) from None
        self._cv2, self._what = cv2, what
        self._capture = cv2.VideoCapture(what)
        self._frame, self._picture = -1, None
        if not self._capture.isOpened():
            raise ConfigError(f"camera {what}: OpenCV cannot open it")

    def view(self, frame: int, width: int, height: int) -> np.ndarray:
        """The film's picture at that frame."""
        while self._frame < frame:
            ok, picture = self._capture.read()
            if not ok:
                self._capture.set(self._cv2.CAP_PROP_POS_FRAMES, 0)
                ok, picture = self._capture.read()
                if not ok:
                    raise ConfigError(f"camera {self._what}: no picture could be read")
            self._frame = frame if isinstance(self._what, int) else self._frame + 1
            self._picture = picture
        scaled = self._cv2.resize(self._picture, (width, height))
        return np.ascontiguousarray(scaled[:, :, ::-1])


def _read_pictures(path: Path) -> list:
    """The pictures of a file as PIL images in RGB, turned as their EXIF data says."""
    from PIL import Image, ImageOps, ImageSequence

    try:
        with Image.open(path) as image:
            return [
                ImageOps.exif_transpose(part).convert("RGB")
                for part in ImageSequence.Iterator(image)
            ]
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ConfigError(f"camera {path}: not a readable picture ({error})") from error


def _number(text: str, spec: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"camera {spec}: found {text!r}, expected a number") from None


def open_source(spec: str, seed: int = 0):
    """The source a `--camera` option names.

    `scene` or `scene:SEED`; a picture (an animated GIF shows its frames); a folder, or `folder@N`
    to show each picture for N frames; a film; `webcam:N`. Raises ConfigError with what is wrong.
    """
    if spec == "scene":
        return SceneSource(seed)
    if spec.startswith("scene:"):
        return SceneSource(_number(spec[6:], spec))
    if spec == "webcam" or spec.startswith("webcam:"):
        return FilmSource(_number(spec[7:] or "0", spec))
    path, hold = Path(spec), HOLD_FRAMES
    if not path.exists() and "@" in spec:
        name, _, frames = spec.rpartition("@")
        path, hold = Path(name), _number(frames, spec)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not files:
            raise ConfigError(
                f"camera {path}: the folder holds no pictures; expected {', '.join(SUFFIXES)}"
            )
        return StillsSource.from_files(files, hold)
    if not path.is_file():
        raise ConfigError(
            f"camera {spec}: no such file; expected `scene`, a picture, a folder, a film or "
            "`webcam:N`"
        )
    if path.suffix.lower() in FILM_SUFFIXES:
        return FilmSource(str(path))
    return StillsSource.from_files([path], 2 if path.suffix.lower() == ".gif" else hold)
