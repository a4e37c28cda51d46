"""The shipped model, run by the simulated KPU on held-out pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from firmware_images.detection import decode, matches
from firmware_images.network import LAYERS, weight_shape
from firmware_images.pictures import (
    CALIBRATION_SEEDS,
    HELD_OUT_SEEDS,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    as_rgb565,
    picture,
    planes,
)
from firmware_images.quantize import KMODEL
from k210sim.kpu.kmodel import v3
from k210sim.kpu.model import KModel

DESCRIPTION = json.loads(KMODEL.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def model():
    return KModel.from_file(KMODEL)


def detections(model, pixels):
    anchors = np.array(DESCRIPTION["anchors"]).reshape(-1, 2)
    output = model.run(planes(pixels))[0]
    return decode(output, anchors, DESCRIPTION["threshold"], DESCRIPTION["nms"])


def test_file_is_a_small_v3_model_of_the_declared_layers():
    data = KMODEL.read_bytes()
    parsed = v3.parse(data)
    assert len(data) < 400_000 and v3.build(parsed) == data
    convs = [body for _, body in parsed.convs]
    assert len(convs) == len(LAYERS) and len(parsed.layers) == len(LAYERS) + 1
    assert convs[0].regs.in_shape == tuple(DESCRIPTION["input"])
    for body, layer in zip(convs, LAYERS, strict=True):
        assert body.weights.size == np.prod(weight_shape(layer))
        assert body.regs.depthwise == layer.depthwise and bool(body.regs.pool_type) == layer.pool
    assert convs[-1].regs.out_shape == (45, 15, 20)


def test_no_map_overwrites_its_own_input():
    for _, body in v3.parse(KMODEL.read_bytes()).convs:
        regs = body.regs
        source = regs.image_src_addr, regs.channel_switch_addr, regs.in_channels, regs.coef_group
        target = (
            regs.image_dst_addr,
            regs.wb_channel_switch_addr,
            regs.out_channels,
            regs.wb_group,
        )
        (a, a_end), (b, b_end) = (
            (start, start + lines * -(-channels // group))
            for start, lines, channels, group in (source, target)
        )
        assert (a_end <= b or b_end <= a) and max(a_end, b_end) <= 32768


@pytest.mark.parametrize("seed", HELD_OUT_SEEDS[:6])
def test_held_out_pictures_are_seen_right(model, seed):
    pixels, truth = picture(seed)
    found = detections(model, pixels)
    hits = matches(found, truth)
    assert hits.all() and hits.sum() == len(truth), (found, truth)


def test_an_empty_wall_and_a_black_frame_hold_nothing(model):
    assert len(detections(model, np.zeros((240, 320, 3), np.uint8))) == 0
    assert len(detections(model, np.full((240, 320, 3), 130, np.uint8))) == 0


def test_no_seed_is_used_for_two_purposes():
    ranges = [TRAINING_SEEDS, CALIBRATION_SEEDS, VALIDATION_SEEDS, HELD_OUT_SEEDS]
    assert len({seed for each in ranges for seed in each}) == sum(map(len, ranges))


def test_stated_accuracy_is_the_demanded_one():
    stated = DESCRIPTION["accuracy"]
    assert stated["pictures"] == len(HELD_OUT_SEEDS) and stated["map50"] >= 0.9


def test_rgb565_keeps_the_high_bits_and_spreads_them():
    shades = np.array([[[0, 0, 0], [255, 255, 255], [8, 4, 8], [7, 3, 7]]], np.uint8)
    assert as_rgb565(shades).tolist() == [[[0, 0, 0], [255, 255, 255], [8, 4, 8], [0, 0, 0]]]
