"""Plain values (what `save_state` gives) as bytes and back, without running any code from them.

The bytes: the length of a text (u64), the text (JSON: the values, with a list that begins with a
tag for what JSON does not know), then the bytes of all byte strings and arrays in their order.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import struct
from collections import OrderedDict, deque
from typing import Any

import numpy as np

_LENGTH = struct.Struct("<Q")
_CONTAINERS = {"l": list, "t": tuple, "s": set, "f": frozenset}
_MAPPINGS = {"d": dict, "o": OrderedDict}
_TIMES = {"date": datetime.date, "time": datetime.time, "datetime": datetime.datetime}


class PlainValues:
    """classes : dataclasses and named tuples that may be among the values."""

    def __init__(self, classes: tuple[type, ...] = ()):
        self._classes = {kind.__name__: kind for kind in classes}

    def pack(self, value: Any) -> bytes:
        """Raises TypeError for a value that is none of these."""
        blobs: list[bytes] = []
        text = json.dumps(self._tree(value, blobs)).encode()
        return b"".join([_LENGTH.pack(len(text)), text, *blobs])

    def unpack(self, data: bytes) -> Any:
        """What `pack` was given; raises ValueError when the bytes are not of its making."""
        try:
            (length,) = _LENGTH.unpack_from(data)
            self._data, self._at = memoryview(data), _LENGTH.size + length
            tree = json.loads(data[_LENGTH.size : self._at])
            value = self._value(tree)
        except (struct.error, TypeError, KeyError, IndexError, AttributeError,
                RecursionError) as error:  # fmt: skip
            raise ValueError(f"no plain values: {error}") from None
        if self._at != len(data):
            raise ValueError("no plain values: not all of it is used")
        return value

    # --- to a tree ------------------------------------------------------------------------------

    def _tree(self, value: Any, blobs: list[bytes]) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value

        def each(values) -> list:
            return [self._tree(item, blobs) for item in values]

        if kind in (bytes, bytearray):
            blobs.append(bytes(value))
            return ["b" if kind is bytes else "m", len(value)]
        if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
            blobs.append(value.tobytes())
            name = "a" if isinstance(value, np.ndarray) else "g"
            return [name, value.dtype.str, list(value.shape), value.nbytes]
        for tag, container in _CONTAINERS.items():
            if kind is container:
                return [tag, each(value)]
        for tag, mapping in _MAPPINGS.items():
            if kind is mapping:
                return [tag, each(value), each(value.values())]
        if kind is deque:
            return ["q", each(value), value.maxlen]
        if kind in _TIMES.values():
            return [kind.__name__, value.isoformat()]
        if kind is datetime.timedelta:
            return ["timedelta", value.days, value.seconds, value.microseconds]
        if kind is self._classes.get(kind.__name__):
            return ["c", kind.__name__, each(getattr(value, name) for name in _fields(kind))]
        raise TypeError(f"{kind.__name__} is no plain value")

    # --- and back -------------------------------------------------------------------------------

    def _value(self, tree: Any) -> Any:
        if not isinstance(tree, list):
            if isinstance(tree, dict):
                raise TypeError("a mapping without its tag")
            return tree
        tag, *rest = tree
        if tag in ("b", "m"):
            return (bytes if tag == "b" else bytearray)(self._take(rest[0]))
        if tag in ("a", "g"):
            array = np.frombuffer(self._take(rest[2]), np.dtype(rest[0])).reshape(rest[1]).copy()
            return array if tag == "a" else array[()]
        if tag in _CONTAINERS:
            return _CONTAINERS[tag](self._each(rest[0]))
        if tag in _MAPPINGS:
            keys = self._each(rest[0])
            return _MAPPINGS[tag](zip(keys, self._each(rest[1]), strict=True))
        if tag == "q":
            return deque(self._each(rest[0]), rest[1])
        if tag in _TIMES:
            return _TIMES[tag].fromisoformat(rest[0])
        if tag == "timedelta":
            return datetime.timedelta(*rest)
        if tag == "c":
            kind = self._classes[rest[0]]
            return kind(**dict(zip(_fields(kind), self._each(rest[1]), strict=True)))
        raise ValueError(f"no plain values: the tag {tag!r}")

    def _each(self, trees: list) -> list:
        return [self._value(item) for item in trees]

    def _take(self, count: int) -> memoryview:
        end = self._at + count
        if not self._at <= end <= len(self._data):
            raise ValueError("no plain values: bytes are missing")
        part, self._at = self._data[self._at : end], end
        return part


def _fields(kind: type) -> tuple[str, ...]:
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return kind._fields
