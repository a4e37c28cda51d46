"""`k210sim sd`: the SD slot of a board that is running."""

from __future__ import annotations

from pathlib import Path

import click

from k210sim.errors import ConfigError, HostError

port_option = click.option("--port", required=True, metavar="PORT",
                           help="The board's terminal, as `k210sim run` printed it.")


@click.group("sd", epilog="Example: k210sim sd insert card.img --port /dev/pts/3")
def sd():
    """The SD slot of a running board. The firmware mounts a card when it starts, and at
    `machine.SDCard.remount()`."""


@sd.command("insert", epilog="Example: k210sim sd insert photos/ --port /dev/pts/3")
@click.argument("card", metavar="DIR|IMG")
@port_option
def insert(card, port):
    """Put a card in, an image file or a folder. One that is there is taken out first."""
    path = Path(card)
    if not path.exists():
        raise ConfigError(f"SD card {card}: no such folder or image file")
    _ask(port, f"insert {path.resolve()}")


@sd.command("eject", epilog="Example: k210sim sd eject --port /dev/pts/3")
@port_option
def eject(port):
    """Take the card out. What the guest had not written yet is lost, as on a real board."""
    _ask(port, "eject")


def _ask(port: str, request: str) -> None:
    from k210sim.serialport import control

    socket = control.find(port)
    if socket is None:
        raise HostError(f"{port}: no board of `k210sim run` or `k210sim repl` is on this terminal")
    if "\n" in request:
        raise ConfigError("a card's path cannot have a line break here")
    control.ask(socket, request)
