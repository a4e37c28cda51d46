"""Runs programs on both engines and finds the first byte where their outputs part."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k210sim.board import engines
from k210sim.board.board import Board, ExecResult, ExecTimeout, Snapshot
from k210sim.errors import TimeoutExpired

ENGINES = (engines.RISCV, engines.BUILTIN)  # the one that may be refused goes first

# Objects lie elsewhere on another heap. As `repr` and `hex(id(...))` print them.
ADDRESSES = (
    (re.compile(rb"0x[0-9a-f]{8}\b"), b"0xADDRESS"),
    (re.compile(rb"\b80[0-9a-f]{6}\b"), b"ADDRESS"),  # RAM
)
CONTEXT = 60
HUNG = "hung"
STOPPED = ("timeout", HUNG)


@dataclass(frozen=True)
class Comparison:
    """results : ExecResult by engine. offset, line : of the first byte (from 0) and the line (from
    1) where the outputs part, or None. outputs : what was compared, by engine"""

    results: dict[str, ExecResult]
    outputs: dict[str, bytes]
    offset: int | None
    line: int | None

    @property
    def equal(self) -> bool:
        return self.offset is None

    def context(self, engine: str) -> bytes:
        """What an engine sent around the place where they part."""
        start = max(0, (self.offset or 0) - CONTEXT)
        return self.outputs[engine][start : (self.offset or 0) + CONTEXT]


class Pair:
    """A board of each engine at its prompt, where every program starts: `with Pair(...) as pair:`.

    Each boots once; a program after the first gets back the whole machine as it was then (RAM,
    flash, panel, time), but for what an SD card holds.

    flash_image : with the firmware of the riscv engine at 0x0; None as for `Board`. sd : as for
    `Board`. Each board gets a copy of both. tell : gets a line for each boot. options : of `Board`,
    but for engine and clock
    """

    def __init__(
        self,
        flash_image: str | Path | None,
        tell: Callable[[str], None] = lambda text: None,
        sd: str | Path | None = None,
        **options: Any,
    ):
        self._flash_image, self._sd = flash_image, sd
        self._tell, self._options = tell, options
        self._boards: dict[str, Board] = {}
        self._booted: dict[str, Snapshot] = {}
        self._used = False
        self._open = ExitStack()

    def __enter__(self) -> Pair:
        with ExitStack() as stack:
            for engine in ENGINES:
                self._tell(f"{engine}: booting")
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="k210sim-compare-"))
                image = _copy(self._flash_image, Path(folder) / "flash.bin")
                card = _copy(self._sd, Path(folder) / "card")
                board = Board(image, engine=engine, run_main=False, sd=card, **self._options)
                self._boards[engine] = stack.enter_context(board)
                self._booted[engine] = board.snapshot()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def compare(self, source: str | bytes | Path, timeout: float | None = 60.0,
                mask_addresses: bool = False) -> Comparison:  # fmt: skip
        """Run a program on both.

        timeout : seconds of wall time for each run; of a program that is stopped by it only what
        both printed is compared. mask_addresses : do not compare addresses of objects
        """
        results = {}
        for engine, board in self._boards.items():
            if self._used:
                if not board.powered:
                    board.power_on()
                board.restore(self._booted[engine])
            results[engine] = _run(board, source, timeout)
        self._used = True
        return _compared(results, mask_addresses)


def _run(board: Board, source: str | bytes | Path, timeout: float | None) -> ExecResult:
    """As `Board.exec`; the exit reason is `hung` when not even Ctrl-C stopped the program, and the
    board is off then."""
    said = bytearray()
    try:
        return board.exec(source, timeout, on_output=said.extend)
    except ExecTimeout as error:
        return error.result
    except TimeoutExpired:
        board.power_off()
        text = said.decode("utf-8", "replace").replace("\r\n", "\n")
        return ExecResult(text, None, bytes(said), 0.0, HUNG)


def _copy(path: str | Path | None, to: Path) -> Path | None:
    """Where the copy of a file or folder is, or will be made; None for None."""
    if path is None:
        return None
    if Path(path).is_dir():
        shutil.copytree(path, to)
    elif Path(path).exists():
        shutil.copyfile(path, to)
    return to


def compare(
    source: str | bytes | Path,
    flash_image: str | Path | None,
    *,
    timeout: float | None = 60.0,
    mask_addresses: bool = False,
    tell: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Comparison:
    """Run one program on a board of each engine; the arguments are those of `Pair`."""
    with Pair(flash_image, tell, **options) as pair:
        return pair.compare(source, timeout, mask_addresses)


def _compared(results: dict[str, ExecResult], mask_addresses: bool) -> Comparison:
    reasons = [result.exit_reason for result in results.values()]
    stopped = any(reason in STOPPED for reason in reasons)
    outputs = {}
    for engine, result in results.items():
        output = result.output
        if stopped:  # without the traceback of Ctrl-C, which came anywhere
            output = result.stdout.replace("\n", "\r\n").encode()
        if mask_addresses:
            for pattern, word in ADDRESSES:
                output = pattern.sub(word, output)
        outputs[engine] = output
    one, two = outputs.values()
    if stopped and reasons.count(HUNG) != 1:  # one that hangs is no slower: it differs
        one, two = (text[: min(len(one), len(two))] for text in (one, two))
    offset = first_difference(one, two)
    line = None if offset is None else one[:offset].count(b"\n") + 1
    return Comparison(results, outputs, offset, line)


def first_difference(one: bytes, two: bytes) -> int | None:
    """The first byte where they differ or one of them ends; None when they are equal."""
    if one == two:
        return None
    for at, (a, b) in enumerate(zip(one, two, strict=False)):
        if a != b:
            return at
    return min(len(one), len(two))
