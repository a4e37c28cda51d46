"""The command line with released firmware, as a user meets it: flash, exec, --safe, spoilt images.

The firmware files are known by their SHA-256, see test_firmware.py.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile

import pytest

from k210sim.flash import boot_image
from tests.riscv.test_firmware import firmware
from tests.riscv.test_firmware_flash import RELEASES

pytestmark = pytest.mark.slow


def k210sim(image, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "k210sim", *map(str, arguments)], capture_output=True, text=True,
        timeout=300, env={**os.environ, "K210SIM_FLASH": str(image)},
    )  # fmt: skip


@pytest.fixture(params=RELEASES)
def payload(request) -> bytes:
    return firmware(RELEASES[request.param])


@pytest.fixture
def image(tmp_path, payload):
    """A flash image with the firmware from a kfpkg that asks for the boot header."""
    package, path = io.BytesIO(), tmp_path / "flash.bin"
    entry = {"address": 0, "bin": "maixpy.bin", "sha256Prefix": True}
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flash-list.json", json.dumps({"version": "0.1.0", "files": [entry]}))
        archive.writestr("maixpy.bin", payload)
    (tmp_path / "maixpy.kfpkg").write_bytes(package.getvalue())
    assert k210sim(path, "flash", tmp_path / "maixpy.kfpkg").returncode == 0
    assert boot_image.read_boot_image(path.read_bytes()).payload == payload
    return path


def test_exec_keeps_files_over_a_power_cycle_and_tells_errors(image):
    save = "f = open('/flash/kept.txt', 'w'); f.write('kept'); f.close(); print('saved')"
    done = k210sim(image, "exec", "--timeout", "60", "-c", save)
    assert done.returncode == 0 and done.stdout.endswith("saved\n"), done.stderr
    assert "firmware in flash runs" in done.stderr
    done = k210sim(image, "exec", "--timeout", "60", "-c", "print(open('/flash/kept.txt').read())")
    assert done.stdout == "kept\n"
    done = k210sim(image, "exec", "--timeout", "60", "-c", "raise ValueError('x')")
    assert done.returncode == 1 and "ValueError: x" in done.stdout
    done = k210sim(image, "exec", "--timeout", "2", "-c", "while True: pass")
    assert done.returncode == 42 and "KeyboardInterrupt" in done.stdout


def test_safe_gets_past_a_boot_py_that_never_ends(image, tmp_path):
    (tmp_path / "boot.py").write_text("import time\nwhile True:\n    time.sleep_ms(5)\n")
    done = k210sim(image, "fs", "put", tmp_path / "boot.py", "/flash/boot.py")
    assert done.returncode == 0, done.stderr
    done = k210sim(image, "exec", "--safe", "--timeout", "60", "-c", "print('safe')")
    assert (done.returncode, done.stdout) == (0, "safe\n"), done.stderr


@pytest.mark.parametrize("at, byte, reason", [(100_000, 0x55, "SHA-256 does not match"),
                                              (4, 0x7F, "payload length")])
def test_a_spoilt_image_says_what_the_boot_rom_would_do(image, at, byte, reason):
    data = bytearray(image.read_bytes())
    assert data[at] != byte
    data[at] = byte
    image.write_bytes(data)
    for command in (["exec", "-c", "print(1)"], ["run", "--exit-after", "5"]):
        done = k210sim(image, *command)
        assert done.returncode == 2 and "1\n" not in done.stdout.splitlines(True)
        assert reason in done.stderr and "ISP mode" in done.stderr
