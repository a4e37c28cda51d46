"""Code for expressions and function objects.

Every method runs in both passes over a scope (see emitter.py) and must take the same path in
each. An error carries a line, 0 when the device knows none at that point; the next end of a node
in a list of nodes then supplies one.
"""

from __future__ import annotations

from . import opcodes as op
from .code_targets import TargetCoder
from .emitter import Label
from .errors import Refused
from .nodes import Node, is_false, is_true
from .prelude import FLAG_DEFKWARGS
from .scopes import Scope


class ExpressionCoder(TargetCoder):
    """Code generation for the scope being written: `self.e` emits, `self.scope` is the scope."""

    scope: Scope

    def __init__(self):
        self.refused: Refused | None = None
        self._expressions = {
            "name": lambda n: self.e.load(n.value),
            "int": lambda n: self.e.small_int(n.value),
            "str": lambda n: self.e.string(n.value),
            "bytes": lambda n: self.e.object(("bytes", n.value)),
            "token": lambda n: self.e.token(n.value),
            "const": lambda n: self.e.object(n.value),
            "tuple": self._tuple, "paren": self._tuple, "list": self._list, "dict": self._dict,
            "set": self._set, "pair": self._pair, "slice": self._slice, "comp": self._comp,
            "ifexp": self._ifexp, "lambda": self._lambda, "or": self._logical,
            "and": self._logical, "not": self._not, "compare": self._compare,
            "binary": self._binary, "term": self._term, "unary": self._unary,
            "power": self._power, "chain": self._chain, "star": self._star,
            "yield": self._yield, "call": self._call, "index": self._index, "attr": self._attr,
        }  # fmt: skip

    def new_scope(self, kind: str, node: Node, name: bytes | None = None) -> Scope:
        """The scope a node opens; made in the first pass, found again in the second."""
        if node.scope is None:
            node.scope = self.open_scope(kind, node, name)
        return node.scope

    def expression(self, node: Node) -> None:
        self.e.set_line(node.line)
        self._expressions[node.kind](node)

    def refuse(self, message: str, line: int = 0) -> None:
        """Note the first error. Coding goes on, because what follows may give it its line."""
        if self.refused is None:
            self.refused = Refused(message, line)

    def locate(self, node: Node) -> bool:
        """After a node of a list: give an error without a line this one's; whether to stop."""
        if self.refused is None:
            return False
        self.refused.line = self.refused.line or node.line
        return True

    def each(self, nodes) -> None:
        """Several nodes in a row; an error without a line gets the one of its node."""
        for node in nodes:
            self.expression(node)
            if self.locate(node):
                return

    # -- displays ------------------------------------------------------------------------------

    def _tuple(self, node: Node) -> None:
        for item in node.items:
            self.expression(item)
        self.e.build(op.BUILD_TUPLE, len(node.items))

    def _list(self, node: Node) -> None:
        items = node.items
        for item in items[:1]:
            self.expression(item)
        if len(items) > 2:
            self.each(items[1:])
        elif len(items) == 2:
            self.expression(items[1])
        self.e.build(op.BUILD_LIST, len(items))

    def _dict(self, node: Node) -> None:
        self.e.build(op.BUILD_MAP, len(node.items))
        self._store_pairs(node)

    def _store_pairs(self, node: Node) -> None:
        for item in node.items:
            self.expression(item)
            if item.kind != "pair":
                self.refuse("expecting key:value for dict", node.value)
                return
            self.e.op(op.STORE_MAP, -2)

    def _set(self, node: Node) -> None:
        for item in node.items:
            self.expression(item)
            if item.kind == "pair":
                self.refuse("expecting just a value for set", node.value)
                return
        self.e.build(op.BUILD_SET, len(node.items))

    def _pair(self, node: Node) -> None:
        self.expression(node.items[1])
        self.expression(node.items[0])

    def _slice(self, node: Node) -> None:
        start, stop, step = node.items
        for part in (start, stop) if step is None else (start, stop, step):
            if part is None:
                self.e.token("None")
            else:
                self.expression(part)
        self.e.build(op.BUILD_SLICE, 2 if step is None else 3)

    def _comp(self, node: Node) -> None:
        kind = node.value[0]
        self._make(self.new_scope(kind, node), 0, 0)
        self.expression(node.items[1][0].source)
        if kind == "gen":
            self.e.op(op.GET_ITER, 0)
        self.e.call(False, 1, 0, False)

    # -- operators -----------------------------------------------------------------------------

    def _ifexp(self, node: Node) -> None:
        then, condition, otherwise = node.items
        fail, end = Label(), Label()
        self.branch(condition, False, fail)
        self.expression(then)
        self.e.jump(end)
        self.e.place(fail)
        self.e.adjust(-1)
        self.expression(otherwise)
        self.e.place(end)

    def _logical(self, node: Node) -> None:
        end, last = Label(), len(node.items) - 1
        for at, item in enumerate(node.items):
            self.expression(item)
            if at < last:
                self.e.jump_or_pop(node.kind == "or", end)
        self.e.place(end)

    def _not(self, node: Node) -> None:
        self.expression(node.items[0])
        self.e.unary("not")

    def _compare(self, node: Node) -> None:
        operands, ops = node.items, node.value
        fail = Label()
        self.expression(operands[0])
        for at, name in enumerate(ops):
            more = at + 1 < len(ops)
            self.expression(operands[at + 1])
            if more:
                self.e.op(op.DUP_TOP, 1)
                self.e.op(op.ROT_THREE, 0)
            self.e.binary(name)
            if more:
                self.e.jump_or_pop(False, fail)
        if len(ops) > 1:
            end = Label()
            self.e.jump(end)
            self.e.place(fail)
            self.e.adjust(1)
            self.e.op(op.ROT_TWO, 0)
            self.e.pop()
            self.e.place(end)

    def _binary(self, node: Node) -> None:
        self.expression(node.items[0])
        for item in node.items[1:]:
            self.expression(item)
            self.e.binary(node.value)

    def _term(self, node: Node) -> None:
        self.expression(node.items[0])
        for item, name in zip(node.items[1:], node.value, strict=True):
            self.expression(item)
            self.e.binary(name)

    def _unary(self, node: Node) -> None:
        self.expression(node.items[0])
        self.e.unary(node.value)

    def _power(self, node: Node) -> None:
        self.each(node.items)
        self.e.binary("power")

    def _star(self, node: Node) -> None:
        self.refuse("*x must be assignment target", node.line)
        return

    def _yield(self, node: Node) -> None:
        if self.scope.kind not in ("function", "lambda"):
            self.refuse("'yield' outside function", node.line)
            return
        if not node.items:
            self.e.token("None")
        else:
            self.expression(node.items[0])
        if node.value == "from":
            self.e.op(op.GET_ITER, 0)
            self.e.token("None")
        self.mark_generator()
        self.e.op(*((op.YIELD_FROM, -1) if node.value == "from" else (op.YIELD_VALUE, 0)))

    def branch(self, node: Node, when: bool, label: Label) -> None:
        """Jump to `label` when the condition is `when`; constants decide at compile time."""
        kind = node.kind
        known = None
        if is_false(node) or kind == "paren" and not node.items:
            known = False
        elif is_true(node) or kind == "paren" or self._in_parentheses(node):
            # A tuple is true; so, for this compiler, is a generator expression.
            known = True
        if known is not None:
            if known == when:
                self.e.jump(label)
        elif kind == "not":
            self.branch(node.items[0], not when, label)
        elif kind in ("or", "and"):
            if (kind == "or") == when:
                for item in node.items:
                    self.branch(item, when, label)
            else:
                short = Label()
                for item in node.items[:-1]:
                    self.branch(item, not when, short)
                self.branch(node.items[-1], when, label)
                self.e.place(short)
        else:
            self.expression(node)
            self.e.jump_if(when, label)

    @staticmethod
    def _in_parentheses(node: Node) -> bool:
        return node.kind == "comp" and node.value[0] == "gen"

    # -- chains --------------------------------------------------------------------------------

    def _chain(self, node: Node) -> None:
        base, trailers = node.items[0], node.items[1:]
        self.expression(base)
        done, first = 0, trailers[0]
        if first.kind == "call" and base.kind == "name":
            if base.value == b"super" and not first.items and self.scope.kind == "function":
                done = self._super(trailers)
            elif base.value == b"OrderedDict" and first.value:
                done = self._ordered(first.items[0])
        while done < len(trailers):
            node = trailers[done]
            after = trailers[done + 1] if done + 1 < len(trailers) else None
            if node.kind == "attr" and after is not None and after.kind == "call":
                self.e.op_name(op.LOAD_METHOD, 1, node.value)
                self.arguments(after.items, True, 0)
                done += 2
            else:
                self.expression(node)
                done += 1

    def _ordered(self, display: Node) -> int:
        """`OrderedDict({...})` filled in the order written; how many trailers were used up."""
        kind = display.value[0] if display.kind == "comp" else display.kind
        if kind not in ("dict", "set"):
            return 0
        self.e.call(False, 0, 0, False)
        if display.kind == "dict":
            self._store_pairs(display)
        else:
            # Sets and comprehensions go the same way on the device, which then works with what
            # they leave on top of the empty OrderedDict.
            self._expressions[display.kind](display)
        return 1

    def _super(self, trailers: list[Node]) -> int:
        """`super()` with class and instance filled in; how many trailers were used up."""
        self.e.load(b"__class__")
        own = next((i for i in self.scope.ids if i.mark is not None), None)
        if own is None:
            self.refuse("super() can't find self", trailers[0].line)
            return len(trailers)
        self.e.load(own.name)
        kinds = [t.kind for t in trailers[1:3]]
        if kinds == ["attr", "call"]:
            self.e.op_name(op.LOAD_SUPER_METHOD, -1, trailers[1].value)
            self.arguments(trailers[2].items, True, 0)
            return 3
        self.e.call(False, 2, 0, False)
        return 1

    def _call(self, node: Node) -> None:
        self.arguments(node.items, False, 0)

    def _index(self, node: Node) -> None:
        self.expression(node.items[0])
        self.e.op(op.LOAD_SUBSCR, -1)

    def _attr(self, node: Node) -> None:
        self.e.op_name(op.LOAD_ATTR, 0, node.value)

    def arguments(self, arguments, method: bool, positional: int) -> None:
        """Arguments and the call itself; `positional` values are on the stack already."""
        keywords, star, double = 0, None, None
        for node in arguments:
            kind = node.kind
            if kind == "star_arg":
                if star is not None:
                    self.refuse("can't have multiple *x", node.line)
                    return
                star = node
            elif kind == "dblstar_arg":
                if double is not None:
                    self.refuse("can't have multiple **x", node.line)
                    return
                double = node
            elif kind == "kw":
                key, value = node.items
                if key.kind != "name":
                    self.refuse("LHS of keyword arg must be an id", node.line)
                    return
                self.e.string(key.value)
                self.expression(value)
                keywords += 1
            elif kind == "comp" and node.value[0] == "gen" and node.value[2:] == ("bare",):
                self._comp(node)
                positional += 1
            else:
                if star is not None or double is not None:
                    self.refuse("non-keyword arg after */**", node.line)
                    return
                if keywords:
                    self.refuse("non-keyword arg after keyword arg", node.line)
                    return
                self.expression(node)
                positional += 1
        starred = star is not None or double is not None
        if starred:
            for node in (star, double):
                if node is None:
                    self.e.op(op.LOAD_NULL, 1)
                else:
                    self.expression(node.items[0])
        self.e.call(method, positional, keywords, starred)

    # -- function objects ----------------------------------------------------------------------

    def _lambda(self, node: Node) -> None:
        self.function_object(self.new_scope("lambda", node), node.value)

    def function_object(self, child: Scope, parameters) -> None:
        """Default values, then the function."""
        positional, keyword, starred = 0, 0, False
        for p in parameters:
            if p.mark == "*":
                starred = True
            elif p.mark == "**":
                continue
            elif p.default is None:
                if not starred and positional:
                    self.refuse("non-default argument follows default argument", p.line)
            elif not starred:
                positional += 1
                self.expression(p.default)
            else:
                keyword += 1
                if keyword == 1:
                    self._positional_defaults(positional)
                    self.e.build(op.BUILD_MAP, 0)
                self.expression(p.default)
                self.e.string(p.name)
                self.e.op(op.STORE_MAP, -2)
        if self.refused:
            return
        if positional and not keyword:
            self._positional_defaults(positional)
            self.e.op(op.LOAD_NULL, 1)
        self._make(child, positional, keyword)

    def _positional_defaults(self, count: int) -> None:
        if count:
            self.e.build(op.BUILD_TUPLE, count)
        else:
            self.e.op(op.LOAD_NULL, 1)

    def _make(self, child: Scope, positional: int, keyword: int) -> None:
        if keyword:
            child.flags |= FLAG_DEFKWARGS
        child.n_def_pos_args = positional
        captured = child.captured_from(self.scope) if self.scope.kind != "module" else []
        for outer, _ in captured:
            self.e.fast(outer.slot)
        self.e.make_function(child, len(captured), bool(positional or keyword))

    def class_object(self, node: Node) -> bytes:
        """Class on the stack; returns its name."""
        name = node.value[0]
        child = self.new_scope("class", node, name)
        self.e.op(op.LOAD_BUILD_CLASS, 1)
        self._make(child, 0, 0)
        self.e.string(name)
        self.arguments(node.items[0].items if node.items else [], False, 2)
        return name
