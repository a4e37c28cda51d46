"""Every technique fails as the table says, in time, and the host does not notice."""

from __future__ import annotations

import gc
import re
import resource
import threading
import time

import pytest

from k210sim import Board, ExecTimeout
from k210sim.errors import InternalError
from tests.isolation import techniques, techniques_limits

GROUPS = {
    "walk": techniques.WALK, "frames": techniques.FRAMES, "imports": techniques.IMPORTS,
    "files": techniques.FILES, "formats": techniques.FORMATS, "code": techniques_limits.CODE,
    "memory": techniques_limits.MEMORY, "hostile": techniques_limits.HOSTILE,
}
ALL = [(f"{group}-{name}", code, end) for group, table in GROUPS.items()
       for name, code, end in table]
SECRET = "the host's secret 4711"
SECONDS, MEGABYTES = 10.0, 400


@pytest.fixture(scope="module")
def board():
    with Board(flash_image=None) as made:
        # The picture and model code of the host is loaded before memory is looked at.
        made.exec("import image, KPU, ulab\nimage.Image(size=(8, 8)).copy()\nulab.zeros((2, 2))")
        made.reset()
        gc.freeze()  # and not looked through at each of the hundreds of resets
        yield made


@pytest.fixture
def host(tmp_path):
    """Paths of the host that a program tries to get at."""
    (tmp_path / "secret.txt").write_text(SECRET)
    return tmp_path / "secret.txt", tmp_path / "target"


def test_there_are_enough_of_them_and_each_has_its_own_name():
    names = [name for name, _, _ in ALL]
    assert len(names) >= 150 and len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "code", "end"), ALL, ids=[name for name, _, _ in ALL])
def test_a_technique_fails(board, host, name, code, end):
    secret, target = host
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    program = code.replace("SECRET", str(secret)).replace("TARGET", str(target))
    try:
        result = board.exec(program, timeout=1.5 if "TIMEOUT" in end else SECONDS)
        seen = outcome(result)
    except ExecTimeout as error:
        result, seen = error.result, "TIMEOUT"
    finally:
        (board.reset if board.powered else board.power_on)()
    assert re.fullmatch(end, seen, re.DOTALL), seen
    assert SECRET not in result.output.decode("utf-8", "replace")
    assert secret.read_text() == SECRET
    assert [p.name for p in secret.parent.iterdir()] == [secret.name]
    assert time.monotonic() - started < SECONDS
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MEGABYTES << 10
    assert board.exec("print('alive')").stdout.endswith("alive\n")
    assert not [one for one in threading.enumerate() if one.name == "k210 guest thread"]


def outcome(result) -> str:
    """The exception's name, or `=` and what was printed."""
    if result.error is None:
        return "=" + result.stdout.strip()
    return result.error.strip().splitlines()[-1].split(":")[0]


def test_a_bug_of_ours_would_be_noticed(board, monkeypatch):
    vm = board._engine.interpreter.vm
    monkeypatch.setattr(vm, "input_line", lambda prompt: {}["x"])
    with pytest.raises(InternalError):
        board.exec("input()")
