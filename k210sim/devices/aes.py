"""AES: ECB, CBC and GCM with keys of 128, 192 and 256 bits.

Ref: kendryte-standalone-sdk lib/drivers/include/aes.h and aes.c; the cipher is k210sim/cipher.py.
Key, IV and tags lie in their registers last word first. A block is done as soon as all of it has
come. The order bits of mode_ctl and a cleared aes_endian are kept and do nothing: no driver uses
them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from k210sim.cipher import BLOCK, GCM, Stream
from k210sim.devices.device import Device, Register
from k210sim.errors import NotSimulated

DECRYPT = 1
LONGEST = 1 << 24  # of a GCM message, which is kept for its tag
EQUAL, UNEQUAL = 2, 1  # of tag_chk


class Aes(Device):
    """on_change() : a DMA channel may go on."""

    NAME = "AES"
    REGISTERS = (
        Register(0x00, "key", count=4), Register(0x10, "encrypt_sel"), Register(0x14, "mode_ctl"),
        Register(0x18, "iv", count=4), Register(0x28, "endian"),
        Register(0x2C, "finish", read_only=True), Register(0x30, "dma_sel"),
        Register(0x34, "aad_num"), Register(0x3C, "pc_num"), Register(0x40, "text_data"),
        Register(0x44, "aad_data"), Register(0x48, "tag_chk", read_only=True),
        Register(0x4C, "data_in_flag", read_only=True), Register(0x50, "gcm_in_tag", count=4),
        Register(0x60, "out_data", read_only=True), Register(0x64, "en"),
        Register(0x68, "data_out_flag", read_only=True),
        Register(0x6C, "tag_in_flag", read_only=True), Register(0x70, "tag_clear"),
        Register(0x74, "gcm_out_tag", count=4, read_only=True),
        Register(0x84, "key_ext", count=4),
    )  # fmt: skip

    def __init__(self, on_change: Callable[[], None] = lambda: None):
        self._on_change = on_change
        self._clear()
        super().__init__()

    def _clear(self) -> None:
        self._aad, self._text, self._coded = bytearray(), bytearray(), bytearray()
        self._done = 0  # bytes of the text that have gone through
        self._out: deque[int] = deque()
        self._stream: Stream | None = None

    def reset(self) -> None:
        super().reset()
        self._clear()

    def save_state(self) -> dict[str, Any]:
        chain = self._stream.chain if self._stream is not None else None
        return {**super().save_state(), "chain": chain}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state({name: value for name, value in state.items() if name != "chain"})
        self._stream = None
        if state["chain"] is not None:
            self._stream = self._start()
            self._stream.chain = tuple(state["chain"])

    # --- a message ------------------------------------------------------------------------------

    def _words(self, *places: int) -> bytes:
        return b"".join(self._take(place, 4).to_bytes(4, "little") for place in places)

    def write_en(self, value: int) -> None:
        self._put(0x64, 4, value)
        if value & 1:
            self._clear()

    def _start(self) -> Stream:
        mode, size = self._take(0x14, 4) & 7, self._take(0x14, 4) >> 3 & 3
        if mode > GCM or size > 2:
            raise NotSimulated(f"AES in mode {mode} with key kind {size}")
        count = 4 + 2 * size
        places = [4 * n if n < 4 else 0x84 + 4 * (n - 4) for n in range(count)]
        iv = self._words(*(0x18 + 4 * n for n in range(2 if mode == GCM else 3, -1, -1)))
        encrypt = not self._take(0x10, 4) & DECRYPT
        return Stream(mode, self._words(*reversed(places)), iv.ljust(BLOCK, b"\0"), encrypt)

    @property
    def _aad_bytes(self) -> int:
        return (self._take(0x34, 4) + 1) & 0xFFFFFFFF

    @property
    def _text_bytes(self) -> int:
        return (self._take(0x3C, 4) + 1) & 0xFFFFFFFF

    def write_aad_data(self, value: int) -> None:
        if len(self._aad) < self._aad_bytes:
            self._aad += value.to_bytes(4, "little")
        self._insist_on_size()

    def _insist_on_size(self) -> None:
        if len(self._aad) + len(self._coded) > LONGEST:
            raise NotSimulated(f"an AES GCM message of more than {LONGEST} bytes")

    def write_text_data(self, value: int) -> None:
        if self._stream is None:
            self._stream = self._start()
        self._text += value.to_bytes(4, "little")
        left = self._text_bytes - self._done
        if self._stream.mode == GCM and left < BLOCK:
            if 0 < left <= len(self._text):
                self._go(bytes(self._text[:left]))
        elif len(self._text) >= BLOCK:
            self._go(bytes(self._text[:BLOCK]))

    def _go(self, block: bytes) -> None:
        """Put a block, or the last part of one, through the cipher."""
        self._text.clear()
        result = self._stream.block(block)
        self._done += len(block)
        if self._stream.mode == GCM:  # all of it is needed for the tag
            self._coded += result if self._stream.encrypt else block
            self._insist_on_size()
        padded = result.ljust(-(-len(result) // 4) * 4, b"\0")
        for at in range(0, len(padded), 4):
            self._out.append(int.from_bytes(padded[at : at + 4], "little"))
        self._on_change()

    # --- status and results ---------------------------------------------------------------------

    @property
    def _finished(self) -> bool:
        return self._stream is not None and self._done >= self._text_bytes

    def read_finish(self) -> int:
        return int(self._finished)

    def read_data_in_flag(self) -> int:
        return 1

    def read_data_out_flag(self) -> int:
        return int(bool(self._out))

    def read_tag_in_flag(self) -> int:
        return int(self._finished)

    def read_out_data(self) -> int:
        return self._out.popleft() if self._out else 0

    def dma_read(self, count: int) -> list[int] | None:
        """Words of the result, or None while there are not as many."""
        if len(self._out) < count:
            return None
        return [self._out.popleft() for _ in range(count)]

    @property
    def _tag(self) -> bytes:
        if self._stream is None or self._stream.mode != GCM:
            return bytes(BLOCK)
        return self._stream.tag(bytes(self._aad[: self._aad_bytes]), bytes(self._coded))

    def read_gcm_out_tag(self, index: int) -> int:
        at = 4 * (3 - index)
        return int.from_bytes(self._tag[at : at + 4], "big")

    def write_gcm_in_tag(self, index: int, value: int) -> None:
        """With the last word the tag is compared."""
        self._put(0x50 + 4 * index, 4, value)
        if index == 3:
            given = self._words(*(0x50 + 4 * n for n in range(3, -1, -1)))
            self._put(0x48, 4, EQUAL if given == self._tag else UNEQUAL)

    def write_tag_clear(self, value: int) -> None:
        self._put(0x48, 4, 0)
