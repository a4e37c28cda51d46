"""Finds third-party programs and runs them against `k210sim run`.

A test that is a cell of the tables in docs/tools.md says so by `cell`; tests/test_tools_table.py
compares the two.
"""

from __future__ import annotations

import contextlib
import os
import pty
import random
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from k210sim.testing.expect import ExpectFailed, PortClient

K210SIM = [sys.executable, "-m", "k210sim"]
DEBIAN = ("picocom", "minicom")

# What is sent to the board and fetched back.
TEXT = "print('grüße, 世界 €')\n".encode()
PRINTED = "grüße, 世界 €".encode()
BINARY = random.Random(4).randbytes(6_000) + bytes(range(256))
UTF8_NAME = "grüße世界.txt"
LARGE = random.Random(9).randbytes(1_000_000)
LOOP = b"import time\nn = 0\nwhile True:\n    n += 1\n    print('main', n)\n    time.sleep_ms(20)\n"


def cell(tool: str, row: str, outcome: str = "works"):
    """Marks a test as a cell of docs/tools.md: column, row, and `works` or `refused`.

    refused : the tool or the firmware cannot do it, as on a real board, and says so
    """
    assert tool and row and outcome in ("works", "refused")
    return lambda test: test


def cells(row: str, *tools: str):
    """The same for several tools that one test runs, with the tool's name as `tool`."""
    assert row and tools
    return pytest.mark.parametrize("tool", tools)


def need(name: str) -> str:
    """The program's path; skips the test where it is not installed."""
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.exists() else shutil.which(name)
    how = f"apt-get install {name}" if name in DEBIAN else "make test-tools"
    return path or pytest.skip(f"{name} is not installed ({how})")


def run(*command, timeout=120, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        timeout=timeout,
        stdin=options.pop("stdin", subprocess.DEVNULL),
        **options,
    )


def good(*command, **options) -> bytes:
    """The output of a command that must succeed."""
    done = run(*command, **options)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def refused(*command, **options) -> bytes:
    """All the output of a command that must fail."""
    done = run(*command, **options)
    assert done.returncode == 1, (command, done.stdout)
    return done.stdout + done.stderr


def talk(command, typed: list[tuple[bytes, bytes]], seconds=60.0, leaves=True) -> bytes:
    """Run a terminal program on a terminal of its own; type each text once its cue has come.

    Returns all that the terminal showed. leaves : the last text must end the program
    """
    near, far = pty.openpty()
    tool = subprocess.Popen([str(c) for c in command], stdin=far, stdout=far, stderr=far,
                            env={**os.environ, "TERM": "xterm", "LANG": "C.UTF-8"})  # fmt: skip
    os.close(far)
    end, seen, at = time.monotonic() + seconds, b"", 0
    try:
        for cue, text in typed:
            while cue not in seen[at:]:
                left = end - time.monotonic()
                assert left > 0 and select.select([near], [], [], left)[0], (cue, seen[-400:])
                try:
                    seen += os.read(near, 4096)
                except OSError as error:
                    raise AssertionError(f"it ended before {cue!r}: {seen[-400:]!r}") from error
            at = seen.index(cue, at) + len(cue)
            if text:  # nothing at all would be the end of its input
                os.write(near, text)
        if leaves:
            while tool.poll() is None:  # it may want to write more
                assert time.monotonic() < end, seen[-400:]
                if select.select([near], [], [], 0.1)[0]:
                    with contextlib.suppress(OSError):
                        seen += os.read(near, 4096)
    finally:
        tool.kill()
        tool.wait()
        os.close(near)
    return seen


def at_prompt(port: str, banner: bytes, seconds: float = 600) -> None:
    """Wait until a released firmware is at its prompt, whatever it said before.

    What is typed while it boots is lost, as on a board; its own greeting tells that it listens.
    """
    with PortClient(port) as client:
        end = time.monotonic() + seconds
        while True:
            client.write(b"\x03\x02")
            try:
                client.expect(banner + rb"[\s\S]*>>> $", timeout=2)
                return
            except ExpectFailed:
                if time.monotonic() > end:
                    raise


class Served:
    """A board of `k210sim run`: .pty, .rfc2217, .tcp and .image are where it can be reached.

    log : the file that gets all the device sends
    """

    def __init__(self, process, image: Path, log: Path, ends: dict[str, str]):
        self.process, self.image, self.log = process, image, log
        self.pty, self.rfc2217, self.tcp = ends["serial port"], ends["rfc2217"], ends["tcp"]

    def url(self, kind: str) -> str:
        return {"pty": self.pty, "rfc2217": self.rfc2217, "tcp": self.tcp}[kind]

    def kill_in_the_middle(self, command, answers: int = 400, **options) -> None:
        """Start a program and kill it once the board has answered it so many bytes."""
        before = self.log.stat().st_size
        nowhere = subprocess.DEVNULL
        tool = subprocess.Popen([str(word) for word in command], stdin=nowhere, stdout=nowhere,
                                stderr=nowhere, **options)  # fmt: skip
        end = time.monotonic() + 60
        try:
            while self.log.stat().st_size < before + answers:
                assert tool.poll() is None, "it was through before it could be killed"
                assert time.monotonic() < end, "the board does not answer it"
                time.sleep(0.005)
        finally:
            tool.kill()
            tool.wait()


@contextlib.contextmanager
def served(folder: Path, *options, main_py: bytes = b""):
    """A board with all its ends; `main_py` is there instead of the factory's main.py."""
    image, log = folder / "flash.bin", folder / "serial.log"
    environment = {**os.environ, "K210SIM_FLASH": str(image)}
    (folder / "main.py").write_bytes(main_py)
    good(*K210SIM, "fs", "put", folder / "main.py", env=environment)
    process = subprocess.Popen(
        [*K210SIM, "run", "--tcp", ":0", "--rfc2217", ":0", "--serial-log", log, *options],
        stdout=subprocess.PIPE,
        env=environment,
    )
    try:
        lines = [process.stdout.readline().decode().strip() for _ in range(3)]
        yield Served(process, image, log, dict(line.split(": ", 1) for line in lines))
    finally:
        process.terminate()
        code = process.wait(120)
        process.stdout.close()
    assert code == 0
