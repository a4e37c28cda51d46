"""Code for statements: assignments, jumps, imports, definitions."""

from __future__ import annotations

from . import opcodes as op
from .code_blocks import BlockCoder
from .emitter import Label
from .nodes import Body, Node

_CONSTANT_LEAVES = ("int", "str", "bytes", "token", "const")


class StatementCoder(BlockCoder):
    """All statements: simple ones, imports, definitions, and those of `BlockCoder`."""

    def __init__(self):
        super().__init__()
        self._statements = {
            "expr": self._expr, "assign": self._assign, "augment": self._augment,
            "pass": lambda n: None, "break": self._jump, "continue": self._jump,
            "del": self._del, "return": self._return, "raise": self._raise,
            "yield_stmt": self._yield_statement, "import": self._import, "from": self._from,
            "global": self._declare, "nonlocal": self._declare, "assert": self._assert,
            "if": self._if, "while": self._while, "for": self._for, "try": self._try,
            "with": self._with, "def": self._def, "class": self._class,
            "decorated": self._decorated,
        }  # fmt: skip

    def body(self, statements: Body | None) -> None:
        """A block; None is an absent one."""
        if statements is None:
            return
        for node in statements:
            self.e.set_line(node.line)
            self._statements[node.kind](node)
            # A lone statement is no list on the device, so errors pass through it.
            if statements.is_list and self.locate(node):
                return

    # -- simple statements ---------------------------------------------------------------------

    def _expr(self, node: Node) -> None:
        value = node.items[0]
        if self.repl and self.scope.kind == "module":
            self.e.load(b"__repl_print__")
            self.expression(value)
            self.e.call(False, 1, 0, False)
            self.e.pop()
        elif value.kind not in _CONSTANT_LEAVES:
            self.expression(value)
            self.e.pop()

    def _assign(self, node: Node) -> None:
        *targets, value = node.items
        if len(targets) == 1 and self._assign_in_parallel(targets[0], value):
            return
        self.expression(value)
        for at, target in enumerate(targets):
            if at + 1 < len(targets):
                self.e.op(op.DUP_TOP, 1)
            self.assign(target)

    def _assign_in_parallel(self, target: Node, value: Node) -> bool:
        """`a, b = c, d` and the like for three, without a tuple."""
        n = len(target.items)
        if not (target.kind == value.kind == "tuple" and n == len(value.items) and n in (2, 3)):
            return False
        if any(item.kind == "star" for item in target.items):
            return False
        for item in value.items:
            self.expression(item)
        if n == 3:
            self.e.op(op.ROT_THREE, 0)
        self.e.op(op.ROT_TWO, 0)
        for item in target.items:
            self.assign(item)
        return True

    def _augment(self, node: Node) -> None:
        target, value = node.items
        self.load_for_augment(target)
        self.expression(value)
        self.e.binary("inplace_" + node.value)
        self.store_after_augment(target)

    def _jump(self, node: Node) -> None:
        loop = self.loop
        if loop is None:
            self.refuse(f"'{node.kind}' outside loop", node.line)
            return
        leaving = node.kind == "break"
        self.e.unwind(
            loop.end if leaving else loop.again,
            self.level - loop.level,
            leaving and loop.pops_iterator,
        )

    def _del(self, node: Node) -> None:
        for target in node.items:
            self.delete(target)

    def _return(self, node: Node) -> None:
        if self.scope.kind != "function":
            self.refuse("'return' outside function", node.line)
            return
        if not node.items:
            self.e.token("None")
        elif node.items[0].kind == "ifexp":
            then, condition, otherwise = node.items[0].items
            fail = Label()
            self.branch(condition, False, fail)
            self.expression(then)
            self.e.return_value()
            self.e.place(fail)
            self.expression(otherwise)
        else:
            self.expression(node.items[0])
        self.e.return_value()

    def _raise(self, node: Node) -> None:
        for item in node.items:
            self.expression(item)
        self.e.op(op.RAISE_VARARGS, -len(node.items))
        self.e.code.append(len(node.items))

    def _yield_statement(self, node: Node) -> None:
        self.expression(node.items[0])
        self.e.pop()

    def _assert(self, node: Node) -> None:
        if self.opt_level:
            return
        end = Label()
        self.branch(node.items[0], True, end)
        self.e.op_name(op.LOAD_GLOBAL, 1, b"AssertionError")
        if len(node.items) > 1:
            self.expression(node.items[1])
            self.e.call(False, 1, 0, False)
        self.e.op(op.RAISE_VARARGS, -1)
        self.e.code.append(1)
        self.e.place(end)

    def _declare(self, node: Node) -> None:
        if not self.e.scanning:
            return
        if node.kind == "nonlocal" and self.scope.kind == "module":
            self.refuse("can't declare nonlocal in outer code", node.line)
            return
        for name in node.value:
            own = self.scope.find_or_add(name, "undecided")
            if node.kind == "global":
                self._declare_global(own, node.line)
            else:
                self._declare_nonlocal(own, node.line)

    def _declare_global(self, own, line: int) -> None:
        if own.kind not in ("undecided", "global"):
            self.refuse("identifier redefined as global", line)
            return
        own.kind = "global"
        outermost = self.scope.outermost().find(own.name)
        if outermost is not None:
            outermost.kind = "global"

    def _declare_nonlocal(self, own, line: int) -> None:
        if own.kind == "undecided":
            own.kind = "name"
            self.scope.resolve(own)
            if own.kind == "name":
                self.refuse("no binding for nonlocal found", line)
                return
        elif own.kind != "free":
            self.refuse("identifier redefined as nonlocal", line)
            return

    # -- imports -------------------------------------------------------------------------------

    def _import(self, node: Node) -> None:
        for parts, alias in node.value:
            self.e.small_int(0)
            self.e.token("None")
            self.e.op_name(op.IMPORT_NAME, -1, b".".join(parts))
            if alias is not None:
                for part in parts[1:]:
                    self.e.op_name(op.LOAD_ATTR, 0, part)
            self.e.store(alias if alias is not None else parts[0])

    def _from(self, node: Node) -> None:
        level, parts, names = node.value
        self.e.small_int(level)
        wanted = [b"*"] if names == "*" else [name for name, _ in names]
        for name in wanted:
            self.e.string(name)
        self.e.build(op.BUILD_TUPLE, len(wanted))
        self.e.op_name(op.IMPORT_NAME, -1, b".".join(parts))
        if names == "*":
            self.e.op(op.IMPORT_STAR, -1)
            return
        for name, alias in names:
            self.e.op_name(op.IMPORT_FROM, 1, name)
            self.e.store(alias if alias is not None else name)
        self.e.pop()

    # -- definitions ---------------------------------------------------------------------------

    def _define(self, node: Node) -> bytes:
        """Function or class on the stack; returns its name."""
        if node.kind == "class":
            return self.class_object(node)
        name, parameters, _ = node.value
        self.function_object(self.new_scope("function", node, name), parameters)
        return name

    def _def(self, node: Node) -> None:
        self.e.store(self._define(node))

    _class = _def

    def _decorated(self, node: Node) -> None:
        decorators, definition = node.value
        calls = 0
        for parts, call in decorators:
            if parts[0] == b"micropython":
                if parts[1:] != [b"bytecode"]:
                    self.refuse("invalid micropython decorator")
                continue
            calls += 1
            self.e.load(parts[0])
            for part in parts[1:]:
                self.e.op_name(op.LOAD_ATTR, 0, part)
            if call is not None:
                self.expression(call)
        name = self._define(definition)
        for _ in range(calls):
            self.e.call(False, 1, 0, False)
        self.e.store(name)
