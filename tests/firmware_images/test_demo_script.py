"""The demo script: what it says about the model is true, and its grammar is old enough."""

from __future__ import annotations

import ast
import json
import sys

import pytest

from firmware_images.quantize import KMODEL

SCRIPT = KMODEL.with_name("demo_main.py")
DESCRIPTION = json.loads(KMODEL.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def tree():
    return ast.parse(SCRIPT.read_text())


def constants(tree):
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            values[node.targets[0].id] = ast.literal_eval(node.value)
    return values


def test_constants_are_the_models_own(tree):
    found = constants(tree)
    assert list(found["LABELS"]) == DESCRIPTION["labels"]
    assert list(found["ANCHORS"]) == DESCRIPTION["anchors"]
    assert found["THRESHOLD"] == DESCRIPTION["threshold"]
    assert found["NMS"] == DESCRIPTION["nms"]
    assert len(found["COLORS"]) == len(found["LABELS"])


def test_script_is_plain_ascii_and_has_no_grammar_newer_than_the_firmware(tree):
    assert SCRIPT.read_text().isascii()
    newer = (ast.JoinedStr, ast.NamedExpr, ast.AnnAssign, ast.Match, ast.AsyncFunctionDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            assert not node.posonlyargs


def test_model_is_freed_whatever_happens(tree):
    main = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main")
    (guarded,) = [node for node in main.body if isinstance(node, ast.Try)]
    assert "kpu.deinit(task)" in [ast.unparse(node) for node in guarded.finalbody]
    assert "0x300000" in SCRIPT.read_text()


class Item:
    """What `run_yolo2` finds, as far as the script asks."""

    def __init__(self, row):
        self.row = row

    def classid(self):
        return int(self.row[0])

    def value(self):
        return float(self.row[1])

    def rect(self):
        return tuple(int(number) for number in self.row[2:])


class Board:
    """Stand-ins for the firmware's modules that write down what the script does with them."""

    QVGA, RGB565 = 10, 2

    def __init__(self, pictures, stop_after=None):
        self.pictures, self.stop_after = pictures, stop_after
        self.calls, self.ticks = [], 0

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **named: self.calls.append((name, args, named))

    def snapshot(self):
        self.calls.append(("snapshot", (), {}))
        if self.stop_after is not None and self.names().count("snapshot") > self.stop_after:
            raise KeyboardInterrupt
        return self

    def run_yolo2(self, task, img):
        rows = self.pictures[(self.names().count("snapshot") - 1) % len(self.pictures)]
        return [Item(row) for row in rows] or None

    def load(self, address):
        self.calls.append(("load", (address,), {}))
        return "task"

    def ticks_ms(self):
        self.ticks += 40
        return self.ticks

    def ticks_diff(self, late, early):
        return late - early

    def names(self):
        return [name for name, _, _ in self.calls]


def run_script(monkeypatch, board, frames):
    for name in ("KPU", "lcd", "sensor", "time"):
        monkeypatch.setitem(sys.modules, name, board)
    space = {"__name__": "demo"}
    exec(compile(SCRIPT.read_text(), "main.py", "exec"), space)
    monkeypatch.undo()
    space["main"](frames)


def test_script_shows_and_names_what_is_found(monkeypatch, capsys):
    circle, cross = [0, 0.97, 12, 30, 56, 58], [3, 0.8, 100, 2, 40, 40]
    board = Board([[circle, cross], [circle, cross], []])
    run_script(monkeypatch, board, 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "1: circle 0.97 (12, 30, 56, 58), cross 0.80 (100, 2, 40, 40)",
        "3: nothing",
    ]
    names = board.names()
    assert names.count("display") == 3 and names.count("draw_rectangle") == 8
    texts = [args[2] for name, args, _ in board.calls if name == "draw_string"]
    assert texts[:3] == ["circle 0.97", "cross 0.80", "KPU 40 ms"]
    assert ("load", (0x300000,), {}) in board.calls
    yolo = next(args for name, args, _ in board.calls if name == "init_yolo2")
    assert yolo[1:4] == (DESCRIPTION["threshold"], DESCRIPTION["nms"], 5)


def test_interrupt_and_error_both_free_the_model(monkeypatch, capsys):
    board = Board([[]], stop_after=2)
    run_script(monkeypatch, board, 0)
    assert board.names().count("deinit") == 1 and "demo stopped" in capsys.readouterr().out
    board = Board([[[9, 0.5, 0, 0, 8, 8]]])  # a class the script does not know
    with pytest.raises(IndexError):
        run_script(monkeypatch, board, 1)
    assert board.names().count("deinit") == 1
