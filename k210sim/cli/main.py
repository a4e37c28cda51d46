"""The command `k210sim`: finds the subcommand, and turns every error into an exit code.

Commands are imported only when they are called, so that `k210sim --help` and the small ones do
not wait for numba. A command whose module is not there is not offered.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import logging
import os
import sys
import traceback

import click

from k210sim import __version__
from k210sim.errors import (
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    K210SimError,
)

TRACEBACK = "K210SIM_TRACEBACK"

# name: (module, attribute, one line of help)
COMMANDS = {
    "run": ("k210sim.cli.run", "run", "Power a board on and serve its serial port."),
    "reset": ("k210sim.cli.lines", "reset", "Press the reset button of a board on a port."),
    "with-lines": ("k210sim.cli.lines", "with_lines",
                   "Run kflash and its like on a pseudo-terminal, with DTR and RTS."),
    "repl": ("k210sim.cli.run", "repl", "A board and its prompt in this window."),
    "terminal": ("k210sim.cli.terminal", "command", "Our terminal on any serial port."),
    "exec": ("k210sim.cli.exec", "command", "Run a script on a fresh board and leave."),
    "compare": ("k210sim.cli.compare", "command",
                "Run a script on both engines and show where they part."),
    "flash": ("k210sim.cli.flash", "flash", "Program firmware, models and packages."),
    "flash-map": ("k210sim.cli.flash", "flash_map", "Show what is in the flash."),
    "read": ("k210sim.cli.flash", "read", "Copy a part of the flash to a file."),
    "erase": ("k210sim.cli.flash", "erase", "Erase a part of the flash, or all of it."),
    "fs": ("k210sim.cli.fs", "fs", "Files on /flash and on SD cards, without a board."),
    "sd": ("k210sim.cli.sd", "sd", "Put a card into a running board's SD slot, or take it out."),
    "kfpkg": ("k210sim.cli.kfpkg", "kfpkg", "List, check, make and open kfpkg packages."),
    "model": ("k210sim.cli.model", "model", "Look at, check and run a kmodel on this computer."),
    "explain": ("k210sim.cli.explain", "explain", "What an error number of the KPU means."),
}

NEWCOMER = (
    ("k210sim repl", "a board and its prompt in this window; Ctrl-] leaves"),
    ("k210sim exec script.py", "run a script on a fresh board, print what it prints"),
    ("k210sim flash model.kfpkg", "put a model or firmware into the board's flash"),
    ("k210sim flash-map", "see what is in the flash"),
    ("k210sim run", "a board on a serial port, for your own tools"),
)


class Commands(click.Group):
    """The commands of `COMMANDS`, imported when needed; errors become exit codes in `main`."""

    def list_commands(self, ctx):
        return [name for name, (module, _, _) in COMMANDS.items()
                if importlib.util.find_spec(module) is not None]

    def get_command(self, ctx, name):
        if name not in COMMANDS or name not in self.list_commands(ctx):
            return None
        module, attribute, _ = COMMANDS[name]
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in self.list_commands(ctx)])

    def main(self, args=None, prog_name=None, standalone_mode=True, **extra):
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        try:
            result = super().main(args, prog_name or "k210sim", standalone_mode=False, **extra)
            code = result if isinstance(result, int) else EXIT_OK
            sys.stdout.flush()
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx is not None else "k210sim"
            text = error.format_message()
            if text.startswith("Usage:"):  # click's answer to a group without a command
                names = error.ctx.command.list_commands(error.ctx)
                text = f"expected a command: {', '.join(names)}"
            _complain(f"{path}: {text} (see `{path} --help`)")
            code = EXIT_USAGE
        except click.ClickException as error:
            _complain(f"k210sim: {error.format_message()}")
            code = EXIT_USAGE
        except (KeyboardInterrupt, click.Abort):
            code = EXIT_INTERRUPTED
        except SystemExit as end:
            # When whoever read our output has seen enough, click wraps stdout and exits with 1.
            code = EXIT_OK if "Pacify" in type(sys.stdout).__name__ else end.code
        except K210SimError as error:
            _complain(f"k210sim: {error}")
            _traceback_if_wanted()
            code = error.exit_code
        except Exception as error:
            shown = f"{type(error).__name__}: {error}"
            _complain(f"k210sim: a bug of ours: {shown} (set {TRACEBACK}=1 and report what it "
                      "prints)")
            _traceback_if_wanted()
            code = EXIT_INTERNAL
        sys.exit(code)


def _complain(text: str) -> None:
    """One line on stderr, whatever line breaks the message has."""
    click.echo(" ".join(text.split()), err=True)


def _traceback_if_wanted() -> None:
    if os.environ.get(TRACEBACK):
        traceback.print_exc()


@click.group(
    "k210sim",
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command has its own --help with an example.",
)
@click.version_option(__version__, prog_name="k210sim")
@click.pass_context
def cli(ctx):
    """A virtual Kendryte K210 board that behaves as a MaixPy v1 device."""
    if ctx.invoked_subcommand is None:
        click.echo("k210sim: a virtual Kendryte K210 board. Start with one of these:\n")
        width = max(len(call) for call, _ in NEWCOMER)
        for call, what in NEWCOMER:
            click.echo(f"  {call:<{width}}  {what}")
        click.echo("\nAll commands: k210sim --help")


def main() -> None:
    """Entry point of the `k210sim` script.

    Ends the process without taking its modules apart first, which takes as long as a short
    `exec`. Everything that must be closed has been by then.
    """
    # Imports make many objects that stay; looking for garbage among them costs a short run 10 %.
    gc.set_threshold(50_000)
    code = EXIT_OK
    try:
        cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else EXIT_OK if end.code is None else 1
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
