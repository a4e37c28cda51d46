"""`k210sim flash`, `flash-map`, `read`, `erase`: the flash image from outside."""

from __future__ import annotations

import click

from k210sim.cli.base import (
    NUMBER,
    echo_json,
    image_option,
    json_option,
    open_image,
    progress_bar,
    read_file,
    write_file,
)


@click.command("flash", epilog="Example: k210sim flash face_model_at_0x300000.kfpkg")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--addr", type=NUMBER, metavar="ADDR", help="Where a bare file goes, as 0x300000.")
@click.option("--port", metavar="PORT",
              help="Program the board on this port instead: /dev/..., rfc2217://H:P, socket://H:P.")
@click.option("--stub", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
              help="With --port: the flash program that a real board needs; a virtual one none.")
@click.option("--circuit", default="dan", show_default=True, metavar="NAME",
              help="With --port: how DTR and RTS are wired, by kflash's name of the board.")
@image_option
@json_option
def flash(files, addr, port, stub, circuit, flash_image, as_json):
    """Program FILE... into the board's flash: .kfpkg, .bin, .kmodel, .smodel, .img.

    Packages carry their addresses. Of bare files firmware (.bin) goes to 0 with header and hash,
    as kflash does it, and models go to 0x300000; --addr says otherwise. Everything is checked
    first; with any error the image stays as it was.

    --port speaks the ISP protocol to a board that is on: one of `k210sim run`, or a real one.
    A real board is programmed through a small program that is loaded into its RAM first; k210sim
    does not ship one, so give yours with --stub.
    """
    from k210sim.flash import program

    parts = program.plan_all(files, addr)
    if port is not None:
        _flash_over_port(parts, port, stub, circuit)
    else:
        with open_image(flash_image) as storage:
            with progress_bar(sum(len(p.data) for p in parts), "programming") as advance:
                done = {}

                def progress(part, at):
                    advance(at - done.get(part, 0))
                    done[part] = at

                program.apply(storage.nor, parts, progress)
    if as_json:
        echo_json([{"file": p.name, "address": p.address, "size": len(p.data), "what": p.what}
                   for p in parts])
    else:
        for part in parts:
            click.echo(f"0x{part.address:08x}..0x{part.end:08x}  {len(part.data):>8} bytes  "
                       f"{part.what}: {part.name}")
    for text in program.remarks(parts):
        click.echo(f"note: {text}", err=True)


def _flash_over_port(parts, port, stub, circuit):
    from k210sim.errors import HostError
    from k210sim.flash.isp_host import IspHost
    from k210sim.serialport import control, reset_lines
    from k210sim.serialport.opening import open_port

    is_url = "://" in port
    ours = None if is_url else control.find(port)
    program = None
    if stub is not None:
        program = read_file(stub)
    elif ours is None and not is_url:
        raise HostError(
            f"{port}: not a virtual board of this machine, and a real one needs a flash program; "
            "give --stub FILE, or use kflash"
        )
    with open_port(port) as line:
        if ours is not None:
            control.ask(ours, "isp")
        elif not port.startswith("socket://"):
            reset_lines.toggle(line, isp=True, circuit=circuit)
        line.reset_input_buffer()
        host = IspHost(line, port)
        host.connect(program)
        with progress_bar(sum(len(p.data) for p in parts), "programming") as advance:
            for part in parts:
                done = 0

                def progress(at):
                    nonlocal done
                    advance(at - done)
                    done = at

                host.write(part.address, part.data, progress)
        host.reboot()


@click.command("flash-map", epilog="Example: k210sim flash-map --json")
@image_option
@json_option
def flash_map(flash_image, as_json):
    """Show what is in the flash: firmware, models wherever they are, files, collisions."""
    from k210sim.flash.flash_map import read_map

    with open_image(flash_image) as storage:
        found = read_map(storage.nor.data)
        path = storage.path
    if as_json:
        echo_json({"image": str(path), **found.as_dict()})
        return
    click.echo(f"flash image: {path}")
    for region in found.regions:
        click.echo(f"0x{region.start:08x}..0x{region.end:08x}  {region.kind:<25} {region.detail}")
    if not found.regions:
        click.echo("nothing: the flash is erased")
    for text in found.problems:
        click.echo(f"problem: {text}")


@click.command("read", epilog="Example: k210sim read 0x300000 388776 face.kmodel")
@click.argument("addr", type=NUMBER)
@click.argument("length", metavar="LEN", type=NUMBER)
@click.argument("out", type=click.Path(allow_dash=True))
@image_option
def read(addr, length, out, flash_image):
    """Copy LEN bytes of the flash from ADDR to the file OUT (`-`: standard output)."""
    with open_image(flash_image) as storage:
        data = storage.nor.read(addr, length)
    write_file(out, data)


@click.command("erase", epilog="Example: k210sim erase 0x300000 0x60000")
@click.argument("addr", type=NUMBER, required=False)
@click.argument("length", metavar="LEN", type=NUMBER, required=False)
@click.option("--all", "everything", is_flag=True, help="Erase the whole chip.")
@image_option
def erase(addr, length, everything, flash_image):
    """Erase LEN bytes from ADDR (whole 4-KiB sectors), or everything with --all."""
    from k210sim.flash.nor import SIZE

    if everything != (addr is None) or (addr is None) != (length is None):
        raise click.UsageError("give ADDR and LEN, or --all")
    start, size = (0, SIZE) if everything else (addr, length)
    with open_image(flash_image) as storage:
        storage.nor.erase(start, size)
    click.echo(f"erased 0x{start:08x}..0x{start + size:08x}")
