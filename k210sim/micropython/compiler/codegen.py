"""Tree to code objects: drives the two passes over all scopes, outermost first."""

from __future__ import annotations

from . import opcodes as op
from .code_statements import StatementCoder
from .emitter import Emitter, Label, new_raw
from .errors import GuestSyntaxError, Refused
from .nodes import Node
from .prelude import FLAG_GENERATOR, FLAG_VARARGS, FLAG_VARKEYWORDS
from .raw_code import RawCode
from .scopes import Scope

_BUILDS = {"list": op.BUILD_LIST, "dict": op.BUILD_MAP, "set": op.BUILD_SET}


class CodeGenerator(StatementCoder):
    """Compiles one parsed source."""

    def __init__(self, filename: str, source_file: bytes, intern, repl: bool, opt_level: int):
        super().__init__()
        self.filename, self.source_file, self.intern = filename, source_file, intern
        self.repl, self.opt_level = repl, opt_level
        self.scopes: list[Scope] = []
        self.scope = None

    def open_scope(self, kind: str, node, name: bytes | None) -> Scope:
        scope = Scope(kind, node, self.scope, name)
        scope.source_file = self.source_file
        scope.raw = new_raw(scope)
        self.scopes.append(scope)
        return scope

    def mark_generator(self) -> None:
        self.scope.flags |= FLAG_GENERATOR

    def generate(self, tree) -> RawCode:
        """`tree` is a list of statements, or one expression node."""
        module = self.open_scope("module", tree, None)
        # The list grows while it is walked: a scope adds the ones it defines.
        for scope in self.scopes:
            self._run(scope, scanning=True)
            if self.refused is not None:
                raise self._error(self.refused)
            scope.resolve_all()
        for scope in self.scopes:
            scope.number_slots()
        for scope in self.scopes:
            self._run(scope, scanning=False)
        return module.raw

    def _error(self, refused: Refused) -> GuestSyntaxError:
        line = refused.line or self._scope_line()
        return GuestSyntaxError(
            "SyntaxError", refused.message, self.filename, line, self.scope.raw.name
        )

    def _scope_line(self) -> int:
        """Line of a scope for an error that has none."""
        node = self.scope.node
        if isinstance(node, Node):
            return node.value[1] if node.kind == "comp" else node.line
        return node[0].line if node else 0

    def _run(self, scope: Scope, scanning: bool) -> None:
        self.scope = scope
        self.e = Emitter(scope, self.intern, scanning, self.opt_level)
        self.loop, self.level = None, 0
        if scanning:
            scope.max_stack = scope.max_handlers = 0
        kind = scope.kind
        if kind == "module":
            self._module(scope)
        elif kind == "function":
            self._function(scope)
        elif kind == "lambda":
            self._lambda_body(scope)
        elif kind == "class":
            self._class_body(scope)
        else:
            self._comprehension_body(scope)
        self.e.finish()

    def _module(self, scope: Scope) -> None:
        if isinstance(scope.node, Node):
            self.expression(scope.node)
        else:
            self.body(scope.node)
            self.e.token("None")
        self.e.return_value()

    def _function(self, scope: Scope) -> None:
        _, parameters, body = scope.node.value
        self._add_parameters(scope, parameters)
        self.body(body)
        if not self.e.ended:
            self.e.token("None")
            self.e.return_value()

    def _lambda_body(self, scope: Scope) -> None:
        self._add_parameters(scope, scope.node.value)
        self.expression(scope.node.items[0])
        if scope.flags & FLAG_GENERATOR:
            self.e.pop()
            self.e.token("None")
        self.e.return_value()

    def _add_parameters(self, scope: Scope, parameters) -> None:
        """Parameters come first among the identifiers of a scope."""
        if not self.e.scanning:
            return
        starred = False
        for p in parameters:
            if scope.flags & FLAG_VARKEYWORDS:
                self.refuse("invalid syntax", p.line)
                continue
            if p.mark == "*":
                if starred:
                    self.refuse("invalid syntax", p.line)
                    continue
                starred = True
                if p.name is None:
                    continue
                scope.flags |= FLAG_VARARGS
            elif p.mark == "**":
                scope.flags |= FLAG_VARKEYWORDS
            elif starred:
                scope.n_kwonly_args += 1
            else:
                scope.n_pos_args += 1
            own = scope.find_or_add(p.name, "undecided")
            if own.kind != "undecided":
                self.refuse("argument name reused", p.line)
                continue
            own.kind, own.mark = "local", p.mark

    def _class_body(self, scope: Scope) -> None:
        name, body = scope.node.value
        if self.e.scanning:
            scope.find_or_add(b"__class__", "local")
        self.e.load(b"__name__")
        self.e.store(b"__module__")
        self.e.string(name)
        self.e.store(b"__qualname__")
        self.body(body)
        own = scope.find(b"__class__")
        if own.kind == "local":
            self.e.token("None")
        else:
            self.e.fast(own.slot)
        self.e.return_value()

    def _comprehension_body(self, scope: Scope) -> None:
        element, clauses = scope.node.items
        if self.e.scanning:
            scope.find_or_add(b"", "local")
            scope.n_pos_args = 1
        generator = scope.kind == "gen"
        if generator:
            # The iterator comes in ready-made; an empty first slot says so.
            self.e.op(op.LOAD_NULL, 1)
            self.e.load(b"")
            self.e.op(op.LOAD_NULL, 1)
            self.e.op(op.LOAD_NULL, 1)
        else:
            self.e.build(_BUILDS[scope.kind], 0)
            self.e.load(b"")
            self.e.op(op.GET_ITER_STACK, op.ITER_SLOTS - 1)
        self._clauses(element, clauses, 0)
        if generator:
            self.e.token("None")
        self.e.return_value()

    def _clauses(self, element: Node, clauses, depth: int) -> None:
        """Loop of clauses[0] (a `for` whose iterator is on the stack) and all inside it."""
        top, end = Label(), Label()
        self.e.place(top)
        self.e.ahead_op(op.FOR_ITER, 1, end)
        self.assign(clauses[0].target)
        rest = clauses[1:]
        while rest and rest[0].condition is not None:
            self.branch(rest[0].condition, False, top)
            rest = rest[1:]
        if rest:
            self.expression(rest[0].source)
            self.e.op(op.GET_ITER_STACK, op.ITER_SLOTS - 1)
            self._clauses(element, rest, depth + 1)
        else:
            self._add_element(element, depth)
        self.e.jump(top)
        self.e.place(end)
        self.e.adjust(-op.ITER_SLOTS)

    def _add_element(self, element: Node, depth: int) -> None:
        self.expression(element)
        kind = self.scope.kind
        if kind == "gen":
            self.mark_generator()
            self.e.op(op.YIELD_VALUE, 0)
            self.e.pop()
            return
        # Distance to the collection in slots, with the kind of collection in the low two bits.
        distance = op.ITER_SLOTS * depth + op.ITER_SLOTS + 1
        if kind == "dict":
            self.e.op_uint(op.STORE_COMP, -2, (distance + 1) << 2 | 1)
        else:
            self.e.op_uint(op.STORE_COMP, -1, distance << 2 | (2 if kind == "set" else 0))
