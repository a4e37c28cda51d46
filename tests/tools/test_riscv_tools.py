"""mpremote, ampy and rshell against the published v0.6.3 binary, booted by the riscv engine.

The binary is not part of the project: K210SIM_FIRMWARE_DIR names the folder it is in.
"""

from __future__ import annotations

import pytest
from tools import BINARY, K210SIM, at_prompt, good, need, served

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


def test_files_at_the_real_pace(tmp_path):
    """rshell gives a board half a second to take two thousand bytes; all ends; a card changed."""
    (tmp_path / "maixpy.bin").write_bytes(v063())
    (tmp_path / "data.bin").write_bytes(BINARY)
    card, other = tmp_path / "card", tmp_path / "other"
    for folder, name in ((card, "one.txt"), (other, "two.txt")):
        folder.mkdir()
        (folder / name).write_text("on the card\n")
    good(*K210SIM, "flash", "--flash-image", tmp_path / "flash.bin", tmp_path / "maixpy.bin")
    with served(tmp_path, "--sd", card) as board:
        at_prompt(board.pty, BANNER)
        mpremote, back = [need("mpremote"), "connect"], tmp_path / "back.bin"
        for kind in ("pty", "rfc2217", "tcp"):
            end = [*mpremote, board.url(kind)]
            good(*end, "fs", "cp", tmp_path / "data.bin", f":/sd/{kind}.bin")
            good(*end, "fs", "cp", f":/sd/{kind}.bin", back)
            assert back.read_bytes() == BINARY == (card / f"{kind}.bin").read_bytes()
            back.unlink()
        rshell = [need("rshell"), "-p", board.pty]
        good(*rshell, "cp", tmp_path / "data.bin", "/flash/data.bin")
        good(*rshell, "cp", "/flash/data.bin", back)
        assert back.read_bytes() == BINARY
        assert b"data.bin" in good(*rshell, "ls", "/flash")
        good(*rshell, "rm", "/flash/data.bin")
        assert b"data.bin" not in good(*mpremote, board.pty, "fs", "ls", ":/flash")
        sd = [*K210SIM, "sd"]
        good(*sd, "eject", "--port", board.pty)
        good(*sd, "insert", other, "--port", board.pty)
        text = "import machine, os; machine.SDCard.remount(); print(os.listdir('/sd'))"
        assert b"'two.txt'" in good(*mpremote, board.pty, "exec", text)
