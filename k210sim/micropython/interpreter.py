"""The bytecode loop: frames on the simulated stack, one handler an opcode, and unwinding.

Registers live in `regs` (int64), shared with the compiled loop (`fastloop.py`), which runs the
common cases of the common opcodes and stops at whatever it leaves to the handlers here. A frame
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
from k210sim.micropython.layout import NULL, RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import GuestError
from k210sim.micropython.qstr import MAX_QSTRS
from k210sim.micropython.types import classes, exceptions
from k210sim.micropython.types import set as sets

# Register numbers.
(R_IP, R_SP, R_CODE, R_FRAME, R_STACK, R_GLOBALS, R_EXC_SP, R_FASTN, R_BUDGET, R_PENDING,
 R_OPS, R_STACK_MIN, R_LOCALS) = range(13)
N_REGS = 32

FRAME_LINK, FRAME_CODE, FRAME_FLAGS, FRAME_GLOBALS, FRAME_HEAP, FRAME_STATE = 0, 8, 16, 24, 32, 40
TO_HOST, GENERATOR = 1, 2  # frame flags

STACK_TOP = 0x802F8000
STACK_LIMIT = 31744
# C stack that one bytecode call takes beside its code state: the frames of the call helpers,
# the function object's call and the loop itself. Fitted to the published binary, which nests 50
# pairs of lambda calls before it gives up (golden README).
CALL_OVERHEAD = 208
NATIVE_OVERHEAD = 96
STACK_AT_PROMPT = 1324  # what mem_info prints at the raw REPL
VM_MAX_STATE_ON_STACK = 88

YIELDED, RETURNED = "yield", "return"

SLICE = 20000  # operations between two looks at clock, budget and host
# Mean time of a bytecode operation on the chip at 400 MHz. Fitted to the published figures of
# field.md 3.2: a million-step add loop of about 6 operations takes 3 s, 500 list stores 1161 us.
NS_PER_OP = 450


class Interpreter:
    """Mixed into `VM`: runs bytecode."""

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
        self.fast = self._fast_loop
        self.fast_run = fastloop.run
        self.interrupts: list = []

    def start_interpreter(self) -> None:
        R = self.R
        self.builtin_words = np.zeros(MAX_QSTRS, np.int64)
        for qstr, word in self.module_table(self.builtins_module).items():
            self.builtin_words[qstr] = word
        for i in range(N_REGS):
            R[i] = 0
        self.ops_charged = 0
        R[R_STACK] = STACK_TOP - STACK_AT_PROMPT & ~7
        R[R_STACK_MIN] = STACK_TOP - STACK_LIMIT

    @property
    def stack_pointer(self) -> int:
        return self.R[R_STACK]

    def other_stacks(self):
        return ()

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
    def load_raw_code(self, raw) -> int:
        """Put a compiled code object and its children into guest RAM; returns a raw_code object.

        Layout of the raw_code block (24 bytes): kind and flags, bytecode address, constants
        address. The firmware's struct has the same size.
        """
        mark = len(self.temps)
        o = self.malloc(24)
        code = self.malloc(len(raw.bytecode))
        self.memory.write(code, raw.bytecode)
        consts = 0
        if raw.const_table:
            consts = self.malloc(8 * len(raw.const_table))
            at = (consts - RAM_BASE) >> 3
            for i, entry in enumerate(raw.const_table):
                self.words[at + i] = self._constant(entry)
        at = (o - RAM_BASE) >> 3
        self.words[at] = raw.scope_flags << 3 | 2
        self.words[at + 1], self.words[at + 2] = code, consts
        del self.temps[mark:]
        self.temps.append(o)
        return o

    def _constant(self, entry) -> int:
        kind = entry[0]
        if kind == "raw":
            return self.load_raw_code(entry[1])
        value = entry[1] if len(entry) > 1 else None
        if kind == "qstr":
            return (value << 2) | 2
        if kind == "int":
            return self.new_int(value)
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
    def code_byte(self, addr: int) -> int:
        return self.memory.bytes[addr - RAM_BASE]

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

    def push_frame(self, fun: int, args, kw, flags: int) -> None:
        """Enter a bytecode function: frame record, code state, arguments, registers."""
        R, words = self.R, self.words
        at = (fun - RAM_BASE) >> 3
        code = words[at + 2] - RAM_BASE
        n_state, p = self.read_uint(code)
        n_exc, p = self.read_uint(p)
        state_size = 8 * n_state + L.EXC_ENTRY_SIZE * n_exc
        heap_bytes = state = 0
        stack = R[R_STACK] - CALL_OVERHEAD
        if stack < R[R_STACK_MIN]:
            raise self.recursion_error()
        if state_size > VM_MAX_STATE_ON_STACK:
            state = self.heap.alloc(L.CODE_STATE + state_size)
            if state:
                heap_bytes = L.CODE_STATE + state_size
                self.temps.append(state)
        if not state:
            stack -= L.CODE_STATE + state_size
        frame = (stack - FRAME_STATE) & ~7
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
        self.push_frame(fun, args, kw, TO_HOST)
        _, value = self.run()
        return value

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
            words[(words[s + 2] - RAM_BASE) >> 3] = send
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
        except GuestError:
            words[g + 1] = globals_word
            words[s + 1] = 0
            raise
        words[g + 1] = globals_word
        if how == RETURNED:
            words[s + 1] = 0
        return how, value

    # --- the loop -------------------------------------------------------------------------
    def run(self, inject: int = 0) -> tuple[str, int]:
        """Run the frame just pushed until it returns to the host; raises what it raises."""
        R, temps = self.R, self.temps
        handlers = self.handlers
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
                        if self.fast is not None:
                            self.fast()
                        ip = R[R_IP]
                        if R[R_PENDING]:
                            self.handle_pending()
                        op = data[ip - RAM_BASE]
                        R[R_IP] = ip + 1
                        R[R_OPS] += 1
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
            R[R_STACK] = (STACK_TOP - STACK_AT_PROMPT) & ~7
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

    def _fast_loop(self) -> None:
        """Let the compiled loop run as far as it can."""
        R = self.R
        if R[R_BUDGET] <= 0:
            R[R_BUDGET] = SLICE
            self.account()
        self.fast_run(self.memory.u8, self.memory.i64, self.memory.f32, self.regs,
                      self.heap.state, self.qstrs.hashes, self.builtin_words)

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
        while self.interrupts:
            self.interrupts.pop(0)(self)

    def post(self, action) -> None:
        """Ask for `action(vm)` between two operations; callable from any host thread."""
        self.interrupts.append(action)
        self.R[R_PENDING] = 1

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
            else list(self.iterate(seq))
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
        items = []
        it = self.getiter(seq)
        self.temps.append(it)
        for i in range(n):
            word = self.iternext(it)
            if word == NULL:
                raise self.error("ValueError", "need more than %d values to unpack" % i,
                                 formatted=True)
            self.temps.append(word)
            items.append(word)
        if self.iternext(it) != NULL:
            raise self.error("ValueError", "too many values to unpack (expected %d)" % n,
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
        self._invoke(fun, args, kw, (at - 1) * 8 + RAM_BASE)

    def _invoke(self, fun: int, args: list[int], kw, result_at: int) -> None:
        """Call `fun`; its value is to replace the stack from `result_at` on."""
        while True:
            kind = self.type_word(fun)
            if kind == TYPE["fun_bc"]:
                # The arguments stay on the caller's stack until they are in the new frame.
                self.R[R_SP] = self.R[R_SP]
                caller = self.R[R_CODE]
                self.push_frame(fun, args, kw, 0)
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
                else list(self.iterate(star))
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


sys.setrecursionlimit(max(sys.getrecursionlimit(), 20000))
