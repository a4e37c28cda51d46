"""The demo script: what it says about the model is true, and its grammar is old enough."""

from __future__ import annotations

import ast
import json

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
