"""Frames on the simulated stack, the bytecode loop, generators, and unwinding.

Registers live in `regs` (int64), shared with the compiled loop (`fastloop.py`), which runs the
common cases of the common opcodes and stops at whatever it leaves to `handlers.py`. A frame
record on the simulated C stack links a code state to its caller:

    +0 caller's frame record   +8 code state   +16 flags   +24 caller's globals
    +32 heap bytes of the code state, 0 when it lies in the record itself   +40 code state

Semantics of the opcodes: micropython v1.11 py/vm.c (facts).
"""

from __future__ import annotations

import sys

import numpy as np

from k210sim.micropython import fastloop
from k210sim.micropython import layout as L
from k210sim.micropython.compiler import opcodes as O
from k210sim.micropython.layout import NULL, RAM_BASE, TYPE
from k210sim.micropython.native import GuestError
from k210sim.micropython.qstr import MAX_QSTRS
from k210sim.micropython.types import exceptions

# Register numbers.
(R_IP, R_SP, R_CODE, R_FRAME, R_STACK, R_GLOBALS, R_EXC_SP, R_FASTN, R_BUDGET, R_PENDING,
 R_OPS, R_STACK_MIN, R_LOCALS, R_APPEND_NAME, R_APPEND, R_LEN) = range(16)
N_REGS = 32

FRAME_LINK, FRAME_CODE, FRAME_FLAGS, FRAME_GLOBALS, FRAME_HEAP, FRAME_STATE = 0, 8, 16, 24, 32, 40
TO_HOST, GENERATOR = 1, 2  # frame flags

STACK_TOP = 0x802F8000
STACK_LIMIT = 31744
# C stack that one bytecode call takes beside its code state: the frames of the call helpers, the
# function object's call and the loop itself; calling through a closure takes more. Fitted to the
# recorded depths (golden README, tb_recursion), which vary with the C compiler.
CALL_OVERHEAD = 480
CLOSURE_OVERHEAD = 150
NATIVE_OVERHEAD = 96  # a host function that calls back into bytecode
PRINT_OVERHEAD = 48  # one nested container while printing
STACK_AT_PROMPT = 656  # with a program's own frame mem_info prints 1324, as recorded
VM_MAX_STATE_ON_STACK = 88

YIELDED, RETURNED = "yield", "return"

SLICE = 20000  # plain operations between two looks at clock, budget and host
# Time on the chip at 400 MHz: of a plain bytecode operation, and what others cost beyond it, in
# plain ones: finding a name, a subscript, and a call or a new object. Fitted to six published
# programs of one board, within 7 % each; docs/timing.md has the table. A guess: that operations
# which those programs do not use cost what their relatives do.
NS_PER_OP = 107
_COSTS = {
    fastloop.LOOKUP_EXTRA: (
        O.LOAD_NAME, O.LOAD_GLOBAL, O.LOAD_ATTR, O.LOAD_METHOD, O.LOAD_SUPER_METHOD, O.STORE_NAME,
        O.STORE_GLOBAL, O.STORE_ATTR, O.DELETE_NAME, O.DELETE_GLOBAL,
    ),
    fastloop.SUBSCRIPT_EXTRA: (O.LOAD_SUBSCR, O.STORE_SUBSCR),
    fastloop.CALL_EXTRA: (
        O.CALL_FUNCTION, O.CALL_FUNCTION_VAR_KW, O.CALL_METHOD, O.CALL_METHOD_VAR_KW,
        O.BUILD_TUPLE, O.BUILD_LIST, O.BUILD_MAP, O.BUILD_SET, O.BUILD_SLICE, O.MAKE_FUNCTION,
        O.MAKE_FUNCTION_DEFARGS, O.MAKE_CLOSURE, O.MAKE_CLOSURE_DEFARGS,
    ),
}  # fmt: skip
_EXTRA = {op: extra for extra, ops in _COSTS.items() for op in ops}
OP_COST = bytes(1 + _EXTRA.get(op, 0) for op in range(256))  # in plain operations


class Frames:
    """Mixed into `VM`: loads and runs bytecode."""

    def init_interpreter(self) -> None:
        self.regs = np.zeros(N_REGS, np.int64)
        self.R = memoryview(self.regs.data).cast("B").cast("q")
        self.q_class = self.qstrs.intern("__class__")
        self.q_next = self.qstrs.intern("__next__")
        self.q_next_builtin = self.qstrs.intern("next")
        self.q_getitem = self.qstrs.intern("__getitem__")
        self.q_enter = self.qstrs.intern("__enter__")
        self.q_exit = self.qstrs.intern("__exit__")
        self.q_name = self.qstrs.intern("__name__")
        self.q_build_class = self.qstrs.intern("__build_class__")
        self.handlers = [None] * 256
        for name in dir(O):
            handler = getattr(self, "op_" + name.lower(), None)
            if handler is not None and isinstance(getattr(O, name), int):
                self.handlers[getattr(O, name)] = handler
        self.fill_multi_handlers()
        self.fast = fastloop.run  # None: everything through the handlers
        self.interrupts: list = []

    def start_interpreter(self) -> None:
        R = self.R
        self.builtin_words = np.zeros(MAX_QSTRS, np.int64)
        for qstr, word in self.module_table(self.builtins_module).items():
            self.builtin_words[qstr] = word
        for i in range(N_REGS):
            R[i] = 0
        self.ops_charged = 0
        # What the compiled loop does itself of the built-in functions.
        R[R_APPEND_NAME] = self.qstrs.intern("append")
        R[R_APPEND] = self.types[TYPE["list"]].table[R[R_APPEND_NAME]]
        R[R_LEN] = int(self.builtin_words[self.qstrs.intern("len")])
        self.fast_args = (self.memory.u8, self.memory.i64, self.memory.f32, self.regs,
                          self.heap.state, self.qstrs.hashes, self.builtin_words)
        R[R_STACK] = STACK_TOP - STACK_AT_PROMPT & ~7
        R[R_STACK_MIN] = STACK_TOP - STACK_LIMIT

    @property
    def stack_pointer(self) -> int:
        return self.R[R_STACK]

    def print_stack_used_up(self) -> bool:
        """Has nested printing used the C stack up."""
        return self.print_depth * PRINT_OVERHEAD > self.R[R_STACK] - self.R[R_STACK_MIN]

    threads = None  # of the `_thread` module: knows the stacks of threads that wait
    stack_top = STACK_TOP
    stack_base = (STACK_TOP - STACK_AT_PROMPT) & ~7  # stack pointer outside all frames

    def other_stacks(self):
        return self.threads.other_stacks() if self.threads is not None else ()

    @property
    def globals(self) -> int:
        """Dict word of the running function's globals."""
        return self.R[R_GLOBALS]

    def set_globals(self, d: int) -> None:
        self.R[R_GLOBALS] = d

    @property
    def locals(self) -> int:
        """Dict word of the locals at module, class or exec level."""
        return self.R[R_LOCALS] or self.R[R_GLOBALS]

    def set_locals(self, d: int) -> None:
        self.R[R_LOCALS] = d

    # --- loading code ---------------------------------------------------------------------
    def load_raw_code(self, raw, *, rom: bool = False) -> int:
        """Put a compiled code object and its children into guest RAM; returns a raw_code object.

        Layout of the raw_code block (24 bytes): kind and flags, bytecode address, constants
        address. The firmware's struct has the same size. With `rom` all of it becomes part of
        the firmware image, as its frozen modules are, and costs no heap.
        """
        take = self.rom_block if rom else self.malloc
        mark = len(self.temps)
        o = take(24)
        code = take(len(raw.bytecode))
        self.memory.write(code, raw.bytecode)
        consts = 0
        if raw.const_table:
            consts = take(8 * len(raw.const_table))
            at = (consts - RAM_BASE) >> 3
            for i, entry in enumerate(raw.const_table):
                if entry[0] == "raw":
                    self.words[at + i] = self.load_raw_code(entry[1], rom=rom)
                elif rom and entry[0] == "str":
                    self.words[at + i] = self.rom_bytes_object(bytes(entry[1]), "str")
                elif rom and entry[0] != "qstr":
                    self.words[at + i] = self._rom_constant(entry)
                else:
                    self.words[at + i] = self._constant(entry)
        at = (o - RAM_BASE) >> 3
        self.words[at] = raw.scope_flags << 3 | 2
        self.words[at + 1], self.words[at + 2] = code, consts
        del self.temps[mark:]
        if not rom:
            self.temps.append(o)
        return o

    def _rom_constant(self, entry) -> int:
        """A constant of frozen code, in the image."""
        kind, value = entry[0], entry[1] if len(entry) > 1 else None
        if kind == "str":  # its value is bytes, which alone would become a bytes object
            return self.rom_bytes_object(value, "str")
        if kind == "tuple":
            items = [self._rom_constant(e) for e in value]
            return self.rom_alloc(TYPE["tuple"], len(items), *items) if items else L.EMPTY_TUPLE
        if kind in ("none", "true", "false", "ellipsis", "qstr"):
            return self._constant(entry)
        return self._rom_entry(value)

    def _constant(self, entry) -> int:
        kind = entry[0]
        value = entry[1] if len(entry) > 1 else None
        if kind == "qstr":
            return (value << 2) | 2
        if kind == "int":
            return self.new_big_int(value)  # a long integer even where a small one would do
        if kind == "float":
            return self.new_float(value)
        if kind == "complex":
            return self.new_complex(value)
        if kind == "str":
            return self.new_heap_str(value)
        if kind == "bytes":
            return self.new_bytes(value)
        if kind == "ellipsis":
            return L.ELLIPSIS
        if kind == "tuple":
            return self.new_tuple([self._constant(e) for e in value])
        if kind == "none":
            return L.NONE
        if kind in ("true", "false"):
            return self.new_bool(kind == "true")
        raise ValueError(f"unknown constant {entry!r}")

    def make_function(self, raw: int, globals_word: int, def_args: int = 0,
                      def_kw_args: int = 0) -> int:
        """A function object of a raw_code object."""
        at = (raw - RAM_BASE) >> 3
        flags, code, consts = self.words[at], self.words[at + 1], self.words[at + 2]
        n_def = 0
        defaults: list[int] = []
        if def_args:
            defaults = self.items_of(def_args)
            n_def = len(defaults)
        extra = n_def + (1 if def_kw_args else 0)
        o = self.new_object(TYPE["gen_wrap"] if (flags >> 3) & 4 else TYPE["fun_bc"],
                            32 + 8 * extra)
        at = (o - RAM_BASE) >> 3
        self.words[at + 1], self.words[at + 2], self.words[at + 3] = globals_word, code, consts
        for i, word in enumerate(defaults):
            self.words[at + 4 + i] = word
        if def_kw_args:
            self.words[at + 4 + n_def] = def_kw_args
        return o

    # --- calling bytecode -----------------------------------------------------------------
    def read_uint(self, at: int) -> tuple[int, int]:
        """A 7-bit-group number at RAM offset `at`; returns (value, next offset)."""
        data = self.memory.bytes
        value = 0
        while True:
            b = data[at]
            at += 1
            value = (value << 7) | (b & 0x7F)
            if not b & 0x80:
                return value, at

    def push_frame(self, fun: int, args, kw, flags: int,
                   overhead: int = CALL_OVERHEAD) -> None:
        """Enter a bytecode function: frame record, code state, arguments, registers."""
        R, words = self.R, self.words
        at = (fun - RAM_BASE) >> 3
        code = words[at + 2] - RAM_BASE
        n_state, p = self.read_uint(code)
        n_exc, p = self.read_uint(p)
        state_size = 8 * n_state + L.EXC_ENTRY_SIZE * n_exc
        heap_bytes = state = 0
        stack = R[R_STACK] - overhead
        if stack < R[R_STACK_MIN]:
            raise self.recursion_error()
        if state_size > VM_MAX_STATE_ON_STACK:
            state = self.heap.alloc(L.CODE_STATE + state_size)
            if state:
                heap_bytes = L.CODE_STATE + state_size
                self.temps.append(state)
        if not state:
            stack -= L.CODE_STATE + state_size
        frame = (stack - FRAME_STATE) & ~15
        if frame < R[R_STACK_MIN] - 1024:
            raise self.recursion_error()
        if not state:
            state = frame + FRAME_STATE
            first = (state - RAM_BASE) >> 3
            for i in range((L.CODE_STATE + state_size) >> 3):
                words[first + i] = 0
        self.setup_code_state(state, fun, p, n_state, args, kw)
        f = (frame - RAM_BASE) >> 3
        # Save the caller's registers in its code state.
        self.save_registers()
        words[f], words[f + 1], words[f + 2] = R[R_FRAME], state, flags
        words[f + 3], words[f + 4] = R[R_GLOBALS], heap_bytes
        words[(state + L.CODE_OLD_GLOBALS - RAM_BASE) >> 3] = R[R_GLOBALS]
        R[R_FRAME], R[R_STACK] = frame, frame
        R[R_GLOBALS] = words[at + 1]
        self.load_registers(state)

    def save_registers(self) -> None:
        R = self.R
        state = R[R_CODE]
        if state:
            at = (state - RAM_BASE) >> 3
            self.words[at + 1], self.words[at + 2] = R[R_IP], R[R_SP]
            self.words[at + 3] = R[R_EXC_SP]

    def load_registers(self, state: int) -> None:
        """Make a code state the running one."""
        R, words = self.R, self.words
        R[R_CODE] = state
        if not state:
            return
        at = (state - RAM_BASE) >> 3
        R[R_IP], R[R_SP], R[R_EXC_SP] = words[at + 1], words[at + 2], words[at + 3]
        code = words[((words[at] - RAM_BASE) >> 3) + 2] - RAM_BASE
        n_state, _ = self.read_uint(code)
        R[R_FASTN] = state + L.CODE_STATE + 8 * (n_state - 1)

    def setup_code_state(self, state: int, fun: int, prelude_at: int, n_state: int,
                         args, kw) -> None:
        """Bind arguments to the slots of a fresh code state, as mp_setup_code_state does."""
        words, data = self.words, self.memory.bytes
        s = (state - RAM_BASE) >> 3
        f = (fun - RAM_BASE) >> 3
        words[s] = fun
        first = s + 5
        p = prelude_at
        scope_flags, n_pos, n_kwonly, n_def = data[p], data[p + 1], data[p + 2], data[p + 3]
        p += 4
        words[s + 2] = state + L.CODE_STATE - 8
        words[s + 3] = state + L.CODE_STATE + 8 * n_state - L.EXC_ENTRY_SIZE
        n_args = len(args)
        n_kw = len(kw) if kw else 0
        top = first + n_state - 1
        var_at = top - n_pos - n_kwonly
        has_def_kw = scope_flags & 8
        if n_args > n_pos:
            if not scope_flags & 1:
                raise self._arg_mismatch(fun, n_pos, n_args)
            words[var_at] = self.new_tuple(args[n_pos:])
            var_at -= 1
            n_args = n_pos
        else:
            if scope_flags & 1:
                words[var_at] = L.EMPTY_TUPLE
                var_at -= 1
            if not n_kw and not has_def_kw:
                if n_args >= n_pos - n_def:
                    for i in range(n_args, n_pos):
                        words[top - i] = words[f + 4 + i - (n_pos - n_def)]
                else:
                    raise self._arg_mismatch(fun, n_pos - n_def, n_args)
        for i in range(n_args):
            words[top - i] = args[i]
        if n_kw or has_def_kw:
            extra_kw = 0
            if scope_flags & 2:
                extra_kw = self.new_dict(n_kw)
                words[var_at] = extra_kw
            names = (words[f + 3] - RAM_BASE) >> 3
            for q, value in (kw or {}).items():
                key = (q << 2) | 2
                for j in range(n_pos + n_kwonly):
                    if words[names + j] == key:
                        if words[top - j] != NULL:
                            raise self.error("TypeError", "function got multiple values for "
                                             "argument '%s'" % self.qstr_text(q), formatted=True)
                        words[top - j] = value
                        break
                else:
                    if not extra_kw:
                        raise self.error("TypeError", "unexpected keyword argument '%s'"
                                         % self.qstr_text(q), formatted=True)
                    self.dict_set(extra_kw, key, value)
            for i in range(n_pos - n_def, n_pos):
                if words[top - i] == NULL:
                    words[top - i] = words[f + 4 + i - (n_pos - n_def)]
            # The firmware checks the slots from the last one that has no default backwards, so
            # the first missing argument it meets is the last one.
            for i in range(n_pos - n_def - 1, -1, -1):
                if words[top - i] == NULL:
                    raise self.error("TypeError", "function missing required positional "
                                     "argument #%d" % i, formatted=True)
            for i in range(n_kwonly):
                if words[top - n_pos - i] == NULL:
                    value = 0
                    if has_def_kw:
                        value = self.dict_get(words[f + 4 + n_def], words[names + n_pos + i])
                    if not value:
                        raise self.error("TypeError", "function missing required keyword "
                                         "argument '%s'"
                                         % self.qstr_text(words[names + n_pos + i] >> 2),
                                         formatted=True)
                    words[top - n_pos - i] = value
        else:
            if n_kwonly:
                raise self.error("TypeError", "function missing keyword-only argument")
            if scope_flags & 2:
                words[var_at] = self.new_dict(0)
        size, _ = self.read_uint(p)
        p += size
        while data[p] != 255:
            slot = top - data[p]
            cell = self.new_object(TYPE["cell"], 16)
            words[((cell - RAM_BASE) >> 3) + 1] = words[slot]
            words[slot] = cell
            p += 1
        words[s + 1] = p + 1 + RAM_BASE

    def _arg_mismatch(self, fun: int, expected: int, given: int) -> GuestError:
        return self.error("TypeError", "%s() takes %d positional arguments but %d were given"
                          % (self.function_name(fun), expected, given), formatted=True)

    def function_name(self, fun: int) -> str:
        """The name a bytecode function was defined with."""
        return self.qstr_text(self._block_info(fun)[0])

    def _block_info(self, fun: int) -> tuple[int, int, int]:
        """(block name qstr, source file qstr, RAM offset of the line table)."""
        p = self.words[((fun - RAM_BASE) >> 3) + 2] - RAM_BASE
        _, p = self.read_uint(p)
        _, p = self.read_uint(p)
        _, p = self.read_uint(p + 4)
        d = self.memory.bytes
        return d[p] | d[p + 1] << 8, d[p + 2] | d[p + 3] << 8, p + 4

    def source_line(self, fun: int, ip: int) -> int:
        """The line of the instruction at `ip`."""
        code = self.words[((fun - RAM_BASE) >> 3) + 2] - RAM_BASE
        _, p = self.read_uint(code)
        _, p = self.read_uint(p)
        info = p + 4
        size, p = self.read_uint(info)
        offset = ip - RAM_BASE - info - size
        p += 4
        d = self.memory.bytes
        line = 1
        while d[p]:
            c = d[p]
            if not c & 0x80:
                b, step, p = c & 0x1F, c >> 5, p + 1
            else:
                b, step, p = c & 0xF, ((c << 4) & 0x700) | d[p + 1], p + 2
            if offset < b:
                break
            offset -= b
            line += step
        return line

    def call_bytecode(self, fun: int, args, kw=None) -> int:
        """Call a bytecode function from host code; returns its value."""
        depth, self.print_depth = self.print_depth, 0
        try:
            self.push_frame(fun, args, kw, TO_HOST,
                            CALL_OVERHEAD + NATIVE_OVERHEAD + depth * PRINT_OVERHEAD)
            return self.run()[1]
        finally:
            self.print_depth = depth

    # --- generators -----------------------------------------------------------------------
    def new_generator(self, fun: int, args, kw) -> int:
        at = (fun - RAM_BASE) >> 3
        code = self.words[at + 2] - RAM_BASE
        n_state, p = self.read_uint(code)
        n_exc, p = self.read_uint(p)
        o = self.new_object(TYPE["generator"],
                            16 + L.CODE_STATE + 8 * n_state + L.EXC_ENTRY_SIZE * n_exc)
        self.words[((o - RAM_BASE) >> 3) + 1] = self.words[at + 1]
        self.setup_code_state(o + L.GEN_CODE_STATE, fun, p, n_state, args, kw)
        return o

    def resume_generator(self, gen: int, send: int, throw: int = 0) -> tuple[str, int]:
        """Continue a generator: (YIELDED or RETURNED, value word); raises GuestError.

        A finished generator answers (RETURNED, 0).
        """
        R, words = self.R, self.words
        if R[R_STACK] - CALL_OVERHEAD - FRAME_STATE < R[R_STACK_MIN]:
            raise self.recursion_error()
        g = (gen - RAM_BASE) >> 3
        state = gen + L.GEN_CODE_STATE
        s = g + 2
        if words[s + 1] == 0:
            return RETURNED, NULL
        if words[s + 2] == state + L.CODE_STATE - 8:
            if send != L.NONE and not throw:
                raise self.error("TypeError",
                                 "can't send non-None value to a just-started generator",
                                 formatted=False)
        else:
            slot = (words[s + 2] - RAM_BASE) >> 3
            if words[slot] != L.NONE:
                # Left there by pend_throw(): it is raised instead.
                throw, words[slot] = words[slot], NULL
            else:
                words[slot] = send
        if words[g + 1] == 0:
            raise self.error("ValueError", "generator already executing")
        frame = (R[R_STACK] - CALL_OVERHEAD - FRAME_STATE) & ~7
        self.save_registers()
        f = (frame - RAM_BASE) >> 3
        words[f], words[f + 1], words[f + 2] = R[R_FRAME], state, TO_HOST | GENERATOR
        words[f + 3], words[f + 4] = R[R_GLOBALS], 0
        words[s + 4] = R[R_GLOBALS]
        R[R_FRAME], R[R_STACK] = frame, frame
        R[R_GLOBALS] = words[g + 1]
        words[g + 1] = 0
        self.load_registers(state)
        globals_word = R[R_GLOBALS]
        try:
            how, value = self.run(throw)
        except GuestError as error:
            words[g + 1] = globals_word
            words[s + 1] = 0
            if self.exception_match(error.obj, self.exception_word("StopIteration")):
                raise self.error("RuntimeError", "generator raised StopIteration",
                                 formatted=False) from None
            raise
        words[g + 1] = globals_word
        if how == RETURNED:
            words[s + 1] = 0
        else:
            words[(words[s + 2] - RAM_BASE) >> 3] = L.NONE
        return how, value

    # --- the loop -------------------------------------------------------------------------
    def run(self, inject: int = 0) -> tuple[str, int]:
        """Run the frame just pushed until it returns to the host; raises what it raises."""
        R, temps = self.R, self.temps
        handlers = self.handlers
        fast, fast_args = self.fast, self.fast_args
        data = self.memory.bytes
        base = R[R_FRAME]
        mark = len(temps)
        ip = R[R_IP]
        try:
            if inject:
                if data[ip - RAM_BASE] == O.YIELD_FROM:
                    self.inject = inject
                else:
                    self.unwind(self.make_raise_object(inject), ip, base)
            while True:
                try:
                    while True:
                        if R[R_BUDGET] <= 0:
                            self.account()
                            R[R_BUDGET] = self._slice()
                        if fast is not None:
                            fast(*fast_args)
                        ip = R[R_IP]
                        if R[R_PENDING]:
                            self.handle_pending()
                        op = data[ip - RAM_BASE]
                        R[R_IP] = ip + 1
                        R[R_OPS] += OP_COST[op]
                        R[R_BUDGET] -= OP_COST[op]
                        result = handlers[op](op)
                        if result is not None:
                            del temps[mark:]
                            if not result[1] & 3 and result[1]:
                                temps.append(result[1])
                            return result
                        if len(temps) > mark:
                            del temps[mark:]
                except GuestError as error:
                    self.unwind(error.obj, ip, base)
                    del temps[mark:]
                except RecursionError:
                    self.unwind(self.recursion_error().obj, ip, base)
                    del temps[mark:]
        except GuestError:
            raise
        except BaseException:
            # A host-side stop (timeout, power-off) leaves through here: drop our frames.
            while R[R_FRAME] and R[R_FRAME] <= base:
                self.pop_frame()
            raise

    inject = 0

    def pop_frame(self) -> None:
        """Leave the current frame; the caller's registers become the running ones."""
        R, words = self.R, self.words
        frame = R[R_FRAME]
        f = (frame - RAM_BASE) >> 3
        link, state, heap_bytes = words[f], words[f + 1], words[f + 4]
        R[R_GLOBALS] = words[f + 3]
        if words[f + 2] & GENERATOR:
            self.save_registers()
        if heap_bytes:
            self.heap.free(state, heap_bytes)
        R[R_FRAME] = link
        # The record lies below the caller's stack pointer by its size and the call's overhead.
        if link:
            R[R_STACK] = link
            R[R_CODE] = 0
            self.load_registers(words[((link - RAM_BASE) >> 3) + 1])
        else:
            R[R_STACK] = self.stack_base
            R[R_CODE] = 0

    def unwind(self, exc: int, ip: int, base: int) -> None:
        """Find the handler of an exception raised at `ip` of the current frame, from there
        outwards; raise it to the host when `base` has none."""
        R, words, data = self.R, self.words, self.memory.bytes
        self.temps.append(exc)
        is_stop = self.is_subclass(self.type_word(exc), self.exception_word("StopIteration"))
        while True:
            state = R[R_CODE]
            op = data[ip - RAM_BASE]
            if is_stop and op == O.FOR_ITER:
                R[R_IP] = ip + 3 + (data[ip + 1 - RAM_BASE] | data[ip + 2 - RAM_BASE] << 8)
                R[R_SP] -= 32
                return
            if is_stop and op == O.YIELD_FROM:
                words[(R[R_SP] - RAM_BASE) >> 3] = self.exception_value(exc)
                R[R_IP] = ip + 1
                return
            fun = words[(state - RAM_BASE) >> 3]
            if exc != L.GENERATOR_EXIT_MARK:
                name, source, _ = self._block_info(fun)
                exceptions.add_traceback(self, exc, source, self.source_line(fun, ip), name)
            exc_stack = R[R_FASTN] + 8
            exc_sp = R[R_EXC_SP]
            while exc_sp >= exc_stack and words[(exc_sp - RAM_BASE) >> 3] <= ip:
                exc_sp -= L.EXC_ENTRY_SIZE
            if exc_sp >= exc_stack:
                e = (exc_sp - RAM_BASE) >> 3
                R[R_EXC_SP] = exc_sp
                R[R_IP] = words[e]
                sp = (words[e + 1] & ~3) + 8
                words[e + 2] = exc
                words[(sp - RAM_BASE) >> 3] = exc
                R[R_SP] = sp
                return
            R[R_EXC_SP] = exc_sp
            frame = R[R_FRAME]
            flags = words[((frame - RAM_BASE) >> 3) + 2]
            self.pop_frame()
            if frame == base or flags & TO_HOST:
                raise GuestError(exc)
            # The caller's instruction pointer stands behind its call instruction; one byte back
            # lies inside it, which is all that lines and handler ranges need.
            ip = R[R_IP] - 1
            is_stop = False

    def _slice(self) -> int:
        """Operations until the next look: not beyond the next alarm of the clock."""
        due = self.clock.next_alarm_ns()
        if due is None:
            return SLICE
        return max(min((due - self.clock.now_ns) // NS_PER_OP + 1, SLICE), 1)

    def look_soon(self) -> None:
        """An alarm was set: the current slice may be too long for it."""
        self.R[R_BUDGET] = 0

    def account(self) -> None:
        """Charge the operations since the last time to the clock."""
        done = self.R[R_OPS] - self.ops_charged
        self.ops_charged += done
        self.charge_ns(done * NS_PER_OP)

    ops_charged = 0

    # --- between operations ---------------------------------------------------------------
    def checkpoint(self) -> None:
        """A point where interrupts, callbacks and budgets take effect."""
        if self.R[R_PENDING]:
            self.handle_pending()

    def handle_pending(self) -> None:
        """Deliver what the host or a device asked for between operations."""
        self.R[R_PENDING] = 0
        try:
            # What is posted meanwhile waits for the next point.
            for _ in range(len(self.interrupts)):
                self.interrupts.pop(0)(self)
        finally:
            if self.interrupts:
                self.R[R_PENDING] = 1

    def post(self, action) -> None:
        """Ask for `action(vm)` between two operations; callable from any host thread."""
        self.interrupts.append(action)
        self.R[R_PENDING] = 1


sys.setrecursionlimit(max(sys.getrecursionlimit(), 20000))
