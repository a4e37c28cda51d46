"""One line being typed: cursor keys, history, completion, auto-indent, and the exact echo.

Every byte the host sends goes through `process`; what comes back to the terminal is what the
firmware sends, redraw included: a short move left is backspaces, a long one an escape sequence,
and only a line that got shorter is erased to its end.
Ref: MicroPython lib/mp-readline/readline.c at ced340d739 with the port's options (emacs keys and
auto-indent on, 16 lines of history); recorded sessions.
"""

from __future__ import annotations

from collections.abc import Callable

HISTORY_LINES = 16
INDENT = 4
SLOT, LINE = 16, 64  # columns of the list of completions

ENTER = 0
CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E, CTRL_F = 1, 2, 3, 4, 5, 6
TAB, CTRL_K, CR, CTRL_N, CTRL_P, CTRL_U, ESCAPE = 9, 11, 13, 14, 16, 21, 27
BACKSPACE = (8, 127)

CONTROL_KEYS = {
    CTRL_A: "home", CTRL_B: "left", CTRL_D: "delete", CTRL_E: "end", CTRL_F: "right",
    CTRL_K: "kill_to_end", CTRL_N: "newer", CTRL_P: "older", CTRL_U: "kill_to_start",
}  # fmt: skip
BRACKET_KEYS = {0x41: "older", 0x42: "newer", 0x43: "right", 0x44: "left", 0x48: "home",
                0x46: "end"}  # fmt: skip
DIGIT_KEYS = {0x31: "home", 0x37: "home", 0x34: "end", 0x38: "end", 0x33: "delete"}


class Readline:
    """The line editor. `text` is the whole entry; the line being edited is its last part.

    write : takes the bytes for the terminal
    complete : text before the cursor -> bytes to insert, or the list of names to show
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        complete: Callable[[bytes], bytes | list[bytes]],
    ):
        self._write = write
        self._complete = complete
        self.history: list[bytes] = []  # newest first
        self.text = bytearray()
        self._start = 0  # where the line being edited begins in `text`
        self._cursor = 0
        self._shown = -1  # which line of the history is shown, -1 for none
        self._escape = ""  # what came of an escape sequence: "", "esc", "[", "O", "[1"
        self._prompt = b""

    def begin(self, prompt: bytes, *, keep: bool = False) -> None:
        """Show the prompt and start a line; with `keep` it continues `text` after a newline."""
        if not keep:
            self.text.clear()
        self._start = self._cursor = len(self.text)
        self._shown = -1
        self._escape = ""
        self._prompt = prompt
        self._write(prompt)
        indent = b" " * (INDENT * auto_indent(bytes(self.text)))
        if indent:
            self.text += indent
            self._cursor += len(indent)
            self._write(indent)

    @property
    def line(self) -> bytes:
        """The line being edited, without what was entered before it."""
        return bytes(self.text[self._start :])

    def process(self, byte: int) -> int | None:
        """One byte from the host.

        Returns ENTER when the line is complete, the code of a control key (CTRL_A to CTRL_E) on
        an empty line, CTRL_C on any line, and None while the line goes on.
        """
        if self._escape:
            key = self._escape_key(byte)
            if key:
                getattr(self, f"_{key}")()
        elif CTRL_A <= byte <= CTRL_E and len(self.text) == self._start:
            return byte
        elif byte == CTRL_C:
            return byte
        elif byte == CR:
            self._write(b"\r\n")
            self.remember(self.line)
            return ENTER
        elif byte == ESCAPE:
            self._escape = "esc"
        elif byte in BACKSPACE:
            self._backspace()
        elif byte == TAB:
            self._tab()
        elif byte in CONTROL_KEYS:
            getattr(self, f"_{CONTROL_KEYS[byte]}")()
        elif 32 <= byte <= 126:
            self._insert(bytes([byte]))
        return None

    def remember(self, line: bytes) -> None:
        """Add a line to the history, unless it is empty or the newest one already."""
        if line and self.history[:1] != [line]:
            self.history = [line, *self.history][:HISTORY_LINES]

    def save_state(self) -> dict:
        return {
            "history": list(self.history),
            "text": bytes(self.text),
            "start": self._start,
            "cursor": self._cursor,
            "shown": self._shown,
            "escape": self._escape,
            "prompt": self._prompt,
        }

    def load_state(self, state: dict) -> None:
        self.history = list(state["history"])
        self.text = bytearray(state["text"])
        self._start, self._cursor = state["start"], state["cursor"]
        self._shown, self._escape = state["shown"], state["escape"]
        self._prompt = state["prompt"]

    # --- keys -----------------------------------------------------------------------------------

    def _escape_key(self, byte: int) -> str | None:
        """The meaning of an escape sequence that ends with this byte, or None."""
        state, self._escape = self._escape, ""
        if state == "esc":
            if byte in b"[O":
                self._escape = chr(byte)
            return None
        if state == "O":
            return {0x48: "home", 0x46: "end"}.get(byte)
        if state == "[":
            if 0x30 <= byte <= 0x39:
                self._escape = f"[{byte - 0x30}"
                return None
            return BRACKET_KEYS.get(byte)
        return DIGIT_KEYS.get(ord(state[1])) if byte == 0x7E else None

    def _insert(self, data: bytes) -> None:
        old = len(self.text)
        self.text[self._cursor : self._cursor] = data
        self._redraw(old, forward=len(data))

    def _backspace(self) -> None:
        if self._cursor == self._start:
            return
        old = len(self.text)
        before = self.text[self._start : self._cursor]
        # Within leading blanks a whole level of indentation goes at once.
        count = INDENT if len(before) >= INDENT and not before.strip(b" ") else 1
        del self.text[self._cursor - count : self._cursor]
        self._redraw(old, back=count)

    def _delete(self) -> None:
        if self._cursor < len(self.text):
            old = len(self.text)
            del self.text[self._cursor]
            self._redraw(old)

    def _kill_to_end(self) -> None:
        old = len(self.text)
        del self.text[self._cursor :]
        self._redraw(old)

    def _kill_to_start(self) -> None:
        old = len(self.text)
        back = self._cursor - self._start
        del self.text[self._start : self._cursor]
        self._redraw(old, back=back)

    def _home(self) -> None:
        self._move_back(self._cursor - self._start)

    def _end(self) -> None:
        self._move_forward(len(self.text) - self._cursor)

    def _left(self) -> None:
        if self._cursor > self._start:
            self._move_back(1)

    def _right(self) -> None:
        if self._cursor < len(self.text):
            self._move_forward(1)

    def _older(self) -> None:
        if self._shown + 1 < len(self.history):
            self._show(self._shown + 1)

    def _newer(self) -> None:
        if self._shown >= 0:
            self._show(self._shown - 1)

    def _show(self, index: int) -> None:
        """Replace the line by one of the history, or by nothing for -1."""
        self._shown = index
        old = len(self.text)
        back = self._cursor - self._start
        self.text[self._start :] = self.history[index] if index >= 0 else b""
        self._redraw(old, back=back, forward=len(self.text) - self._start)

    def _tab(self) -> None:
        found = self._complete(bytes(self.text[self._start : self._cursor]))
        if isinstance(found, list):
            if found:
                self._write(columns(found))
                self._write(self._prompt)
                self._write(bytes(self.text[self._start : self._cursor]))
                self._redraw(len(self.text))
        elif found:
            self._insert(found)

    # --- drawing --------------------------------------------------------------------------------

    def _move_back(self, count: int) -> None:
        self._write(cursor_back(count))
        self._cursor -= count

    def _move_forward(self, count: int) -> None:
        self._write(bytes(self.text[self._cursor : self._cursor + count]))
        self._cursor += count

    def _redraw(self, old_length: int, *, back: int = 0, forward: int = 0) -> None:
        """Move back, draw the rest of the line, and leave the cursor `forward` from there."""
        self._write(cursor_back(back))
        self._cursor -= back
        if len(self.text) < old_length:
            self._write(b"\x1b[K")
        self._write(bytes(self.text[self._cursor :]))
        self._cursor += forward
        self._write(cursor_back(len(self.text) - self._cursor))


def cursor_back(count: int) -> bytes:
    """What moves a terminal's cursor left; at most four steps are backspaces."""
    return b"\b" * count if count <= 4 else b"\x1b[%dD" % count


def auto_indent(text: bytes) -> int:
    """How many levels the line after `text` (which ends with a newline) begins with.

    As many as the last line has, one more after a colon, and none after two lines of blanks.
    """
    if len(text) < 2 or not text.endswith(b"\n"):
        return 0
    lines = text[:-1].split(b"\n")
    last = lines[-1]
    blanks = len(last) - len(last.lstrip(b" "))
    if len(lines) > 2 and blanks == len(last) and not lines[-2].strip(b" "):
        return 0
    return blanks // INDENT + (text[-2:-1] == b":")


def columns(names: list[bytes]) -> bytes:
    """The list of completions: slots of 16 columns, at most 64 columns a line."""
    shown = bytearray()
    width = LINE  # forces a new line before the first name
    for name in names:
        gap = -width % SLOT
        if gap < 2:
            gap += SLOT
        if width + gap + len(name) <= LINE:
            shown += b" " * gap + name
            width += gap + len(name)
        else:
            shown += b"\r\n" + name
            width = len(name)
    return bytes(shown + b"\r\n")
