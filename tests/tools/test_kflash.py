"""Unmodified kflash from PyPI flashes boards of `k210sim run`, over the terminal and RFC 2217."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from tools import K210SIM, at_prompt, cell, good, need, run, served, talk

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


def prompt_answers(board, seconds=30) -> None:
    """The board has left ISP mode and runs its firmware."""
    from k210sim.testing.expect import PortClient

    with PortClient(board.rfc2217) as client:
        assert client.raw_exec("print(6 * 7)", timeout=seconds)[0] == b"42\r\n"


def kflash(*arguments, plain=False):
    return run(*([] if plain else WITH_LINES), need("kflash"), "-n", *arguments)


@cell("kflash", "firmware .bin")
@cell("kflash", "baud rates, boards, I/O modes")
@cell("kflash", "reboots into it")
@cell("kflash", "RFC 2217")
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


@cell("kflash", "boards with DTR as reset")
@pytest.mark.parametrize(
    "name, kind", [("go", "goE"), ("duino", "maixduino"), ("amigo", "goE"), ("m5stickv", "goE")]
)
def test_boards_with_the_other_reset_circuit(tmp_path, firmware, name, kind):
    with served(tmp_path, "--board", name) as board:
        for options in ([], ["-B", kind, "-b", "2000000"]):
            done = kflash("-p", board.pty, *options, firmware)
            assert done.returncode == 0, done.stdout
        prompt_answers(board)


@cell("kflash", "package .kfpkg")
@cell("kflash", "model in a package")
@cell("kflash", "erase -A -L")
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


@cell("kflash", "erase first -e")
def test_chip_erase(tmp_path, firmware):
    with served(tmp_path, "--clock", "virtual") as board:
        done = kflash("-p", board.pty, "-e", firmware)
        assert done.returncode == 0 and b"has been erased" in done.stdout, done.stdout
        prompt_answers(board)
        image = board.image.read_bytes()
        assert image[0x300000:0x310000] == b"\xff" * 0x10000  # the demo's model has gone
        assert boot_image.read_boot_image(image).payload == FIRMWARE


@cell("kflash", "Python interface")
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


@cell("kflash", "terminal -t")
def test_terminal_of_kflash(tmp_path, firmware):
    """Its terminal sends LF, which the firmware ignores, until one changes that in its menu."""
    with served(tmp_path) as board:
        tool = [*WITH_LINES, need("kflash"), "-n", "-t", "-p", board.pty, firmware]
        next_ending = b"\x14\x0c"  # Ctrl-T Ctrl-L
        seen = talk(tool, [(b"is rebooting", b""), (b">>> ", next_ending + b"print('42' * 2)\r"),
                           (b"4242", b"\x1d")])  # fmt: skip
        assert b"--- exit ---" in seen


@cell("kflash", "0 bytes")
def test_an_empty_file(tmp_path):
    """It becomes an image without a program; the rest of the flash stays as it was."""
    (tmp_path / "empty.bin").write_bytes(b"")
    with served(tmp_path) as board:
        good(*K210SIM, "reset", "--port", board.pty)
        before = board.image.read_bytes()
        done = kflash("-p", board.pty, tmp_path / "empty.bin")
        assert done.returncode == 0, done.stdout
        after = board.image.read_bytes()
        assert after[:5] == b"\x02\0\0\0\0" and after[5:37] == hashlib.sha256(after[:5]).digest()
        assert after[0x300000:0xD00000] == before[0x300000:0xD00000]


@cell("kflash", "1 MB and more")
@cell("kflash", "verified")
def test_a_large_firmware_is_what_our_own_command_writes(tmp_path):
    """The image has the hash that the boot ROM checks, and equals the host's byte for byte."""
    large = random.Random(13).randbytes(1_500_000)
    (tmp_path / "large.bin").write_bytes(large)
    compare_with_our_flash(tmp_path, tmp_path / "large.bin", "-B", "bit", "-b", "1500000")


RELEASED = {"maixpy_v0.5.0.bin": b"MicroPython v0.5.0",
            "maixpy_v0.6.3_full.bin": b"MicroPython v0.6.2-89"}  # and how they greet


def released(name: str) -> Path:
    folder = os.environ.get("K210SIM_FIRMWARE_DIR")
    if not folder or not (Path(folder) / name).is_file():
        pytest.skip(f"no {name} (set K210SIM_FIRMWARE_DIR)")
    return Path(folder) / name


@cell("kflash", "released MaixPy")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pty", "rfc2217"])
@pytest.mark.parametrize("name", RELEASED)
def test_released_firmware(tmp_path, name, kind):
    """The board reboots from our own firmware into that one, and it answers."""
    compare_with_our_flash(
        tmp_path, released(name), "-b", "1500000", kind=kind, banner=RELEASED[name]
    )


@pytest.mark.slow
def test_released_firmware_over_another_that_runs(tmp_path):
    """The lines reset a board whatever runs on it: v0.5.0 gives way to v0.6.3."""
    old, new = RELEASED["maixpy_v0.5.0.bin"], RELEASED["maixpy_v0.6.3_full.bin"]
    with served(tmp_path) as board:
        for name, banner in RELEASED.items():
            done = kflash("-p", board.rfc2217, "-b", "1500000", released(name))
            assert done.returncode == 0 and b"[WARN]" not in done.stdout, done.stdout
            at_prompt(board.rfc2217, banner)
        log = board.log.read_bytes()
        assert 0 < log.index(old) < log.index(new)


def compare_with_our_flash(tmp_path, path, *options, kind="pty", banner=b""):
    """kflash over the port, and `k210sim flash` of the same file, give the same image."""
    with served(tmp_path) as board:
        # The second image starts as a copy of the first, and both boards have booted once.
        good(*K210SIM, "reset", "--port", board.pty)
        other = tmp_path / "other.bin"
        other.write_bytes(board.image.read_bytes())
        done = kflash("-p", board.url(kind), *options, path)
        assert done.returncode == 0 and b"[WARN]" not in done.stdout, done.stdout
        if banner:
            at_prompt(board.url(kind), banner)
        prompt_answers(board)
        flashed = board.image.read_bytes()
    good(*K210SIM, "flash", "--flash-image", other, path)
    image = boot_image.read_boot_image(flashed)
    assert image.payload == path.read_bytes()
    ours = other.read_bytes()
    size = len(image.payload) + 5 + 32
    assert flashed[:size] == ours[:size]
    assert flashed[size:0xD00000] == ours[size:0xD00000]  # what stands behind it stays


@cell("kflash", "-A with a file", "refused")
def test_an_address_for_a_file_is_not_heeded(tmp_path, firmware):
    """As on a real board: -A belongs to `erase`, and the file goes to 0 all the same."""
    with served(tmp_path) as board:
        done = kflash("-p", board.pty, "-A", "0x300000", firmware)
        assert done.returncode == 0, done.stdout
        prompt_answers(board)  # kflash may be an answer behind, and ends before the last write
        image = board.image.read_bytes()
        assert boot_image.read_boot_image(image).payload == FIRMWARE
        assert image[0x300000:0x300000 + len(FIRMWARE)] != FIRMWARE


@cell("kflash", "without with-lines", "refused")
def test_plain_kflash_needs_the_lines(tmp_path, firmware):
    """What docs/tools.md says about kflash without with-lines; with --boot isp it fails as well."""
    with served(tmp_path, "--boot", "isp") as board:
        done = kflash("-p", board.pty, firmware, plain=True)
        assert done.returncode == 1 and b"ioctl" in done.stdout


@cell("kflash", "killed while flashing")
@pytest.mark.parametrize("moment", [0.3, 0.5, 0.7])
def test_kflash_killed_in_the_middle(tmp_path, firmware, moment):
    """The next one names the board. Without, kflash first greets as for other boards, which a flash
    program that still runs answers; from then on kflash reads each answer one too late, and goes on
    after a data checksum error without sending the piece again."""
    with served(tmp_path) as board:
        tool = subprocess.Popen(
            [*WITH_LINES, need("kflash"), "-n", "-p", board.pty, str(firmware)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(moment)
        tool.kill()
        tool.wait()
        done = kflash("-B", "bit", "-p", board.pty, firmware)
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
