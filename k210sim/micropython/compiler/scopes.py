"""Who owns a name: scopes, their identifiers, and the numbering of local slots.

Each scope is walked once to collect its identifiers, in the order in which they appear; only
after a whole scope was walked are its unresolved names looked up in the enclosing functions.
Slots: free variables first, then parameters and plain locals, then cells that are no parameters.
"""

from __future__ import annotations

UNDECIDED, NAME, GLOBAL, LOCAL, CELL, FREE = "undecided", "name", "global", "local", "cell", "free"

_SIMPLE_NAMES = {
    "module": b"<module>", "lambda": b"<lambda>", "list": b"<listcomp>", "dict": b"<dictcomp>",
    "set": b"<setcomp>", "gen": b"<genexpr>",
}  # fmt: skip
_KIND_NAMES = {
    "list": "listcomp", "dict": "dictcomp", "set": "setcomp", "gen": "genexpr",
}  # fmt: skip


class Identifier:
    """A name within one scope. `mark` tells parameters: None, "", "*" or "**"."""

    __slots__ = ("name", "kind", "mark", "slot")

    def __init__(self, name: bytes, kind: str):
        self.name, self.kind, self.mark, self.slot = name, kind, None, 0


class Scope:
    """One code object in the making.

    kind: "module", "class", "function", "lambda", "list", "dict", "set" or "gen" (the last four
    are comprehensions).
    """

    def __init__(self, kind: str, node, parent: Scope | None, name: bytes | None = None):
        self.kind, self.node, self.parent = kind, node, parent
        self.name = name if name is not None else _SIMPLE_NAMES[kind]
        self.ids: list[Identifier] = []
        self._by_name: dict[bytes, Identifier] = {}
        self.flags = 0
        self.n_pos_args = self.n_kwonly_args = self.n_def_pos_args = self.n_locals = 0
        self.max_stack = self.max_handlers = 0
        self.n_objects = 0
        self.raw = None

    @property
    def kind_name(self) -> str:
        return _KIND_NAMES.get(self.kind, self.kind)

    @property
    def is_function_like(self) -> bool:
        return self.kind not in ("module", "class")

    def find(self, name: bytes) -> Identifier | None:
        return self._by_name.get(name)

    def find_or_add(self, name: bytes, kind: str) -> Identifier:
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = Identifier(name, kind)
            self.ids.append(found)
        return found

    def note_store(self, name: bytes) -> None:
        """A binding makes a name local to a function."""
        found = self.find_or_add(name, NAME)
        if found.kind == NAME and self.is_function_like:
            found.kind = LOCAL

    def outermost(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def resolve(self, identifier: Identifier) -> None:
        """Make an unresolved name free when an enclosing function binds it."""
        scope = self.parent
        while scope is not None and scope.parent is not None:
            outer = scope.find(identifier.name)
            if outer is not None:
                if outer.kind in (LOCAL, CELL, FREE):
                    identifier.kind = FREE
                    self._pass_down(identifier.name)
                return
            scope = scope.parent

    def _pass_down(self, name: bytes) -> None:
        """Mark `name` in the enclosing scopes up to the one that owns it."""
        scope = self.parent
        while True:
            outer = scope.find_or_add(name, UNDECIDED)
            if outer.kind != UNDECIDED:
                if outer.kind == LOCAL:
                    outer.kind = CELL
                return
            outer.kind = FREE
            scope = scope.parent

    def resolve_all(self) -> None:
        # Indexed, because resolving may lengthen the lists of other scopes (never this one's).
        for identifier in self.ids:
            if identifier.kind == NAME:
                self.resolve(identifier)

    def captured_from(self, parent: Scope) -> list[tuple[Identifier, Identifier]]:
        """Pairs (identifier of `parent`, own free identifier) in the parent's order."""
        pairs = []
        if parent.kind == "module":
            return pairs
        for outer in parent.ids:
            if outer.kind in (CELL, FREE):
                own = self._by_name.get(outer.name)
                if own is not None and own.kind == FREE:
                    pairs.append((outer, own))
        return pairs

    def number_slots(self) -> None:
        """Give every local its slot; free variables become leading parameters."""
        self._star_parameter_last()
        count = 0
        for identifier in self.ids:
            if self.kind == "class" and identifier.name == b"__class__":
                continue  # not a local of its own; when captured it is a cell
            if identifier.kind == NAME and self.is_function_like:
                identifier.kind = GLOBAL
            if identifier.kind == LOCAL or identifier.mark is not None:
                identifier.slot = count
                count += 1
        for identifier in self.ids:
            if identifier.kind == CELL and identifier.mark is None:
                identifier.slot = count
                count += 1
        free = self.captured_from(self.parent) if self.parent is not None else []
        for number, (_, own) in enumerate(free):
            own.slot = number
        if free:
            for identifier in self.ids:
                if identifier.kind != FREE or identifier.mark is not None:
                    identifier.slot += len(free)
            self.n_pos_args += len(free)
            count += len(free)
        self.n_locals = count

    def _star_parameter_last(self) -> None:
        """`*args` is stored behind the keyword-only parameters."""
        last = None
        for at in range(len(self.ids) - 1, -1, -1):
            mark = self.ids[at].mark
            if mark == "*":
                if last is not None:
                    self.ids[at], self.ids[last] = self.ids[last], self.ids[at]
                return
            if last is None and mark == "":
                last = at
