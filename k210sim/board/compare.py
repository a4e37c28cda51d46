"""Runs one program on both engines and finds the first byte where their outputs part."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k210sim.board import engines
from k210sim.board.board import Board, ExecResult, ExecTimeout

# Objects lie elsewhere on another heap. As `repr` and `hex(id(...))` print them.
ADDRESSES = (
    (re.compile(rb"0x[0-9a-f]{8}\b"), b"0xADDRESS"),
    (re.compile(rb"(?<=object at )[0-9a-f]{8}\b"), b"ADDRESS"),
    (re.compile(rb"(?<=bound_method )[0-9a-f]{8}\b"), b"ADDRESS"),
    (re.compile(rb"(?<=' at )[0-9a-f]{8}\b"), b"ADDRESS"),
)
CONTEXT = 60


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


def compare(
    source: str | bytes | Path,
    flash_image: str | Path | None,
    *,
    timeout: float | None = 60.0,
    mask_addresses: bool = False,
    tell: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Comparison:
    """Run a program on a board of each engine, on copies of a flash image.

    flash_image : with the firmware of the riscv engine at 0x0; None as for `Board`. timeout :
    seconds of wall time for each run; of a program that is stopped by it only what both printed is
    compared. mask_addresses : do not compare addresses of objects. tell : gets a line for each
    step. options : of `Board`, but for engine and clock
    """
    results = {}
    for engine in (engines.RISCV, engines.BUILTIN):  # the one that may be refused goes first
        tell(f"{engine}: booting")
        with tempfile.TemporaryDirectory(prefix="k210sim-compare-") as folder:
            image = None
            if flash_image is not None:
                image = Path(folder) / "flash.bin"
                if Path(flash_image).exists():
                    shutil.copyfile(flash_image, image)
            with Board(image, engine=engine, run_main=False, **options) as board:
                tell(f"{engine}: running")
                try:
                    results[engine] = board.exec(source, timeout)
                except ExecTimeout as error:
                    results[engine] = error.result
    return _compared(results, mask_addresses)


def _compared(results: dict[str, ExecResult], mask_addresses: bool) -> Comparison:
    stopped = any(result.exit_reason == "timeout" for result in results.values())
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
    if stopped:
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
