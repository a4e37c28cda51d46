"""Dependencies point downward only (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "k210sim"

# What each package may import of k210sim besides itself and the base.
BASE = {"errors", "clock", "records", "compiling", "compile_together", "saving", "kernel_cache",
        "kept_files", "libm"}
PARTS = {"flash", "kpu", "camera", "lcd", "imaging", "serialport", "heap", "sd"}
MAY_IMPORT = {
    "errors": set(), "records": set(), "clock": set(), "compiling": set(),
    "compile_together": set(), "saving": {"clock"},
    "kernel_cache": set(), "kept_files": set(), "libm": set(),
    "flash": {"kpu", "data"},
    "kpu": set(),
    "imaging": set(),
    "camera": {"imaging"},
    "lcd": {"imaging"},
    "serialport": set(),
    "heap": {"micropython.layout"},
    "sd": set(),
    "pins": set(), "cipher": set(),
    "devices": PARTS | {"pins", "cipher"},
    "riscv": PARTS | {"devices", "pins"},
    "micropython": {"heap", "data"},
    "modules": {"micropython", "heap", "pins", "cipher", "data", "repl.wording"} | PARTS,
    "repl": {"serialport"},
    "builtin": {"micropython", "modules", "repl", "heap", "pins", "data"} | PARTS,
    "board": {"builtin", "riscv", "devices", "repl", "pins", "data"} | PARTS,
    "testing": {"board", "serialport"},
    "cli": {"board", "builtin", "repl", "modules", "data", "testing"} | PARTS,
}
TOP = {"__init__", "__main__", "data"}  # the package itself, and files shipped for the guest


def imports_of(path: Path):
    """Names below k210sim that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("k210sim."):
                    yield alias.name[len("k210sim."):]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "k210sim":
                yield from (alias.name for alias in node.names if alias.name != "__version__")
            elif node.module.startswith("k210sim."):
                below = node.module[len("k210sim."):]
                folder = ROOT.joinpath(*below.split("."))
                names = [a.name for a in node.names if (folder / f"{a.name}.py").exists()]
                yield from [f"{below}.{name}" for name in names] or [below]


def test_no_package_imports_one_above_it():
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        package = parts[0]
        if package in TOP:
            continue
        allowed = MAY_IMPORT[package] | BASE | {package}
        for name in imports_of(path):
            if name.split(".")[0] not in allowed and not any(
                    name == a or name.startswith(a + ".") for a in allowed):
                wrong.append(f"{'/'.join(parts)}.py imports {name}")
    assert not wrong, "\n".join(wrong)


def test_kernels_import_only_numpy_and_numba():
    for path in (ROOT / "kpu" / "kernels").glob("*.py"):
        for name in imports_of(path):
            fine = name.startswith("kpu.kernels") or name in ("errors", "kernel_cache")
            assert fine, f"{path.name}: {name}"
