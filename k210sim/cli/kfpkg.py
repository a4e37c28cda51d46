"""`k210sim kfpkg`: packages of kflash and kflash_gui."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from k210sim.cli.base import NUMBER, echo_json, json_option, read_file, write_file
from k210sim.errors import EXIT_GUEST_FAILED, EXIT_OK, HostError, KfpkgError


@click.group("kfpkg", epilog="Example: k210sim kfpkg list face_model_at_0x300000.kfpkg")
def kfpkg():
    """List, check, make and open kfpkg packages."""


@kfpkg.command("list", epilog="Example: k210sim kfpkg list --json model.kfpkg")
@click.argument("package", type=click.Path())
@json_option
def list_command(package, as_json):
    """Show what goes where."""
    from k210sim.flash import program

    parts = program.plan(package)
    from k210sim.flash.kfpkg import Kfpkg

    members = Kfpkg.read(package).members
    if as_json:
        echo_json([
            {"name": m.name, "address": m.address, "size": len(m.data), "what": p.what,
             "sha256Prefix": m.sha256_prefix, "sha256": hashlib.sha256(m.data).hexdigest()}
            for m, p in zip(members, parts, strict=True)
        ])
        return
    for m, p in zip(members, parts, strict=True):
        click.echo(f"0x{m.address:08x}..0x{m.end:08x}  {len(m.data):>8} bytes  {p.what}: {m.name}")


@kfpkg.command("lint", epilog="Example: k210sim kfpkg lint model.kfpkg")
@click.argument("package", type=click.Path())
@json_option
def lint_command(package, as_json):
    """Say what may go wrong with a package; exit code 1 when there is something."""
    from k210sim.flash.kfpkg import Kfpkg, lint

    remarks = lint(Kfpkg.read(package))
    if as_json:
        echo_json(remarks)
    else:
        for text in remarks:
            click.echo(text)
        if not remarks:
            click.echo("no remarks")
    return EXIT_GUEST_FAILED if remarks else EXIT_OK


@kfpkg.command("pack", epilog="Example: k210sim kfpkg pack my.kfpkg 0=maixpy.bin 0x300000=m.kmodel")
@click.argument("out", type=click.Path(dir_okay=False))
@click.argument("parts", nargs=-1, required=True, metavar="ADDR=FILE...")
@click.option("--raw", is_flag=True, help="Never add a firmware header, not even at address 0.")
@click.option("--sha256", is_flag=True, help="Add each file's SHA-256, which k210sim checks.")
def pack_command(out, parts, raw, sha256):
    """Make a package; the same files give the same bytes.

    A file at address 0 that is no firmware image yet gets header and hash when it is flashed.
    """
    from k210sim.flash.boot_image import BootImageError, read_boot_image
    from k210sim.flash.kfpkg import Kfpkg, Member

    members = []
    for text in parts:
        address, equals, name = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{text!r}: expected ADDR=FILE, such as 0x300000=m.kmodel")
        at = NUMBER.convert(address, None, None)
        data = read_file(name)
        prefix = at == 0 and not raw
        if prefix:
            try:
                read_boot_image(data)
            except BootImageError:
                pass
            else:
                prefix = False
        members.append(Member(Path(name).name, at, data, prefix))
    built = Kfpkg.of(members).build(checksums=sha256)
    write_file(out, built)
    click.echo(f"{out}: {len(members)} files, {len(built)} bytes")


@kfpkg.command("unpack", epilog="Example: k210sim kfpkg unpack model.kfpkg out/")
@click.argument("package", type=click.Path())
@click.argument("folder", type=click.Path(file_okay=False), default=".")
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def unpack_command(package, folder, force):
    """Write a package's files into FOLDER (default: here)."""
    from k210sim.flash.kfpkg import LIST_NAME, Kfpkg, is_plain

    read = Kfpkg.read(package)
    contents = {LIST_NAME: read.list_text.encode(), **{m.name: m.data for m in read.members}}
    for name in contents:
        if not is_plain(name):
            raise KfpkgError(f"member {name!r} is a path, not a file's name; nothing was unpacked",
                             path=package)
        if not force and (Path(folder) / name).exists():
            raise HostError(f"{Path(folder) / name}: exists; --force overwrites it")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"{folder}: cannot be made: {error.strerror}") from error
    for name, data in contents.items():
        write_file(str(Path(folder) / name), data)
        click.echo(f"{Path(folder) / name}: {len(data)} bytes")
