"""What every host end has in common: a backlog that is bounded and never blocks the device."""

from __future__ import annotations

import threading
import time
from collections import deque

BACKLOG_LIMIT = 1 << 20  # bytes kept for a client that does not read or is not connected
STUCK_S = 1.0  # a client that takes nothing for so long is no longer waited for


class Backlog:
    """Bytes on their way to a client, oldest lost first when there are more than `limit`."""

    def __init__(self, limit: int = BACKLOG_LIMIT):
        self.limit = limit
        self.lost = 0
        self._lock = threading.Lock()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._moved_at = 0.0  # when the client last took something, or was first given something

    @property
    def behind(self) -> bool:
        """Whether the client reads but has much left to read, so that more would soon be lost."""
        return (
            self._size > self.limit // 2 and time.monotonic() - self._moved_at < STUCK_S
        )

    def sent(self, count: int) -> None:
        """The client has taken `count` bytes."""
        if count:
            self._moved_at = time.monotonic()

    def __len__(self) -> int:
        return self._size

    def put(self, data: bytes) -> None:
        with self._lock:
            if not self._size:
                self._moved_at = time.monotonic()
            self._pieces.append(data)
            self._size += len(data)
            while self._size > self.limit:
                surplus = self._size - self.limit
                oldest = self._pieces.popleft()
                if len(oldest) > surplus:
                    self._pieces.appendleft(oldest[surplus:])
                    surplus = min(surplus, len(oldest))
                else:
                    surplus = len(oldest)
                self._size -= surplus
                self.lost += surplus

    def take(self, count: int) -> bytes:
        """Up to `count` bytes, oldest first."""
        with self._lock:
            taken = bytearray()
            while self._pieces and len(taken) < count:
                piece = self._pieces.popleft()
                space = count - len(taken)
                taken += piece[:space]
                if len(piece) > space:
                    self._pieces.appendleft(piece[space:])
            self._size -= len(taken)
            return bytes(taken)

    def clear(self) -> None:
        with self._lock:
            self._pieces.clear()
            self._size = 0

    def put_back(self, data: bytes) -> None:
        """Return what was taken but could not be sent."""
        if data:
            with self._lock:
                self._pieces.appendleft(data)
                self._size += len(data)
