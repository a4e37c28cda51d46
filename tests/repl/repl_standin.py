"""A stand-in for the language runtime, to test the prompt without it: CPython runs the programs.

Its messages are the firmware's for the few errors the sessions make. Never part of the product.
"""

from __future__ import annotations

import ast
import builtins
import re
import time
import types

from k210sim.repl.interpreter import Outcome
from k210sim.serialport.uart import UartPort


class Interrupted(Exception):
    """Ctrl-C inside a stand-in program."""


class StandInInterpreter:
    """Runs programs with CPython's `exec`; enough for the recorded editing sessions."""

    def __init__(self, firmware):
        self.port: UartPort = firmware.port
        self.firmware = firmware
        self.files: dict[str, bytes] = {"main.py": b"", "boot.py": b""}
        self.soft_reset()

    def soft_reset(self) -> None:
        self.names: dict = {"__name__": "__main__"}
        self.names.update(
            print=self.print, input=self.input, spin=self.spin, sleep_ms=self.sleep_ms,
        )  # fmt: skip

    def discard(self):
        pass

    def heap_range(self):
        return 0x80300000, 524288

    def read_if_exists(self, name):
        return self.files.get(name)

    def complete(self, text):
        word = re.search(rb"\w*$", text).group()
        names = [n.encode() for n in self.names if n.encode().startswith(word) and n != "print"]
        if len(names) == 1:
            return names[0][len(word) :]
        return sorted(names)

    def statistics(self):
        return {}

    def save_state(self):
        return {"files": dict(self.files)}

    def load_state(self, state):
        self.files = dict(state["files"])

    # --- what programs may call -----------------------------------------------------------------

    def print(self, *values, end="\n", sep=" "):
        self.port.write_cooked((sep.join(map(str, values)) + end).encode("latin-1", "replace"))

    def input(self, prompt=""):
        code, line = self.firmware.input_line(prompt.encode())
        if code:
            raise Interrupted
        return line.decode()

    def spin(self):
        while not self.port.take_interrupt():
            self.firmware.clock.advance_ns(1000)
            self.port.poll()
            time.sleep(0.0005)
        raise Interrupted

    def sleep_ms(self, count):
        for _ in range(count):
            self.firmware.clock.advance_ns(1_000_000)
            if self.port.take_interrupt():
                raise Interrupted

    def execute(self, source, *, filename, mode):
        if filename == "_boot.py":
            self.port.write_cooked(b"[MaixPy] init end\n")
            try:
                self.sleep_ms(200)
            except Interrupted:
                return self._raised(filename, 12, "KeyboardInterrupt: ")
            from k210sim.repl.wording import ART

            self.port.write_cooked(ART.encode() + b"\n")
            return Outcome()
        text = source.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
        text = re.sub(r"while (True|1): (pass|x=1)", "spin()", text)
        lines = 1
        try:
            tree = ast.parse(text, filename)
            for node in tree.body:
                lines = node.lineno
                code: types.CodeType
                if mode == "single" and isinstance(node, ast.Expr):
                    code = compile(ast.Expression(node.value), filename, "eval")
                    value = eval(code, self.names)
                    if value is not None:
                        self.print(repr(value).replace("__main__.", ""))
                else:
                    exec(compile(ast.Module([node], []), filename, "exec"), self.names)
        except SyntaxError as error:
            kind = type(error).__name__
            text = "unexpected indent" if kind == "IndentationError" else "invalid syntax"
            line = f'  File "{filename}", line {error.lineno}\n{kind}: {text}\n'
            return Outcome("exception", b"Traceback (most recent call last):\n" + line.encode())
        except SystemExit:
            return Outcome("system_exit")
        except Interrupted:
            return self._raised(filename, lines, "KeyboardInterrupt: ")
        except NameError as error:
            return self._raised(filename, lines, f"NameError: name '{error.name}' isn't defined")
        except ZeroDivisionError:
            return self._raised(filename, lines, "ZeroDivisionError: divide by zero")
        except Exception as error:  # any other error of the program
            return self._raised(filename, lines, f"{type(error).__name__}: {error}")
        return Outcome()

    @staticmethod
    def _raised(filename, line, last):
        head = "Traceback (most recent call last):\n"
        return Outcome(
            "exception", f'{head}  File "{filename}", line {line}, in <module>\n{last}\n'.encode()
        )


assert builtins.print is not StandInInterpreter.print
