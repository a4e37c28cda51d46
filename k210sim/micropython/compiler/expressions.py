"""Parsing of expressions: one token of look-ahead, precedence climbing, folding on the way.

`Cursor` holds the token stream. Groups of one precedence level become one node with all its
operands, as on the device, because code and line tables depend on it.
"""

from __future__ import annotations

from . import lexer as lx
from .errors import RECURSION_MESSAGE, GuestSyntaxError
from .folding import (
    fold_bits,
    fold_logical,
    fold_not,
    fold_term,
    fold_unary,
    int_node,
    module_constant,
)
from .nodes import Clause, Node, Parameter
from .numbers import NumberSyntaxError, parse_decimal, parse_integer

# Nesting of brackets, blocks, lambdas, ... The device has no such check: it runs out of memory
# or overruns its stack somewhere near or above this depth. This bound is ours.
MAX_NESTING = 90
# Literals up to this length always become entries of the string table.
INTERNED_LENGTH = 10

_LEVELS = {
    "|": (1, "or"), "^": (2, "xor"), "&": (3, "and"), "<<": (4, "lshift"), ">>": (4, "rshift"),
    "+": (5, "add"), "-": (5, "subtract"), "*": (6, "multiply"), "/": (6, "true_divide"),
    "%": (6, "modulo"), "//": (6, "floor_divide"),
}  # fmt: skip
_UNARY = {"+": "positive", "-": "negative", "~": "invert"}
_COMPARE = {
    "<": "less", ">": "more", "==": "equal", "<=": "less_equal", ">=": "more_equal",
    "!=": "not_equal", "in": "in",
}  # fmt: skip
_TOKENS = {"None": "None", "True": "True", "False": "False", "...": "..."}

STARTS_EXPR = frozenset(
    (lx.NAME, lx.INTEGER, lx.FLOAT, lx.STRING, lx.BYTES, "...", "None", "True", "False", "(",
     "[", "{", "+", "-", "~")
)  # fmt: skip
STARTS_TEST = STARTS_EXPR | {"not", "lambda"}


class Cursor:
    """The token stream and what literals turn into."""

    def __init__(self, source: bytes, filename: str, intern, find, opt_level: int):
        self.filename, self.intern, self.find = filename, intern, find
        self.depth = 0
        self.constants: dict[bytes, Node] = {}
        self._tokens = lx.Lexer(source, opt_level).tokens()
        self.kind, self.value, self.line = "", None, 1
        self.advance()

    def advance(self) -> None:
        self.kind, self.value, self.line = next(self._tokens)

    def fail(self):
        """The current token fits no rule."""
        if self.kind == lx.INDENT:
            raise self.error("unexpected indent", "IndentationError")
        if self.kind == lx.MISMATCH:
            raise self.error("unindent doesn't match any outer indent level", "IndentationError")
        raise self.error("invalid syntax")

    def error(self, message: str, kind: str = "SyntaxError", line=None) -> GuestSyntaxError:
        return GuestSyntaxError(kind, message, self.filename, line or self.line)

    def expect(self, kind: str) -> None:
        if self.kind != kind:
            self.fail()
        self.advance()

    def accept(self, kind: str) -> bool:
        if self.kind != kind:
            return False
        self.advance()
        return True

    def name(self) -> bytes:
        """Take a NAME token."""
        if self.kind != lx.NAME:
            self.fail()
        value = self.value
        self.intern(value)
        self.advance()
        return value

    def nest(self) -> None:
        """Go one level deeper."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise GuestSyntaxError("RuntimeError", RECURSION_MESSAGE, self.filename)


class ExpressionParser(Cursor):
    """Rules of expressions. Each method leaves the cursor behind what it parsed."""

    # -- lists ---------------------------------------------------------------------------------

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

    def testlist(self) -> Node:
        return self._tuple_of(self.test, STARTS_TEST)

    def testlist_star(self) -> Node:
        return self._tuple_of(self.test_or_star, STARTS_TEST | {"*"})

    def targets(self) -> Node:
        return self._tuple_of(self.expr_or_star, STARTS_EXPR | {"*"})

    def test_or_star(self) -> Node:
        return self._star() if self.kind == "*" else self.test()

    def expr_or_star(self) -> Node:
        return self._star() if self.kind == "*" else self.binary(1)

    def _star(self) -> Node:
        line = self.line
        self.advance()
        return Node("star", line, [self.binary(1)])

    # -- operators -----------------------------------------------------------------------------

    def test(self) -> Node:
        """Conditional expression or lambda."""
        if self.kind == "lambda":
            return self._lambda(self.test)
        line = self.line
        node = self.or_test()
        if self.kind != "if":
            return node
        self.nest()
        self.advance()
        condition = self.or_test()
        self.expect("else")
        otherwise = self.test()
        self.depth -= 1
        return Node("ifexp", line, [node, condition, otherwise])

    def test_without_condition(self) -> Node:
        """What may follow the `if` of a comprehension."""
        if self.kind == "lambda":
            return self._lambda(self.test_without_condition)
        return self.or_test()

    def _lambda(self, parse_body) -> Node:
        line = self.line
        self.nest()
        self.advance()
        parameters = [] if self.kind == ":" else self.parameters(annotated=False)
        self.expect(":")
        body = parse_body()
        self.depth -= 1
        return Node("lambda", line, [body], parameters)

    # The chain of calls down to a bracket is kept short: it repeats at every level of nesting.

    def or_test(self) -> Node:
        """Operators `or` and `and`."""
        line, alternatives = self.line, []
        while True:
            and_line = self.line
            operands = [self._not_test()]
            while self.kind == "and":
                self.advance()
                operands.append(self._not_test())
            alternatives.append(self._logical("and", and_line, operands))
            if self.kind != "or":
                return self._logical("or", line, alternatives)
            self.advance()

    @staticmethod
    def _logical(kind: str, line: int, operands: list[Node]) -> Node:
        if len(operands) > 1:
            operands = fold_logical(kind, operands)
        return operands[0] if len(operands) == 1 else Node(kind, line, operands)

    def _not_test(self) -> Node:
        """Any number of `not`, then comparisons."""
        lines = []
        while self.kind == "not":
            lines.append(self.line)
            self.advance()
        self._check_chain(len(lines))
        line = self.line
        node = self.binary(1)
        op = self._compare_op()
        if op is not None:
            operands, ops = [node], []
            while op is not None:
                ops.append(op)
                operands.append(self.binary(1))
                op = self._compare_op()
            node = Node("compare", line, operands, ops)
        for line in reversed(lines):
            node = fold_not(node) or Node("not", line, [node])
        return node

    def _check_chain(self, n: int) -> None:
        if self.depth + n > MAX_NESTING:
            raise GuestSyntaxError("RuntimeError", RECURSION_MESSAGE, self.filename)

    def _compare_op(self) -> str | None:
        op = _COMPARE.get(self.kind)
        if op is not None:
            self.advance()
        elif self.kind == "not":
            self.advance()
            self.expect("in")
            op = "not_in"
        elif self.kind == "is":
            self.advance()
            op = "is_not" if self.accept("not") else "is"
        return op

    def binary(self, lowest: int) -> Node:
        """Operators of level `lowest` (1 is `|`) and tighter."""
        line = self.line
        node = self._factor() if self.kind in _UNARY else self._power()
        while True:
            found = _LEVELS.get(self.kind)
            if found is None or found[0] < lowest:
                return node
            level = found[0]
            operands, ops = [node], []
            while found is not None and found[0] == level:
                ops.append(found[1])
                self.advance()
                operands.append(self.binary(level + 1))
                found = _LEVELS.get(self.kind)
            if level <= 3:
                node = fold_bits(ops[0], operands) or Node("binary", line, operands, ops[0])
            else:
                node = fold_term(ops, operands) or Node("term", line, operands, ops)

    def _factor(self) -> Node:
        prefixes = []
        while self.kind in _UNARY:
            prefixes.append((_UNARY[self.kind], self.line))
            self.advance()
        self._check_chain(len(prefixes))
        node = self._power()
        for op, line in reversed(prefixes):
            node = fold_unary(op, node) or Node("unary", line, [node], op)
        return node

    def _power(self) -> Node:
        line = self.line
        node = self._paren(line) if self.kind == "(" else self._atom()
        if self.kind in ("(", "[", "."):
            node = self._chain(node, line)
        if self.kind == "**":
            self.nest()
            self.advance()
            node = Node("power", line, [node, self._factor()])
            self.depth -= 1
        return node

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
