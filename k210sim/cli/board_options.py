"""The options that choose a board: the same for every command that has one.

They can also stand in `k210sim.toml`, or in the table `[tool.k210sim]` of `pyproject.toml`, of the
current directory, under the same names (`flash-image`, `camera`, `tcp`, ...). What is given on the
command line wins.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from k210sim.errors import ConfigError

SETTINGS_FILE = "k210sim.toml"
NAMES = ("board", "engine", "flash_image", "sd", "camera", "clock", "seed", "strict", "safe",
         "wires")
PORT_NAMES = ("link", "tcp", "rfc2217", "serial_log")  # of the commands that serve a port


def _wires(context, parameter, texts: tuple[str, ...]) -> list[tuple[int, int]] | None:
    """Pairs of numbers of the option's texts; None when it is not given."""
    pairs = []
    for text in texts:
        ends = text.split(":")
        if len(ends) != 2 or not all(end.isdecimal() and len(end) < 4 for end in ends):
            raise click.BadParameter(f"{text!r}: expected two pads, as 10:12")
        pairs.append((int(ends[0]), int(ends[1])))
    return pairs or None


def board_options(command: Callable) -> Callable:
    """Adds the board options to a click command, which gets them as the dict `board_options`."""

    @functools.wraps(command)
    def gathered(*args, **values):
        chosen = {name: values.pop(name) for name in NAMES}
        return command(*args, board_options=chosen, **values)

    for option in reversed(
        (
            click.option(
                "--board",
                metavar="NAME",
                help="Board: bit (default), dock, go, duino, amigo, m5stickv, kd233.",
            ),
            click.option("--engine", metavar="E",
                         help="builtin, riscv, or auto (default): riscv with a firmware in flash "
                         "at 0x0, else builtin."),
            click.option(
                "--flash-image",
                metavar="PATH",
                help="Flash image file, made on first use (default: flash.bin in the user data "
                "directory, or $K210SIM_FLASH).",
            ),
            click.option("--sd", metavar="DIR|IMG", help="What is in the SD card slot."),
            click.option(
                "--camera",
                metavar="SRC",
                help="scene (default), a picture, a folder, a video, or webcam:0.",
            ),
            click.option("--clock", metavar="MODE", help="real, virtual or max."),
            click.option("--seed", type=int, metavar="N", help="Start of all randomness."),
            click.option("--safe", is_flag=True, default=None,
                         help="Boot without boot.py and main.py, to mend them; Ctrl-D runs them."),
            click.option("--strict", is_flag=True, default=None,
                         help="riscv engine: stop at a register that nobody modelled."),
            click.option("--wire", "wires", multiple=True, metavar="A:B", callback=_wires,
                         help="Join two pads with a wire, as 10:12; can be given again."),
        )
    ):
        gathered = option(gathered)
    return gathered


def make_board(chosen: dict[str, Any], **defaults: Any):
    """A board from options, settings files and the command's own defaults, in this order."""
    from k210sim.board.board import Board

    values = board_values(chosen, **defaults)
    board = Board(**values)
    if values.get("engine", "auto") == "auto" and board.engine_name == "riscv":
        text = "k210sim: the firmware in flash runs (riscv); --engine builtin for our own"
        click.echo(text, err=True)
    return board


def board_values(chosen: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """What `make_board` gives to `Board`. Without any flash image named it is the user's, at its
    usual place."""
    found = _settings(Path.cwd())
    values = {**defaults, **{name: found[name] for name in NAMES if name in found}}
    values.update({name: value for name, value in chosen.items() if value is not None})
    if "flash_image" not in values:
        from k210sim.flash.storage import default_image_path

        values["flash_image"] = default_image_path()
    return values


def port_settings(chosen: dict[str, Any]) -> dict[str, Any]:
    """Where the serial port is served: what was chosen, else what the settings files say.

    Raises ConfigError for a setting that is not a text.
    """
    found = _settings(Path.cwd())
    values = {}
    for name in PORT_NAMES:
        values[name] = found.get(name) if chosen[name] is None else chosen[name]
        if not isinstance(values[name], (str, type(None))):
            shown = name.replace("_", "-")
            raise ConfigError(f"setting {shown} = {values[name]!r}: expected a text in quotes")
    return values


def _settings(folder: Path) -> dict[str, Any]:
    """The settings of this directory; raises ConfigError for an unknown name or a bad file."""
    for path, table in (
        (folder / SETTINGS_FILE, ()),
        (folder / "pyproject.toml", ("tool", "k210sim")),
    ):
        if not path.is_file():
            continue
        found: Any = _read_toml(path)
        for key in table:
            found = found.get(key, {})
        if found:
            values = {name.replace("-", "_"): value for name, value in found.items()}
            unknown = sorted(set(values) - {*NAMES, *PORT_NAMES})
            if unknown:
                known = ", ".join(name.replace("_", "-") for name in (*NAMES, *PORT_NAMES))
                raise ConfigError(f"{path}: unknown setting {unknown[0]!r}; expected {known}")
            return values
    return {}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
