"""The prompt as one state machine: friendly, continuation, paste and raw mode.

It is fed one byte at a time and keeps all it knows in its fields, so it can be saved between any
two bytes. Ref: MicroPython lib/utils/pyexec.c at ced340d739; recorded sessions.

    FRIENDLY --Ctrl-A--> RAW       FRIENDLY --Ctrl-E--> PASTE      FRIENDLY --line--> CONTINUATION
    RAW --Ctrl-B--> FRIENDLY       Ctrl-D on an empty entry asks for a soft reset in both modes
"""

from __future__ import annotations

from k210sim.repl import wording
from k210sim.repl.continuation import needs_more
from k210sim.repl.interpreter import Interpreter, Outcome
from k210sim.repl.readline import CR, CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E, ENTER, Readline
from k210sim.serialport.uart import UartPort

STDIN = "<stdin>"
INTERRUPT_CHAR = CTRL_C

FRIENDLY, CONTINUATION, PASTE, RAW = "friendly", "continuation", "paste", "raw"


class Repl:
    """The prompt. `process` takes the bytes; True from it means: do a soft reset, then `start`."""

    def __init__(self, port: UartPort, interpreter: Interpreter, release: wording.Release):
        self._port = port
        self._interpreter = interpreter
        self._release = release
        self.readline = Readline(port.write, interpreter.complete)
        self.state = FRIENDLY
        self._entry = bytearray()  # what paste and raw mode have collected

    @property
    def friendly(self) -> bool:
        """Whether a reset comes back to the friendly prompt (and so runs main.py)."""
        return self.state != RAW

    def start(self) -> None:
        """Greet and prompt, in the mode that was left; the start of every session."""
        self._entry.clear()
        if self.state == RAW:
            self._start_raw()
        else:
            self._port.write(self._release.banner())
            self._prompt()

    def at_prompt(self) -> bool:
        """Whether nothing has been typed since the last prompt."""
        if self.state == FRIENDLY:
            return not self.readline.line
        return self.state == RAW and not self._entry

    def process(self, byte: int) -> bool:
        """One byte from the host; True asks for a soft reset."""
        if self.state == PASTE:
            return self._process_paste(byte)
        if self.state == RAW:
            return self._process_raw(byte)
        code = self.readline.process(byte)
        if code is None:
            return False
        if self.state == CONTINUATION:
            return self._continued(code)
        return self._entered(code)

    def run(self, source: bytes, *, filename: str, mode: str) -> Outcome:
        """Run a program with Ctrl-C enabled."""
        self._port.set_interrupt_char(INTERRUPT_CHAR)
        try:
            return self._interpreter.execute(source, filename=filename, mode=mode)
        finally:
            self._port.set_interrupt_char(None)

    def input_line(self, prompt: bytes) -> tuple[int, bytes]:
        """A line for the guest's `input()`: the same editing and the same history.

        Returns the code that ended it (ENTER or a control key) and the line. CTRL_C as the code
        stands for an interrupt, which the caller raises.
        """
        editor = Readline(self._port.write, self._interpreter.complete)
        editor.history = self.readline.history
        editor.begin(prompt)
        while True:
            byte = self._port.read_byte()
            if byte is None:
                self._port.take_interrupt()
                return CTRL_C, editor.line
            code = editor.process(byte)
            if code is not None:
                self.readline.history = editor.history
                return code, editor.line

    def save_state(self) -> dict:
        return {
            "version": 1,
            "state": self.state,
            "entry": bytes(self._entry),
            "readline": self.readline.save_state(),
        }

    def load_state(self, state: dict) -> None:
        self.state = state["state"]
        self._entry = bytearray(state["entry"])
        self.readline.load_state(state["readline"])

    # --- friendly -------------------------------------------------------------------------------

    def _prompt(self) -> None:
        self.state = FRIENDLY
        self.readline.begin(wording.PROMPT)

    def _entered(self, code: int) -> bool:
        """The first line of an entry has ended."""
        if code == CTRL_A:
            self._port.write(b"\r\n")
            self._start_raw()
        elif code == CTRL_B:
            self._port.write(b"\r\n" + self._release.banner())
            self._prompt()
        elif code == CTRL_C:
            self._port.write(b"\r\n")
            self._prompt()
        elif code == CTRL_D:
            self._port.write(b"\r\n")
            return True
        elif code == CTRL_E:
            self._port.write(wording.PASTE_BANNER + wording.PASTE_PROMPT)
            self._entry.clear()
            self.state = PASTE
        elif self.readline.text:
            self._continue_or_run()
        else:
            self._prompt()
        return False

    def _continued(self, code: int) -> bool:
        """A further line of an entry has ended; Ctrl-D on an empty one runs it at once."""
        if code == CTRL_C:
            self._port.write(b"\r\n")
            self._prompt()
        elif code == CTRL_D:
            self._run_friendly(bytes(self.readline.text), "single")
        else:  # ENTER; the other control keys end the line as well, without an echo
            self._continue_or_run()
        return False

    def _continue_or_run(self) -> None:
        if needs_more(bytes(self.readline.text)):
            self.readline.text += b"\n"
            self.state = CONTINUATION
            self.readline.begin(wording.CONTINUATION_PROMPT, keep=True)
        else:
            self._run_friendly(bytes(self.readline.text), "single")

    def _run_friendly(self, source: bytes, mode: str) -> None:
        outcome = self.run(source, filename=STDIN, mode=mode)
        self._port.write_cooked(outcome.traceback)
        self._prompt()

    # --- paste ----------------------------------------------------------------------------------

    def _process_paste(self, byte: int) -> bool:
        if byte == CTRL_C:
            self._port.write(b"\r\n")
            self._prompt()
        elif byte == CTRL_D:
            self._port.write(b"\r\n")
            self._run_friendly(bytes(self._entry), "exec")
        else:
            self._entry.append(byte)
            self._port.write(b"\r\n" + wording.PASTE_PROMPT if byte == CR else bytes([byte]))
        return False

    # --- raw ------------------------------------------------------------------------------------

    def _start_raw(self) -> None:
        self.state = RAW
        self._entry.clear()
        self._port.write(wording.RAW_BANNER + wording.RAW_PROMPT)

    def _process_raw(self, byte: int) -> bool:
        if byte == CTRL_A:
            self._start_raw()
        elif byte == CTRL_B:
            self._port.write(b"\r\n" + self._release.banner())
            self._prompt()
        elif byte == CTRL_C:
            self._entry.clear()
        elif byte == CTRL_D:
            self._port.write(wording.RAW_ACCEPTED)
            if not self._entry:
                self._port.write(b"\r\n")
                return True
            source = bytes(self._entry)
            self._entry.clear()
            outcome = self.run(source, filename=STDIN, mode="exec")
            self._port.write(wording.END_OF_OUTPUT)
            self._port.write_cooked(outcome.traceback)
            self._port.write(wording.END_OF_OUTPUT + wording.RAW_PROMPT)
        else:
            self._entry.append(byte)
        return False


__all__ = ["CONTINUATION", "ENTER", "FRIENDLY", "PASTE", "RAW", "Repl"]
