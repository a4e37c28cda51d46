"""`k210sim compare`: scripts on both engines, and the first byte where their outputs part."""

from __future__ import annotations

import sys

import click

from k210sim.cli import board_options as options
from k210sim.cli.base import echo_json, json_option
from k210sim.cli.exec import source_text
from k210sim.errors import EXIT_GUEST_FAILED, ConfigError


@click.command("compare", epilog="Example: k210sim compare --ignore-addresses blink.py scan.py")
@click.argument("scripts", nargs=-1, metavar="[SCRIPT]...", type=click.Path(dir_okay=False))
@click.option("-c", "code", metavar="CODE", help="Run this text instead of a script.")
@click.option("--timeout", type=float, default=60.0, show_default=True, metavar="S",
              help="Stop each run after S seconds, and compare what both have printed.")
@click.option("--ignore-addresses", is_flag=True, help="Take addresses of objects for equal.")
@json_option
@options.board_options
def command(scripts, code, timeout, ignore_addresses, as_json, board_options):
    """Run SCRIPTs (or -c CODE) on the built-in engine and on the firmware in flash, and compare.

    Needs a MicroPython firmware in flash at 0x0 (`k210sim flash maixpy.bin`). Each engine boots
    once, on copies of the flash image and of what is in the SD slot, with virtual time; every
    script starts at that prompt. Exit code: 0 when both print the same bytes for every script, 1
    when they differ.
    """
    if (not scripts) == (code is None):
        raise ConfigError("give either SCRIPTs or -c CODE, not both; --help shows an example")
    sources = {name: source_text(name, None) for name in scripts} or {"-c": code.encode()}
    chosen = options.board_values(board_options)
    if chosen.pop("engine", None) not in (None, "auto"):
        raise ConfigError("compare: it runs both engines; leave --engine out")
    if chosen.pop("clock", "virtual") != "virtual":
        raise ConfigError("compare: its clock is virtual; leave --clock out")
    from k210sim.board.compare import Pair

    def tell(text: str) -> None:
        click.echo(f"k210sim: {text}", err=True)

    facts = []
    with Pair(chosen.pop("flash_image"), tell, **chosen) as pair:
        for at, (name, source) in enumerate(sources.items(), 1):
            tell(f"{at}/{len(sources)} {name}")
            found = pair.compare(source, timeout, ignore_addresses)
            facts.append({"script": name, **_facts(found)})
            if not as_json:
                _show(found, f"{name}: " if len(sources) > 1 else "")
    differ = sum(not entry["equal"] for entry in facts)
    if as_json:
        echo_json({"equal": len(facts) - differ, "different": differ, "scripts": facts})
    elif len(sources) > 1:
        click.echo(f"{len(facts) - differ} of {len(facts)} equal")
    if differ:
        sys.exit(EXIT_GUEST_FAILED)


def _show(found, name: str) -> None:
    sizes = {engine: len(output) for engine, output in found.outputs.items()}
    if found.equal:
        click.echo(f"{name}equal: {min(sizes.values())} bytes")
        return
    click.echo(f"{name}differ at byte {found.offset}, line {found.line}")
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
