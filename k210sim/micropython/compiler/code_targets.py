"""Code that stores to, loads for augmenting, and deletes targets."""

from __future__ import annotations

from . import opcodes as op
from .emitter import Emitter
from .nodes import Node

_ASSIGN, _AUG_LOAD, _AUG_STORE = "assign", "load for augment", "store after augment"
_CANNOT_ASSIGN = "can't assign to expression"
_CANNOT_DELETE = "can't delete expression"


class TargetCoder:
    """Targets; `self.expression` comes from the class that codes expressions."""

    e: Emitter

    def assign(self, node: Node, how: str = _ASSIGN) -> None:
        """Store the top of the stack into a target."""
        if node.kind == "name":
            if how == _AUG_LOAD:
                self.e.load(node.value)
            else:
                self.e.store(node.value)
        elif node.kind == "chain":
            self._assign_chain(node, how)
        elif how != _ASSIGN or not self._is_sequence_target(node):
            self.refuse(_CANNOT_ASSIGN, node.line)
            return
        else:
            self._assign_sequence(node.items)

    @staticmethod
    def _is_sequence_target(node: Node) -> bool:
        return node.kind in ("tuple", "list") or node.kind == "paren" and bool(node.items)

    def _assign_sequence(self, items: list[Node]) -> None:
        starred = None
        for at, item in enumerate(items):
            if item.kind == "star":
                if starred is not None:
                    self.refuse("multiple *x in assignment", item.line)
                    return
                starred, right = at, len(items) - at - 1
                self.e.op_uint(op.UNPACK_EX, len(items) - 1, at | right << 8)
        if starred is None:
            self.e.op_uint(op.UNPACK_SEQUENCE, len(items) - 1, len(items))
        for at, item in enumerate(items):
            self.assign(item.items[0] if at == starred else item)

    def _assign_chain(self, node: Node, how: str) -> None:
        last = node.items[-1]
        if how != _AUG_STORE:
            for item in node.items[:-1]:
                self.expression(item)
        if last.kind == "index":
            if how == _AUG_STORE:
                self.e.op(op.ROT_THREE, 0)
                self.e.op(op.STORE_SUBSCR, -3)
                return
            self.expression(last.items[0])
            if how == _AUG_LOAD:
                self.e.op(op.DUP_TOP_TWO, 2)
                self.e.op(op.LOAD_SUBSCR, -1)
            else:
                self.e.op(op.STORE_SUBSCR, -3)
        elif last.kind == "attr":
            if how == _AUG_LOAD:
                self.e.op(op.DUP_TOP, 1)
                self.e.op_name(op.LOAD_ATTR, 0, last.value)
                return
            if how == _AUG_STORE:
                self.e.op(op.ROT_TWO, 0)
            self.e.op_name(op.STORE_ATTR, -2, last.value)
        else:
            self.refuse(_CANNOT_ASSIGN, node.line)
            return

    def load_for_augment(self, node: Node) -> None:
        self.assign(node, _AUG_LOAD)

    def store_after_augment(self, node: Node) -> None:
        self.assign(node, _AUG_STORE)

    def delete(self, node: Node) -> None:
        """Delete one target."""
        if node.kind == "name":
            self.e.delete(node.value)
        elif node.kind == "paren" and node.items:
            for item in node.items:
                self.delete(item)
        elif node.kind == "chain":
            self._delete_chain(node)
        else:
            # For an empty tuple the device has lost the node, and with it the line.
            self.refuse(_CANNOT_DELETE, 0 if node.kind == "paren" else node.line)
            return

    def _delete_chain(self, node: Node) -> None:
        last = node.items[-1]
        for item in node.items[:-1]:
            self.expression(item)
        if last.kind == "index":
            self.expression(last.items[0])
            self.e.op(op.LOAD_NULL, 1)
            self.e.op(op.ROT_THREE, 0)
            self.e.op(op.STORE_SUBSCR, -3)
        elif last.kind == "attr":
            self.e.op(op.LOAD_NULL, 1)
            self.e.op(op.ROT_TWO, 0)
            self.e.op_name(op.STORE_ATTR, -2, last.value)
        else:
            self.refuse(_CANNOT_DELETE, node.line)
            return
