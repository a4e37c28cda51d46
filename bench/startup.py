"""How long starting takes: processes as a user starts them, and a board inside one process.

Times are of whole processes, in milliseconds of wall and of processor time; the fastest and the
median of several runs, the subjects taking turns so that a busy moment hits all alike.
`vs_numba` is the fastest wall time over that of importing numba, which the interpreter needs;
`vs_python` over an interpreter that does nothing. Written bytecode and compiled functions are
cached by the first, uncounted round, whatever PYTHONDONTWRITEBYTECODE says.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS = ("what", "min_ms", "median_ms", "cpu_ms", "vs_python", "vs_numba")
ROOT = Path(__file__).resolve().parents[1]

NOTHING, NUMBA = "python -c pass", "import numba"
COMMANDS = {
    NOTHING: ("-c", "pass"),
    "import numpy": ("-c", "import numpy"),
    NUMBA: ("-c", "import numba"),
    "import k210sim": ("-c", "import k210sim"),
    "k210sim --help": ("-m", "k210sim", "--help"),
    "k210sim exec -c print(1)": ("-m", "k210sim", "exec", "-c", "print(1)"),
}
# Prints milliseconds from switching on to the prompt, twice: the second board finds all imported.
BOOT = """
import time
from k210sim.board.board import Board
for _ in range(2):
    board = Board()
    started = time.perf_counter()
    board.power_on()
    print((time.perf_counter() - started) * 1e3)
    board.close()
"""


def measure(options):
    """One row per process, then those of a board's way to its prompt."""
    rounds = 3 if options.quick else 9
    with tempfile.TemporaryDirectory() as folder:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["K210SIM_FLASH"] = str(Path(folder) / "flash.bin")
        wall: dict[str, list[float]] = {what: [] for what in COMMANDS}
        processor: dict[str, list[float]] = {what: [] for what in COMMANDS}
        boots: list[list[float]] = []
        for number in range(rounds + 1):
            for what, arguments in COMMANDS.items():
                spent = _process(arguments, environment)
                if number:  # the first round fills the caches
                    wall[what].append(spent[0])
                    processor[what].append(spent[1])
            printed = _output(("-c", BOOT), environment).split()
            if number:
                boots.append([float(ms) for ms in printed])
    for what in COMMANDS:
        yield _row(what, wall[what], wall, min(processor[what]))
    for what, times in zip(("boot to prompt, first board", "the same, second board"),
                           zip(*boots, strict=True), strict=True):
        yield _row(what, list(times), wall)


def _row(what: str, times: list[float], wall: dict[str, list[float]], cpu=None) -> dict:
    return {"what": what, "min_ms": min(times), "median_ms": statistics.median(times),
            "cpu_ms": cpu, "vs_python": min(times) / min(wall[NOTHING]),
            "vs_numba": min(times) / min(wall[NUMBA])}


def _process(arguments, environment) -> tuple[float, float]:
    """Milliseconds of wall and processor time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    _output(arguments, environment)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall * 1e3, cpu * 1e3


def _output(arguments, environment) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment,
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
