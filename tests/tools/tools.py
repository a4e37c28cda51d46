"""Finds third-party programs and runs them against `k210sim run`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

K210SIM = [sys.executable, "-m", "k210sim"]


def need(name: str) -> str:
    """The program's path; skips the test where it is not installed."""
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.exists() else shutil.which(name)
    return path or pytest.skip(f"{name} is not installed (make test-tools)")


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


class Served:
    """A board of `k210sim run`: .pty, .rfc2217, .tcp and .image are where it can be reached."""

    def __init__(self, process, image: Path, ends: dict[str, str]):
        self.process, self.image = process, image
        self.pty, self.rfc2217, self.tcp = ends["serial port"], ends["rfc2217"], ends["tcp"]

    def url(self, kind: str) -> str:
        return {"pty": self.pty, "rfc2217": self.rfc2217, "tcp": self.tcp}[kind]


@contextlib.contextmanager
def served(folder: Path, *options, main_py: bytes = b""):
    """A board with all its ends; `main_py` is there instead of the factory's main.py."""
    image = folder / "flash.bin"
    environment = {**os.environ, "K210SIM_FLASH": str(image)}
    (folder / "main.py").write_bytes(main_py)
    good(*K210SIM, "fs", "put", folder / "main.py", env=environment)
    process = subprocess.Popen(
        [*K210SIM, "run", "--tcp", ":0", "--rfc2217", ":0", *options],
        stdout=subprocess.PIPE,
        env=environment,
    )
    try:
        lines = [process.stdout.readline().decode().strip() for _ in range(3)]
        yield Served(process, image, dict(line.split(": ", 1) for line in lines))
    finally:
        process.terminate()
        code = process.wait(30)
        process.stdout.close()
    assert code == 0
