"""`k210sim run` and `k210sim repl`: a board that stays on."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click

from k210sim.cli.board_options import board_options, make_board
from k210sim.errors import ConfigError

DEMO_VIRTUAL_S = 3.0  # without a terminal: how long the demo runs, in the board's time
DEMO_WALL_S = 120.0  # and at most in ours
LCD_FILE = "k210sim-lcd.png"


def port_options(command):
    """The options that say where the serial port can be reached."""
    for option in (
        click.option("--serial-log", type=click.Path(), help="Append what the device sends here."),
        click.option("--rfc2217", metavar="HOST:PORT", help="Serve the port by RFC 2217 too."),
        click.option("--tcp", metavar="HOST:PORT", help="Serve the port as a raw TCP socket too."),
        click.option("--link", type=click.Path(), help="Make this a link to the pseudo-terminal."),
    ):
        command = option(command)
    return command


@click.command("run", epilog="Example: k210sim run --link /tmp/maix --camera faces.jpg")
@port_options
@click.option("--boot", type=click.Choice(["flash", "isp"]), default="flash",
              help="isp: wait for a flashing tool, as with the boot key held.")
@click.option("--exit-after", type=float, metavar="S", help="Switch off after S seconds.")
@board_options
def run(link, tcp, rfc2217, serial_log, boot, exit_after, board_options):
    """Power a board on and serve its serial port until Ctrl-C or SIGTERM, then save its flash.

    Prints `serial port: /dev/pts/N` on its own line; connect with picocom, screen, pyserial or
    `k210sim terminal`.
    """
    if exit_after is not None and exit_after < 0:
        raise ConfigError(f"--exit-after {exit_after:g}: expected a number of seconds, 0 or more")
    stop = threading.Event()
    with _stopped_by_signals(stop):
        board = make_board({**board_options, "boot": boot}, clock="real")
        try:
            with _ends(board, link, tcp, rfc2217, serial_log) as lines:
                for text in lines:
                    click.echo(text)
                sys.stdout.flush()
                board.power_on(wait=False)
                _serve(board, stop, exit_after)
                board.raise_failure()
                board.power_off()
        finally:
            board.close()


@click.command("repl", epilog="Example: k210sim repl --camera scene")
@port_options
@click.option(
    "--factory-demo", is_flag=True, help="Use a fresh factory board in memory; nothing is saved."
)
@click.option(
    "--lcd-out",
    type=click.Path(dir_okay=False),
    default=LCD_FILE,
    show_default=True,
    help="Without a terminal: where the panel's picture goes.",
)
@board_options
def repl(link, tcp, rfc2217, serial_log, factory_demo, lcd_out, board_options):
    """Power a board on with its prompt in this window. Ctrl-] leaves, and flash is saved.

    When standard input is not a terminal, boots, lets main.py run for a few frames, writes the
    panel's picture and leaves.
    """
    if factory_demo:
        from k210sim.board.board import FACTORY

        board_options = {**board_options, "flash_image": FACTORY}
    if not sys.stdin.isatty():
        _show_demo(board_options, Path(lcd_out))
        return
    from k210sim.cli.terminal import BoardLine, converse

    board = make_board(board_options, clock="real")
    try:
        with _ends(board, link, tcp, rfc2217, serial_log) as lines:
            for text in lines:
                click.echo(text, err=True)
            click.echo("--- Ctrl-] leaves ---", err=True)
            board.power_on(wait=False)
            converse(BoardLine(board))
    finally:
        board.close()


def _show_demo(chosen: dict, picture: Path) -> None:
    """Boot, run main.py for a while, save the panel's picture and say so."""
    board = make_board(chosen, clock="virtual")
    out = sys.stdout.buffer
    try:
        board.power_on(wait=False)
        end = time.monotonic() + DEMO_WALL_S
        while time.monotonic() < end and board.powered:
            out.write(board.serial.read(timeout=0.05))
            if board.clock.now_ns > DEMO_VIRTUAL_S * 1e9 or board.port.idle:
                break
        image = board.lcd.image()
        board.raise_failure()
        board.power_off()
        out.write(board.serial.read())
        out.flush()
    finally:
        board.close()
    image.save(picture)
    click.echo(f"\nLCD picture: {picture.resolve()}")


@contextlib.contextmanager
def _ends(board, link, tcp, rfc2217, serial_log) -> Iterator[list[str]]:
    """Open the host ends; gives the lines that say where they are."""
    with contextlib.ExitStack() as stack:
        lines = []
        if serial_log is not None:
            from k210sim.serialport.logfile import LogFile

            stack.callback(LogFile(board.port, serial_log).close)
        if tcp is not None:
            from k210sim.serialport.tcp import TcpEnd

            end = TcpEnd(board.port, tcp)
            stack.callback(end.close)
            lines.append(f"tcp: socket://{end.address}")
        if rfc2217 is not None:
            from k210sim.serialport.reset_circuit import NETWORK_WINDOW_S
            from k210sim.serialport.rfc2217 import Rfc2217End

            server = Rfc2217End(
                board.port,
                rfc2217,
                on_lines=lambda dtr, rts: board.set_lines(dtr, rts, NETWORK_WINDOW_S),
            )
            stack.callback(server.close)
            lines.append(f"rfc2217: rfc2217://{server.address}")
        if sys.platform != "win32":
            from k210sim.serialport.control import ControlEnd
            from k210sim.serialport.pty import PtyEnd

            terminal = PtyEnd(board.port, link=link)
            stack.callback(terminal.close)
            control = ControlEnd(
                terminal.name, board.set_lines, lambda isp: board.reset(wait=False, isp=isp)
            )
            stack.callback(control.close)
            lines.append(f"serial port: {terminal.name}")
        elif tcp is None and rfc2217 is None:
            raise ConfigError("this system has no pseudo-terminals; give --tcp HOST:PORT")
        yield lines


def _serve(board, stop: threading.Event, exit_after: float | None) -> None:
    """Wait for a signal, the end of the time, or the board going off."""
    end = None if exit_after is None else time.monotonic() + exit_after
    while board.powered and not stop.wait(0.1):
        if end is not None and time.monotonic() >= end:
            break


@contextlib.contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop` while the context lasts."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
