"""`array`. Source: micropython v1.11 py/modarray.c."""

from __future__ import annotations

from k210sim.micropython.native import GuestModule
from k210sim.micropython.types.array import ArrayType

module = GuestModule("array")
module.add_type(ArrayType)
