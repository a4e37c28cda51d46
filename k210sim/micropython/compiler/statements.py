"""Parsing of statements.

Statement nodes (`items` / `value`):
    expr      expression                     assign  targets..., value
    augment   target, value / operator       pass, break, continue
    del       targets                        return, raise (exception[, cause])  expressions
    yield     yield expression (as a statement: kind "yield_stmt")
    import    / [(parts, alias)]             from    / (level, parts, [(name, alias)] or "*")
    global, nonlocal   / names               assert  test[, message]
    if        / ([(condition, body)], else)  while   condition / (body, else)
    for       target, source / (body, else)
    try       / (body, [(node line, type, name, body)], else, finally)
    with      / ([(context, target)], body)
    def       / (name, parameters, body)     class   call node or None / (name, body)
    decorated / ([(parts, call)], definition)
Bodies are lists of statement nodes; a missing body is None.
"""

from __future__ import annotations

from . import lexer as lx
from .atoms import STARTS_TEST
from .errors import GuestSyntaxError
from .expressions import ExpressionParser
from .nodes import Body, Node, int_value

_AUGMENT = {
    "+=": "add", "-=": "subtract", "*=": "multiply", "/=": "true_divide", "%=": "modulo",
    "&=": "and", "|=": "or", "^=": "xor", "<<=": "lshift", ">>=": "rshift", "**=": "power",
    "//=": "floor_divide",
}  # fmt: skip
_CONSTANT_LEAVES = ("int", "str", "bytes", "token", "const")


class Parser(ExpressionParser):
    """Parses one source text; `mode` as for `compile_source`."""

    def __init__(self, source, filename, mode, intern, find, opt_level):
        self.mode = mode
        super().__init__(source, filename, intern, find, opt_level)
        self._compound = {
            "if": self._if, "while": self._while, "for": self._for, "try": self._try,
            "with": self._with, "def": self._def, "class": self._class, "@": self._decorated,
        }  # fmt: skip
        self._small = {
            "del": self._del, "pass": self._bare, "break": self._bare, "continue": self._bare,
            "return": self._return, "raise": self._raise, "yield": self._yield,
            "import": self._import, "from": self._from, "global": self._names,
            "nonlocal": self._names, "assert": self._assert,
        }  # fmt: skip

    def parse(self):
        """A list of statements, or one expression node in mode "eval"."""
        try:
            tree = self._root()
            if self.kind != lx.END:
                self.fail()
        except GuestSyntaxError as e:
            e.filename = e.filename or self.filename
            raise
        return tree

    def _root(self):
        if self.mode == "eval":
            if self.kind not in STARTS_TEST:
                self.fail()
            expression = self.testlist()
            self.accept(lx.NEWLINE)
            return expression
        if self.mode == "single":
            return Body() if self.accept(lx.NEWLINE) else self._statement()
        parts = []
        while True:
            if self.accept(lx.NEWLINE):
                continue
            if self.kind == lx.END or not self._starts_statement():
                return self._joined(parts)
            parts.append(self._statement())

    def _starts_statement(self) -> bool:
        kind = self.kind
        return kind in STARTS_TEST or kind in self._small or kind in self._compound or kind == "*"

    def _statement(self) -> Body:
        compound = self._compound.get(self.kind)
        return Body([compound()]) if compound else self._simple()

    def _simple(self) -> Body:
        statements, several = [self._small_statement()], False
        while self.accept(";"):
            several = True
            if self.kind == lx.NEWLINE:
                break
            if not self._starts_statement() or self.kind in self._compound:
                break
            statements.append(self._small_statement())
        self.expect(lx.NEWLINE)
        return Body(statements, several)

    def _small_statement(self) -> Node:
        parse = self._small.get(self.kind)
        return parse() if parse else self._expression_statement()

    def suite(self) -> Body:
        """Block behind a colon."""
        if self.kind != lx.NEWLINE:
            if not self._starts_statement() or self.kind in self._compound:
                self.fail()
            return self._simple()
        self.advance()
        self.nest()
        self.expect(lx.INDENT)
        parts = []
        while self._starts_statement():
            parts.append(self._statement())
        if not parts:
            self.fail()
        self.expect(lx.DEDENT)
        self.depth -= 1
        return self._joined(parts)

    @staticmethod
    def _joined(parts: list[Body]) -> Body:
        if len(parts) == 1:
            return parts[0]
        return Body([node for part in parts for node in part])

    # -- small statements ----------------------------------------------------------------------

    def _expression_statement(self) -> Node:
        line = self.line
        first = self.testlist_star()
        op = _AUGMENT.get(self.kind)
        if op is not None:
            self.advance()
            return Node("augment", line, [first, self._right_side()], op)
        parts = [first]
        while self.accept("="):
            parts.append(self._right_side())
        if len(parts) == 1:
            if self.mode != "single" and first.kind in _CONSTANT_LEAVES:
                return Node("pass", line)
            return Node("expr", line, parts)
        if len(parts) == 2:
            folded = self._constant_assignment(parts)
            if folded is not None:
                return folded
        return Node("assign", line, parts)

    def _right_side(self) -> Node:
        return self.yield_expr() if self.kind == "yield" else self.testlist_star()

    def _constant_assignment(self, parts: list[Node]) -> Node | None:
        """`NAME = const(integer)`: remember the value, and drop the store of a private name."""
        target, value = parts
        is_const = (
            target.kind == "name"
            and value.kind == "chain"
            and value.items[0].kind == "name"
            and value.items[0].value == b"const"
            and len(value.items) == 2
            and value.items[1].kind == "call"
        )
        if not is_const:
            return None
        call = value.items[1]
        number = call.items[0] if call.value else None
        if number is None or int_value(number) is None:
            raise self.error("constant must be an integer", line=value.line)
        self.constants[target.value] = number
        if target.value.startswith(b"_"):
            return Node("pass", 0)
        parts[1] = number
        return None

    def _bare(self) -> Node:
        node = Node(self.kind, self.line)
        self.advance()
        return node

    def _del(self) -> Node:
        line = self.line
        self.advance()
        targets = self.targets()
        return Node("del", line, targets.items if targets.kind == "tuple" else [targets])

    def _return(self) -> Node:
        line = self.line
        self.advance()
        return Node("return", line, [self.testlist()] if self.kind in STARTS_TEST else [])

    def _raise(self) -> Node:
        node = Node("raise", self.line, [])
        self.advance()
        if self.kind in STARTS_TEST:
            node.items.append(self.test())
            if self.accept("from"):
                node.items.append(self.test())
        return node

    def _yield(self) -> Node:
        return Node("yield_stmt", self.line, [self.yield_expr()])

    def _assert(self) -> Node:
        node = Node("assert", self.line, [])
        self.advance()
        node.items.append(self.test())
        if self.accept(","):
            node.items.append(self.test())
        return node

    def _names(self) -> Node:
        node = Node(self.kind, self.line, (), [])
        self.advance()
        node.value.append(self.name())
        while self.accept(","):
            node.value.append(self.name())
        return node

    def dotted(self) -> list[bytes]:
        parts = [self.name()]
        while self.accept("."):
            parts.append(self.name())
        return parts

    def _alias(self) -> bytes | None:
        return self.name() if self.accept("as") else None

    def _import(self) -> Node:
        node = Node("import", self.line, (), [])
        self.advance()
        while True:
            parts = self.dotted()
            node.value.append((parts, self._alias()))
            if not self.accept(","):
                return node

    def _from(self) -> Node:
        line, level = self.line, 0
        self.advance()
        parts = []
        while self.kind in (".", "..."):
            level += len(self.kind)
            self.advance()
        if self.kind == lx.NAME or not level:
            parts = self.dotted()
        self.expect("import")
        if self.accept("*"):
            return Node("from", line, (), (level, parts, "*"))
        bracketed = self.accept("(")
        names = self.separated(self._imported, {lx.NAME})[0]
        if bracketed:
            self.expect(")")
        return Node("from", line, (), (level, parts, names))

    def _imported(self):
        name = self.name()
        return name, self._alias()

    # -- compound statements -------------------------------------------------------------------

    def _block(self) -> Body:
        self.expect(":")
        return self.suite()

    def _else(self) -> Body | None:
        return self._block() if self.accept("else") else None

    def _if(self) -> Node:
        line, branches = self.line, []
        while not branches or self.kind == "elif":
            self.advance()
            condition = self.test()
            branches.append((condition, self._block()))
        return Node("if", line, (), (branches, self._else()))

    def _while(self) -> Node:
        line = self.line
        self.advance()
        condition = self.test()
        body = self._block()
        return Node("while", line, [condition], (body, self._else()))

    def _for(self) -> Node:
        line = self.line
        self.advance()
        target = self.targets()
        self.expect("in")
        source = self.testlist()
        body = self._block()
        return Node("for", line, [target, source], (body, self._else()))

    def _try(self) -> Node:
        line = self.line
        self.advance()
        body, handlers, otherwise, final = self._block(), [], None, None
        while self.kind == "except":
            start, exception, name = self.line, None, None
            self.advance()
            if self.kind in STARTS_TEST:
                exception = self.test()
                name = self._alias()
            handlers.append((start, exception, name, self._block()))
        if handlers:
            otherwise = self._else()
            if self.accept("finally"):
                final = self._block()
        else:
            self.expect("finally")
            final = self._block()
        return Node("try", line, (), (body, handlers, otherwise, final))

    def _with(self) -> Node:
        line, contexts = self.line, []
        self.advance()
        while True:
            context = self.test()
            contexts.append((context, self.binary(1) if self.accept("as") else None))
            if not self.accept(","):
                break
        return Node("with", line, (), (contexts, self._block()))

    def _def(self) -> Node:
        line = self.line
        self.advance()
        name = self.name()
        self.expect("(")
        parameters = [] if self.kind == ")" else self.parameters(annotated=True)
        self.expect(")")
        if self.accept("->"):
            self.test()
        return Node("def", line, (), (name, parameters, self._block()))

    def _class(self) -> Node:
        line = self.line
        self.advance()
        name = self.name()
        bases = [self.call(self.line)] if self.kind == "(" else []
        return Node("class", line, bases, (name, self._block()))

    def _decorated(self) -> Node:
        line, decorators = self.line, []
        while self.accept("@"):
            parts = self.dotted()
            call = self.call(self.line) if self.kind == "(" else None
            self.expect(lx.NEWLINE)
            decorators.append((parts, call))
        if self.kind not in ("def", "class"):
            self.fail()
        definition = self._def() if self.kind == "def" else self._class()
        return Node("decorated", line, (), (decorators, definition))
