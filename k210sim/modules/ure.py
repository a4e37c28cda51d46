"""`ure`: small backtracking regular expressions.

A pattern becomes a byte program inside the regex object, with one-byte jumps, as on the board (so
patterns longer than such a jump reach misbehave alike). Each choice and each group costs a frame
of C stack there; when the stack is used up the match ends in the RuntimeError of a too deep
recursion. Source: micropython v1.11 extmod/modure.c, extmod/re1.5 (syntax, instruction codes and
sizes, messages).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.layout import RAM_BASE, TYPE, small_int
from k210sim.micropython.native import GuestError, GuestModule, GuestType, method
from k210sim.micropython.textargs import text_data
from k210sim.micropython.vm import STACK_LIMIT, STACK_TOP
from k210sim.micropython.vstr import Vstr, string_of_type

module = GuestModule("ure")

CHAR, ANY, CLASS, CLASS_NOT, NAMED = 1, 2, 3, 4, 5
BOL, EOL = 0x50, 0x51
JUMP, SPLIT, RSPLIT = 0x60, 0x61, 0x62
SAVE, MATCH = 0x7E, 0x7F

DEBUG = 0x1000
HEADER = 24  # bytes of the regex object before its program, as it is allocated
PROGRAM = 20  # offset of the program
SEARCH_PREFIX = 5  # instructions that skip characters, left out by `match`

FRAME_BYTES = 64  # C stack of one choice or group: return address and seven registers (estimate)
STEP_NS = 60  # time of one instruction on the board (guess)
STEPS_PER_CHECK = 1024

_DIGIT = frozenset(b"0123456789")
_SPACE = frozenset(b" \t\n\v\f\r")
_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_NAMED_SETS = {0x64: _DIGIT, 0x73: _SPACE, 0x77: _WORD}


class PatternError(Exception):
    """The pattern cannot be compiled."""


class _Compiler:
    """Pattern text to byte program."""

    def __init__(self, pattern: bytes):
        self.text = pattern.split(b"\0")[0]
        self.code = bytearray((RSPLIT, 3, ANY, JUMP, 256 - 5, SAVE, 0))
        self.n_instructions = 4
        self.n_groups = 0
        end = self._sequence(0)
        if end != len(self.text):
            raise PatternError
        self._emit(SAVE, 1)
        self._emit(MATCH)

    def _emit(self, *codes: int) -> None:
        self.code += bytes(c & 0xFF for c in codes)
        self.n_instructions += 1

    def _at(self, i: int) -> int:
        return self.text[i] if i < len(self.text) else 0

    def _sequence(self, at: int) -> int:
        """Compile up to a closing parenthesis or the end; the place where it stopped."""
        code = self.code
        start = term = len(code)
        alternative = 0
        while at < len(self.text) and self._at(at) != 0x29:
            c = self._at(at)
            if c in b"?*+":
                if len(code) == term:
                    raise PatternError
                lazy = self._at(at + 1) == 0x3F
                at += lazy
                self._repeat(c, term, lazy)
                term = len(code)
            elif c == 0x7C:
                if alternative:
                    code[alternative] = len(code) - alternative - 1 & 0xFF
                code[start:start] = bytes(2)
                code += bytes((JUMP, 0))
                alternative = len(code) - 1
                code[start], code[start + 1] = SPLIT, len(code) - start - 2 & 0xFF
                self.n_instructions += 2
                term = len(code)
            elif c in b"^$":
                self._emit(BOL if c == 0x5E else EOL)
                term = len(code)
            else:
                term = len(code)
                at = self._atom(c, at)
            at += 1
        if alternative:
            code[alternative] = len(code) - alternative - 1 & 0xFF
        return at

    def _repeat(self, c: int, term: int, lazy: bool) -> None:
        code = self.code
        if c == 0x2B:
            self._emit(SPLIT if lazy else RSPLIT, term - len(code) - 2)
            return
        code[term:term] = bytes(2)
        self.n_instructions += 1
        if c == 0x2A:
            self._emit(JUMP, term - len(code) - 2)
        code[term] = RSPLIT if lazy else SPLIT
        code[term + 1] = len(code) - term - 2 & 0xFF

    def _atom(self, c: int, at: int) -> int:
        """One character, class or group; the place of its last byte."""
        if c == 0x5C:
            at += 1
            c = self._at(at)
            if not c:
                raise PatternError
            if c | 0x20 in _NAMED_SETS:
                self._emit(NAMED, c)
            else:
                self._emit(CHAR, c)
        elif c == 0x2E:
            self._emit(ANY)
        elif c == 0x5B:
            at = self._class(at + 1)
        elif c == 0x28:
            at = self._group(at)
        else:
            self._emit(CHAR, c)
        return at

    def _class(self, at: int) -> int:
        negative = self._at(at) == 0x5E
        at += negative
        pairs = bytearray()
        while self._at(at) != 0x5D:
            if not self._at(at):
                raise PatternError
            pairs.append(self._at(at))
            if self._at(at + 1) == 0x2D and self._at(at + 2) != 0x5D:
                at += 2
            pairs.append(self._at(at))
            at += 1
        self._emit(CLASS_NOT if negative else CLASS, len(pairs) // 2, *pairs)
        return at

    def _group(self, at: int) -> int:
        group = 0
        if self._at(at + 1) == 0x3F and self._at(at + 2) == 0x3A:
            at += 2
        else:
            self.n_groups += 1
            group = self.n_groups
            self._emit(SAVE, 2 * group)
        at = self._sequence(at + 1)
        if self._at(at) != 0x29:
            raise PatternError
        if group:
            self._emit(SAVE, 2 * group + 1)
        return at


def listing(code: bytes, n_instructions: int) -> str:
    """The program as `compile(..., DEBUG)` prints it."""
    jumps = {JUMP: "jmp", SPLIT: "split", RSPLIT: "rsplit"}
    plain = {ANY: "any", MATCH: "match", BOL: "assert bol", EOL: "assert eol"}
    out, pc = [], 0
    while pc < len(code):
        op, place = code[pc], pc
        pc += 1
        if op in jumps:
            offset = code[pc] - 256 if code[pc] > 127 else code[pc]
            text = "%s %d (%d)" % (jumps[op], pc + offset + 1, offset)
            pc += 1
        elif op in (CLASS, CLASS_NOT):
            count = code[pc]
            pc += 1
            text = "class%s %d" % ("not" if op == CLASS_NOT else "", count)
            for _ in range(count):
                text += " 0x%02x-0x%02x" % (code[pc], code[pc + 1])
                pc += 2
        elif op in plain:
            text = plain[op]
        else:
            name = {CHAR: "char %c", NAMED: "namedclass %c", SAVE: "save %d"}[op]
            text = name % code[pc]
            pc += 1
        out.append("%2d: %s\n" % (place, text))
    out.append("Bytes: %d, insts: %d\n" % (len(code), n_instructions))
    return "".join(out)


def _in_class(code: bytes, pc: int, c: int) -> bool:
    for i in range(pc + 1, pc + 1 + 2 * code[pc], 2):
        if code[i] <= c <= code[i + 1]:
            return True
    return False


def execute(vm, code: bytes, data: bytes, begin: int, n_slots: int, anchored: bool
            ) -> list[int] | None:
    """Run a program over `data` from `begin` on; the saved places (-1: unset), or None.

    Raises the guest's RuntimeError when the board's stack would be used up, and lets interrupts
    through now and then.
    """
    saved = [-1] * n_slots
    # What to go back to: (place in the program, place in the text) of a choice, or
    # (-1 - slot, old value) of a saved place. Its length is the board's recursion depth.
    back: list[tuple[int, int]] = []
    deepest = max((vm.stack_pointer - STACK_TOP + STACK_LIMIT) // FRAME_BYTES, 1)
    pc, at, end, steps = SEARCH_PREFIX if anchored else 0, begin, len(data), 0
    while True:
        steps += 1
        if steps % STEPS_PER_CHECK == 0:
            vm.charge_ns(STEPS_PER_CHECK * STEP_NS)
            vm.checkpoint()
        op = code[pc]
        pc += 1
        good = True
        if op < BOL:
            if at >= end:
                good = False
            elif op == CHAR:
                good = data[at] == code[pc]
                pc += 1
            elif op == NAMED:
                member = data[at] in _NAMED_SETS[code[pc] | 0x20]
                good = member == bool(code[pc] & 0x20)
                pc += 1
            elif op != ANY:
                good = _in_class(code, pc, data[at]) == (op == CLASS)
                pc += 2 * code[pc] + 1
            at += 1
        elif op in (SPLIT, RSPLIT, JUMP):
            offset = code[pc] - 256 if code[pc] > 127 else code[pc]
            pc += 1
            if op == SPLIT:
                back.append((pc + offset, at))
            elif op == RSPLIT:
                back.append((pc, at))
                pc += offset
            else:
                pc += offset
        elif op == SAVE:
            slot = code[pc]
            pc += 1
            if slot < n_slots:
                back.append((-1 - slot, saved[slot]))
                saved[slot] = at
        elif op == MATCH:
            return saved
        else:
            good = at == (begin if op == BOL else end)
        if len(back) >= deepest:
            raise vm.recursion_error()
        while not good:
            if not back:
                return None
            pc, at = back.pop()
            if pc >= 0:
                good = True
            else:
                saved[-1 - pc] = at


# --- objects --------------------------------------------------------------------------------------
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
        if at >= n or replacement[at] not in _DIGIT:
            continue
        end = at
        while end < n and replacement[end] in _DIGIT:
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
        program = _Compiler(text)
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
