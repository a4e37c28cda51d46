"""One handler an opcode: what each instruction does, in every case.

The compiled loop (`fastloop.py`) does the common cases of the common ones and leaves the rest,
and all errors, to these. Semantics: micropython v1.11 py/vm.c (facts). A handler takes the opcode
and returns None, or (how, value) when the frame ends towards the host.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.compiler import opcodes as O
from k210sim.micropython.frames import (
    CALL_OVERHEAD,
    CLOSURE_OVERHEAD,
    R_CODE,
    R_EXC_SP,
    R_FASTN,
    R_FRAME,
    R_IP,
    R_SP,
    RETURNED,
    TO_HOST,
    YIELDED,
)
from k210sim.micropython.layout import NULL, RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import GuestError, NativeFunction
from k210sim.micropython.operations import NATIVE_SLIPS
from k210sim.micropython.types import classes, iterators
from k210sim.micropython.types import set as sets


class Handlers:
    """Mixed into `VM`: the instructions."""

    # --- stack helpers --------------------------------------------------------------------
    def push(self, word: int) -> None:
        sp = self.R[R_SP] + 8
        self.R[R_SP] = sp
        self.words[(sp - RAM_BASE) >> 3] = word

    def pop(self) -> int:
        sp = self.R[R_SP]
        self.R[R_SP] = sp - 8
        return self.words[(sp - RAM_BASE) >> 3]

    def top(self) -> int:
        return self.words[(self.R[R_SP] - RAM_BASE) >> 3]

    def set_top(self, word: int) -> None:
        self.words[(self.R[R_SP] - RAM_BASE) >> 3] = word

    def peek(self, depth: int) -> int:
        """The word `depth` below the top."""
        return self.words[((self.R[R_SP] - RAM_BASE) >> 3) - depth]

    def drop(self, n: int) -> None:
        self.R[R_SP] -= 8 * n

    def arg_qstr(self) -> int:
        ip = self.R[R_IP]
        self.R[R_IP] = ip + 2
        at = ip - RAM_BASE
        return self.memory.bytes[at] | self.memory.bytes[at + 1] << 8

    def arg_uint(self) -> int:
        value, at = self.read_uint(self.R[R_IP] - RAM_BASE)
        self.R[R_IP] = at + RAM_BASE
        return value

    def arg_byte(self) -> int:
        ip = self.R[R_IP]
        self.R[R_IP] = ip + 1
        return self.memory.bytes[ip - RAM_BASE]

    def arg_label(self, signed: bool) -> int:
        """The address a jump operand names."""
        value = self.arg_qstr()
        return self.R[R_IP] + value - (0x8000 if signed else 0)

    def fast_slot(self, n: int) -> int:
        return ((self.R[R_FASTN] - RAM_BASE) >> 3) - n

    # --- constants and locals -------------------------------------------------------------
    def op_load_const_false(self, op):
        self.push(L.FALSE)

    def op_load_const_none(self, op):
        self.push(L.NONE)

    def op_load_const_true(self, op):
        self.push(L.TRUE)

    def op_load_const_small_int(self, op):
        at = self.R[R_IP] - RAM_BASE
        data = self.memory.bytes
        value = -1 if data[at] & 0x40 else 0
        while True:
            b = data[at]
            at += 1
            value = (value << 7) | (b & 0x7F)
            if not b & 0x80:
                break
        self.R[R_IP] = at + RAM_BASE
        self.push((value << 1) | 1)

    def op_load_const_string(self, op):
        self.push((self.arg_qstr() << 2) | 2)

    def op_load_const_obj(self, op):
        n = self.arg_uint()
        self.push(self.const(n))

    def const(self, n: int) -> int:
        """Entry `n` of the running function's constant table (argument names come first)."""
        fun = self.words[(self.R[R_CODE] - RAM_BASE) >> 3]
        consts = self.words[((fun - RAM_BASE) >> 3) + 3]
        return self.words[((consts - RAM_BASE) >> 3) + n]

    def op_load_null(self, op):
        self.push(NULL)

    def op_load_fast_n(self, op):
        self._load_checked(self.words[self.fast_slot(self.arg_uint())])

    def op_load_fast_multi(self, op):
        self._load_checked(self.words[self.fast_slot(op - O.LOAD_FAST_MULTI)])

    def _load_checked(self, word: int) -> None:
        if word == NULL:
            raise self.error("NameError", "local variable referenced before assignment")
        self.push(word)

    def op_load_deref(self, op):
        cell = self.words[self.fast_slot(self.arg_uint())]
        self._load_checked(self.words[((cell - RAM_BASE) >> 3) + 1])

    def op_load_name(self, op):
        qstr = self.arg_qstr()
        key = (qstr << 2) | 2
        if self.locals != self.globals:
            value = self.dict_get(self.locals, key)
            if value:
                self.push(value)
                return
        self.push(self.load_global(qstr))

    def op_load_global(self, op):
        self.push(self.load_global(self.arg_qstr()))

    def load_global(self, qstr: int) -> int:
        value = self.dict_get(self.globals, (qstr << 2) | 2)
        if not value:
            value = self.load_builtin(qstr)
            if not value:
                raise self.error("NameError", "name '%s' isn't defined" % self.qstr_text(qstr),
                                 formatted=True)
        return value

    def load_builtin(self, qstr: int) -> int:
        """The word of a name in `builtins`, or 0."""
        return int(self.builtin_words[qstr])

    def op_load_attr(self, op):
        qstr = self.arg_qstr()
        self.set_top(self.load_attr(self.top(), qstr))

    def op_load_method(self, op):
        qstr = self.arg_qstr()
        fun, receiver = self.load_method(self.top(), qstr)
        self.set_top(fun)
        self.push(receiver)

    def op_load_super_method(self, op):
        qstr = self.arg_qstr()
        # stack: ..., `super`, class, object; the result is function, receiver
        found = classes.super_lookup(self, self.peek(1), self.top(), qstr)
        if found is None:
            raise self.error("AttributeError", "'super' object has no attribute '%s'"
                             % self.qstr_text(qstr), formatted=True)
        self.drop(1)
        self.set_top(found[1])
        self.words[((self.R[R_SP] - RAM_BASE) >> 3) - 1] = found[0]

    def op_load_build_class(self, op):
        self.push(self.load_builtin(self.q_build_class))

    def op_load_subscr(self, op):
        result = self.subscr(self.peek(1), self.top(), SENTINEL)
        self.drop(1)
        self.set_top(result)

    def op_store_fast_n(self, op):
        self.words[self.fast_slot(self.arg_uint())] = self.pop()

    def op_store_fast_multi(self, op):
        self.words[self.fast_slot(op - O.STORE_FAST_MULTI)] = self.pop()

    def op_store_deref(self, op):
        cell = self.words[self.fast_slot(self.arg_uint())]
        self.words[((cell - RAM_BASE) >> 3) + 1] = self.pop()

    def op_store_name(self, op):
        self.dict_set(self.locals, (self.arg_qstr() << 2) | 2, self.top())
        self.drop(1)

    def op_store_global(self, op):
        self.dict_set(self.globals, (self.arg_qstr() << 2) | 2, self.top())
        self.drop(1)

    def op_store_attr(self, op):
        qstr = self.arg_qstr()
        self.store_attr(self.top(), qstr, self.peek(1))
        self.drop(2)

    def op_store_subscr(self, op):
        self.subscr(self.peek(1), self.top(), self.peek(2))
        self.drop(3)

    def op_delete_fast(self, op):
        slot = self.fast_slot(self.arg_uint())
        if self.words[slot] == NULL:
            raise self.error("NameError", "local variable referenced before assignment")
        self.words[slot] = NULL

    def op_delete_deref(self, op):
        cell = self.words[self.fast_slot(self.arg_uint())]
        slot = ((cell - RAM_BASE) >> 3) + 1
        if self.words[slot] == NULL:
            raise self.error("NameError", "local variable referenced before assignment")
        self.words[slot] = NULL

    def op_delete_name(self, op):
        self._delete_from(self.locals, self.arg_qstr())

    def op_delete_global(self, op):
        self._delete_from(self.globals, self.arg_qstr())

    def _delete_from(self, d: int, qstr: int) -> None:
        if not self.map_remove(d + L.DICT_MAP, (qstr << 2) | 2):
            raise GuestError(self.make_exception(self.exception_word("KeyError"),
                                                 [(qstr << 2) | 2]))

    # --- stack ----------------------------------------------------------------------------
    def op_dup_top(self, op):
        self.push(self.top())

    def op_dup_top_two(self, op):
        a, b = self.peek(1), self.top()
        self.push(a)
        self.push(b)

    def op_pop_top(self, op):
        self.drop(1)

    def op_rot_two(self, op):
        at = (self.R[R_SP] - RAM_BASE) >> 3
        w = self.words
        w[at], w[at - 1] = w[at - 1], w[at]

    def op_rot_three(self, op):
        at = (self.R[R_SP] - RAM_BASE) >> 3
        w = self.words
        w[at], w[at - 1], w[at - 2] = w[at - 1], w[at - 2], w[at]

    # --- jumps ----------------------------------------------------------------------------
    def op_jump_always(self, op):
        self.R[R_IP] = self.arg_label(True)

    def op_pop_jump_if_true(self, op):
        target = self.arg_label(True)
        if self.is_true(self.top()):
            self.R[R_IP] = target
        self.drop(1)

    def op_pop_jump_if_false(self, op):
        target = self.arg_label(True)
        if not self.is_true(self.top()):
            self.R[R_IP] = target
        self.drop(1)

    def op_jump_if_true_or_pop(self, op):
        target = self.arg_label(True)
        if self.is_true(self.top()):
            self.R[R_IP] = target
        else:
            self.drop(1)

    def op_jump_if_false_or_pop(self, op):
        target = self.arg_label(True)
        if self.is_true(self.top()):
            self.drop(1)
        else:
            self.R[R_IP] = target

    # --- exception blocks -----------------------------------------------------------------
    def _push_exc_block(self, with_or_finally: bool) -> None:
        target = self.arg_label(False)
        exc_sp = self.R[R_EXC_SP] + L.EXC_ENTRY_SIZE
        self.R[R_EXC_SP] = exc_sp
        e = (exc_sp - RAM_BASE) >> 3
        self.words[e] = target
        self.words[e + 1] = self.R[R_SP] | (2 if with_or_finally else 0)
        self.words[e + 2] = NULL

    def op_setup_except(self, op):
        self._push_exc_block(False)

    def op_setup_finally(self, op):
        self._push_exc_block(True)

    def op_setup_with(self, op):
        manager = self.top()
        exit_fun, exit_self = self.load_method(manager, self.q_exit)
        enter_fun, enter_self = self.load_method(manager, self.q_enter)
        self.set_top(exit_fun)
        self.push(exit_self)
        value = self.call(enter_fun, [enter_self] if enter_self else [])
        self._push_exc_block(True)
        self.push(value)

    def _call_exit(self, depth: int, args: list[int]) -> int:
        """Call the `__exit__` whose (function, self) pair ends `depth` below the top."""
        fun, receiver = self.peek(depth + 1), self.peek(depth)
        return self.call(fun, [receiver, *args] if receiver else args)

    def op_with_cleanup(self, op):
        cause = self.top()
        none = L.NONE
        if cause == none:
            self._call_exit(1, [none, none, none])
            self.drop(2)
            self.set_top(none)
        elif cause & 1:
            data = self.peek(1)
            self._call_exit(2, [none, none, none])
            self.drop(2)
            self.set_top(cause)
            self.words[((self.R[R_SP] - RAM_BASE) >> 3) - 1] = data
        else:
            swallowed = self.is_true(self._call_exit(1, [self.type_word(cause), cause, none]))
            self.drop(2)
            self.set_top(none if swallowed else cause)

    def op_end_finally(self, op):
        cause = self.top()
        if cause == L.NONE:
            self.R[R_EXC_SP] -= L.EXC_ENTRY_SIZE
            self.drop(1)
            return None
        if cause & 1:
            number = cause >> 1
            if number == -1:
                self.drop(1)
                return self.return_value()
            self.drop(1)
            self.push(number)
            return self._unwind_jump()
        raise GuestError(cause)

    def op_pop_except_jump(self, op):
        self.R[R_EXC_SP] -= L.EXC_ENTRY_SIZE
        self.R[R_IP] = self.arg_label(False)

    def op_unwind_jump(self, op):
        target = self.arg_label(True)
        self.push(target)
        self.push(self.memory.bytes[self.R[R_IP] - RAM_BASE])
        return self._unwind_jump()

    def _unwind_jump(self):
        R, words = self.R, self.words
        count = self.pop()
        while count & 0x7F:
            count -= 1
            e = (R[R_EXC_SP] - RAM_BASE) >> 3
            if words[e + 1] & 2 and words[e] > R[R_IP]:
                self.push((count << 1) | 1)
                R[R_IP] = words[e]
                R[R_EXC_SP] -= L.EXC_ENTRY_SIZE
                return None
            R[R_EXC_SP] -= L.EXC_ENTRY_SIZE
        R[R_IP] = self.pop()
        if count:
            self.drop(4)
        return None

    def op_return_value(self, op):
        return self.return_value()

    def return_value(self):
        R, words = self.R, self.words
        exc_stack = R[R_FASTN] + 8
        while R[R_EXC_SP] >= exc_stack:
            e = (R[R_EXC_SP] - RAM_BASE) >> 3
            if words[e + 1] & 2 and words[e] > R[R_IP]:
                finally_sp = (words[e + 1] & ~3) + 8
                words[(finally_sp - RAM_BASE) >> 3] = self.top()
                R[R_SP] = finally_sp
                self.push((-1 << 1) | 1)
                R[R_IP] = words[e]
                R[R_EXC_SP] -= L.EXC_ENTRY_SIZE
                return None
            R[R_EXC_SP] -= L.EXC_ENTRY_SIZE
        value = self.top()
        flags = words[((R[R_FRAME] - RAM_BASE) >> 3) + 2]
        self.pop_frame()
        if flags & TO_HOST:
            return RETURNED, value
        self.push(value)
        return None

    def op_raise_varargs(self, op):
        n = self.arg_byte()
        if n == 2:
            self.write("Warning: exception chaining not supported\n")
            self.drop(1)
        if n == 0:
            exc_sp, exc_stack = self.R[R_EXC_SP], self.R[R_FASTN] + 8
            found = NULL
            while exc_sp >= exc_stack:
                found = self.words[((exc_sp - RAM_BASE) >> 3) + 2]
                if found:
                    break
                exc_sp -= L.EXC_ENTRY_SIZE
            if not found:
                raise self.error("RuntimeError", "no active exception to reraise")
            raise GuestError(found)
        raise GuestError(self.make_raise_object(self.top()))

    def op_yield_value(self, op):
        value = self.top()
        self.pop_frame()
        return YIELDED, value

    def op_yield_from(self, op):
        send = self.pop()
        throw, self.inject = self.inject, 0
        target = self.top()
        try:
            how, value = self.resume(target, send, throw)
        except GuestError as error:
            if not self.exception_match(error.obj, self.exception_word("StopIteration")):
                self.drop(1)
                raise
            self.set_top(self.exception_value(error.obj))
            self._reraise_generator_exit(throw)
            return None
        if how == YIELDED:
            self.R[R_IP] -= 1
            self.push(value)
            return self.op_yield_value(op)
        self.set_top(value if value else L.NONE)
        self._reraise_generator_exit(throw)
        return None

    def _reraise_generator_exit(self, throw: int) -> None:
        if throw and self.exception_match(throw, self.exception_word("GeneratorExit")):
            raise GuestError(self.make_raise_object(throw))

    def resume(self, target: int, send: int, throw: int) -> tuple[str, int]:
        """Continue any iterator as `yield from` does."""
        if self.is_type(target, "generator"):
            return self.resume_generator(target, L.NONE if throw else send, throw)
        t = self.type_of(target)
        if throw:
            if self.exception_match(throw, self.exception_word("GeneratorExit")):
                found = self.load_method_maybe(target, self.intern("close"))
                if found:
                    self.call(found[0], [found[1]] if found[1] else [])
            else:
                found = self.load_method_maybe(target, self.intern("throw"))
                if found:
                    return YIELDED, self.call(found[0], [w for w in (found[1], throw) if w])
            raise GuestError(self.make_raise_object(throw))
        if t.iternext is not None and send == L.NONE:
            value = self.iternext(target)
            return (YIELDED, value) if value else (RETURNED, NULL)
        if send == L.NONE:
            found = self.load_method_maybe(target, self.q_next)
            if found:
                return YIELDED, self.call(found[0], [found[1]] if found[1] else [])
        fun, receiver = self.load_method(target, self.intern("send"))
        return YIELDED, self.call(fun, [w for w in (receiver, send) if w])

    # --- iteration ------------------------------------------------------------------------
    def op_get_iter(self, op):
        self.set_top(self.getiter(self.top()))

    def op_get_iter_stack(self, op):
        # An iterator takes four slots of the value stack: the quick kinds of the compiled loop
        # (type of the container, ...), a built-in iterator placed there, or [0, object].
        o = self.top()
        at = self.R[R_SP]
        sp = (at - RAM_BASE) >> 3
        words = self.words
        kind = self.type_word(o)
        if kind == TYPE["list"] or kind == TYPE["tuple"]:
            words[sp], words[sp + 1], words[sp + 2], words[sp + 3] = kind, 0, o, 0
        elif kind == TYPE["range"]:
            r = (o - RAM_BASE) >> 3
            words[sp], words[sp + 1] = kind, words[r + 1]
            words[sp + 2], words[sp + 3] = words[r + 2], words[r + 3]
        else:
            self.temps.append(o)
            self.iter_buffer = at
            try:
                it = self.getiter(o)
            finally:
                self.iter_buffer = 0
            if it != at:
                words[sp], words[sp + 1], words[sp + 2], words[sp + 3] = 0, it, 0, 0
        self.R[R_SP] += 24

    def op_for_iter(self, op):
        target = self.arg_label(False)
        R, words = self.R, self.words
        base = ((R[R_SP] - RAM_BASE) >> 3) - 3
        kind = words[base]
        if kind == 0:
            value = self.iternext(words[base + 1])
        elif kind == TYPE["range"]:
            cur, stop, step = words[base + 1], words[base + 2], words[base + 3]
            if (step > 0 and cur < stop) or (step < 0 and cur > stop):
                value = self.new_int(cur)
                words[base + 1] = cur + step
            else:
                value = NULL
        elif kind not in (TYPE["list"], TYPE["tuple"]):
            value = self.iternext(R[R_SP] - 24)
        else:
            o, i = words[base + 2], words[base + 3]
            at = (o - RAM_BASE) >> 3
            if kind == TYPE["list"]:
                n, first = words[at + 2], (words[at + 3] - RAM_BASE) >> 3
            else:
                n, first = words[at + 1], at + 2
            if i < n:
                value = words[first + i]
                words[base + 3] = i + 1
            else:
                value = NULL
        if value == NULL:
            self.drop(4)
            R[R_IP] = target
        else:
            self.push(value)

    # --- building -------------------------------------------------------------------------
    def _top_n(self, n: int) -> list[int]:
        at = ((self.R[R_SP] - RAM_BASE) >> 3) + 1
        return list(self.words[at - n : at])

    def op_build_tuple(self, op):
        n = self.arg_uint()
        o = self.new_tuple(self._top_n(n))
        self.drop(n)
        self.push(o)

    def op_build_list(self, op):
        n = self.arg_uint()
        o = self.new_list(self._top_n(n))
        self.drop(n)
        self.push(o)

    def op_build_map(self, op):
        self.push(self.new_dict(self.arg_uint()))

    def op_store_map(self, op):
        self.dict_set(self.peek(2), self.top(), self.peek(1))
        self.drop(2)

    def op_build_set(self, op):
        n = self.arg_uint()
        o = sets.new_set(self, self._top_n(n))
        self.drop(n)
        self.push(o)

    def op_build_slice(self, op):
        n = self.arg_uint()
        items = self._top_n(n)
        if n == 2:
            items = [*items, L.NONE]
        o = self.new_object(TYPE["slice"], 32)
        at = (o - RAM_BASE) >> 3
        self.words[at + 1], self.words[at + 2], self.words[at + 3] = items
        self.drop(n - 1)
        self.set_top(o)

    def op_store_comp(self, op):
        n = self.arg_uint()
        target = self.peek(n >> 2)
        kind = n & 3
        if kind == 0:
            self.list_append(target, self.top())
            self.drop(1)
        elif kind == 1:
            self.dict_set(target, self.top(), self.peek(1))
            self.drop(2)
        else:
            sets.lookup(self, target, self.top(), sets.ADD)
            self.drop(1)

    def op_unpack_sequence(self, op):
        n = self.arg_uint()
        items = self.unpack(self.top(), n, False)
        self.drop(1)
        for word in reversed(items):
            self.push(word)

    def op_unpack_ex(self, op):
        n = self.arg_uint()
        left, right = n & 0xFF, (n >> 8) & 0xFF
        seq = self.top()
        items = self.items_of(seq) if self.type_word(seq) in (TYPE["tuple"], TYPE["list"]) \
            else iterators.bounded(self, self.iterate(seq))
        if len(items) < left + right:
            raise self.error("ValueError", "need more than %d values to unpack" % len(items),
                             formatted=True)
        middle = self.new_list(items[left : len(items) - right])
        self.drop(1)
        for word in reversed(items[len(items) - right :] if right else []):
            self.push(word)
        self.push(middle)
        for word in reversed(items[:left]):
            self.push(word)

    def unpack(self, seq: int, n: int, _star: bool) -> list[int]:
        if self.type_word(seq) in (TYPE["tuple"], TYPE["list"]) or self.is_tuple_like(seq):
            items = self.items_of(seq)
            if len(items) < n:
                raise self.error("ValueError", "need more than %d values to unpack" % len(items),
                                 formatted=True)
            if len(items) > n:
                raise self.error("ValueError", "too many values to unpack (expected %d)" % n,
                                 formatted=True)
            return items
        items: list[int] = []
        steps = iterators.stack_iterate(self, seq)
        try:
            for word in steps:
                if len(items) == n:
                    raise self.error("ValueError", "too many values to unpack (expected %d)" % n,
                                     formatted=True)
                items.append(word)
        finally:
            steps.close()
        if len(items) < n:
            raise self.error("ValueError", "need more than %d values to unpack" % len(items),
                             formatted=True)
        return items

    # --- functions and calls --------------------------------------------------------------
    def op_make_function(self, op):
        self.push(self.make_function(self.const(self.arg_uint()), self.globals))

    def op_make_function_defargs(self, op):
        raw = self.const(self.arg_uint())
        o = self.make_function(raw, self.globals, self.peek(1), self.top())
        self.drop(1)
        self.set_top(o)

    def _make_closure(self, raw: int, n: int, def_args: int, def_kw: int) -> int:
        cells = self._top_n(n)
        fun = self.make_function(raw, self.globals, def_args, def_kw)
        o = self.new_object(TYPE["closure"], 24 + 8 * n)
        at = (o - RAM_BASE) >> 3
        self.words[at + 1], self.words[at + 2] = fun, n
        for i, cell in enumerate(cells):
            self.words[at + 3 + i] = cell
        return o

    def op_make_closure(self, op):
        raw = self.const(self.arg_uint())
        n = self.arg_byte()
        o = self._make_closure(raw, n, 0, 0)
        self.drop(n)
        self.push(o)

    def op_make_closure_defargs(self, op):
        raw = self.const(self.arg_uint())
        n = self.arg_byte()
        o = self._make_closure(raw, n, self.peek(n + 1), self.peek(n))
        self.drop(n + 2)
        self.push(o)

    def op_call_function(self, op):
        n = self.arg_uint()
        self._call(n & 0xFF, (n >> 8) & 0xFF, False)

    def op_call_method(self, op):
        n = self.arg_uint()
        self._call(n & 0xFF, (n >> 8) & 0xFF, True)

    def _call(self, n_args: int, n_kw: int, method: bool) -> None:
        words = self.words
        size = n_args + 2 * n_kw
        at = ((self.R[R_SP] - RAM_BASE) >> 3) + 1 - size
        args = list(words[at : at + n_args])
        kw = None
        if n_kw:
            kw = {words[i] >> 2: words[i + 1] for i in range(at + n_args, at + size, 2)}
        if method:
            if words[at - 1]:
                args.insert(0, words[at - 1])
            at -= 1
        fun = words[at - 1]
        native = self.rom.get(fun) if kw is None else None
        if native.__class__ is NativeFunction and not native.kw and native.max_args is not None \
                and native.min_args <= len(args) <= native.max_args:
            try:
                result = native.fn(self, *args)
            except NATIVE_SLIPS as error:
                self.check_receiver(native, args, error)
                raise
            self.R[R_SP] = (at - 1) * 8 + RAM_BASE
            words[at - 1] = L.NONE if result is None else result
            return
        self._invoke(fun, args, kw, (at - 1) * 8 + RAM_BASE)

    def _invoke(self, fun: int, args: list[int], kw, result_at: int) -> None:
        """Call `fun`; its value is to replace the stack from `result_at` on."""
        overhead = CALL_OVERHEAD
        while True:
            kind = self.type_word(fun)
            if kind == TYPE["fun_bc"]:
                # The arguments stay on the caller's stack until they are in the new frame.
                self.R[R_SP] = self.R[R_SP]
                caller = self.R[R_CODE]
                self.push_frame(fun, args, kw, 0, overhead)
                self.words[(caller + L.CODE_SP - RAM_BASE) >> 3] = result_at - 8
                return
            at = (fun - RAM_BASE) >> 3
            if kind == TYPE["bound_method"]:
                args = [self.words[at + 2], *args]
                fun = self.words[at + 1]
            elif kind == TYPE["closure"]:
                n = self.words[at + 2]
                args = list(self.words[at + 3 : at + 3 + n]) + args
                fun = self.words[at + 1]
                overhead += CLOSURE_OVERHEAD
            else:
                value = self.call(fun, args, kw)
                self.R[R_SP] = result_at
                self.words[(result_at - RAM_BASE) >> 3] = value
                return

    def _call_var_kw(self, n: int, method: bool) -> None:
        words = self.words
        n_args, n_kw = n & 0xFF, (n >> 8) & 0xFF
        at = ((self.R[R_SP] - RAM_BASE) >> 3) + 1 - (n_args + 2 * n_kw + 2)
        args = list(words[at : at + n_args])
        kw = {words[i] >> 2: words[i + 1]
              for i in range(at + n_args, at + n_args + 2 * n_kw, 2)}
        star, star_star = words[at + n_args + 2 * n_kw], words[at + n_args + 2 * n_kw + 1]
        if star != NULL:
            args += self.items_of(star) if self.type_word(star) in (TYPE["tuple"], TYPE["list"]) \
                else iterators.collect(self, star)
        if star_star != NULL:
            kw_pairs = self.keyword_pairs(star_star)
            for key, value in kw_pairs:
                if not self.is_str(key):
                    raise self.error("TypeError", "can't convert '%s' object to str implicitly"
                                     % self.type_name(key), formatted=True)
                q = self.qstr_of(key)
                if q in kw:
                    # The firmware passes both and the callee complains.
                    raise self.error("TypeError", "function got multiple values for argument "
                                     "'%s'" % self.qstr_text(q), formatted=True)
                kw[q] = value
        if method:
            if words[at - 1]:
                args.insert(0, words[at - 1])
            at -= 1
        self._invoke(words[at - 1], args, kw or None, (at - 1) * 8 + RAM_BASE)

    def keyword_pairs(self, mapping: int) -> list[tuple[int, int]]:
        """Key and value words of what stands behind `**`."""
        if self.is_type(mapping, "dict"):
            return self.dict_items(mapping)
        pairs = []
        keys = self.call_method(mapping, "keys")
        fun, receiver = self.load_method(mapping, self.q_getitem)
        for key in self.iterate(keys):
            pairs.append((key, self.call(fun, [w for w in (receiver, key) if w])))
        return pairs

    def op_call_function_var_kw(self, op):
        self._call_var_kw(self.arg_uint(), False)

    def op_call_method_var_kw(self, op):
        self._call_var_kw(self.arg_uint(), True)

    # --- import ---------------------------------------------------------------------------
    def op_import_name(self, op):
        qstr = self.arg_qstr()
        level, fromlist = self.peek(1), self.top()
        from k210sim.micropython import importing

        module = importing.import_name(self, qstr, fromlist, level)
        self.drop(1)
        self.set_top(module)

    def op_import_from(self, op):
        qstr = self.arg_qstr()
        from k210sim.micropython import importing

        self.push(importing.import_from(self, self.top(), qstr))

    def op_import_star(self, op):
        from k210sim.micropython import importing

        importing.import_all(self, self.top())
        self.drop(1)

    # --- operators ------------------------------------------------------------------------
    def op_load_const_small_int_multi(self, op):
        self.push(((op - O.LOAD_CONST_SMALL_INT_MULTI - 16) << 1) | 1)

    def op_unary_op_multi(self, op):
        self.set_top(self.unary_op(op - O.UNARY_OP_MULTI, self.top()))

    def op_binary_op_multi(self, op):
        result = self.binary_op(op - O.BINARY_OP_MULTI, self.peek(1), self.top())
        self.drop(1)
        self.set_top(result)

    def fill_multi_handlers(self) -> None:
        """The opcodes that carry their operand in the low bits."""
        for first, count, handler in (
            (O.LOAD_CONST_SMALL_INT_MULTI, 64, self.op_load_const_small_int_multi),
            (O.LOAD_FAST_MULTI, 16, self.op_load_fast_multi),
            (O.STORE_FAST_MULTI, 16, self.op_store_fast_multi),
            (O.UNARY_OP_MULTI, 7, self.op_unary_op_multi),
            (O.BINARY_OP_MULTI, 41, self.op_binary_op_multi),
        ):
            for i in range(count):
                if first + i < 256:
                    self.handlers[first + i] = handler

