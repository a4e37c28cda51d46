"""The recorded answers of the firmware's image library, run against k210sim.imaging.

Only calls the stand-in knows are run; the guest's whole `image` module meets all of them in
tests/modules.
"""

import json
import re

import numpy as np
import pytest
from imaging_stand_in import Image, Module, as_recorded, load_image

# Text is drawn with our own glyphs: their pixels differ from the firmware's, their widths do not.
OWN_GLYPHS = re.compile(r"draw_string")


def known(case) -> bool:
    calls = re.findall(r"\.(\w+)\(", case["call"] + case.get("expr", ""))
    return all(hasattr(Image, c) or hasattr(Module, c) for c in calls)


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "golden" / "maixpy" / "image"


def cases(folder):
    for line in (folder / "index.jsonl").read_text().splitlines():
        case = json.loads(line)
        if isinstance(case.get("pixels"), list) and known(case):
            yield case


@pytest.fixture
def text_case(folder):
    """Runs a recorded draw_string call; gives the columns and rows it touched, here and there."""
    inputs, wanted = np.load(folder / "inputs.npz"), np.load(folder / "draw.npz")

    def run(case):
        image = load_image(inputs, case["input"])
        before = as_recorded(image.a, wanted[case["name"]]).copy()
        exec(case["call"], {"img": image})
        want = wanted[case["name"]]
        have = as_recorded(image.a, want)
        return [[np.flatnonzero((a != before).any(i)) for i in (0, 1)] for a in (have, want)]

    return run


def test_text_takes_the_recorded_room(folder, text_case):
    texts = [case for case in cases(folder) if OWN_GLYPHS.search(case["call"])]
    assert len(texts) > 10
    for case in texts:
        (columns, rows), (want_columns, want_rows) = text_case(case)
        assert columns[0] == want_columns[0] and columns[-1] == want_columns[-1], case["name"]
        assert rows[0] == want_rows[0] and rows[-1] == want_rows[-1], case["name"]


FAMILIES = ("draw", "convert", "geometry", "pool", "filter")


@pytest.mark.parametrize("family", FAMILIES)
def test_recorded_pixels(folder, family):
    inputs, wanted = np.load(folder / "inputs.npz"), np.load(folder / f"{family}.npz")
    run, wrong = 0, []
    for case in cases(folder):
        if case["family"] != family or OWN_GLYPHS.search(case["call"]):
            continue
        names = {"img": load_image(inputs, case["input"]), "image": Module(inputs)}
        exec(case["call"], names)
        want = wanted[case["name"]]
        have = as_recorded(names["img"].a, want)
        run += 1
        if have.shape != want.shape or have.dtype != want.dtype:
            wrong.append(f"{case['name']}: {have.dtype} {have.shape}, not {want.shape}")
        elif not np.array_equal(have, want) and not case.get("rounding_sensitive"):
            wrong.append(f"{case['name']}: {np.count_nonzero(have != want)} pixels differ")
    assert run and not wrong, "\n".join(wrong)
