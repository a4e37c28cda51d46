"""`k210sim fs`: the files of /flash without booting the board."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import click

from k210sim.cli.base import (
    echo_json,
    image_option,
    json_option,
    open_image,
    read_file,
    write_file,
)
from k210sim.errors import HostError, NotSimulated


@click.group("fs", epilog="Example: k210sim fs put main.py")
def fs():
    """Files in the flash's file system (/flash), a SPIFFS volume in the flash image."""


@contextmanager
def volume(flash_image):
    """The mounted volume of the image; saved at the end when nothing was raised."""
    from k210sim.flash.spiffs import SpiffsVolume
    from k210sim.flash.spiffs_layout import NOT_A_FS, SpiffsFailure

    with open_image(flash_image) as storage:
        spiffs = SpiffsVolume(storage.nor)
        try:
            spiffs.mount()
        except SpiffsFailure as error:
            if error.code != NOT_A_FS:
                raise
            raise HostError(
                f"{storage.path}: there is no file system at 0x00d00000; `k210sim fs mkfs` "
                "makes one, and so does the board at its next boot"
            ) from error
        yield spiffs
        spiffs.unmount()


def inside(name: str) -> str:
    """The name as SPIFFS stores it: `main.py`, `/main.py` and `/flash/main.py` are one file."""
    if name == "/sd" or name.startswith("/sd/"):
        raise NotSimulated("fs on /sd", "only /flash can be reached without a board so far")
    name = name.removeprefix("/flash/").lstrip("/")
    if not name:
        raise HostError("a file name is missing; /flash has no directories")
    return "/" + name


@fs.command("ls", epilog="Example: k210sim fs ls --json")
@image_option
@json_option
def ls(flash_image, as_json):
    """List the files with their sizes."""
    with volume(flash_image) as spiffs:
        entries = spiffs.listdir()
        total, used = spiffs.info()
    if as_json:
        echo_json({"files": [{"name": e.name, "size": e.size} for e in entries],
                   "total": total, "used": used})
        return
    for entry in entries:
        click.echo(f"{entry.size:>8}  {entry.name}")
    click.echo(f"{used} of {total} bytes used")


@fs.command("get", epilog="Example: k210sim fs get main.py backup.py")
@click.argument("name")
@click.argument("out", required=False, type=click.Path(allow_dash=True))
@image_option
def get(name, out, flash_image):
    """Copy the file NAME to OUT (default: the same name here; `-`: standard output)."""
    from k210sim.flash.spiffs_layout import O_RDONLY

    with volume(flash_image) as spiffs, spiffs.open(inside(name), O_RDONLY) as file:
        data = file.read()
    write_file(out or Path(inside(name)).name, data)


@fs.command("put", epilog="Example: k210sim fs put blink.py main.py")
@click.argument("file", type=click.Path(allow_dash=True))
@click.argument("name", required=False)
@image_option
def put(file, name, flash_image):
    """Copy FILE into the flash as NAME (default: its own name), replacing what was there."""
    from k210sim.flash.spiffs_layout import O_CREAT, O_TRUNC, O_WRONLY

    data = read_file(file)
    if name is None and file == "-":
        raise click.UsageError("standard input needs a NAME")
    target = inside(name or Path(file).name)
    with volume(flash_image) as spiffs:
        with spiffs.open(target, O_WRONLY | O_CREAT | O_TRUNC) as handle:
            handle.write(data)
    click.echo(f"/flash{target}: {len(data)} bytes")


@fs.command("rm", epilog="Example: k210sim fs rm boot.py")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@image_option
def rm(names, flash_image):
    """Delete files: all of them, or none when one does not exist."""
    with volume(flash_image) as spiffs:
        for name in names:
            spiffs.remove(inside(name))


@fs.command("mkfs", epilog="Example: k210sim fs mkfs --yes")
@click.option("--yes", is_flag=True, help="Do not ask.")
@image_option
def mkfs(yes, flash_image):
    """Make an empty file system; all files in /flash are lost."""
    from k210sim.flash.spiffs import SpiffsVolume

    if not yes:
        click.confirm("All files in /flash will be lost. Go on?", abort=True)
    with open_image(flash_image) as storage:
        SpiffsVolume(storage.nor).format()
    click.echo("/flash is empty now")
