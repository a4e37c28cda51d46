"""`k210sim with-lines` and `k210sim reset`: DTR, RTS and the reset button."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.resources import files

import click

from k210sim.errors import HostError

HOOK = "with_lines"


@click.command(
    "with-lines",
    epilog="Example: k210sim with-lines -- kflash -p /dev/pts/3 firmware.bin",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND...",
                type=click.UNPROCESSED)
def with_lines(command):
    """Run a Python program that uses pyserial so that it finds DTR and RTS on a virtual board.

    A pseudo-terminal has no such lines, and the operating system refuses programs that ask for
    them: stock kflash stops there. Under this command they reach the board, and
    `serial.Serial("rfc2217://...")` works too. The program itself stays as it is; it may live in
    any environment, but must be a Python that reads PYTHONPATH (not `python -I` or `-E`).
    """
    from k210sim.serialport.control import FOLDER, folder

    if os.name != "posix":
        raise HostError("with-lines needs pseudo-terminals; use --rfc2217 on this system")
    program = shutil.which(command[0])
    if program is None:
        raise HostError(f"{command[0]}: no such program")
    hook = str(files("k210sim") / "data" / HOOK)
    before = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{hook}{os.pathsep}{before}" if before else hook,
        FOLDER: str(folder()),
    }
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(program, list(command), environment)
    except OSError as error:
        raise HostError(f"{program}: {error.strerror}") from error


@click.command("reset", epilog="Example: k210sim reset --isp --port /dev/pts/3")
@click.option("--port", required=True, metavar="PORT", help="Terminal, device or rfc2217:// URL.")
@click.option("--isp", is_flag=True, help="With the boot key held: wait for a flashing tool.")
@click.option("--circuit", default="dan", show_default=True, metavar="NAME",
              help="On ports with lines: how they are wired, by kflash's name of the board.")
def reset(port, isp, circuit):
    """Press the reset button of the board on PORT.

    On the terminal of `k210sim run` this is the button itself. On a real serial port and on
    rfc2217:// it is the sequence of DTR and RTS that kflash uses for this kind of board.
    """
    from k210sim.serialport.reset_lines import enter

    enter(port, isp=isp, circuit=circuit)
