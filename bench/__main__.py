"""`python -m bench [SUBJECT ...]`: run measurements, print JSON lines or a table.

A subject is a file of this folder with `measure(options)`, a generator of flat dictionaries, and
optionally `COLUMNS`, the ones its table shows. Numbers mean nothing without the machine, so the
first line tells it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def subjects() -> list[str]:
    """Files here that measure something."""
    names = []
    for path in sorted(FOLDER.glob("*.py")):
        if not path.stem.startswith("_") and "\ndef measure(" in path.read_text():
            names.append(path.stem)
    return names


def machine() -> dict:
    """The host and the versions that matter."""
    import llvmlite
    import numba
    import numpy

    cpu = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass  # not Linux: platform's answer stands
    return {"subject": "machine", "cpu": cpu, "python": platform.python_version(),
            "numpy": numpy.__version__, "numba": numba.__version__,
            "llvmlite": llvmlite.__version__}


def show_table(rows: list[dict], columns: tuple[str, ...]) -> None:
    """Right-aligned columns; missing values are left empty."""
    def text(value):
        if isinstance(value, float):
            return f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"
        return "" if value is None else str(value)

    lines = [list(columns)] + [[text(row.get(c)) for c in columns] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        print("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)))


def main(argv=None) -> int:
    """Run the named subjects, or all."""
    known = subjects()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("subject", nargs="*", help=f"one of {', '.join(known)}; default all")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of tables")
    parser.add_argument("--quick", action="store_true", help="fewer repeats, skip slow references")
    parser.add_argument("--models", type=Path, help="folder with .kmodel files to measure")
    options = parser.parse_args(argv)
    for name in options.subject:
        if name not in known:
            print(f"bench: no subject {name!r}, expected one of {', '.join(known)}",
                  file=sys.stderr)
            return 2
    print(json.dumps(machine()))
    for name in options.subject or known:
        module = importlib.import_module(f"bench.{name}")
        rows = []
        for row in module.measure(options):
            row = {"subject": name, **row}
            rows.append(row)
            if options.json:
                print(json.dumps(row), flush=True)
        if not options.json and rows:
            print(f"\n{name}")
            show_table(rows, getattr(module, "COLUMNS", tuple(rows[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
