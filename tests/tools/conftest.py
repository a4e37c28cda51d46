"""What the tests of third-party tools share: a board for a whole file of tests, local files."""

from __future__ import annotations

import time

import pytest
from tools import BINARY, LARGE, LOOP, TEXT, UTF8_NAME, served

LOOPING = b"main 20\r\n"


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A board at its prompt for all tests of a file."""
    with served(tmp_path_factory.mktemp("board"), "--clock", "max") as made:
        yield made


@pytest.fixture
def carded(tmp_path):
    """A board with a card in its slot, which is its current directory; .card is the folder."""
    card = tmp_path / "card"
    card.mkdir()
    with served(tmp_path, "--clock", "max", "--sd", card) as made:
        made.card = card
        yield made


@pytest.fixture
def fresh(tmp_path):
    """A board that is just being switched on, at the real pace."""
    with served(tmp_path) as made:
        yield made


@pytest.fixture
def busy(tmp_path):
    """A board whose main.py prints for ever."""
    with served(tmp_path, main_py=LOOP) as made:
        deadline = time.monotonic() + 60
        while LOOPING not in made.log.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield made


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A folder with what the tools are to copy."""
    folder = tmp_path_factory.mktemp("local")
    for name, data in {
        "empty.bin": b"", "text.py": TEXT, "data.bin": BINARY, UTF8_NAME: TEXT,
        "large.bin": LARGE[:200_000],
    }.items():  # fmt: skip
        (folder / name).write_bytes(data)
    return folder
