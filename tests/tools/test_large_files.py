"""A megabyte there and back, with all tools at the same time: each takes minutes.

The time is the tools' own: they wait between pieces of up to 1024 bytes. ampy and mpfshell take
more than a quarter of an hour and are left out.
"""

from __future__ import annotations

import concurrent.futures
import functools
from pathlib import Path

import pytest
import thonny_backend
from tools import LARGE, cells, good, need, served

pytestmark = [pytest.mark.tools, pytest.mark.slow]

TOOLS = ("mpremote", "rshell", "thonny")


def there_and_back(tool: str, folder: Path) -> bool:
    """Whether a megabyte comes back as it was."""
    (folder / "large.bin").write_bytes(LARGE)
    with served(folder, "--clock", "max") as board:
        call = functools.partial(good, cwd=folder, timeout=1800)
        if tool == "thonny":
            return _thonny(board.pty, folder)
        program = need(tool)
        put, get = {
            "mpremote": (["connect", board.pty, "fs", "cp", "large.bin", ":large.bin"],
                         ["connect", board.pty, "fs", "cp", ":large.bin", "back"]),
            "rshell": (["--quiet", "-p", board.pty, "cp", "large.bin", "/flash/large.bin"],
                       ["--quiet", "-p", board.pty, "cp", "/flash/large.bin", "back"]),
        }[tool]  # fmt: skip
        call(program, *put)
        call(program, *get)
    return (folder / "back").read_bytes() == LARGE


def _thonny(port: str, folder: Path) -> bool:
    python = Path(need("thonny")).with_name("python")
    backend = thonny_backend.Backend(python, port, folder / "thonny")
    try:
        backend.inline("write_file", seconds=1800, path="/flash/large.bin", content_bytes=LARGE,
                       editor_id=1, make_shebang_scripts_executable=False)  # fmt: skip
        answer = backend.inline("read_file", seconds=1800, path="/flash/large.bin")
        return answer.content_bytes == LARGE
    finally:
        backend.close()


@pytest.fixture(scope="module")
def transfers(tmp_path_factory):
    """A running transfer for each tool."""
    with concurrent.futures.ThreadPoolExecutor(len(TOOLS)) as pool:
        yield {
            tool: pool.submit(there_and_back, tool, tmp_path_factory.mktemp(tool))
            for tool in TOOLS
        }


@cells("copy 1 MB", "mpremote", "rshell", "Thonny")
def test_a_megabyte(transfers, tool):
    assert transfers[tool.lower()].result()
