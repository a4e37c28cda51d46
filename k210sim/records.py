"""Fixed binary layouts, declared once, parsed and built from the same lines.

    class Header(Record):
        version = U32(const=3)
        flags = U32()
        max_start_address = U32()

`Header.parse(data, offset)` gives an object with those attributes; `header.build()` gives the
bytes back; `Header.SIZE` is the size in bytes. All layouts here are little endian unless the
field says otherwise.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar

from k210sim.errors import FormatError


class FieldSpec:
    """One field: a `struct` code, and optionally the constant it must hold and its meaning."""

    def __init__(self, code: str, *, const: Any = None, default: Any = 0, doc: str = ""):
        self.code, self.const, self.doc = code, const, doc
        self.default = const if const is not None else default
        self.size = struct.calcsize("<" + code)
        self.name = ""
        self.offset = 0

    def __set_name__(self, owner, name):
        self.name = name


def U8(**kw):  # noqa: N802 - type names read as in the format sheets
    return FieldSpec("B", **kw)


def U16(**kw):  # noqa: N802
    return FieldSpec("H", **kw)


def U32(**kw):  # noqa: N802
    return FieldSpec("I", **kw)


def I32(**kw):  # noqa: N802
    return FieldSpec("i", **kw)


def I64(**kw):  # noqa: N802
    return FieldSpec("q", **kw)


def F32(**kw):  # noqa: N802
    return FieldSpec("f", default=kw.pop("default", 0.0), **kw)


def Bytes(size: int, **kw):  # noqa: N802
    return FieldSpec(f"{size}s", default=kw.pop("default", bytes(size)), **kw)


class Record:
    """Base of all declared layouts. Subclasses may set ERROR to a FormatError subclass."""

    FIELDS: ClassVar[tuple[FieldSpec, ...]] = ()
    SIZE: ClassVar[int] = 0
    ERROR: ClassVar[type[FormatError]] = FormatError

    def __init_subclass__(cls, **kw):
        super().__init_subclass__(**kw)
        fields = [f for f in vars(cls).values() if isinstance(f, FieldSpec)]
        inherited = list(cls.FIELDS)
        offset = sum(f.size for f in inherited)
        for field in fields:
            field.offset = offset
            offset += field.size
        cls.FIELDS = tuple(inherited + fields)
        cls.SIZE = offset
        cls._struct = struct.Struct("<" + "".join(f.code for f in cls.FIELDS))

    def __init__(self, **values):
        for field in self.FIELDS:
            setattr(self, field.name, values.pop(field.name, field.default))
        if values:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(values))}")

    @classmethod
    def parse(cls, data, offset: int = 0):
        """Read one record; raises `ERROR` naming offset and field when data ends or differs."""
        if offset < 0 or offset + cls.SIZE > len(data):
            raise cls.ERROR(
                f"{cls.__name__} needs {cls.SIZE} bytes, {max(0, len(data) - offset)} are left",
                offset=offset,
            )
        values = cls._struct.unpack_from(data, offset)
        record = cls.__new__(cls)
        for field, value in zip(cls.FIELDS, values, strict=True):
            if field.const is not None and value != field.const:
                raise cls.ERROR(
                    f"found {value!r}, expected {field.const!r}",
                    offset=offset + field.offset,
                    field=f"{cls.__name__}.{field.name}",
                )
            setattr(record, field.name, value)
        return record

    def build(self) -> bytes:
        """The record's bytes; raises `ERROR` when a value does not fit its field."""
        try:
            return self._struct.pack(*(getattr(self, f.name) for f in self.FIELDS))
        except struct.error as error:
            for f in self.FIELDS:
                try:
                    struct.pack("<" + f.code, getattr(self, f.name))
                except struct.error:
                    raise self.ERROR(
                        f"{getattr(self, f.name)!r} does not fit",
                        offset=f.offset,
                        field=f"{type(self).__name__}.{f.name}",
                    ) from error
            raise

    def __eq__(self, other):
        return type(self) is type(other) and all(
            getattr(self, f.name) == getattr(other, f.name) for f in self.FIELDS
        )

    def __repr__(self):
        inner = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in self.FIELDS)
        return f"{type(self).__name__}({inner})"
