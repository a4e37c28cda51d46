"""Released firmware boots to its prompt and answers. The files are not part of the project: put
them into a folder and name it in K210SIM_FIRMWARE_DIR; they are known by their SHA-256."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from k210sim import Board
from k210sim.board import kept_boot
from tests.riscv.test_kept_boot import all_of, was_kept

RELEASES = {
    "v0.6.3": "6dde2d59adc344ee0c7f96300528b4feff5e36c160f5cc0066016389394f15fa",
    "v0.6.3 openmv": "a7364cdd147c35ad3e36eca24d1cae5557049be16202e37996aba5a1a12416b1",
    "v0.6.2-84": "edbdd364c2a2ab0fe25cc944d2dfc46fdf9ec112217450b88d34276cd3c769f7",
    "v0.6.2-84 openmv": "6e6c778e2f50cfad4763d3708bb5b1660393852f6db2ce912bd661254ac89d6c",
    "v0.5.0": "2d24e326f605980e6e77b4aa1190cddbf7273565f770692046b03b235fc292de",
}


def firmware(digest: str) -> bytes:
    folder = os.environ.get("K210SIM_FIRMWARE_DIR")
    if not folder:
        pytest.skip("K210SIM_FIRMWARE_DIR is not set")
    for path in sorted(Path(folder).rglob("*.bin")):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == digest:
            return data
    pytest.skip(f"no file with SHA-256 {digest[:12]}... in {folder}")


@pytest.mark.slow
@pytest.mark.parametrize("release", RELEASES)
def test_a_release_boots_to_its_prompt_and_answers(release):
    payload = firmware(RELEASES[release])
    board = Board(engine="riscv")
    try:
        board.flash(payload, 0, name="maixpy.bin")
        board.power_on(wait=False)
        board.expect(rb">>> $", 180)
        board.serial.write(b"print(6*7, 1/3)\r\n")
        board.expect(rb"\r\n42 0.3333333\r\n>>> ", 30)
        board.serial.write(b"f=open('/flash/a.txt','w');f.write('kept');f.close()\r\n")
        board.expect(rb">>> $", 60)
        board.reset(wait=False)
        board.expect(rb">>> $", 180)
        board.serial.write(b"print(open('/flash/a.txt').read()*2)\r\n")
        board.expect(rb"\r\nkeptkept\r\n", 30)
        board.serial.write(b"while True: pass\r\n\r\n")
        board.serial.write(b"\x03")
        board.expect(rb"KeyboardInterrupt", 30)
    finally:
        board.close()


@pytest.mark.slow
@pytest.mark.parametrize("release", RELEASES)
def test_a_kept_boot_is_the_boot(release, tmp_path, monkeypatch):
    monkeypatch.setenv(kept_boot.ENVIRONMENT, str(tmp_path / "boots"))
    image = tmp_path / "flash.bin"
    image.write_bytes(b"\xff" * (16 << 20))
    script = "import os, time\nprint(os.listdir('/flash'), time.ticks_us(), os.urandom(4))"
    states, kept = [], []
    for number in range(4):
        board = Board(image, engine="riscv", run_main=False)
        try:
            if not number:
                board.flash(firmware(RELEASES[release]), 0, name="maixpy.bin")
            board.power_on()  # the first one formats /flash
            board.exec("print(1)", timeout=60)
            kept.append(was_kept(board))
            states.append((all_of(board), board.exec(script, timeout=60).output, all_of(board)))
        finally:
            board.close()
    assert kept == [False, False, False, True]
    assert states[3] == states[2] == states[1]
