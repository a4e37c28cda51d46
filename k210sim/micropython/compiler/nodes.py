"""The syntax tree.

One class for all nodes: `kind` says what it is, `line` is the line of its first token, and the
meaning of `items` depends on the kind (listed below). Leaves have line 0: the device keeps no
line for them, which shows in line tables and error messages.

Leaves (`value`):
    name    bytes               int    small integer
    str     bytes (interned)    bytes  bytes (interned)
    token   "None", "True", "False" or "..."
Constant objects (`value`): const  ("int"|"float"|"complex"|"str"|"bytes", value)

Expressions (`items`):
    tuple   elements (written without parentheses)
    paren   elements (a parenthesised tuple)
    list    elements                     dict   (pair node, ...)     set    elements
    pair    key, value                   slice  start|None, stop|None, step|None
    comp    element or pair, clauses     value = (kind, line of its scope[, "bare"])
    ifexp   then, condition, else        lambda  body                value = parameters
    or, and operands                     not    operand
    compare operand, then operands       value = operator names
    binary  operands of | ^ &            value = operator name
    term    operands of << >> + - * / // %                           value = operator names
    unary   operand                      value = operator name
    power   base, exponent
    chain   base, trailers               (call, index, attr)
    star    operand                      yield  [operand]            value = "from" or ""
Trailers: call  arguments                value = True when written as one plain argument
          index subscript                attr                        value = name
Arguments besides plain expressions: star, dblstar, kw (key, value), comp
Statements are described where they are parsed (`statements.py`).
"""

from __future__ import annotations


class Node:
    """A node of the syntax tree; `scope` is filled in by the code generator."""

    __slots__ = ("kind", "line", "items", "value", "scope")

    def __init__(self, kind, line, items=(), value=None):
        self.kind, self.line, self.items, self.value = kind, line, items, value
        self.scope = None

    def __repr__(self):
        inner = ", ".join(repr(x) for x in self.items)
        return f"{self.kind}@{self.line}({self.value!r}: {inner})"


class Body(list):
    """Statements of a block. `is_list`: the device keeps a list for them, not one statement."""

    __slots__ = ("is_list",)

    def __init__(self, statements=(), is_list=False):
        super().__init__(statements)
        self.is_list = is_list or len(self) > 1


class Clause:
    """One `for` (target, source) or `if` (condition) of a comprehension."""

    __slots__ = ("target", "source", "condition")

    def __init__(self, target=None, source=None, condition=None):
        self.target, self.source, self.condition = target, source, condition


class Parameter:
    """One formal parameter. `mark` is "", "*" or "**"; a bare star has no name."""

    __slots__ = ("name", "mark", "default", "line")

    def __init__(self, name, mark, default, line):
        self.name, self.mark, self.default, self.line = name, mark, default, line


def is_false(node) -> bool:
    """A constant the compiler knows to be false."""
    if node.kind == "int":
        return node.value == 0
    return node.kind == "token" and node.value == "False"


def is_true(node) -> bool:
    """A constant the compiler knows to be true."""
    if node.kind == "int":
        return node.value != 0
    return node.kind == "token" and node.value == "True"


def int_value(node):
    """Value of an integer constant of any size, else None."""
    if node.kind == "int":
        return node.value
    if node.kind == "const" and node.value[0] == "int":
        return node.value[1]
    return None
