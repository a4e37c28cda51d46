"""The result of compiling: a tree of code objects."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class RawCode:
    """One code object in the layout of MicroPython 1.11.

    bytecode      prelude, line table, cell list and instructions (see prelude.py)
    const_table   first n_pos_args + n_kwonly_args argument names ("qstr", number), then the
                  constants ("int", i), ("float", f), ("complex", c), ("str", b), ("bytes", b),
                  ("ellipsis",), then the children ("raw", RawCode); operands of LOAD_CONST_OBJ
                  and MAKE_* index it
                  An ("int", i) is a long integer on the device whatever its size.
    n_pos_args    includes captured variables, which are passed first
    kind          "module", "function", "class", "lambda", "listcomp", "dictcomp", "setcomp" or
                  "genexpr"
    code_offset   first instruction within `bytecode`
    """

    name: str
    kind: str
    bytecode: bytes = b""
    const_table: list = field(default_factory=list)
    n_pos_args: int = 0
    n_kwonly_args: int = 0
    n_def_pos_args: int = 0
    scope_flags: int = 0
    n_state: int = 0
    n_exc_stack: int = 0
    code_offset: int = 0

    def children(self) -> list[RawCode]:
        """Code objects defined directly inside this one, in order."""
        return [entry[1] for entry in self.const_table if entry[0] == "raw"]
