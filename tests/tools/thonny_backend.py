"""Thonny's MicroPython back end without its window: the process that speaks to the board.

Thonny's window starts this process and exchanges lines with it: each message is a byte 2, a
number of lines, and the Python expression of an object, such as ToplevelResponse(cwd='/flash').
Found by running thonny 5.0.1.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

MARK = "\x02"
SETTINGS = {  # what its window sends when nothing was changed in its options
    "clean": True, "dtr": None, "rts": None, "submit_mode": None, "interrupt_on_connect": True,
    "write_block_size": None, "write_block_delay": None, "sync_time": False, "local_rtc": True,
    "validate_time": False, "utc_clock": False, "proxy_class": "GenericMicroPythonProxy",
}  # fmt: skip


class _Objects(dict):
    """Names in a message: any class makes a plain object whose `kind` is the class's name."""

    def __missing__(self, name):
        return lambda *values, **fields: SimpleNamespace(kind=name, values=values, **fields)


class Backend:
    """The running back end. `.said` collects what it printed as the program's output."""

    def __init__(self, python: str | Path, port: str, folder: Path, **settings):
        folder.mkdir(exist_ok=True)
        options = {**SETTINGS, "port": port, **settings}
        self.process = subprocess.Popen(
            [str(python), "-m", "thonny.plugins.micropython.bare_metal_backend", repr(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "THONNY_USER_DIR": str(folder)},
        )  # fmt: skip
        self._messages: queue.Queue = queue.Queue()
        self.said = {"stdout": "", "stderr": ""}
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = self.wait("ToplevelResponse")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def toplevel(self, name: str, **fields):
        """A command that leads to a new prompt; its answer. What it printed is in `.said`."""
        return self._call("ToplevelCommand", name, "ToplevelResponse", fields)

    def inline(self, name: str, *, seconds: float = 60.0, **fields):
        """A command of the file browser and the like; its answer."""
        return self._call("InlineCommand", name, "InlineResponse", fields, seconds)

    def send(self, kind: str, **fields) -> None:
        text = f"{kind}({', '.join(f'{n}={ascii(v)}' for n, v in fields.items())})"
        self.process.stdin.write(f"{MARK}1 {text}\n".encode())
        self.process.stdin.flush()

    def wait(self, kind: str, seconds: float = 60.0):
        """The next message of this kind; collects the program's output meanwhile."""
        end = time.monotonic() + seconds
        while True:
            message = self._messages.get(timeout=max(0.01, end - time.monotonic()))
            assert message is not None, f"the back end ended: {self.said}"
            if message.kind == kind:
                return message
            if getattr(message, "event_type", "") == "ProgramOutput":
                self.said[message.stream_name] += message.data

    def _call(self, kind: str, name: str, answer: str, fields: dict, seconds: float = 60.0):
        self.said = {"stdout": "", "stderr": ""}
        self.send(kind, name=name, id=1, **fields)
        return self.wait(answer, seconds)

    def _read(self) -> None:
        lines = self.process.stdout
        for line in lines:
            text = line.decode()
            if text.startswith(MARK):
                for _ in range(int(text[1:].split()[0]) - 1):
                    text += lines.readline().decode()
                source = text[text.index(" ") :].replace("\n", "")
                self._messages.put(eval(source, {"__builtins__": {}}, _Objects()))
        self._messages.put(None)
        lines.close()
