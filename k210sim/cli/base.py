"""What commands share: addresses, the flash image option, JSON output, progress."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import click

from k210sim.cli import board_options as options

_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Number(click.ParamType):
    """A number of bytes or an address: 4096, 0x1000, 4K, 3M."""

    name = "number"

    def convert(self, value, param, ctx):
        if isinstance(value, int):
            return value
        text = value.strip().lower().replace("_", "")
        unit = 1
        if not text.startswith("0x") and text[-1:] in _UNITS:
            unit, text = _UNITS[text[-1]], text[:-1]
        try:
            number = int(text, 0) * unit
        except ValueError:
            self.fail(f"{value!r} is not a number such as 4096, 0x1000 or 4K", param, ctx)
        if number < 0:
            self.fail(f"{value!r} is negative", param, ctx)
        return number


NUMBER = Number()


def image_option(command):
    """Adds `--flash-image`, for commands that touch only the image and not a board."""
    return click.option(
        "--flash-image",
        metavar="PATH",
        help="Flash image file (default: flash.bin in the user data directory, or "
        "$K210SIM_FLASH); made as a factory image on first use.",
    )(command)


def json_option(command):
    """Adds `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def image_path(chosen: str | None) -> Path:
    """The image a command works on: its option, the settings file, the user's usual one."""
    from k210sim.flash.storage import default_image_path

    return Path(chosen or options._settings(Path.cwd()).get("flash_image") or default_image_path())


@contextmanager
def open_image(chosen: str | None, *, save: bool = True):
    """The `FlashStorage` of `image_path`; saved at the end unless something was raised."""
    from k210sim.flash.factory import factory_image
    from k210sim.flash.storage import FlashStorage

    storage = FlashStorage(image_path(chosen), factory=factory_image)
    try:
        yield storage
    except BaseException:
        storage.close(save=False)
        raise
    storage.close(save=save)


def echo_json(value) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def write_file(path: str, data: bytes) -> None:
    """Write a file whole or not at all; `-` is standard output. Raises HostError."""
    from k210sim.errors import HostError

    if path == "-":
        sys.stdout.buffer.write(data)
        return
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise HostError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_file(path: str) -> bytes:
    """A file's bytes; `-` is standard input. Raises HostError."""
    from k210sim.errors import HostError

    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror or error}") from error


@contextmanager
def progress_bar(total: int, what: str):
    """A progress bar on stderr when that is a terminal; yields `advance(bytes)`."""
    if not sys.stderr.isatty():
        yield lambda n: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
               TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda n: progress.advance(task, n)
