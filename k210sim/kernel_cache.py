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
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent
STAMP = "kernels.json"  # in the package's __pycache__
TAG = sys.implementation.cache_tag.replace("cpython-", "py")  # of Python, in numba's names


def index(path: Path, function: str) -> str:
    """Name of the file by which numba finds a function of a source.

    function : its qualified name, a minus and its first line; or a pattern
    """
    return f"{path.stem}.{function}.{TAG}.nbi"


def kept(path: Path, function: str = "*") -> bool:
    """Whether numba's cache, where it usually lies, has a function of a source, compiled on
    whatever host; see `index`."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return any(Path(named).rglob(index(path, function)))
    return any((path.parent / "__pycache__").glob(index(path, function)))


def check(folder: str | Path) -> str | None:
    """Remove the compiled functions of a package unless they were made of today's sources.

    folder : of the package. Where it cannot be written, numba keeps its files elsewhere, and
    nothing is removed. Returns what `content` does for its sources.
    """
    folder = Path(folder)
    cache = folder / "__pycache__"

    def forget() -> None:
        for path in (*cache.glob("*.nbi"), *cache.glob("*.nbc")):
            path.unlink(missing_ok=True)

    return content(folder, STAMP, sources_of, forget)


def content(
    folder: Path,
    stamp: str,
    sources: Callable[[Path], list[Path]],
    changed: Callable[[], None] = lambda: None,
) -> str | None:
    """A name for what is in files of the project, None when they cannot be read.

    folder : where `sources` begins to look for them. stamp : a file in its __pycache__ that keeps
    the name as long as the files look the same. changed : called when it is another one than kept
    """
    cache = folder / "__pycache__"
    try:
        known = json.loads((cache / stamp).read_bytes())
        if known["looks"] == {name: _look(ROOT / name) for name in known["looks"]}:
            return known["content"]  # the usual way: a few dozen stats
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        known = {}
    import hashlib

    name = None
    try:
        paths = sources(folder)
        name = hashlib.sha256(b"".join(
            hashlib.sha256(path.read_bytes()).digest() for path in paths)).hexdigest()
        if not os.access(folder, os.W_OK):
            return name
        cache.mkdir(exist_ok=True)
        if name != known.get("content"):
            changed()
        looks = {path.relative_to(ROOT).as_posix(): _look(path) for path in paths}
        temporary = cache / f"{stamp}.{os.getpid()}"
        temporary.write_text(json.dumps({"looks": looks, "content": name}))
        os.replace(temporary, cache / stamp)
    except (OSError, SyntaxError):
        pass  # sources as bytecode only, a full disk: as without this file
    return name


def _look(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def sources_of(folder: Path) -> list[Path]:
    """The files of a package that use numba, and what they import from this project: through
    files that use numba all the way, else one step. Sorted."""
    first = [path for path in folder.glob("*.py") if b"numba" in path.read_bytes()]
    return imported_by(first, lambda text: b"numba" in text)


def imported_by(
    first: list[Path], through: Callable[[bytes], bool] = lambda text: True
) -> list[Path]:
    """Files, and the files of this project that they import, and so on. Sorted.

    through : whether what a file of that text imports is looked at
    """
    waiting, found = list(first), set()
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        text = path.read_bytes()
        if through(text):
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
