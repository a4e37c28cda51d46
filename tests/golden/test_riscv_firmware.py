"""The recorded answers, replayed on the published v0.6.3 binary booted by the riscv engine.

What differs for a reason that lies outside of core and devices stands in DIFFERENT with it, and
is expected to differ (docs/conformance.md). Takes minutes: select with -m "slow" or -k.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SHARED
from tests.golden.booted import Booted, v063
from tests.golden.masks import mask
from tests.golden.test_memory import EXPERIMENTS
from tests.golden.test_scripts import INDEX, agrees

sys.path.append(str(Path(__file__).resolve().parents[1] / "repl"))
from repl_replay import SHARED_SESSIONS, masked, steps  # noqa: E402

pytestmark = pytest.mark.slow
GOLDEN = SHARED / "golden" / "maixpy"

FREQ = "the firmware writes freq.conf at its first boot; the recordings' build has no clock driver"
PRODUCT = "a literal's digits are multiplied by powf(10, -n) in the binary; the recordings divide"
DIFFERENT = {
    "file_os": FREQ,
    "mod_os": FREQ,
    "float_fmt_table": PRODUCT,
    "num_infnan": "the binary has no test for infinities left before a conversion to int",
    "tb_os_raise2": "the C library's number of ETIMEDOUT is another one",
}
BYTE = ("the binary's receive interrupt keeps the byte of Ctrl-C as well (machine_uart.c), so one "
        "more prompt follows; the recordings' build did not")
SESSIONS_DIFFERENT = dict.fromkeys(
    ("ctrl_c_catch", "ctrl_c_func", "ctrl_c_loop", "ctrl_c_sleep", "input_repl"), BYTE
)
BLOCKS = "a few blocks of 32 bytes: the start-up of the board leaves other garbage behind"
MEMORY_DIFFERENT = dict.fromkeys(
    ("fragmentation", "mem_info", "mem_info_1", "memoryerror_sizes"), BLOCKS
)
# Of rotation_corr the maths library, whose last digit differs between binary and the recordings'
# build, moves the place that a pixel is taken from: with the binary's sine, cosine and tangent the
# built-in engine got the binary's pixels, with the nearest singles it has the recordings'.
# AprilTags are sought in the memory that the heap leaves, too little here, and equal with the heap
# of 512 KiB.
NO_MEMORY = (
    "raised 'MemoryError: Out of Memory! Please reduce the resolution of the image you are "
    "running this algorithm on to bypass this issue!'"
)
IMAGES_DIFFERENT = {
    "rotation_corr3": "53 of 3072 pixels differ",
    "rotation_corr6": "64 of 3072 pixels differ",
    "find_apriltags_none": NO_MEMORY,
}
# The binary's descriptor of local patterns goes on to the picture's end, not the region's, and so
# counts far behind its 2891 bytes of heap. What comes of it depends on what lies there.
SPOILS_MEMORY = {"find_lbp"}
FAMILIES = ("draw", "convert", "geometry", "pool", "arith", "morph", "stats", "filter", "values",
            "files", "find", "errors")  # fmt: skip
NUMBER = re.compile(r"-?\d[\d.]*(?:e[-+]\d+)?")
VERSION = re.compile(r"MicroPython v\S+ on \d{4}-\d\d-\d\d;")


@pytest.fixture(scope="module")
def booted(tmp_path_factory):
    if not GOLDEN.is_dir():
        pytest.skip(f"no recorded answers at {GOLDEN} (set K210SIM_SHARED)")
    made = Booted(tmp_path_factory.mktemp("v063"), v063())
    yield made
    made.board.close()


@pytest.mark.parametrize("name", sorted(INDEX))
def test_a_script_prints_what_was_recorded(booted, name, request):
    if name in DIFFERENT:
        request.applymarker(pytest.mark.xfail(reason=DIFFERENT[name], strict=True))
    folder = GOLDEN / "scripts"
    booted.restart()
    got = booted.run((folder / f"{name}.py").read_bytes())
    got = mask(got.replace("\r\n", "\n"), meminfo="meminfo" in name)
    texts = [folder / f"{name}.out", folder / f"{name}.plain"]
    expected = [path.read_text() for path in texts if path.is_file()]
    if not any(agrees(name, got, text) for text in expected):
        assert got == expected[0]


def spoken(text: str) -> str:
    """What a session sends, with addresses and the build's version made equal."""
    return VERSION.sub("MicroPython VERSION;", masked(text))


@pytest.mark.parametrize("name", SHARED_SESSIONS or ["none"])
def test_a_session_at_the_prompt(booted, name, request):
    if name in SESSIONS_DIFFERENT:
        request.applymarker(pytest.mark.xfail(reason=SESSIONS_DIFFERENT[name], strict=True))
    booted.restart()
    log = booted.boot_log
    differing = []
    for entry in steps(GOLDEN / "repl" / f"{name}.jsonl"):
        if entry["send"]:
            got = booted.type(entry["send"].encode("latin-1")).decode("latin-1")
        else:
            got = log[log.find("[MaixPy] gc heap") :]  # the recordings begin there
        if spoken(got) != spoken(entry["recv"]):
            differing.append((entry["send"], got, entry["recv"]))
    assert not differing


def test_what_an_expression_costs(booted):
    table = json.loads((GOLDEN / "memory" / "alloc_cost.json").read_text())
    booted.restart()
    booted.run(table["helper"])
    differing = []
    for start in range(0, len(table["rows"]), 10):
        rows = table["rows"][start : start + 10]
        got = booted.run("".join(
            f"try: print(cost(lambda: {row['expr']}))\nexcept Exception as e: print(repr(e))\n"
            for row in rows
        )).splitlines()  # fmt: skip
        for row, figure in zip(rows, got, strict=True):
            wanted = str(row["delta"]) if row["error"] is None else row["error"]
            if figure != wanted:
                differing.append((row["expr"], wanted, figure))
    # the list of /flash has one name more: freq.conf
    assert differing == [('__import__("uos").listdir("/flash")', "256", "384")]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_memory_experiment(booted, name, request):
    if name in MEMORY_DIFFERENT:
        request.applymarker(pytest.mark.xfail(reason=MEMORY_DIFFERENT[name], strict=True))
    record = json.loads((GOLDEN / "memory" / "experiments.json").read_text())[name]
    booted.restart()
    assert mask(booted.run(record["script"])) == record["output"]


@pytest.fixture(scope="module")
def with_pictures(tmp_path_factory):
    """A board with the recorded pictures on /flash and a heap of nearly 2 MiB (see STOPPED)."""
    if not GOLDEN.is_dir():
        pytest.skip(f"no recorded answers at {GOLDEN} (set K210SIM_SHARED)")
    files = {"/" + path.name: path.read_bytes() for path in (GOLDEN / "image/bmp").iterdir()}
    made = Booted(tmp_path_factory.mktemp("images"), v063(), files, heap=0x1F0000)
    yield made
    made.board.close()


def _recorded(family: str) -> tuple[list[dict], dict]:
    """The cases of a family, and the pictures before and after the calls by name."""
    folder = GOLDEN / "image"
    cases = map(json.loads, (folder / "index.jsonl").read_text().splitlines())
    pictures = dict(np.load(folder / "inputs.npz"))
    if (after := folder / f"{family}.npz").is_file():
        pictures |= np.load(after)
    return [case for case in cases if case["family"] == family], pictures


@pytest.mark.parametrize("family", FAMILIES)
def test_the_image_functions(with_pictures, family):
    cases, pictures = _recorded(family)
    with_pictures.restart()
    wrong = {}
    for case in cases:
        if case["name"] in SPOILS_MEMORY:
            continue
        if trouble := _image_trouble(_answer(with_pictures, case), case, pictures):
            wrong[case["name"]] = trouble
            with_pictures.restart()  # an error in the image library keeps the memory it had taken
    names = [case["name"] for case in cases]
    assert cases and wrong == {n: why for n, why in IMAGES_DIFFERENT.items() if n in names}


@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no recorded answers at {GOLDEN}")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_wrong_image_answer_is_noticed(family):
    """Each case compares all that its record holds: error, printed value, pixels."""
    cases, pictures = _recorded(family)
    for case in cases:
        name = case["input" if case.get("pixels", "unchanged") == "unchanged" else "name"]
        right = case.get("raises", ""), case.get("value", ""), np.frombuffer(pictures[name], "u1")
        assert _image_trouble(right, case, pictures) == ""
        wrong = [("OSError: another", right[1], None)]
        if "raises" in case:
            wrong.append(("", *right[1:]))
        if "value" in case:
            wrong.append(("", right[1] + "?", right[2]))
        if "pixels" in case:
            wrong += [("", right[1], ~right[2]), ("", right[1], right[2][1:])]
        for answer in wrong:
            assert _image_trouble(answer, case, pictures), (case["name"], answer[:2])


def _answer(board: Booted, case: dict) -> tuple[str, str, np.ndarray | None]:
    """The error's last line, what was printed, and the bytes of `img` unless an error came."""
    name = case["input"].removesuffix("_g")
    source = "import image, gc, uctypes, binascii\ngc.collect()\n"
    source += f'img = image.Image("/flash/{name}.bmp")\n'
    if case["input"].endswith("_g"):
        source += "img = img.to_grayscale()\n"
    source += case["call"] + "\n"
    if case.get("expr"):
        source += f"print({case['expr']})\n"
    source += "q = img.to_bytes()\nprint('@@', uctypes.addressof(q), len(q))\n"
    result = board.board.exec(source, 600)
    if result.error:
        return result.error.strip().splitlines()[-1], result.stdout, None
    printed, _, place = result.stdout.partition("@@ ")
    return "", printed.strip("\r\n"), board.memory(*map(int, place.split()))


def _image_trouble(answer: tuple, case: dict, pictures: dict) -> str:
    """What differs from the record of one case; empty when nothing does."""
    error, printed, got = answer
    if error or "raises" in case:
        return "" if error == case.get("raises") else f"raised {error!r}"
    if "value" in case and not same_text(printed, case["value"]):
        return f"printed {printed[:200]}, not {case['value'][:200]}"
    if "pixels" not in case:
        return "" if "value" in case else "nothing is recorded that could be compared"
    unchanged = case["pixels"] == "unchanged"
    wanted = pictures[case["input" if unchanged else "name"]]
    if got.size != wanted.nbytes:
        return f"{got.size} bytes, not {wanted.nbytes}"
    count = int(np.count_nonzero(got.view(wanted.dtype).reshape(wanted.shape) != wanted))
    allowed = 0 if unchanged else case.get("differing_pixels", 0)  # of two builds of the firmware
    return "" if count <= allowed else f"{count} of {wanted.size} pixels differ"


def same_text(have: str, want: str) -> bool:
    """Equal, or only the last digits of floats differ."""
    ours, theirs = NUMBER.findall(have), NUMBER.findall(want)
    return NUMBER.sub("#", have) == NUMBER.sub("#", want) and all(
        a == b or ("." in a + b and abs(float(a) - float(b)) <= 2e-6 * abs(float(b)))
        for a, b in zip(ours, theirs, strict=True)
    )
