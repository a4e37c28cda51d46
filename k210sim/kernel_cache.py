"""Makes numba forget compiled functions whose sources have changed.

numba keeps compiled code beside the sources, and takes it again as long as the file of that very
function is unchanged. What the function calls or reads in another file may have changed since, by
an upgrade or a `git pull`; the old code would then run on, silently. So every package with
compiled functions calls `check` before they are imported: a stamp beside numba's files says of
which sources they were made, and where another one is found, they go.

Ref: numba 0.68, numba.core.caching (the index is stamped by the one source file).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

ROOT = Path(__file__).parent
STAMP = "kernels.json"  # in the package's __pycache__


def check(folder: str | Path) -> None:
    """Remove the compiled functions of a package unless they were made of today's sources.

    folder : of the package. Where it cannot be written, numba keeps its files elsewhere, and
    nothing is done.
    """
    folder = Path(folder)
    cache = folder / "__pycache__"
    try:
        known = json.loads((cache / STAMP).read_bytes())
        if known["looks"] == {name: _look(ROOT / name) for name in known["looks"]}:
            return  # the usual way: a few dozen stats
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        known = {}
    import hashlib

    try:
        sources = sources_of(folder)
        content = hashlib.sha256(b"".join(
            hashlib.sha256(path.read_bytes()).digest() for path in sources)).hexdigest()
        if not os.access(folder, os.W_OK):
            return
        cache.mkdir(exist_ok=True)
        if content != known.get("content"):
            for path in (*cache.glob("*.nbi"), *cache.glob("*.nbc")):
                path.unlink(missing_ok=True)
        looks = {path.relative_to(ROOT).as_posix(): _look(path) for path in sources}
        temporary = cache / f"{STAMP}.{os.getpid()}"
        temporary.write_text(json.dumps({"looks": looks, "content": content}))
        os.replace(temporary, cache / STAMP)
    except (OSError, SyntaxError):
        return  # sources as bytecode only, a full disk: as without this file


def _look(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def sources_of(folder: Path) -> list[Path]:
    """The files of a package that use numba, and what they import from this project: through
    files that use numba all the way, else one step. Sorted."""
    waiting = [path for path in folder.glob("*.py") if b"numba" in path.read_bytes()]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        text = path.read_bytes()
        if b"numba" in text:
            waiting += _imported(text)
    return sorted(found)


def _imported(text: bytes) -> list[Path]:
    """Files of this project that a file's import statements name."""
    import ast  # not where every start would load it

    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == ROOT.name:
            base = ROOT.joinpath(*node.module.split(".")[1:])
            names = [base.with_suffix(".py"), base / "__init__.py",
                     *(base / f"{alias.name}.py" for alias in node.names)]
            found += [path for path in names if path.is_file()]
    return found
