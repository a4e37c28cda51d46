"""Parsing of expressions: precedence climbing, with constants folded on the way.

Groups of one precedence level become one node with all its operands, as on the device, because
code and line tables depend on it.
"""

from __future__ import annotations

from .atoms import STARTS_EXPR, STARTS_TEST, AtomParser
from .folding import fold_bits, fold_logical, fold_not, fold_term, fold_unary
from .nodes import Node

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


class ExpressionParser(AtomParser):
    """Rules of expressions. Each method leaves the cursor behind what it parsed."""

    # -- lists ---------------------------------------------------------------------------------

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
        self.check_chain(len(lines))
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
        self.check_chain(len(prefixes))
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
