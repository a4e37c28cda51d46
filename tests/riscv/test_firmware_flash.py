"""/flash both ways: files of `k210sim fs` on released firmware, and its files here; a full volume.

The firmware files are known by their SHA-256, see test_firmware.py.
"""

from __future__ import annotations

import pytest

from k210sim import Board
from k210sim.flash import spiffs_layout as L
from k210sim.flash.factory import put_files
from k210sim.flash.nor import NorFlash
from k210sim.flash.spiffs import SpiffsVolume
from tests.riscv.test_firmware import firmware

pytestmark = pytest.mark.slow

RELEASES = {
    "v0.6.3": "6dde2d59adc344ee0c7f96300528b4feff5e36c160f5cc0066016389394f15fa",
    "v0.5.0": "2d24e326f605980e6e77b4aa1190cddbf7273565f770692046b03b235fc292de",
}
OURS = {"/main.py": b"", "/boot.py": b"", "/big.dat": bytes(i * 7 & 255 for i in range(30_000)),
        "/page.dat": bytes(4091), "/gone.dat": b"x" * 9000, "/empty": b""}


def typed(board: Board, line: str, timeout: float = 300) -> str:
    """What the board prints when a line is typed at its prompt."""
    board.serial.write(line.encode() + b"\r")
    return board.expect(rb"\r\n([\s\S]*?)>>> $", timeout).group(1).decode("latin-1")


@pytest.mark.parametrize("release", RELEASES)
def test_files_go_both_ways(release):
    nor = NorFlash()
    put_files(nor, OURS)
    board = Board(engine="riscv")
    try:
        board.flash(bytes(nor.data[L.BASE :]), L.BASE, name="spiffs.img")
        board.flash(firmware(RELEASES[release]), 0, name="maixpy.bin")
        board.power_on(wait=False)
        board.expect(rb">>> $", 300)
        typed(board, "import os; rd=lambda n:(lambda f:(f.read(),f.close())[0])(open(n,'rb'))")
        assert "True" in typed(board, "all([n[1:] in os.listdir('/flash') for n in %r])"
                               % list(OURS))
        assert "True" in typed(board, "rd('/flash/big.dat')==bytes([i*7&255 for i in "
                               "range(256)])*117+bytes([i*7&255 for i in range(48)])")
        assert "b''" in typed(board, "rd('/flash/empty')")
        typed(board, "os.remove('/flash/gone.dat'); os.rename('/flash/page.dat','/flash/p')")
        typed(board, "f=open('/flash/new','w'); f.write('from firmware '*900); f.close()")
        board.power_off()
        volume = SpiffsVolume(board.hardware.flash)
        volume.mount()
        found = {}
        for entry in volume.listdir():
            with volume.open(entry.name, L.O_RDONLY) as file:
                found[entry.name] = file.read()
        assert found["/new"] == b"from firmware " * 900
        assert found["/p"] == OURS["/page.dat"] and found["/big.dat"] == OURS["/big.dat"]
        assert not {"/gone.dat", "/page.dat"} & set(found)
    finally:
        board.close()
