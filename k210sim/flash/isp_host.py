"""The host's side of in-system programming: what a flashing tool sends.

The boot ROM can only take a program into RAM and start it. A virtual board imitates that program
(see isp.py), so none is needed; a real board needs one, which this project does not ship: the
caller brings its bytes.
"""

from __future__ import annotations

import time
import zlib
from typing import Protocol

from k210sim.errors import HostError
from k210sim.flash import isp, slip
from k210sim.flash.nor import BLOCK64, SECTOR, SIZE

ANSWER_S = 3.0
GREETING_S = 0.5
WRITE_S = 90.0  # for a block that has to be erased first
STUB_START_S = 0.1
GREETINGS = 10
REPEATS = 3
RAM_START = isp.RAM_START
STATUS_TEXTS = {
    isp.BAD_LENGTH: "wrong length or address",
    isp.BAD_CHECKSUM: "checksum error",
    isp.INVALID_COMMAND: "invalid command",
    isp.BAD_INITIALIZATION: "the flash chip cannot be initialised",
    isp.BAD_ERASE: "erasing failed",
    isp.BAD_WRITE: "writing failed",
    isp.BUSY: "the flash is busy",
}


class Line(Protocol):
    """What is needed of a pyserial port; its `timeout` should be short."""

    def write(self, data: bytes): ...

    def read(self, size: int = 1) -> bytes: ...


class IspHost:
    """Programs the board at the other end of an open port that is in ISP mode.

    name : of the port, for messages
    All methods raise HostError when the board does not answer or refuses.
    """

    def __init__(self, line: Line, name: str = "port"):
        self.line, self.name = line, name

    def connect(self, stub: bytes | None = None) -> None:
        """Greet the ROM, load and start the flash program, and set the flash chip up."""
        self._greet(isp.GREETING, "no K210 in ISP mode answers")
        data = b"" if stub is None else stub
        for at in range(0, len(data), isp.MAX_ROM_DATA):
            piece = data[at : at + isp.MAX_ROM_DATA]
            self._call(isp.MEMORY_WRITE, RAM_START + at, piece)
        self._send(_request(isp.BOOT, RAM_START))
        time.sleep(STUB_START_S)
        self._greet(
            isp.STUB_GREETING,
            "the flash program does not answer"
            if stub is not None
            else "the boot ROM answers, a flash program does not; a real board needs one: --stub",
        )
        self._call(isp.INIT, 1)

    def write(self, address: int, data: bytes, progress=None) -> None:
        """Program `data`; `progress(done)` in bytes after each piece."""
        at = 0
        while at < len(data):
            n = min(len(data) - at, BLOCK64 - (address + at) % BLOCK64)
            self._call(isp.WRITE, address + at, data[at : at + n], limit_s=WRITE_S)
            at += n
            if progress is not None:
                progress(at)

    def erase(self, address: int, length: int) -> None:
        """Erase whole sectors; (0, flash size) erases the chip."""
        if address % SECTOR or length % SECTOR:
            raise HostError(f"erase 0x{address:x}, {length}: expected multiples of {SECTOR}")
        whole = (address, length) == (0, SIZE)
        body = (0, 0) if whole else (address, length)
        self._call(isp.ERASE_START, body[0], length=body[1])
        while self._call(isp.STATUS, allow=(isp.BUSY,)) == isp.BUSY:
            time.sleep(0.1)

    def reboot(self) -> None:
        """Start what is in flash; nothing is answered any more."""
        self._call(isp.REBOOT, limit_s=WRITE_S)

    # --- inside ---------------------------------------------------------------------------------

    def _greet(self, opcode: int, failure: str) -> None:
        for _ in range(GREETINGS):
            self._send(bytes([opcode]) + bytes(12))
            if self._answer(opcode, GREETING_S) == isp.OK:
                return
        raise HostError(f"{self.name}: {failure}")

    def _call(self, opcode: int, address: int = 0, data: bytes = b"", *, length: int | None = None,
              limit_s: float = ANSWER_S, allow: tuple = ()) -> int:
        """One request until it is done; the status. Lost and spoilt requests are repeated."""
        if opcode in (isp.STATUS, isp.REBOOT):
            packet = bytes([opcode]) + bytes(12)
        else:
            packet = _request(opcode, address, data, length)
        status: int | None = None
        for _ in range(REPEATS):
            self._send(packet)
            status = self._answer(opcode, limit_s)
            if status == isp.OK or status in allow:
                return status
            if status == isp.BUSY:
                time.sleep(0.5)
            elif status not in (None, isp.BAD_CHECKSUM):
                break
        why = "no answer" if status is None else STATUS_TEXTS.get(status, f"status 0x{status:02x}")
        at = f" at 0x{address:08x}" if address else ""
        raise HostError(f"{self.name}: request 0x{opcode:02x}{at}: {why}")

    def _send(self, payload: bytes) -> None:
        try:
            self.line.write(slip.encode(payload))
        except OSError as error:
            raise HostError(f"{self.name}: {error}") from error

    def _answer(self, opcode: int, limit_s: float) -> int | None:
        """The status of the answer to `opcode`, or None when there is none in time."""
        decoder = slip.Decoder()
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            try:
                frames = decoder.feed(self.line.read(1))
            except OSError as error:
                raise HostError(f"{self.name}: {error}") from error
            for frame in frames:
                if len(frame) >= 2 and frame[0] == opcode:
                    return frame[1]
        return None


def _request(opcode: int, address: int, data: bytes = b"", length: int | None = None) -> bytes:
    size = len(data) if length is None else length
    body = address.to_bytes(4, "little") + size.to_bytes(4, "little") + data
    return bytes([opcode, 0, 0, 0]) + zlib.crc32(body).to_bytes(4, "little") + body
