"""Parsing of what holds an expression together: names, literals, brackets, calls, parameters.

`AtomParser` is completed by `ExpressionParser`, which supplies the rules for operators.
"""

from __future__ import annotations

from . import lexer as lx
from .cursor import Cursor
from .folding import int_node, module_constant
from .nodes import Clause, Node, Parameter
from .numbers import NumberSyntaxError, parse_decimal, parse_integer

# Literals up to this length always become entries of the string table.
INTERNED_LENGTH = 10

_TOKENS = {"None": "None", "True": "True", "False": "False", "...": "..."}


STARTS_EXPR = frozenset(
    (lx.NAME, lx.INTEGER, lx.FLOAT, lx.STRING, lx.BYTES, "...", "None", "True", "False", "(",
     "[", "{", "+", "-", "~")
)  # fmt: skip
STARTS_TEST = STARTS_EXPR | {"not", "lambda"}


class AtomParser(Cursor):
    """Rules below the operators. Each method leaves the cursor behind what it parsed."""

    def separated(self, parse_one, starts) -> tuple[list, bool]:
        """`one (',' one)* [',']`: the elements and whether a comma ended the list."""
        items = [parse_one()]
        while self.kind == ",":
            self.advance()
            if self.kind not in starts:
                return items, True
            items.append(parse_one())
        return items, False

    def _tuple_of(self, parse_one, starts) -> Node:
        line = self.line
        items, comma = self.separated(parse_one, starts)
        if len(items) == 1 and not comma:
            return items[0]
        return Node("tuple", line, items)

    # -- trailers ------------------------------------------------------------------------------

    def _chain(self, base: Node, line: int) -> Node:
        trailers = []
        while True:
            start = self.line
            if self.kind == "(":
                trailers.append(self.call(start))
            elif self.kind == "[":
                self.nest()
                self.advance()
                if self.kind not in STARTS_TEST and self.kind != ":":
                    self.fail()
                subscript = self._tuple_of(self._subscript, STARTS_TEST | {":"})
                self.depth -= 1
                self.expect("]")
                trailers.append(Node("index", start, [subscript]))
            elif self.kind == ".":
                self.advance()
                trailers.append(Node("attr", start, (), self.name()))
            else:
                break
        if len(trailers) == 1 and trailers[0].kind == "attr":
            folded = module_constant(base, trailers[0].value)
            if folded is not None:
                return folded
        return Node("chain", line, [base, *trailers])

    def call(self, line: int) -> Node:
        """`( arguments )` with the cursor on the parenthesis."""
        self.nest()
        self.advance()
        arguments, comma = [], False
        if self.kind != ")":
            arguments, comma = self.separated(self._argument, STARTS_TEST | {"*", "**"})
        self.depth -= 1
        self.expect(")")
        return Node("call", line, arguments, len(arguments) == 1 and not comma)

    def _argument(self) -> Node:
        line = self.line
        if self.kind in ("*", "**"):
            kind = "star_arg" if self.kind == "*" else "dblstar_arg"
            self.advance()
            return Node(kind, line, [self.test()])
        node = self.test()
        if self.kind == "for":
            node = self._comprehension("gen", node, line, line)
            node.value += ("bare",)
            return node
        if self.kind == "=":
            self.advance()
            return Node("kw", line, [node, self.test()])
        return node

    def _subscript(self) -> Node:
        line = self.line
        start = stop = step = None
        if self.kind != ":":
            start = self.test()
            if self.kind != ":":
                return start
        self.advance()
        if self.kind in STARTS_TEST:
            stop = self.test()
        if self.accept(":") and self.kind in STARTS_TEST:
            step = self.test()
        return Node("slice", line, [start, stop, step])

    # -- atoms ---------------------------------------------------------------------------------

    def _atom(self) -> Node:
        kind, value, line = self.kind, self.value, self.line
        if kind == lx.NAME:
            self.intern(value)
            self.advance()
            constant = self.constants.get(value)
            if constant is None:
                return Node("name", 0, (), value)
            is_object = constant.kind == "const"
            return Node(constant.kind, line if is_object else 0, (), constant.value)
        if kind == "[":
            return self._bracket(line)
        if kind == "{":
            return self._brace(line)
        if kind in (lx.INTEGER, lx.FLOAT):
            return self._number(kind, value, line)
        if kind in (lx.STRING, lx.BYTES):
            node = self._text(kind, value, line)
            self.advance()
            return node
        if kind in _TOKENS:
            self.advance()
            return Node("token", 0, (), _TOKENS[kind])
        return self.fail()

    def _number(self, kind: str, text: bytes, line: int) -> Node:
        try:
            value = parse_integer(text) if kind == lx.INTEGER else parse_decimal(text)
        except NumberSyntaxError as e:
            raise self.error(str(e)) from None
        self.advance()
        if isinstance(value, int):
            node = int_node(value)
            node.line = line if node.kind == "const" else 0
            return node
        return Node("const", line, (), (type(value).__name__, value))

    def _text(self, kind: str, value: bytes, line: int) -> Node:
        name = "str" if kind == lx.STRING else "bytes"
        if len(value) <= INTERNED_LENGTH:
            self.intern(value)
        elif not self.find(value):
            return Node("const", line, (), (name, value))
        return Node(name, 0, (), value)

    def _paren(self, line: int) -> Node:
        self.nest()
        self.advance()
        inner_line = self.line
        if self.kind == ")":
            node = Node("paren", line, [])
        elif self.kind == "yield":
            node = self.yield_expr()
        else:
            node = self._star() if self.kind == "*" else self.test()
            if self.kind == "for":
                node = self._comprehension("gen", node, line, inner_line)
            elif self.kind == ",":
                node = Node("paren", line, self._rest(node))
        self.depth -= 1
        self.expect(")")
        return node

    def _rest(self, first: Node) -> list[Node]:
        """Elements after the first one of a display; the cursor is on a comma."""
        self.advance()
        if self.kind not in STARTS_TEST and self.kind != "*":
            return [first]
        return [first, *self.separated(self.test_or_star, STARTS_TEST | {"*"})[0]]

    def _bracket(self, line: int) -> Node:
        self.nest()
        self.advance()
        inner_line = self.line
        if self.kind == "]":
            node = Node("list", line, [])
        else:
            first = self._star() if self.kind == "*" else self.test()
            if self.kind == "for":
                node = self._comprehension("list", first, line, inner_line)
            else:
                node = Node("list", line, self._rest(first) if self.kind == "," else [first])
        self.depth -= 1
        self.expect("]")
        return node

    def _brace(self, line: int) -> Node:
        self.nest()
        self.advance()
        inner_line = self.line
        if self.kind == "}":
            node = Node("dict", line, [])
        else:
            first = self._entry()
            is_dict = first.kind == "pair"
            if self.kind == "for":
                kind = "dict" if is_dict else "set"
                node = self._comprehension(kind, first, line, inner_line)
            else:
                items = [first]
                if self.accept(",") and self.kind in STARTS_TEST:
                    items += self.separated(self._entry, STARTS_TEST)[0]
                # The value keeps the line an error about mixed entries is reported at.
                node = Node("dict" if is_dict else "set", line, items, inner_line)
        self.depth -= 1
        self.expect("}")
        return node

    def _entry(self) -> Node:
        line = self.line
        key = self.test()
        if self.kind != ":":
            return key
        self.advance()
        return Node("pair", line, [key, self.test()])

    def _comprehension(self, kind: str, element: Node, line: int, inner_line: int) -> Node:
        """Clauses after `element`. `inner_line` is where errors of its scope are reported."""
        clauses = []
        while True:
            if self.kind == "for":
                self.advance()
                target = self.targets()
                self.expect("in")
                clauses.append(Clause(target, self.or_test()))
            elif self.kind == "if":
                self.advance()
                clauses.append(Clause(condition=self.test_without_condition()))
            else:
                break
        return Node("comp", line, [element, clauses], (kind, inner_line))

    def yield_expr(self) -> Node:
        line = self.line
        self.advance()
        if self.accept("from"):
            return Node("yield", line, [self.test()], "from")
        return Node("yield", line, [self.testlist()] if self.kind in STARTS_TEST else [], "")

    # -- parameters ----------------------------------------------------------------------------

    def parameters(self, annotated: bool) -> list[Parameter]:
        """Parameters of a def (`annotated`) or lambda. Order and doubles are checked later."""
        return self.separated(lambda: self._parameter(annotated), {lx.NAME, "*", "**"})[0]

    def _parameter(self, annotated: bool) -> Parameter:
        line, mark, name, default = self.line, "", None, None
        if self.kind in ("*", "**"):
            mark = self.kind
            self.advance()
        if mark != "*" or self.kind == lx.NAME:
            name = self.name()
            plain = True
            if annotated and self.accept(":"):
                self.test()
                plain = False
            if not mark and self.accept("="):
                default = self.test()
                plain = False
            if not mark and plain:
                line = 0
        return Parameter(name, mark, default, line)
