"""`ure`: compiled patterns, matches, splitting and substitution.

Source: micropython v1.11 extmod/modure.c (functions, messages, object sizes).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.layout import RAM_BASE, TYPE, small_int
from k210sim.micropython.native import GuestError, GuestModule, GuestType, method
from k210sim.micropython.textargs import text_data
from k210sim.micropython.vstr import Vstr, string_of_type
from k210sim.modules.regex import DIGIT, Compiler, PatternError, execute, listing

module = GuestModule("ure")

DEBUG = 0x1000
HEADER = 24  # bytes of the regex object before its program, as it is allocated
PROGRAM = 20  # offset of the program


class MatchType(GuestType):
    """What `match` and `search` return: type, number of groups, text, start and end of each.

    Starts and ends are stored as offsets plus one, 0 where the board keeps a null pointer.
    """

    name = "match"

    def print(self, vm, o, kind):
        return "<match num=%d>" % vm.words[((o - RAM_BASE) >> 3) + 1]

    @method(2)
    def group(vm, self, number):
        at = (self - RAM_BASE) >> 3
        index = vm.get_int(number)
        if not 0 <= index < vm.words[at + 1]:
            raise GuestError(vm.make_exception(vm.exception_word("IndexError"), [number]))
        start, end = vm.words[at + 3 + 2 * index], vm.words[at + 4 + 2 * index]
        if not start:
            return L.NONE
        text = vm.words[at + 2]
        return string_of_type(vm, vm.bytes_of(text)[start - 1 : max(end - 1, start - 1)],
                              "str" if vm.is_str(text) else "bytes")


def _fill_match(vm, o: int, text: int, saved: list[int]) -> None:
    at = (o - RAM_BASE) >> 3
    vm.words[at + 1], vm.words[at + 2] = len(saved) // 2, text
    for i, place in enumerate(saved):
        vm.words[at + 3 + i] = place + 1


def program_of(vm, o: int) -> tuple[bytes, int]:
    """The byte program of a regex object, and the number of places it saves."""
    fields = vm.memory.read(o + 8, 12)
    size, groups = int.from_bytes(fields[:4], "little"), int.from_bytes(fields[8:], "little")
    return vm.memory.read(o + PROGRAM, size), (groups + 1) * 2


def _run(vm, regex: int, text: int, anchored: bool) -> int:
    code, n_slots = program_of(vm, regex)
    data = text_data(vm, text)
    size = 24 + 8 * n_slots
    o = vm.new_object(vm.type_of_class(MatchType).word, size)
    saved = execute(vm, code, data, 0, n_slots, anchored)
    if saved is None:
        vm.free_temp(o, size)
        return L.NONE
    _fill_match(vm, o, text, saved)
    return o


def _callable(vm, o: int) -> bool:
    if o & 3:
        return False
    kind = vm.type_word(o)
    if kind in (TYPE["str"], TYPE["bytes"]):
        return False
    return kind in _CALLABLE or vm.type_of(o).call is not None


_CALLABLE = frozenset(TYPE[n] for n in ("function", "fun_bc", "closure", "gen_wrap",
                                        "bound_method", "type"))


def _expand(vm, out: Vstr, replacement: bytes, data: bytes, saved: list[int]) -> None:
    """Append a replacement text, with its group references filled in."""
    at, n = 0, len(replacement)
    while at < n:
        c = replacement[at]
        at += 1
        if c != 0x5C:
            out.add(bytes((c,)))
            continue
        named = replacement[at : at + 2] == b"g<"
        at += 2 if named else 0
        if at >= n or replacement[at] not in DIGIT:
            continue
        end = at
        while end < n and replacement[end] in DIGIT:
            end += 1
        number = int(replacement[at:end][:4000]) & 0xFFFFFFFF
        at = end + (named and replacement[end : end + 1] == b">")
        if number >= len(saved) // 2:
            raise GuestError(vm.make_exception(vm.exception_word("IndexError"),
                                               [small_int(number)]))
        start, stop = saved[2 * number : 2 * number + 2]
        if start >= 0:
            out.add(data[start:stop])


def _substitute(vm, regex: int, replace: int, text: int, count: int) -> int:
    limit = vm.get_int(count) if count else 0
    code, n_slots = program_of(vm, regex)
    data = text_data(vm, text)
    out, begin = None, 0
    called = _callable(vm, replace)
    while True:
        saved = execute(vm, code, data, begin, n_slots, False)
        if saved is None or saved[0] == saved[1]:
            break
        if out is None:
            out = Vstr(vm, saved[0] - begin)
        out.add(data[begin : saved[0]])
        word = replace
        if called:
            # The board keeps this match object on its stack: it lives for one call.
            size = 24 + 8 * n_slots
            match = vm.new_object(vm.type_of_class(MatchType).word, size)
            _fill_match(vm, match, text, saved)
            word = vm.call(replace, [match])
            vm.free_temp(match, size)
        _expand(vm, out, text_data(vm, word).split(b"\0")[0], data, saved)
        begin = saved[1]
        if limit > 0:
            limit -= 1
            if limit == 0:
                break
    if out is None:
        return text
    out.add(data[begin:])
    return out.finish("str" if vm.is_str(text) else "bytes")


class RegexType(GuestType):
    """A compiled pattern: type, program size, instructions, groups, program."""

    name = "ure"

    def print(self, vm, o, kind):
        return "<re %x>" % o

    @method(2, 4)
    def match(vm, self, text, *ignored):
        return _run(vm, self, text, True)

    @method(2, 4)
    def search(vm, self, text, *ignored):
        return _run(vm, self, text, False)

    @method(2, 3)
    def split(vm, self, text, most=0):
        code, n_slots = program_of(vm, self)
        data = text_data(vm, text)
        kind = "str" if vm.is_str(text) else "bytes"
        limit, begin = vm.get_int(most) if most else 0, 0
        result = vm.new_list()
        while True:
            saved = execute(vm, code, data, begin, n_slots, False)
            if saved is None or saved[0] == saved[1]:
                break
            vm.list_append(result, string_of_type(vm, data[begin : saved[0]], kind))
            if n_slots > 2:
                raise vm.error("NotImplementedError", "Splitting with sub-captures",
                               formatted=False)
            begin = saved[1]
            if limit > 0:
                limit -= 1
                if limit == 0:
                    break
        vm.list_append(result, string_of_type(vm, data[begin:], kind))
        return result

    @method(3, 5)
    def sub(vm, self, replace, text, count=0, flags=0):
        return _substitute(vm, self, replace, text, count)


def _compile(vm, pattern: int, flags: int = 0) -> int:
    text = text_data(vm, pattern)
    try:
        program = Compiler(text)
    except PatternError:
        raise vm.error("ValueError", "Error in regex", formatted=False) from None
    code = program.code
    o = vm.new_object(vm.type_of_class(RegexType).word, HEADER + len(code))
    options = vm.get_int(flags) if flags else 0
    fields = b"".join(n.to_bytes(4, "little")
                      for n in (len(code), program.n_instructions, program.n_groups))
    vm.memory.write(o + 8, fields + bytes(code))
    if options & DEBUG:
        vm.write(listing(bytes(code), program.n_instructions))
    return o


@module.function(1, 2, name="compile")
def compile_pattern(vm, pattern, flags=0):
    return _compile(vm, pattern, flags)


@module.function(2, 4)
def match(vm, pattern, text, *ignored):
    return _run(vm, _compile(vm, pattern), text, True)


@module.function(2, 4)
def search(vm, pattern, text, *ignored):
    return _run(vm, _compile(vm, pattern), text, False)


@module.function(3, 5)
def sub(vm, pattern, replace, text, count=0, flags=0):
    return _substitute(vm, _compile(vm, pattern), replace, text, count)


module.constant("DEBUG", DEBUG)
