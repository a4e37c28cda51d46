"""Code for branches, loops and exception handlers."""

from __future__ import annotations

from . import opcodes as op
from .code_expressions import ExpressionCoder
from .emitter import Label
from .nodes import Node, is_false, is_true

_NOT_PLAIN_ARGUMENTS = ("star_arg", "dblstar_arg", "kw")


class Loop:
    """Where break and continue go, and from how deep."""

    __slots__ = ("end", "again", "level", "pops_iterator")

    def __init__(self, level: int, pops_iterator: bool):
        self.end, self.again = Label(), Label()
        self.level, self.pops_iterator = level, pops_iterator


class BlockCoder(ExpressionCoder):
    """Statements with blocks. `self.loop` is the innermost loop, `self.level` the number of open
    handlers; `self.body` comes from the class that codes statements.
    """

    def __init__(self):
        super().__init__()
        self.loop: Loop | None = None
        self.level = 0

    # -- branches and loops --------------------------------------------------------------------

    def _if(self, node: Node) -> None:
        branches, otherwise = node.value
        end = Label()
        for at, (condition, body) in enumerate(branches):
            if is_false(condition):
                continue
            fail = Label()
            self.branch(condition, False, fail)
            self.body(body)
            if is_true(condition):
                self.e.place(end)
                return
            # Only the first branch knows that nothing follows it.
            nothing_follows = at == 0 and len(branches) == 1 and otherwise is None
            if not nothing_follows and not self.e.ended:
                self.e.jump(end)
            self.e.place(fail)
        self.body(otherwise)
        self.e.place(end)

    def _enter_loop(self, pops_iterator: bool = False) -> tuple[Loop, Loop | None]:
        outer, self.loop = self.loop, Loop(self.level, pops_iterator)
        return self.loop, outer

    def _while(self, node: Node) -> None:
        condition, (body, otherwise) = node.items[0], node.value
        loop, outer = self._enter_loop()
        if not is_false(condition):
            top = Label()
            if not is_true(condition):
                self.e.jump(loop.again)
            self.e.place(top)
            self.body(body)
            self.e.place(loop.again)
            self.branch(condition, True, top)
        self.loop = outer
        self.body(otherwise)
        self.e.place(loop.end)

    def _for(self, node: Node) -> None:
        target, source = node.items
        limits = self._range_limits(target, source)
        if limits is not None:
            self._for_range(target, limits, *node.value)
            return
        body, otherwise = node.value
        loop, outer = self._enter_loop(pops_iterator=True)
        done = Label()
        self.expression(source)
        self.e.op(op.GET_ITER_STACK, op.ITER_SLOTS - 1)
        self.e.place(loop.again)
        self.e.ahead_op(op.FOR_ITER, 1, done)
        self.assign(target)
        self.body(body)
        if not self.e.ended:
            self.e.jump(loop.again)
        self.e.place(done)
        self.e.adjust(-op.ITER_SLOTS)
        self.loop = outer
        self.body(otherwise)
        self.e.place(loop.end)

    @staticmethod
    def _range_limits(target: Node, source: Node):
        """(start, end, step) of a loop over `range(...)` that needs no iterator, else None."""
        fits = (
            target.kind == "name"
            and source.kind == "chain"
            and source.items[0].kind == "name"
            and source.items[0].value == b"range"
            and len(source.items) == 2
            and source.items[1].kind == "call"
        )
        arguments = source.items[1].items if fits else []
        if not 1 <= len(arguments) <= 3:
            return None
        zero, one = Node("int", 0, (), 0), Node("int", 0, (), 1)
        start, end = (zero, arguments[0]) if len(arguments) == 1 else arguments[:2]
        step = arguments[2] if len(arguments) == 3 else one
        if step.kind != "int" or step.value == 0:
            return None
        for limit in (start, end):
            bare = limit.kind == "comp" and limit.value[2:] == ("bare",)
            if limit.kind in _NOT_PLAIN_ARGUMENTS or bare:
                return None
        return start, end, step

    def _for_range(self, target: Node, limits, body, otherwise) -> None:
        start, end, step = limits
        loop, outer = self._enter_loop()
        top, entry = Label(), Label()
        end_on_stack = end.kind != "int"
        if end_on_stack:
            self.expression(end)
        self.expression(start)
        self.e.jump(entry)
        self.e.place(top)
        self.e.op(op.DUP_TOP, 1)
        self.assign(target)
        self.body(body)
        self.e.place(loop.again)
        self.expression(step)
        self.e.binary("inplace_add")
        self.e.place(entry)
        if end_on_stack:
            self.e.op(op.DUP_TOP_TWO, 2)
            self.e.op(op.ROT_TWO, 0)
        else:
            self.e.op(op.DUP_TOP, 1)
            self.expression(end)
        self.e.binary("less" if step.value >= 0 else "more")
        self.e.jump_if(True, top)
        self.loop = outer
        after = Label()
        kept = 2 if end_on_stack else 1
        if otherwise is not None:
            for _ in range(kept):
                self.e.pop()
            self.body(otherwise)
            self.e.jump(after)
            self.e.adjust(kept)
        self.e.place(loop.end)
        for _ in range(kept):
            self.e.pop()
        if otherwise is not None:
            self.e.place(after)

    # -- handlers ------------------------------------------------------------------------------

    def _open(self, code: int, effect: int, handler: Label) -> None:
        self.e.ahead_op(code, effect, handler)
        self.level += 1
        self.scope.max_handlers = max(self.scope.max_handlers, self.level)

    def _close(self) -> None:
        self.level -= 1
        self.e.op(op.END_FINALLY, -1)

    def _try(self, node: Node) -> None:
        body, handlers, otherwise, final = node.value
        if final is None:
            self._try_except(body, handlers, otherwise)
            return
        handler = Label()
        self._open(op.SETUP_FINALLY, 0, handler)
        if handlers:
            self._try_except(body, handlers, otherwise)
        else:
            self.e.adjust(3)  # room for a pending jump
            self.body(body)
            self.e.adjust(-3)
        self.e.token("None")
        self.e.place(handler)
        self.body(final)
        self._close()

    def _try_except(self, body, handlers, otherwise) -> None:
        handler, success, end = Label(), Label(), Label()
        self._open(op.SETUP_EXCEPT, 0, handler)
        self.body(body)
        self.e.ahead_op(op.POP_EXCEPT_JUMP, 0, success)
        self.e.place(handler)
        self.e.adjust(4)  # the exception and room for a pending jump
        for at, (line, exception, name, handler_body) in enumerate(handlers):
            following = Label()
            if exception is not None:
                self.e.op(op.DUP_TOP, 1)
                self.expression(exception)
                self.e.binary("exception_match")
                self.e.jump_if(False, following)
            elif at + 1 < len(handlers):
                self.refuse("default 'except' must be last", line)
                self._close()
                return
            if name is None:
                self.e.pop()
                self.body(handler_body)
            else:
                self._named_handler(name, handler_body)
            self.e.ahead_op(op.POP_EXCEPT_JUMP, 0, end)
            self.e.place(following)
            self.e.adjust(1)
        self._close()
        self.e.adjust(-3)
        self.e.place(success)
        self.body(otherwise)
        self.e.place(end)

    def _named_handler(self, name: bytes, body) -> None:
        """`except X as name`: the name is deleted afterwards, whatever happens."""
        cleanup = Label()
        self.e.store(name)
        self._open(op.SETUP_FINALLY, 0, cleanup)
        self.body(body)
        self.e.token("None")
        self.e.place(cleanup)
        self.e.token("None")
        self.e.store(name)
        self.e.delete(name)
        self._close()

    def _with(self, node: Node) -> None:
        contexts, body = node.value
        ends = []
        for context, target in contexts:
            ends.append(Label())
            self.expression(context)
            self._open(op.SETUP_WITH, 2, ends[-1])
            if target is None:
                self.e.pop()
            else:
                self.assign(target)
        self.body(body)
        for end in reversed(ends):
            self.e.token("None")
            self.e.place(end)
            self.e.adjust(2)  # room to call __exit__
            self.e.op(op.WITH_CLEANUP, 0)
            self.e.adjust(-4)
            self._close()
