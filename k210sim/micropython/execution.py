"""From source text to running code, and what is left of a program when it ends."""

from __future__ import annotations

from dataclasses import dataclass

from k210sim.micropython.compiler import GuestSyntaxError, compile_source, continue_input
from k210sim.micropython.frames import R_LOCALS
from k210sim.micropython.layout import RAM_BASE, TYPE
from k210sim.micropython.native import GuestError
from k210sim.micropython.types import exceptions

# The syntax tree and the tables of the compiler on the board, for each character of source: a
# guess from recorded memory maps (7.1 bytes for a script of 1,100 characters).
COMPILER_BYTES_A_CHAR = 7
PIECE = 64


@dataclass(frozen=True)
class Outcome:
    """How a program ended: kind "ok", "exception" or "system_exit", and the device's text."""

    kind: str
    traceback: bytes = b""
    exc_type: str = ""


class Execution:
    """Mixed into `VM`: compiling and running sources."""

    opt_level = 0  # micropython.opt_level()

    def compile_module(self, source: bytes, filename: str, mode: str = "exec", *,
                       repl: bool = False) -> int:
        """Compile to a module-level function object without namespaces; raises GuestError."""
        try:
            raw = compile_source(source, filename, mode, self.intern, repl=repl,
                                 find=self.qstrs.find, opt_level=self.opt_level)
        except GuestSyntaxError as error:
            exc = self.new_exception(error.kind, error.message)
            if error.line is not None:
                block = self.intern(error.block) if error.block else 0
                exceptions.add_traceback(self, exc, self.intern(filename), error.line, block)
            raise GuestError(exc) from None
        pieces = self._take_compiler_memory(len(source))
        fun = self.make_function(self.load_raw_code(raw), self.globals)
        for piece in pieces:
            self.heap.free(piece, PIECE)
        return fun

    def _take_compiler_memory(self, n_chars: int) -> list[int]:
        """Occupy what the firmware's parser and compiler need while they work: the code they make
        comes to lie behind it, and a program too large for the heap fails here."""
        pieces = []
        for _ in range(n_chars * COMPILER_BYTES_A_CHAR // PIECE):
            piece = self.heap.alloc(PIECE)
            if not piece:
                for taken in pieces:
                    self.heap.free(taken, PIECE)
                raise self.memory_error(PIECE)
            pieces.append(piece)
        return pieces

    def run_module(self, fun: int, globals_word: int, locals_word: int) -> int:
        """Run module-level code in the given namespaces; its value (for `eval`)."""
        old_globals, old_locals = self.globals, self.R[R_LOCALS]
        self.words[((fun - RAM_BASE) >> 3) + 1] = globals_word
        self.set_globals(globals_word)
        self.set_locals(locals_word)
        try:
            return self.call(fun, [])
        finally:
            self.set_globals(old_globals)
            self.set_locals(old_locals)

    def run_source(self, source: bytes, filename: str, mode: str = "exec",
                   globals_word: int = 0, locals_word: int = 0, *, repl: bool = False) -> int:
        """Compile and run; raises GuestError. Namespaces default to those of `__main__`."""
        globals_word = globals_word or self.main_globals
        fun = self.compile_module(source, filename, mode, repl=repl)
        return self.run_module(fun, globals_word, locals_word or globals_word)

    def intern_names(self, name: str, source: bytes) -> None:
        """Enter the names of a Python module of the image, as they are part of the image."""
        compile_source(source, name, "exec", self.qstrs.intern, find=self.qstrs.find)

    def run_frozen(self, name: str, globals_word: int) -> int:
        """Run a Python module of the firmware image; its code lies in the image."""
        code = self._frozen_code.get(name)
        if code is None:
            raw = compile_source(self.frozen[name], name, "exec", self.intern,
                                 find=self.qstrs.find)
            code = self._frozen_code[name] = self.load_raw_code(raw, rom=True)
        return self.run_module(self.make_function(code, globals_word), globals_word, globals_word)

    # --- for the REPL and the engine ------------------------------------------------------------
    def execute(self, source: bytes, *, filename: str = "<stdin>", mode: str = "exec") -> Outcome:
        """Run a program to its end; an uncaught exception is returned as the text to print.

        mode: "single", "exec", or "frozen" for the module of the image called `filename`.
        """
        mark = len(self.temps)
        try:
            if mode == "frozen":
                self.run_frozen(filename, self.main_globals)
            else:
                self._hold_source(source, filename)
                self.run_source(source, filename, mode, repl=mode == "single")
        except GuestError as error:
            self.temps.append(error.obj)
            name = self.type_name(error.obj)
            if self.is_subclass(self.type_word(error.obj), self.exception_word("SystemExit")):
                return Outcome("system_exit", b"", name)
            text = exceptions.traceback_text(self, error.obj)
            return Outcome("exception", text.encode("utf-8", "surrogateescape"), name)
        finally:
            del self.temps[mark:]
        return Outcome("ok")

    def _hold_source(self, source: bytes, filename: str) -> None:
        """What is typed or sent to the prompt stays in its line buffer while it runs: 32 bytes,
        grown by 16 whenever it is full."""
        if filename == "<stdin>" and len(source) >= 32:
            addr = self.heap.alloc(((len(source) - 32) // 24 * 24 + 24 + 32 + 7) & ~7)
            if addr:
                self.temps.append(addr)

    def continue_input(self, text: bytes) -> bool:
        """Does a REPL input need more lines?"""
        return continue_input(text)

    def complete(self, text: bytes):
        """Tab completion of a REPL line: the bytes to insert, or the names to list.

        Only names of `__main__` and attributes of a dotted chain count; order is that of the
        string table (facts: py/repl.c).
        """
        allowed = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."
        start = len(text)
        while start > 0 and text[start - 1 : start] in [allowed[i : i + 1]
                                                        for i in range(len(allowed))]:
            start -= 1
        chain = text[start:].split(b".")
        word = self.main_module_word()
        for name in chain[:-1]:
            number = self.qstrs.find(name)
            if not number:
                return b""
            mark = len(self.temps)
            try:
                word = self.load_attr_maybe(word, number)
            except GuestError:
                word = 0
            finally:
                del self.temps[mark:]
            if not word:
                return b""
        prefix = chain[-1]
        names = [self.qstrs.text[q] for q in self.attribute_qstrs(word)
                 if self.qstrs.text[q].startswith(prefix)]
        if not names:
            if start == 0 and len(chain) == 1 and prefix and b"import ".startswith(prefix):
                return b"import "[len(prefix):]
            return b""
        common = names[0]
        for name in names[1:]:
            while not name.startswith(common):
                common = common[:-1]
        if len(names) == 1 or len(common) > len(prefix):
            return common[len(prefix):]
        return names

    def attribute_qstrs(self, o: int) -> list[int]:
        """Numbers of the names `o` answers to, in string-table order (as `dir()` lists them)."""
        found = []
        mark = len(self.temps)
        for number in range(2, len(self.qstrs.text)):
            try:
                if self.load_method_maybe(o, number) is not None:
                    found.append(number)
            except GuestError:
                pass  # an attribute that cannot be read is no name
            del self.temps[mark:]
        return found

    def main_module_word(self) -> int:
        """The `__main__` module object."""
        if not self._main_module:
            self._main_module = self.rom_alloc(TYPE["module"], 0)
        self.words[((self._main_module - RAM_BASE) >> 3) + 1] = self.main_globals
        return self._main_module

    _main_module = 0

    def interrupt(self) -> None:
        """Ctrl-C: raise KeyboardInterrupt between two operations; callable from any thread."""
        self.post(_raise_keyboard_interrupt)


def _raise_keyboard_interrupt(vm) -> None:
    raise GuestError(vm.make_exception(vm.exception_word("KeyboardInterrupt"), []))


