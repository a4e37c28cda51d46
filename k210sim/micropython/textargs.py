"""Taking bytes out of arguments: str, bytes and everything with the buffer protocol."""

from __future__ import annotations

from k210sim.micropython.native import GuestError


def formatted_error(vm, type_name: str, c_format: str, *args) -> GuestError:
    """An exception whose text the firmware formats: its buffer starts at the size of `c_format`
    and grows with the text. `c_format` as the firmware has it (%q is an interned string)."""
    return vm.error(type_name, c_format.replace("%q", "%s") % args, formatted=c_format)


def bad_conversion(vm, o: int) -> GuestError:
    """The TypeError for an object where a str (or, for a str, a bytes) was needed."""
    name = vm.type_name(o)
    return formatted_error(vm, "TypeError", "can't convert '%q' object to %q implicitly", name,
                           "bytes" if name == "str" else "str")


def text_data(vm, o: int) -> bytes:
    """Bytes of a str or bytes argument; TypeError otherwise."""
    if o & 1 or not (vm.is_str(o) or vm.is_bytes(o)):
        raise bad_conversion(vm, o)
    return vm.bytes_of(o)


def buffer_maybe(vm, o: int) -> bytes | None:
    """A copy of an object's buffer, None for an object without one."""
    if vm.is_str(o) or vm.is_bytes(o):
        return vm.bytes_of(o)
    view = buffer_view(vm, o)
    return None if view is None else vm.memory.read(view[0], view[1])


def buffer_view(vm, o: int, writable: bool = False) -> tuple[int, int, str, bool] | None:
    """(address, length, typecode, writable) of an object's buffer, None without one."""
    t = vm.type_of(o)
    if t.buffer is None:
        return None
    view = t.buffer(vm, o)
    if view is None or (writable and not view[3]):
        return None
    return view


def buffer_bytes(vm, o: int) -> bytes:
    """A copy of an object's buffer; TypeError for an object without one."""
    data = buffer_maybe(vm, o)
    if data is None:
        raise no_buffer(vm)
    return data


def writable_view(vm, o: int) -> tuple[int, int, str, bool]:
    """As `buffer_view` for a buffer to be written; TypeError where that cannot be."""
    view = buffer_view(vm, o, True)
    if view is None:
        raise no_buffer(vm)
    return view


def no_buffer(vm) -> GuestError:
    return vm.error("TypeError", "object with buffer protocol required", formatted=False)
