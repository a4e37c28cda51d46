"""`k210sim exec`: run a script on a fresh board and show exactly what the device prints."""

from __future__ import annotations

import errno
import json
import logging
import sys
import time
from pathlib import Path

import click

from k210sim.cli.board_options import board_options, make_board
from k210sim.errors import EXIT_GUEST_FAILED, EXIT_TIMEOUT, ConfigError, HostError


@click.command(
    "exec",
    epilog="Example: k210sim exec --timeout 20 --lcd-out panel.png blink.py",
)
@click.argument("script", required=False, type=click.Path(dir_okay=False))
@click.option("-c", "code", metavar="CODE", help="Run this text instead of a script.")
@click.option("--timeout", type=float, metavar="S", help="Stop after S seconds (exit code 42).")
@click.option("--lcd-out", type=click.Path(dir_okay=False), help="Write the panel's picture here.")
@click.option(
    "--report", type=click.Path(dir_okay=False), help="Write times, memory and exit reason as JSON."
)
@click.option(
    "--confine", is_flag=True, help="Run in a process that gave up what a board does not need."
)
@board_options
def command(script, code, timeout, lcd_out, report, confine, board_options):
    """Boot a board without a window, run SCRIPT on it (or -c CODE), and leave.

    Standard output gets the bytes the device sends while the script runs, a traceback included.
    The user's main.py is not run. Exit code: 0 when the script ended well, 1 after a traceback,
    42 at the timeout.
    """
    source = source_text(script, code)
    for path in (lcd_out, report):
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise HostError(f"{path}: its directory does not exist")
    wall_start = time.monotonic()
    board = make_board(board_options, clock="virtual", run_main=False)
    out = sys.stdout.buffer
    deaf = False  # whoever read our output has gone

    def show(data: bytes) -> None:
        nonlocal deaf
        try:
            if not deaf:
                out.write(data)
                out.flush()
        except BrokenPipeError:
            deaf = True
            board.interrupt()

    from k210sim.board.board import ExecTimeout

    if confine:  # before the firmware's thread exists: threads inherit it
        from k210sim.cli.confine import confine as give_up

        logging.getLogger("k210sim").info(
            "confined: %s", ", ".join(give_up(*_places(board, board_options, lcd_out, report)))
        )
    problem = None
    try:
        with board:
            try:
                result = board.exec(source, timeout, on_output=show)
            except ExecTimeout as error:
                problem, result = error, error.result
            if lcd_out is not None:
                board.lcd.image().save(lcd_out)
            statistics = board.statistics() if board.powered else {}
    finally:
        board.close()
    if report is not None:
        facts = {
            "exit_reason": result.exit_reason,
            "error": result.error,
            "virtual_ms": result.virtual_ms,
            "wall_ms": (time.monotonic() - wall_start) * 1000,
            **statistics,
        }
        Path(report).write_text(json.dumps(facts, indent=2) + "\n")
    if deaf:
        raise BrokenPipeError(errno.EPIPE, "standard output is closed")
    if problem is not None:
        click.echo(f"k210sim: {problem}", err=True)
        sys.exit(EXIT_TIMEOUT)
    if not result.ok:
        sys.exit(EXIT_GUEST_FAILED)


def _places(board, chosen, *outputs: str | None) -> tuple[list[Path], list[Path]]:
    """(readable, writable) files and folders that this run was told to use."""
    from k210sim.board import engines

    readable = [Path(chosen["camera"])] if chosen.get("camera") else []
    if board.engine_name == engines.RISCV:
        readable += engines.cache_folders()
    writable = [Path(path).resolve().parent for path in outputs if path is not None]
    image = getattr(board.hardware.storage, "path", None)
    if image is not None:
        writable.append(Path(image).resolve().parent)
    if chosen.get("sd"):
        writable.append(Path(chosen["sd"]).resolve())
    return readable, writable


def source_text(script: str | None, code: str | None) -> bytes:
    """The program text; raises before a board is made when there is none or it cannot be read."""
    if (script is None) == (code is None):
        raise ConfigError("give either a SCRIPT or -c CODE, not both; --help shows an example")
    if code is not None:
        return code.encode()
    if script == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(script).read_bytes()
    except OSError as error:
        raise HostError(f"script {script}: {error.strerror}") from error
