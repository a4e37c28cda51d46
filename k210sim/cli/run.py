"""`k210sim run` and `k210sim repl`: a board that stays on."""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click

from k210sim.cli.base import json_option
from k210sim.cli.board_options import PORT_NAMES, board_options, make_board, port_settings
from k210sim.errors import ConfigError

DEMO_VIRTUAL_S = 3.0  # without a terminal: how long the demo runs, in the board's time
DEMO_WALL_S = 120.0  # and at most in ours
LCD_FILE = "k210sim-lcd.png"


def port_options(command):
    """Adds the options that say where the port can be reached; the command gets them as `ports`."""

    @functools.wraps(command)
    def gathered(*args, **values):
        chosen = {name: values.pop(name) for name in PORT_NAMES}
        return command(*args, ports=port_settings(chosen), **values)

    for option in (
        click.option("--serial-log", type=click.Path(), help="Append what the device sends here."),
        click.option("--rfc2217", metavar="HOST:PORT", help="Serve the port by RFC 2217 too."),
        click.option("--tcp", metavar="HOST:PORT", help="Serve the port as a raw TCP socket too."),
        click.option("--link", type=click.Path(), help="Make this a link to the pseudo-terminal."),
    ):
        gathered = option(gathered)
    return gathered


@click.command("run", epilog="Example: k210sim run --link /tmp/maix --camera faces.jpg")
@port_options
@click.option("--boot", type=click.Choice(["flash", "isp"]), default="flash",
              help="isp: wait for a flashing tool, as with the boot key held.")
@click.option("--exit-after", type=float, metavar="S", help="Switch off after S seconds.")
@json_option
@board_options
def run(ports, boot, exit_after, as_json, board_options):
    """Power a board on and serve its serial port until Ctrl-C, SIGTERM or SIGHUP.

    Prints `serial port: /dev/pts/N` on its own line; connect with picocom, screen, pyserial or
    `k210sim terminal`. The flash is saved when the board goes off. All options but --boot,
    --exit-after and --json can stand in k210sim.toml of the current directory, as in
    rfc2217 = ":2217".
    """
    if exit_after is not None and not exit_after >= 0:
        raise ConfigError(f"--exit-after {exit_after:g}: expected a number of seconds, 0 or more")
    with _stopped_by_signals() as stop:
        board = make_board({**board_options, "boot": boot}, clock="real")
        try:
            with _ends(board, **ports) as places:
                _announce(places, as_json)
                board.power_on(wait=False)
                stop.serve()
                _serve(board, stop.wanted, exit_after)
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
def repl(ports, factory_demo, lcd_out, board_options):
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

    with _stopped_by_signals() as stop:
        board = make_board(board_options, clock="real")
        try:
            with _ends(board, **ports) as places:
                for name, place in places.items():
                    click.echo(f"{name}: {place}", err=True)
                board.power_on(wait=False)
                stop.serve()
                converse(BoardLine(board), greeting="--- Ctrl-] leaves ---",
                         finished=stop.wanted.is_set)
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
def _ends(board, link, tcp, rfc2217, serial_log) -> Iterator[dict[str, str]]:
    """Open the host ends; gives where each can be reached, by its name."""
    with contextlib.ExitStack() as stack:
        places = {}
        if serial_log is not None:
            from k210sim.serialport.logfile import LogFile

            stack.callback(LogFile(board.port, serial_log).close)
        if tcp is not None:
            from k210sim.serialport.tcp import TcpEnd

            end = TcpEnd(board.port, tcp)
            stack.callback(end.close)
            places["tcp"] = f"socket://{end.address}"
        if rfc2217 is not None:
            from k210sim.serialport.rfc2217 import Rfc2217End

            server = Rfc2217End(board.port, rfc2217, on_lines=board.set_lines)
            stack.callback(server.close)
            places["rfc2217"] = f"rfc2217://{server.address}"
        if sys.platform != "win32":
            from k210sim.serialport.control import ControlEnd
            from k210sim.serialport.pty import PtyEnd

            terminal = PtyEnd(board.port, link=link)
            stack.callback(terminal.close)
            control = ControlEnd(
                terminal.name,
                board.set_lines,
                lambda isp: board.reset(wait=False, isp=isp),
                lambda path: board.sd.eject() if path is None else board.sd.insert(path),
            )
            stack.callback(control.close)
            places["serial port"] = terminal.name
        elif tcp is None and rfc2217 is None:
            raise ConfigError("this system has no pseudo-terminals; give --tcp HOST:PORT")
        yield places


def _announce(places: dict[str, str], as_json: bool) -> None:
    """Say where the port can be reached; with somebody watching, also how, and how to stop."""
    if as_json:
        click.echo(json.dumps({name.replace(" ", "_"): place for name, place in places.items()}))
    else:
        for name, place in places.items():
            click.echo(f"{name}: {place}")
        if sys.stdout.isatty():
            port = places.get("serial port") or next(iter(places.values()))
            click.echo(f"In another window: k210sim terminal {port}; here Ctrl-C switches off.",
                       err=True)
    sys.stdout.flush()


def _serve(board, stop: threading.Event, exit_after: float | None) -> None:
    """Wait for a signal, the end of the time, or the board going off."""
    end = None if exit_after is None else time.monotonic() + exit_after
    while board.powered and not stop.wait(0.1):
        if end is not None and time.monotonic() >= end:
            break


class _Stop:
    """Whether a signal has asked for the end. While the board is being made it breaks that off."""

    def __init__(self) -> None:
        self.wanted = threading.Event()
        self._serving = False

    def serve(self) -> None:
        """The board is on: from now on a signal is only noted, so that the flash is saved."""
        self._serving = True

    def __call__(self, *_: object) -> None:
        self.wanted.set()
        if not self._serving:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[_Stop]:
    """SIGINT, SIGTERM and SIGHUP call the `_Stop` it gives, and end the context in good order.

    Those that were ignored stay ignored, as under nohup.
    """
    stop = _Stop()
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield stop
    except KeyboardInterrupt:
        if not stop.wanted.is_set():
            raise
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
