"""SLIP framing as the K210's boot loaders use it: 0xC0 before and after, 0xDB escapes."""

from __future__ import annotations

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
MAX_FRAME = 256 * 1024  # the stub's receive buffer


def encode(payload: bytes) -> bytes:
    """One frame around `payload`."""
    body = payload.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + body + b"\xc0"


class Decoder:
    """Takes a byte stream apart into payloads; never holds more than one frame.

    Bytes outside frames are skipped, so are empty frames, frames with a wrong escape, and frames
    longer than `MAX_FRAME`.
    """

    def __init__(self):
        self._inside = False
        self._bad = False
        self._raw = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads completed by `data`."""
        done = []
        pieces = bytes(data).split(b"\xc0")
        self._add(pieces[0])
        for piece in pieces[1:]:
            # Every END closes what came before; a closing END may open the next frame as well.
            payload = self._close()
            if payload:
                done.append(payload)
            self._inside = True
            self._add(piece)
        return done

    def _add(self, piece: bytes) -> None:
        if self._inside and piece:
            self._raw += piece
            # An escaped frame can be twice as long as its payload.
            if len(self._raw) > 2 * MAX_FRAME:
                self._bad = True
                self._raw.clear()

    def _close(self) -> bytes:
        raw, bad = bytes(self._raw), self._bad
        self._raw.clear()
        self._bad = False
        return b"" if bad else unescape(raw)


def unescape(raw: bytes) -> bytes:
    """The payload of a frame's inside; b"" when an escape is wrong."""
    first, *rest = raw.split(b"\xdb")
    parts = [first]
    for piece in rest:
        if piece[:1] == b"\xdc":
            parts.append(b"\xc0" + piece[1:])
        elif piece[:1] == b"\xdd":
            parts.append(b"\xdb" + piece[1:])
        else:
            return b""
    payload = b"".join(parts)
    return payload if len(payload) <= MAX_FRAME else b""
