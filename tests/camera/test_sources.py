"""Where the camera's pictures come from."""

import sys

import numpy as np
import pytest
from PIL import Image

from k210sim.camera.scene import render
from k210sim.camera.sources import FilmSource, SceneSource, open_source
from k210sim.errors import ConfigError


def picture(path, colour, size=(40, 30), **options):
    Image.new("RGB", size, colour).save(path, **options)
    return path


def test_scene_and_its_seed():
    assert open_source("scene", seed=4).seed == 4
    source = open_source("scene:9")
    assert isinstance(source, SceneSource)
    assert np.array_equal(source.view(3, 80, 60), render(9, 3, 80, 60)[0])
    assert source.objects(3, 80, 60) == render(9, 3, 80, 60)[1]


def test_a_picture_fills_the_frame(tmp_path):
    half = np.zeros((10, 30, 3), np.uint8)
    half[:, 15:] = 255
    Image.fromarray(half).save(tmp_path / "half.png")
    view = open_source(str(tmp_path / "half.png")).view(7, 320, 240)
    assert view.shape == (240, 320, 3) and view.dtype == np.uint8
    assert not view[:, :150].any() and (view[:, 170:] == 255).all()


def test_a_picture_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    tall = np.zeros((40, 20, 3), np.uint8)
    tall[:20] = 255
    Image.fromarray(tall).save(tmp_path / "turned.png", exif=exif)
    view = open_source(str(tmp_path / "turned.png")).view(0, 40, 20)
    assert (view[:, 25:] == 255).all() and not view[:, :15].any()


def test_a_folder_shows_its_pictures_in_turn(tmp_path):
    for name, colour in (("b.png", "lime"), ("a.png", "red"), ("c.bmp", "blue")):
        picture(tmp_path / name, colour)
    (tmp_path / "notes.txt").write_text("no picture")
    source = open_source(f"{tmp_path}@2")
    seen = [tuple(source.view(i, 8, 8)[0, 0].tolist()) for i in range(8)]
    red, lime, blue = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    assert seen == [red, red, lime, lime, blue, blue, red, red]


def test_an_animated_picture_moves(tmp_path):
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "lime")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    source = open_source(str(tmp_path / "a.gif"))
    assert source.view(0, 8, 8)[0, 0].tolist() != source.view(2, 8, 8)[0, 0].tolist()


@pytest.mark.parametrize(
    "spec,text",
    [
        ("nowhere.png", "no such file"),
        ("scene:x", "expected a number"),
        ("webcam:x", "expected a number"),
    ],
)
def test_bad_names_are_refused(spec, text):
    with pytest.raises(ConfigError, match=text) as caught:
        open_source(spec)
    assert spec in str(caught.value) and "\n" not in str(caught.value)


def test_bad_files_are_refused(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(ConfigError, match="not a readable picture"):
        open_source(str(tmp_path / "broken.png"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no pictures"):
        open_source(str(tmp_path / "empty"))


def test_films_without_opencv_say_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match="pip install opencv"):
        FilmSource("film.mp4")
