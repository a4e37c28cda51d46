"""The regular expression engine behind `ure`: patterns to byte programs, and running them.

Jumps take one byte, as on the board, so patterns longer than such a jump reach misbehave alike.
Each choice and each group costs a frame of C stack there; when the stack is used up the match ends
in the RuntimeError of a too deep recursion. Source: micropython v1.11 extmod/re1.5 (syntax,
instruction codes and sizes).
"""

from __future__ import annotations

from k210sim.micropython.vm import STACK_LIMIT, STACK_TOP

CHAR, ANY, CLASS, CLASS_NOT, NAMED = 1, 2, 3, 4, 5
BOL, EOL = 0x50, 0x51
JUMP, SPLIT, RSPLIT = 0x60, 0x61, 0x62
SAVE, MATCH = 0x7E, 0x7F

SEARCH_PREFIX = 5  # instructions that skip characters, left out by `match`

FRAME_BYTES = 64  # C stack of one choice or group: return address and seven registers (estimate)
STEP_NS = 60  # time of one instruction on the board (guess)
STEPS_PER_CHECK = 1024

DIGIT = frozenset(b"0123456789")
_SPACE = frozenset(b" \t\n\v\f\r")
_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_NAMED_SETS = {0x64: DIGIT, 0x73: _SPACE, 0x77: _WORD}


class PatternError(Exception):
    """The pattern cannot be compiled."""


class Compiler:
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
