"""The recorded answers of the firmware's `image` module, run as guest code."""

import json
import re

import numpy as np
import pytest
from picture_vm import PictureVm

from k210sim.errors import NotSimulated
from k210sim.imaging import formats

HEAP = 4 << 20  # what the recordings used, so that size is no limit
NUMBER = re.compile(r"-?\d[\d.]*(?:e[-+]\d+)?")
# Our own glyphs: text takes the recorded room (tests/imaging), its dots differ.
OWN_GLYPHS = re.compile(r"draw_string\(")


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "golden" / "maixpy" / "image"


@pytest.fixture(scope="module")
def guest(folder):
    guest = PictureVm(HEAP)
    for path in (folder / "bmp").iterdir():
        guest.files["/flash/" + path.name] = path.read_bytes()
    return guest


def same_text(have: str, want: str) -> bool:
    """Equal, or only the last digits of floats differ."""
    if have == want:
        return True
    ours, theirs = NUMBER.findall(have), NUMBER.findall(want)
    if NUMBER.sub("#", have) != NUMBER.sub("#", want):
        return False
    return all(
        a == b or ("." in a + b and abs(float(a) - float(b)) <= 2e-6 * abs(float(b)))
        for a, b in zip(ours, theirs, strict=True)
    )


def components(array: np.ndarray) -> list[np.ndarray]:
    if array.dtype == np.uint16:
        value = array.byteswap().astype(int)
        return [value >> 11, value >> 5 & 63, value & 31]
    return [array.astype(int)]


def differences(guest, case, wanted) -> str:
    """How the picture differs from the recorded one; empty when it does not."""
    image = guest.image()
    have = formats.to_memory(image.pixels)
    want = wanted[case["name"]]
    raw = want.tobytes()
    if have[: len(raw)] == raw and len(have) >= len(raw):
        return ""
    if len(have) != len(raw):
        return f"{image.w}x{image.h} {image.kind}, not {want.shape} {want.dtype}"
    ours = np.frombuffer(have, want.dtype).reshape(want.shape)
    count = np.count_nonzero(ours != want)
    step = max(
        int(np.abs(a - b).max()) for a, b in zip(components(ours), components(want), strict=True)
    )
    # Where float rounding decides, as many pixels may differ as between two builds of the firmware.
    if case.get("rounding_sensitive") and (step <= 1 or count <= case["differing_pixels"]):
        return ""
    return f"{count} pixels differ by up to {step}"


def run_case(guest, case, folder) -> str:
    """What is wrong with our answer; empty when nothing is. Raises NotSimulated."""
    name = case["input"].removesuffix("_g")
    source = f'import image, binascii\nimg = image.Image("/flash/{name}.bmp")\n'
    if case["input"].endswith("_g"):
        source += "img = img.to_grayscale()\n"
    source += case["call"] + "\n"
    if case.get("expr"):
        source += f"print({case['expr']})\n"
    outcome = guest.outcome(source)
    printed = guest.output.decode().strip("\r\n")
    error = outcome.traceback.decode().strip().splitlines()[-1] if outcome.traceback else ""
    if error or "raises" in case:
        wanted = case.get("raises")
        return "" if error == wanted else f"raised {error!r}, not {wanted!r}"
    if "value" in case and not same_text(printed, case["value"]):
        return f"printed {printed[:200]}, not {case['value'][:200]}"
    if isinstance(case.get("pixels"), list) and not OWN_GLYPHS.search(case["call"]):
        return differences(guest, case, np.load(folder / f"{case['family']}.npz"))
    return ""


# What may still refuse to run.
NOT_SIMULATED = {"find_barcodes_none", "find_keypoints", "find_features_face", "remove_shadows_"}
FAMILIES = ("draw", "convert", "geometry", "pool", "arith", "morph", "filter", "stats", "values",
            "files", "find", "errors")  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_recorded_answers(guest, folder, family):
    wrong, missing, good = [], [], 0
    for line in (folder / "index.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case["family"] != family:
            continue
        try:
            trouble = run_case(guest, case, folder)
        except NotSimulated as error:
            missing.append(f"{case['name']}: {error}")
            continue
        if trouble:
            wrong.append(f"{case['name']}: {trouble}")
        else:
            good += 1
    print(f"{family}: {good} good, {len(missing)} not simulated")
    print("\n".join(missing))
    assert not wrong, "\n".join(wrong)
    assert {line.split(":")[0] for line in missing} <= NOT_SIMULATED
    assert good
