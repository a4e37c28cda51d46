"""`k210sim compare`: a script on both engines, and the first byte where their outputs part."""

from __future__ import annotations

import sys

import click

from k210sim.cli import board_options as options
from k210sim.cli.base import echo_json, json_option
from k210sim.cli.exec import source_text
from k210sim.errors import EXIT_GUEST_FAILED, ConfigError


@click.command("compare", epilog="Example: k210sim compare --ignore-addresses blink.py")
@click.argument("script", required=False, type=click.Path(dir_okay=False))
@click.option("-c", "code", metavar="CODE", help="Run this text instead of a script.")
@click.option("--timeout", type=float, default=60.0, show_default=True, metavar="S",
              help="Stop each run after S seconds, and compare what both have printed.")
@click.option("--ignore-addresses", is_flag=True, help="Take addresses of objects for equal.")
@json_option
@options.board_options
def command(script, code, timeout, ignore_addresses, as_json, board_options):
    """Run SCRIPT (or -c CODE) on the built-in engine and on the firmware in flash, and compare.

    Needs a MicroPython firmware in flash at 0x0 (`k210sim flash maixpy.bin`). Each engine runs on
    a copy of the flash image, with virtual time. Exit code: 0 when both print the same bytes, 1
    when they differ.
    """
    source = source_text(script, code)
    chosen = options.board_values(board_options)
    if chosen.pop("engine", None) not in (None, "auto"):
        raise ConfigError("compare: it runs both engines; leave --engine out")
    if chosen.pop("clock", "virtual") != "virtual":
        raise ConfigError("compare: its clock is virtual; leave --clock out")
    from k210sim.board.compare import compare

    def tell(text: str) -> None:
        click.echo(f"k210sim: {text}", err=True)

    found = compare(source, chosen.pop("flash_image"), timeout=timeout,
                    mask_addresses=ignore_addresses, tell=tell, **chosen)  # fmt: skip
    if as_json:
        echo_json(_facts(found))
    else:
        _show(found)
    if not found.equal:
        sys.exit(EXIT_GUEST_FAILED)


def _show(found) -> None:
    sizes = {engine: len(output) for engine, output in found.outputs.items()}
    if found.equal:
        click.echo(f"equal: {min(sizes.values())} bytes")
        return
    click.echo(f"differ at byte {found.offset}, line {found.line}")
    for engine, output in found.outputs.items():
        byte = output[found.offset : found.offset + 1]
        what = f"0x{byte[0]:02x}" if byte else "the end"
        click.echo(f"{engine:>7}: {what} in {found.context(engine)!r}")


def _facts(found) -> dict:
    return {
        "equal": found.equal,
        "offset": found.offset,
        "line": found.line,
        "engines": {
            engine: {
                "exit_reason": result.exit_reason,
                "virtual_ms": result.virtual_ms,
                "bytes": len(found.outputs[engine]),
                "context": None if found.equal else found.context(engine).decode("latin-1"),
            }
            for engine, result in found.results.items()
        },
    }
