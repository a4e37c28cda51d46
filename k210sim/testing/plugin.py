"""pytest plugin: boards as fixtures.

    def test_prompt(k210_board):
        k210_board.serial.write(b"1+1\\r")
        k210_board.expect(rb"2\\r\\n>>> ")

`k210_board` is a fresh board for each test: blank flash, virtual clock, booted to its prompt.
`k210_board_factory(**options)` makes boards with other options of `k210sim.Board`; all are
switched off after the test. When a test fails the report shows what the boards sent last.
"""

from __future__ import annotations

import pytest

SHOWN_BYTES = 2000


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("k210sim", "simulated K210 boards")
    group.addoption("--k210-board", metavar="NAME", help="board profile of the fixtures")
    group.addoption("--k210-engine", metavar="NAME", help="engine of the fixtures")
    group.addoption("--k210-clock", metavar="MODE", help="clock of the fixtures")
    group.addoption("--k210-seed", metavar="N", type=int, help="seed of the fixtures")
    group.addoption("--k210-camera", metavar="SRC", help="camera source of the fixtures")


def _defaults(config: pytest.Config) -> dict:
    """Board options given on pytest's command line."""
    names = ("board", "engine", "clock", "seed", "camera")
    given = {name: config.getoption(f"--k210-{name}") for name in names}
    return {name: value for name, value in given.items() if value is not None}


@pytest.fixture
def k210_board_factory(request: pytest.FixtureRequest):
    """Makes booted boards: `k210_board_factory(camera="faces.jpg", seed=3)`."""
    from k210sim.board.board import Board

    boards = request.node.stash.setdefault(_BOARDS, [])

    def make(**options):
        board = Board(**{**_defaults(request.config), **options})
        boards.append(board)
        board.power_on()
        return board

    yield make
    for board in boards:
        board.close()


@pytest.fixture
def k210_board(k210_board_factory):
    """A fresh board at its prompt."""
    return k210_board_factory()


_BOARDS: pytest.StashKey[list] = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for number, board in enumerate(item.stash.get(_BOARDS, [])):
            text = board.serial.last(SHOWN_BYTES).decode("utf-8", "backslashreplace")
            text = text.replace("\r\n", "\n")
            if text:
                report.sections.append((f"serial port of k210 board {number}", text))
