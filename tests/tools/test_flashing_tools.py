"""Unmodified kflash from PyPI flashes boards of `k210sim run`, over the terminal and RFC 2217."""

from __future__ import annotations

import json
import os
import pty
import random
import select
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from tools import K210SIM, good, need, run, served

from k210sim.flash import boot_image

pytestmark = pytest.mark.tools

WITH_LINES = [*K210SIM, "with-lines", "--"]
FIRMWARE = random.Random(11).randbytes(150_001)
MODEL = random.Random(12).randbytes(70_003)


@pytest.fixture
def firmware(tmp_path):
    path = tmp_path / "firmware.bin"
    path.write_bytes(FIRMWARE)
    return path


@pytest.fixture
def package(tmp_path):
    """A model for 0x300000 and a firmware for 0, as MaixHub and the like hand them out."""
    path = tmp_path / "both.kfpkg"
    entries = [
        {"address": 0, "bin": "firmware.bin", "sha256Prefix": True},
        {"address": 0x300000, "bin": "m.kmodel", "sha256Prefix": False},
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps({"version": "0.1.0", "files": entries}, indent=4)
        archive.writestr("flash-list.json", text)
        archive.writestr("firmware.bin", FIRMWARE)
        archive.writestr("m.kmodel", MODEL)
    return path


def prompt_answers(board) -> None:
    """The board has left ISP mode and runs its firmware."""
    from k210sim.testing.expect import PortClient

    with PortClient(board.rfc2217) as client:
        assert client.raw_exec("print(6 * 7)", timeout=30)[0] == b"42\r\n"


def kflash(*arguments, plain=False):
    return run(*([] if plain else WITH_LINES), need("kflash"), "-n", *arguments)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-B", "dan", "-b", "1500000"],
        ["-B", "bit", "-b", "4500000", "-S"],
        ["-B", "trainer", "-i", "qio"],
    ],
    ids=lambda o: " ".join(o) or "none",
)
@pytest.mark.parametrize("kind", ["pty", "rfc2217"])
def test_firmware(tmp_path, firmware, kind, options):
    with served(tmp_path) as board:
        done = kflash("-p", board.url(kind), *options, firmware)
        assert done.returncode == 0, done.stdout
        assert b"is rebooting" in done.stdout and b"[WARN]" not in done.stdout
        prompt_answers(board)
        image = boot_image.read_boot_image(board.image.read_bytes())
        assert image.payload == FIRMWARE
        assert image.flags == (0 if "qio" in options else 2)


@pytest.mark.parametrize("name, kind", [("go", "goE"), ("duino", "maixduino")])
def test_boards_with_the_other_reset_circuit(tmp_path, firmware, name, kind):
    with served(tmp_path, "--board", name) as board:
        for options in ([], ["-B", kind, "-b", "2000000"]):
            done = kflash("-p", board.pty, *options, firmware)
            assert done.returncode == 0, done.stdout
        prompt_answers(board)


@pytest.mark.parametrize("kind", ["pty", "rfc2217"])
def test_package_then_erase(tmp_path, package, kind):
    with served(tmp_path) as board:
        done = kflash("-p", board.url(kind), package)
        assert done.returncode == 0, done.stdout
        prompt_answers(board)
        image = board.image.read_bytes()
        assert boot_image.read_boot_image(image).payload == FIRMWARE
        assert image[0x300000 : 0x300000 + len(MODEL)] == MODEL
        done = kflash("-p", board.url(kind), "-A", "0x301000", "-L", "8192", "erase")
        assert done.returncode == 0 and b"has been erased" in done.stdout, done.stdout
        # That command does not reboot the board, and so does kflash on a real one.
        good(*K210SIM, "reset", "--port", board.url(kind))
        prompt_answers(board)
    image = board.image.read_bytes()
    assert image[0x300000:0x301000] == MODEL[:0x1000]
    assert image[0x301000:0x303000] == b"\xff" * 0x2000
    assert image[0x303000 : 0x300000 + len(MODEL)] == MODEL[0x3000:]


def test_chip_erase(tmp_path, firmware):
    with served(tmp_path, "--clock", "virtual") as board:
        done = kflash("-p", board.pty, "-e", firmware)
        assert done.returncode == 0 and b"has been erased" in done.stdout, done.stdout
        prompt_answers(board)
        image = board.image.read_bytes()
        assert image[0x300000:0x310000] == b"\xff" * 0x10000  # the demo's model has gone
        assert boot_image.read_boot_image(image).payload == FIRMWARE


def test_the_python_interface(tmp_path, package):
    """KFlash().process(), as kflash_gui calls it."""
    python = Path(need("kflash")).with_name("python")
    script = tmp_path / "flash.py"
    script.write_text(
        "import sys, kflash\n"
        "steps = []\n"
        "kflash.KFlash().process(terminal=False, dev=sys.argv[1], baudrate=1500000,\n"
        "    board='bit', file=sys.argv[2], noansi=True,\n"
        "    callback=lambda kind, done, total, speed: steps.append((done, total)))\n"
        "assert steps and steps[-1][0] == steps[-1][1], steps[-1:]\n"
    )
    with served(tmp_path) as board:
        good(*WITH_LINES, python, script, board.pty, package)
        prompt_answers(board)
        assert boot_image.read_boot_image(board.image.read_bytes()).payload == FIRMWARE


def test_terminal_of_kflash(tmp_path, firmware):
    """Its terminal sends LF, which the firmware ignores, until one changes that in its menu."""
    near, far = pty.openpty()
    with served(tmp_path) as board:
        tool = subprocess.Popen(
            [*WITH_LINES, need("kflash"), "-n", "-t", "-p", board.pty, str(firmware)],
            stdin=far, stdout=far, stderr=far,
        )  # fmt: skip
        os.close(far)
        try:
            seen = until(near, b">>> ")
            assert b"is rebooting" in seen
            os.write(near, b"\x14\x0cprint('42' * 2)\r")  # Ctrl-T Ctrl-L: the next line ending
            until(near, b"4242")
            os.write(near, b"\x1d")  # Ctrl-]
            until(near, b"--- exit ---")
            assert tool.wait(10) == 0
        finally:
            tool.kill()
            tool.wait()
            os.close(near)


def until(terminal: int, text: bytes, seconds=60.0) -> bytes:
    end, seen = time.monotonic() + seconds, b""
    while text not in seen:
        left = end - time.monotonic()
        assert left > 0 and select.select([terminal], [], [], left)[0], seen[-500:]
        seen += os.read(terminal, 4096)
    return seen


def test_plain_kflash_needs_the_lines(tmp_path, firmware):
    """What docs/tools.md says about kflash without with-lines; with --boot isp it fails as well."""
    with served(tmp_path, "--boot", "isp") as board:
        done = kflash("-p", board.pty, firmware, plain=True)
        assert done.returncode == 1 and b"ioctl" in done.stdout


@pytest.mark.parametrize("moment", [0.3, 0.5, 0.7])
def test_kflash_killed_in_the_middle(tmp_path, firmware, moment):
    with served(tmp_path) as board:
        tool = subprocess.Popen(
            [*WITH_LINES, need("kflash"), "-n", "-p", board.pty, str(firmware)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(moment)
        tool.kill()
        tool.wait()
        done = kflash("-p", board.pty, firmware)
        assert done.returncode == 0, done.stdout
        prompt_answers(board)
        assert boot_image.read_boot_image(board.image.read_bytes()).payload == FIRMWARE


@pytest.mark.parametrize("kind", ["pty", "rfc2217", "tcp"])
def test_our_own_flash_command(tmp_path, package, kind):
    with served(tmp_path, *(["--boot", "isp"] if kind == "tcp" else [])) as board:
        good(*K210SIM, "flash", "--port", board.url(kind), package)
        prompt_answers(board)
        image = board.image.read_bytes()
        assert boot_image.read_boot_image(image).payload == FIRMWARE
        assert image[0x300000 : 0x300000 + len(MODEL)] == MODEL
