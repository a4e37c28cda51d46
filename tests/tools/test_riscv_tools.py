"""mpremote and ampy against the published v0.6.3 binary, booted by the riscv engine.

The binary is not part of the project: K210SIM_FIRMWARE_DIR names the folder it is in.
"""

from __future__ import annotations

import pytest
from tools import K210SIM, at_prompt, good, need, served

from k210sim.flash import boot_image
from tests.golden.booted import v063

pytestmark = [pytest.mark.tools, pytest.mark.slow]

BANNER = b"MicroPython v0.6.2-89"


def test_tools_use_the_real_firmware(tmp_path):
    payload = v063()
    (tmp_path / "maixpy.bin").write_bytes(payload)
    (tmp_path / "data.txt").write_text("kept over a power cycle\n")
    (tmp_path / "say.py").write_text("print('said', 6 * 7)\n")
    good(*K210SIM, "flash", "--flash-image", tmp_path / "flash.bin", tmp_path / "maixpy.bin")
    with served(tmp_path, "--clock", "max") as board:
        at_prompt(board.pty, BANNER)
        mpremote = [need("mpremote"), "connect", board.pty]
        assert good(*mpremote, "exec", "print(1/3)", timeout=600).strip() == b"0.3333333"
        assert good(*mpremote, "run", tmp_path / "say.py", timeout=600).strip() == b"said 42"
        ampy = [need("ampy"), "-p", board.pty]
        good(*ampy, "put", tmp_path / "data.txt", "/flash/data.txt", timeout=600)
        assert good(*ampy, "get", "/flash/data.txt", timeout=600).startswith(b"kept over a power")
        assert b"said 42" in good(*ampy, "run", tmp_path / "say.py", timeout=600)
        (tmp_path / "main.py").write_text("print('main runs')\n")
        good(*ampy, "put", tmp_path / "main.py", "/flash/main.py", timeout=600)
    assert boot_image.read_boot_image(board.image.read_bytes()).payload == payload
    done = good(*K210SIM, "exec", "--flash-image", board.image, "--timeout", "300", "-c",
                "print(open('/flash/data.txt').read())", timeout=600)  # fmt: skip
    assert done.splitlines()[0] == b"kept over a power cycle"
    good(*K210SIM, "run", "--flash-image", board.image, "--exit-after", "60", "--clock", "virtual",
         "--serial-log", tmp_path / "log", timeout=600)  # fmt: skip
    assert b"main runs" in (tmp_path / "log").read_bytes()
