"""Bytes of one code object: instructions, jumps, line table, stack depth, prelude.

An emitter runs twice per scope: the first time (`scanning`) only to count constant objects,
because child code objects are numbered behind them; the second time for the bytes.
"""

from __future__ import annotations

from . import opcodes as op
from .raw_code import RawCode

_BINARY = {name: op.BINARY_OP_MULTI + i for i, name in enumerate(op.BINARY_OPS)}
_UNARY = {name: op.UNARY_OP_MULTI + i for i, name in enumerate(op.UNARY_OPS)}
_TOKENS = {
    "None": op.LOAD_CONST_NONE, "True": op.LOAD_CONST_TRUE, "False": op.LOAD_CONST_FALSE,
}  # fmt: skip
_OPT_WITHOUT_LINES = 3


class Label:
    """A place to jump to."""

    __slots__ = ("at",)

    def __init__(self):
        self.at = None


class Emitter:
    """Writes the code of one scope. Stack effects are in slots."""

    def __init__(self, scope, intern, scanning: bool, opt_level: int):
        self.scope, self.intern, self.scanning = scope, intern, scanning
        self.with_lines = opt_level < _OPT_WITHOUT_LINES
        self.stack = 0
        self.ended = False  # the last instruction was a return
        self.lines = bytearray()
        self.line, self.line_at = 1, 0
        self.objects: list[tuple] = []
        self.children: list = []
        self._fixups: list[tuple[int, Label, int]] = []
        cells = [] if scanning else [i.slot for i in scope.ids if i.kind == "cell"]
        self.code = bytearray(cells)
        self.code.append(255)
        self.n_cells = len(cells)

    # -- bookkeeping ---------------------------------------------------------------------------

    def adjust(self, slots: int) -> None:
        """Move the stack level; also marks that the last instruction was no return."""
        if self.scanning:
            return  # loads and stores are not written yet, so levels would mean nothing
        self.stack += slots
        if self.stack > self.scope.max_stack:
            self.scope.max_stack = self.stack
        self.ended = False

    def set_line(self, line: int) -> None:
        """The code from here on belongs to `line`; going back is not recorded."""
        if line > self.line and self.with_lines and not self.scanning:
            here = len(self.code)
            self._line_step(here - self.line_at, line - self.line)
            self.line, self.line_at = line, here

    def _line_step(self, n_bytes: int, n_lines: int) -> None:
        while n_bytes or n_lines:
            if n_lines <= 6 or n_bytes > 15:
                b = min(n_bytes, 31)
                n = min(n_lines, 3) if b == n_bytes else 0
                self.lines.append(b | n << 5)
            else:
                b, n = min(n_bytes, 15), min(n_lines, 0x7FF)
                self.lines += bytes((0x80 | b | n >> 4 & 0x70, n & 0xFF))
            n_bytes -= b
            n_lines -= n

    def place(self, label: Label) -> None:
        self.adjust(0)
        label.at = len(self.code)

    # -- raw writing ---------------------------------------------------------------------------

    def op(self, code: int, effect: int) -> None:
        self.adjust(effect)
        self.code.append(code)

    def op_uint(self, code: int, effect: int, value: int) -> None:
        self.adjust(effect)
        self.code.append(code)
        self.code += op.write_uint(value)

    def op_name(self, code: int, effect: int, name: bytes) -> None:
        self.adjust(effect)
        number = self.intern(name)
        self.code += bytes((code, number & 0xFF, number >> 8 & 0xFF))

    def _jump_bytes(self, code: int, label: Label, excess: int) -> None:
        self.code += bytes((code, 0, 0))
        self._fixups.append((len(self.code), label, excess))

    def jump_op(self, code: int, effect: int, label: Label) -> None:
        """Jump with a signed distance."""
        self.adjust(effect)
        self._jump_bytes(code, label, 0x8000)

    def ahead_op(self, code: int, effect: int, label: Label) -> None:
        """Jump with an unsigned distance."""
        self.adjust(effect)
        self._jump_bytes(code, label, 0)

    # -- constants and names -------------------------------------------------------------------

    def token(self, name: str) -> None:
        if name == "...":
            self.object(("ellipsis",))
        else:
            self.op(_TOKENS[name], 1)

    def small_int(self, value: int) -> None:
        self.adjust(1)
        if op.SMALL_INT_LOW <= value <= op.SMALL_INT_HIGH:
            self.code.append(op.LOAD_CONST_SMALL_INT_MULTI - op.SMALL_INT_LOW + value)
        else:
            self.code.append(op.LOAD_CONST_SMALL_INT)
            self.code += op.write_sint(value)

    def string(self, text: bytes) -> None:
        self.op_name(op.LOAD_CONST_STRING, 1, text)

    def object(self, constant: tuple) -> None:
        scope = self.scope
        number = scope.n_pos_args + scope.n_kwonly_args + len(self.objects)
        self.objects.append(constant)
        self.op_uint(op.LOAD_CONST_OBJ, 1, number)

    def fast(self, slot: int) -> None:
        """Load a local slot as it is (a cell stays a cell)."""
        if slot <= 15:
            self.op(op.LOAD_FAST_MULTI + slot, 1)
        else:
            self.op_uint(op.LOAD_FAST_N, 1, slot)

    def load(self, name: bytes) -> None:
        if self.scanning:
            self.scope.find_or_add(name, "name")
            return
        own = self.scope.find(name)
        if own.kind == "name":
            self.op_name(op.LOAD_NAME, 1, name)
        elif own.kind == "global":
            self.op_name(op.LOAD_GLOBAL, 1, name)
        elif own.kind == "local":
            self.fast(own.slot)
        else:
            self.op_uint(op.LOAD_DEREF, 1, own.slot)

    def store(self, name: bytes) -> None:
        if self.scanning:
            self.scope.note_store(name)
            return
        own = self.scope.find(name)
        if own.kind == "name":
            self.op_name(op.STORE_NAME, -1, name)
        elif own.kind == "global":
            self.op_name(op.STORE_GLOBAL, -1, name)
        elif own.kind == "local":
            if own.slot <= 15:
                self.op(op.STORE_FAST_MULTI + own.slot, -1)
            else:
                self.op_uint(op.STORE_FAST_N, -1, own.slot)
        else:
            self.op_uint(op.STORE_DEREF, -1, own.slot)

    def delete(self, name: bytes) -> None:
        if self.scanning:
            self.scope.note_store(name)
            return
        own = self.scope.find(name)
        if own.kind in ("name", "global"):
            self.op_name(op.DELETE_NAME if own.kind == "name" else op.DELETE_GLOBAL, 0, name)
        else:
            # Deleting a local does not touch the stack level nor the mark of a return.
            self.code.append(op.DELETE_FAST if own.kind == "local" else op.DELETE_DEREF)
            self.code += op.write_uint(own.slot)

    # -- operations ----------------------------------------------------------------------------

    def binary(self, name: str) -> None:
        if name in ("not_in", "is_not"):
            self.op(_BINARY["in" if name == "not_in" else "is"], -1)
            self.op(_UNARY["not"], 0)
        else:
            self.op(_BINARY[name], -1)

    def unary(self, name: str) -> None:
        self.op(_UNARY[name], 0)

    def pop(self) -> None:
        self.op(op.POP_TOP, -1)

    def jump(self, label: Label) -> None:
        self.jump_op(op.JUMP_ALWAYS, 0, label)

    def jump_if(self, condition: bool, label: Label) -> None:
        """Pop and jump when the value is true (or false)."""
        self.jump_op(op.POP_JUMP_IF_TRUE if condition else op.POP_JUMP_IF_FALSE, -1, label)

    def jump_or_pop(self, condition: bool, label: Label) -> None:
        """Jump and keep the value when it is true (or false), else pop it."""
        code = op.JUMP_IF_TRUE_OR_POP if condition else op.JUMP_IF_FALSE_OR_POP
        self.jump_op(code, -1, label)

    def unwind(self, label: Label, handlers: int, pops_iterator: bool) -> None:
        """Leave a loop body through `handlers` exception handlers."""
        if handlers == 0:
            self.adjust(0)
            if pops_iterator:
                self.code += bytes([op.POP_TOP]) * op.ITER_SLOTS
            self._jump_bytes(op.JUMP_ALWAYS, label, 0x8000)
        else:
            self._jump_bytes(op.UNWIND_JUMP, label, 0x8000)
            self.code.append((0x80 if pops_iterator else 0) | handlers & 0xFF)

    def build(self, code: int, count: int) -> None:
        self.op_uint(code, 1 if code == op.BUILD_MAP else 1 - count, count)

    def call(self, method: bool, positional: int, keywords: int, starred: bool) -> None:
        code = op.CALL_METHOD if method else op.CALL_FUNCTION
        effect = -positional - 2 * keywords - (1 if method else 0) - (2 if starred else 0)
        self.op_uint(code + starred, effect, keywords << 8 | positional)

    def make_function(self, child, captured: int, has_defaults: bool) -> None:
        scope = self.scope
        number = scope.n_pos_args + scope.n_kwonly_args + scope.n_objects + len(self.children)
        self.children.append(child)
        code = op.MAKE_CLOSURE if captured else op.MAKE_FUNCTION
        self.op_uint(code + has_defaults, 1 - captured - (2 if has_defaults else 0), number)
        if captured:
            self.code.append(captured & 0xFF)

    def return_value(self) -> None:
        self.op(op.RETURN_VALUE, -1)
        self.ended = True

    # -- result --------------------------------------------------------------------------------

    def finish(self) -> None:
        """End of the scope: remember the number of constants, or make the code object."""
        scope = self.scope
        if self.scanning:
            scope.n_objects = len(self.objects)
            return
        for end, label, excess in self._fixups:
            distance = label.at - end + excess
            self.code[end - 2] = distance & 0xFF
            self.code[end - 1] = distance >> 8 & 0xFF
        n_state = scope.n_locals + scope.max_stack or 1
        head = op.write_uint(n_state) + op.write_uint(scope.max_handlers)
        head += bytes(
            x & 0xFF
            for x in (scope.flags, scope.n_pos_args, scope.n_kwonly_args, scope.n_def_pos_args)
        )
        info = bytearray()
        for name in (scope.name, self.scope.source_file):
            number = self.intern(name)
            info += bytes((number & 0xFF, number >> 8 & 0xFF))
        info += self.lines
        info.append(0)
        # Two bytes are set aside for the size; when one is enough the other ends the block.
        size = op.write_uint(len(info) + 2)
        info += bytes(max(0, 2 - len(size)))
        bytecode = bytes(head + size + info + self.code)
        raw = scope.raw
        raw.bytecode = bytecode
        raw.const_table = self._argument_names() + self.objects
        raw.const_table += [("raw", child.raw) for child in self.children]
        raw.n_pos_args, raw.n_kwonly_args = scope.n_pos_args, scope.n_kwonly_args
        raw.n_def_pos_args, raw.scope_flags = scope.n_def_pos_args, scope.flags
        raw.n_state, raw.n_exc_stack = n_state, scope.max_handlers
        raw.code_offset = len(head) + len(size) + len(info) + self.n_cells + 1

    def _argument_names(self) -> list[tuple]:
        """Names of parameters by slot; slots that cannot be named are called `*`."""
        scope = self.scope
        named = {}
        for identifier in scope.ids:
            if identifier.mark is not None:
                named.setdefault(identifier.slot, identifier.name)
        return [
            ("qstr", self.intern(named.get(slot, b"*")))
            for slot in range(scope.n_pos_args + scope.n_kwonly_args)
        ]


def new_raw(scope) -> RawCode:
    """An empty code object for a scope, so that parents can refer to it before it is written."""
    return RawCode(name=scope.name.decode("utf-8", "surrogateescape"), kind=scope.kind_name)
