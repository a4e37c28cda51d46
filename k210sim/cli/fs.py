"""`k210sim fs`: files of /flash and of SD cards without booting the board."""

from __future__ import annotations

import os
from pathlib import Path

import click

from k210sim.cli.base import (
    NUMBER,
    echo_json,
    image_option,
    json_option,
    open_image,
    read_file,
    write_file,
)
from k210sim.cli.fs_stores import open_store
from k210sim.errors import HostError

MOST_CARD_BYTES = 64 << 30


def sd_option(command):
    """Adds `--sd`."""
    return click.option(
        "--sd", metavar="DIR|IMG",
        help="Work on this SD card, a folder or an image, instead of /flash.")(command)


@click.group("fs", epilog="Example: k210sim fs put main.py")
def fs():
    """Files on /flash (a SPIFFS volume in the flash image) or, with --sd, on an SD card."""


@fs.command("ls", epilog="Example: k210sim fs ls lib --sd card.img")
@click.argument("folder", default="/")
@sd_option
@image_option
@json_option
def ls(folder, sd, flash_image, as_json):
    """List files with their sizes; folders, which only SD cards have, end in a slash."""
    with open_store(flash_image, sd) as store:
        entries = store.list(folder)
        total, used = store.usage()
    if as_json:
        echo_json({"files": [{"name": e.name, "size": e.size, "folder": e.is_dir}
                             for e in entries], "total": total, "used": used})
        return
    for entry in entries:
        click.echo(f"{entry.size:>8}  {entry.name}{'/' if entry.is_dir else ''}")
    click.echo(f"{used} of {total} bytes used")


@fs.command("get", epilog="Example: k210sim fs get main.py backup.py")
@click.argument("name")
@click.argument("out", required=False, type=click.Path(allow_dash=True))
@sd_option
@image_option
def get(name, out, sd, flash_image):
    """Copy the file NAME to OUT (default: the same name here; `-`: standard output)."""
    with open_store(flash_image, sd) as store:
        data = store.read(name)
        here = Path(store.inside(name)).name
    write_file(out or here, data)


@fs.command("cat", epilog="Example: k210sim fs cat boot.py")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@sd_option
@image_option
def cat(names, sd, flash_image):
    """Print files, byte for byte."""
    with open_store(flash_image, sd) as store:
        contents = [store.read(name) for name in names]
    for data in contents:
        write_file("-", data)


@fs.command("put", epilog="Example: k210sim fs put blink.py main.py")
@click.argument("file", type=click.Path(allow_dash=True))
@click.argument("name", required=False)
@sd_option
@image_option
def put(file, name, sd, flash_image):
    """Copy FILE to NAME (default: its own name), replacing what was there.

    Killed at any moment, the file is the old one or the new one.
    """
    if name is None and file == "-":
        raise click.UsageError("standard input needs a NAME")
    data = read_file(file)
    with open_store(flash_image, sd) as store:
        target = store.write(name or Path(file).name, data)
    click.echo(f"{target}: {len(data)} bytes")


@fs.command("rm", epilog="Example: k210sim fs rm boot.py")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@sd_option
@image_option
def rm(names, sd, flash_image):
    """Delete files (on SD cards empty folders too): none when one does not exist."""
    with open_store(flash_image, sd) as store:
        store.remove(names)


@fs.command("mkdir", epilog="Example: k210sim fs mkdir lib --sd card.img")
@click.argument("name")
@sd_option
@image_option
def mkdir(name, sd, flash_image):
    """Make a folder on an SD card; /flash has none."""
    with open_store(flash_image, sd) as store:
        store.make_folder(name)


@fs.command("mkfs", epilog="Example: k210sim fs mkfs --sd card.img --size 64M")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--size", type=NUMBER, metavar="N", help="With --sd: make a new image of this size.")
@sd_option
@image_option
def mkfs(yes, size, sd, flash_image):
    """Make an empty file system; all files in /flash or on the card are lost.

    A card gets a partition table and FAT32 from 512 MiB on, FAT16 or FAT12 below.
    """
    from k210sim.flash.spiffs import SpiffsVolume

    if size is not None and sd is None:
        raise click.UsageError("--size goes with --sd")
    new = sd is not None and not os.path.exists(sd)
    if not yes and not new:
        click.confirm(f"All files on {sd or '/flash'} will be lost. Go on?", abort=True)
    if sd is not None:
        _format_card(sd, size, new)
        click.echo(f"{sd} is an empty card now")
        return
    with open_image(flash_image) as storage:
        SpiffsVolume(storage.nor).format()
    click.echo("/flash is empty now")


def _format_card(sd: str, size: int | None, new: bool) -> None:
    """Make the image a card; a new one is put in its place when it is complete."""
    from k210sim.sd import BLOCK
    from k210sim.sd.cards import ImageCard
    from k210sim.sd.fat_format import format_card

    if os.path.isdir(sd):
        raise HostError(f"{sd}: a folder needs no file system; give an image file")
    if new and size is None:
        raise HostError(f"{sd}: no such file; --size N makes one")
    if size is not None and not (64 << 10 <= size <= MOST_CARD_BYTES and size % BLOCK == 0):
        raise HostError(f"--size {size}: expected a multiple of {BLOCK} from 64K to 64 GiB")
    path = f"{sd}.{os.getpid()}.new" if new else sd
    try:
        if new:
            with open(path, "xb") as file:
                file.truncate(size)
        elif size is not None and os.path.getsize(sd) != size:
            raise HostError(f"{sd}: has {os.path.getsize(sd)} bytes, not {size}; remove it first")
        card = ImageCard(path)
        try:
            format_card(card)
            card.flush()
        finally:
            card.close()
        if new:
            os.replace(path, sd)
    except OSError as error:
        raise HostError(f"{sd}: {error.strerror or error}") from error
    finally:
        if new and os.path.exists(path):
            os.unlink(path)
