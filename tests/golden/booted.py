"""The published v0.6.3 binary, booted once a session, for the recorded answers to be replayed on.

The binary is not part of the project: put it into a folder, name that in K210SIM_FIRMWARE_DIR; it
is known by its SHA-256.
"""

from __future__ import annotations

import functools

import numpy as np

from k210sim import Board
from k210sim.board import parts
from k210sim.flash import spiffs_layout as layout
from k210sim.flash.nor import NorFlash
from k210sim.flash.spiffs import SpiffsVolume
from tests.riscv.test_firmware import firmware

V063 = "6dde2d59adc344ee0c7f96300528b4feff5e36c160f5cc0066016389394f15fa"
QUIET_NS = 500_000_000  # nothing sent for so long: the device waits, or runs silently
AT_PROMPT_NS = 5_000_000  # the same after a prompt
PROMPTS = (b">>> ", b"... ", b"\x04>")
LONGEST_NS = 20_000_000_000  # of one step
# While core 0 starts the interpreter, core 1 opens config.json with objects on the same heap and
# takes no lock (maixpy_main.c: sd_preload). With some heap sizes and files, an assertion of
# gc_free() stops core 1 then, and who needs it waits for ever: find_lines(), find_circles(), JPEG.
STOPPED = b"sys_exit called by core 1"


def image_with(files: dict[str, bytes]) -> bytes:
    """A flash image with an empty boot.py and main.py, as the recordings had, and more files."""
    nor = NorFlash(data=parts.quiet_image())
    with nor.untimed():
        volume = SpiffsVolume(nor)
        volume.mount()
        for name, content in files.items():
            with volume.open(name, layout.O_WRONLY | layout.O_CREAT | layout.O_TRUNC) as file:
                file.write(content)
        volume.unmount()
    return bytes(nor.data)


class Booted:
    """A board at its first prompt; `restart()` brings it back there."""

    def __init__(self, tmp_path, payload: bytes, files: dict[str, bytes] | None = None,
                 heap: int | None = None):  # fmt: skip
        path = tmp_path / "flash.bin"
        path.write_bytes(image_with(files or {}))
        self.board = Board(path, engine="riscv")
        self.board.flash(payload, 0, name="maixpy.bin")
        self.boot()
        if heap is not None:
            self.board.exec(f"from Maix import utils\nutils.gc_heap_size({heap})", 300)
            self.board.reset(wait=False)
            self.boot()
        self.boot_log = self.board.serial.transcript.decode("latin-1")
        self.snapshot = self.board.snapshot()

    def boot(self) -> None:
        self.board.power_on(wait=False)
        assert self.board._engine.wait_booted(600), "no prompt"
        assert STOPPED not in self.board.serial.transcript, "core 1 stopped: take another heap"

    def restart(self) -> None:
        self.board.restore(self.snapshot)
        self.board.serial.clear()

    def run(self, source: bytes | str, timeout: float = 300.0) -> str:
        """What a script prints, its traceback last, with plain newlines."""
        result = self.board.exec(source, timeout)
        return result.stdout + (result.error or "").replace("\r\n", "\n")

    def type(self, data: bytes) -> bytes:
        """What the device sends until it is at its prompt again, or silent."""
        return self.board._engine.call(lambda: self._type(data))

    def _type(self, data: bytes) -> bytes:
        engine, got = self.board._engine, bytearray()
        listener = _Listener(got)
        engine.port.attach(listener)
        try:
            engine.port.host_send(data)
            size, since = -1, engine.clock.now_ns
            end = since + LONGEST_NS
            quiet = QUIET_NS
            while engine.clock.now_ns - since < quiet and engine.clock.now_ns < end:
                quiet = AT_PROMPT_NS if got.endswith(PROMPTS) else QUIET_NS
                if len(got) != size or engine.port.pending:
                    size, since = len(got), engine.clock.now_ns
                if not engine._turn() and not engine.port.pending:
                    break
        finally:
            engine.port.detach(listener)
        return bytes(got)

    def memory(self, address: int, count: int) -> np.ndarray:
        ram = self.board._engine.machine.core.ram.view(np.uint8)
        return ram[address & 0x7FFFFF :][:count].copy()


class _Listener:
    def __init__(self, got: bytearray):
        self._got = got

    def deliver(self, data: bytes) -> None:
        self._got += data


@functools.cache
def v063() -> bytes:
    return firmware(V063)
