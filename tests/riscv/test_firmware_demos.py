"""The chip maker's demos run on the KD233 board: what they print and what they draw.

The packages are not part of the project: put them into a folder and name it in
K210SIM_FIRMWARE_DIR; they are known by their SHA-256 (kendryte/nncase v0.2.0-beta4 examples,
kendryte/kendryte-standalone-demo 9c84e81). What their KPU finds is compared with the host's run of
the same models on the same pictures.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest

from k210sim import Board
from k210sim.kpu.model import KModel
from k210sim.kpu.pictures import find_boxes, load_input
from tests.conftest import SHARED

pytestmark = pytest.mark.slow

IRIS = "5e06bdad4089b63bdce2d29f78a8bfc56ef129c103aa5098bf98b7d0202c7336"
CLASSES = "9f42f31cda0c1ff614246a7a9d52157b4ae4447713e96a45844d587bb1b145cd"
KPU = "cb24d6798ca0eda8acce596ec4be14ec9a7ec6699c274132721ee046324c5220"
FACE = "1725d10f8fc67c00313f7ef7bc27dad145629a4051049cbb7fdddf004c7c8e5c"
DOG, FACES = SHARED / "images" / "dog.bmp", SHARED / "images" / "faces_31.jpg"
CLASS_ANCHORS = (1.08, 1.19, 3.42, 4.41, 6.63, 11.38, 9.42, 5.11, 16.62, 10.52)
FACE_ANCHORS = (1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437, 6.92275, 6.718375,
                9.01025)  # fmt: skip
GREEN, RED = 0x07E0, 0xF800


def package(digest: str) -> Path:
    folder = os.environ.get("K210SIM_FIRMWARE_DIR")
    if not folder:
        pytest.skip("K210SIM_FIRMWARE_DIR is not set")
    for path in sorted(Path(folder).rglob("*.kfpkg")):
        if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            return path
    pytest.skip(f"no file with SHA-256 {digest[:12]}... in {folder}")


@pytest.fixture
def demo():
    boards = []

    def start(digest: str, **options) -> Board:
        path = package(digest)
        board = Board(board="kd233", engine="riscv", clock="virtual", **options)
        boards.append(board)
        board.flash(path)
        board.power_on(wait=False)
        return board

    yield start
    for board in boards:
        board.close()


def is_framed(pixels: np.ndarray, box, colour: int) -> bool:
    """Whether the lower right corner of a box is drawn, give or take two pixels."""
    right, low = min(319, box.x + box.w), min(239, box.y + box.h)
    rows = pixels[low - 3 : low + 2, right - 8 : right - 3] == colour
    columns = pixels[low - 8 : low - 3, right - 3 : right + 2] == colour
    return bool(rows.all(axis=1).any() and columns.all(axis=0).any())


def wait_for_frames(board: Board, boxes, colour: int, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not all(is_framed(board.lcd.pixels(), box, colour) for box in boxes):
        board.raise_failure()
        assert time.monotonic() < end, "the boxes were not drawn"
        time.sleep(0.05)


def on_the_host(model: str, picture: Path, anchors, threshold: float, nms: float):
    if not picture.exists():
        pytest.skip(f"{picture} is not there")
    net = KModel.from_file(SHARED / "models" / model)
    output = net.run(load_input(picture, net.input_shape, "uint8"))[0]
    return find_boxes(net, output, anchors, threshold, nms)


def test_iris_prints_its_class(demo):
    board = demo(IRIS)
    board.expect(r"16\.077793, 5\.607656, -2\.071745, \r?\nsetosa", 120)


def test_20_classes_draws_the_boxes_of_its_own_picture(demo):
    boxes = on_the_host("20class_v4.kmodel", DOG, CLASS_ANCHORS, 0.5, 0.2)
    assert len(boxes) == 2
    board = demo(CLASSES)
    board.expect("system start", 240)
    wait_for_frames(board, boxes, GREEN)


def test_kpu_demo_draws_boxes_over_the_camera_s_picture(demo):
    boxes = on_the_host("20class_v3.kmodel", DOG, CLASS_ANCHORS, 0.7, 0.3)
    assert len(boxes) == 2
    board = demo(KPU, camera=DOG)
    board.expect("ID: 5640", 240)
    board.expect("system start", 240)
    wait_for_frames(board, boxes, GREEN)


def test_face_demo_frames_the_face(demo):
    boxes = on_the_host("face_v3.kmodel", FACES, FACE_ANCHORS, 0.7, 0.3)
    assert len(boxes) == 1
    board = demo(FACE, camera=FACES)
    board.expect("(?i)system start", 240)
    wait_for_frames(board, boxes, RED)
