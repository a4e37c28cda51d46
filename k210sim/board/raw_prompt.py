"""Runs a program through the raw prompt of whatever MicroPython the device has booted.

What a host tool does over the wire, but in the device's own time: the harts are stepped from
here, so equal boards give equal bytes at equal times. Ref: MicroPython lib/utils/pyexec.c (the raw
prompt), tools/pyboard.py (its use).
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.clock import Clock
from k210sim.errors import ConfigError
from k210sim.serialport.uart import UartPort

PROMPT = b">>> "
BANNER = b"raw REPL; CTRL-B to exit\r\n>"
ACCEPTED = b"OK"
END = b"\x04"
CTRL_A, CTRL_B, CTRL_C, CTRL_D = b"\x01", b"\x02", b"\x03", b"\x04"
MS = 1_000_000
QUIET_NS = 5 * MS  # nothing sent for so long after the end mark: it was one
ANSWER_NS = 100 * MS  # how long an answer of the prompt may take
YIELD_NS = 500 * MS  # and a running program to notice Ctrl-C
ASKED = 4  # how often it is asked


class NoPrompt(ConfigError):
    """The firmware shows no MicroPython prompt."""


class Stopped(Exception):
    """`turn` said that the program must not go on."""


class RawPrompt:
    """A conversation with the device. `with RawPrompt(...)` listens to it meanwhile.

    turn() : lets the device run a little; False when it has nothing to do until it is typed at
    at_prompt() : whether the friendly prompt is the last thing that was sent
    on_output(data) : gets what the program prints as it comes, the traceback last
    """

    def __init__(self, port: UartPort, clock: Clock, turn: Callable[[], bool],
                 at_prompt: Callable[[], bool], on_output: Callable[[bytes], None] | None = None):
        self._port, self._clock, self._turn, self._at_prompt = port, clock, turn, at_prompt
        self._on_output = on_output or (lambda data: None)
        self._got = bytearray()  # since the last thing that was typed
        self._told = 0
        self._awaited = self._telling = False  # ACCEPTED is to come, the program's output comes
        self._over = False
        self._began_ns = self._last_ns = 0

    def __enter__(self) -> RawPrompt:
        self._port.attach(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._port.detach(self)

    def deliver(self, data: bytes) -> None:
        self._got += data
        if not self._over:
            self._last_ns = self._clock.now_ns
        if self._awaited and len(self._got) >= len(ACCEPTED):
            self._awaited, self._began_ns = False, self._last_ns
        if self._telling:
            end = self._got.find(END)
            self._tell(len(self._got) if end < 0 else end)

    def _tell(self, end: int) -> None:
        if end > self._told:
            self._on_output(bytes(self._got[self._told : end]))
            self._told = end

    def _type(self, data: bytes) -> None:
        self._got.clear()
        self._port.host_send(data)

    def _until(self, there: Callable[[], bool], ns: int) -> bool:
        """Run until `there()`; False when the device has not come there after `ns` of its time."""
        end = self._clock.now_ns + ns
        while not there():
            if not self._turn() or self._clock.now_ns > end:
                return there()
        return True

    def _rest(self) -> None:
        """Run until nothing has been sent for a while."""
        size = -1
        while size != len(self._got):
            size = len(self._got)
            self._until(lambda: False, QUIET_NS)

    def enter(self) -> None:
        """From wherever the device is to the raw prompt; raises NoPrompt."""
        for _ in range(ASKED):
            if not self._at_prompt():
                self._type(CTRL_C)
                self._until(self._at_prompt, YIELD_NS)
            self._type(CTRL_A)
            if self._until(lambda: BANNER in self._got, ANSWER_NS):
                self._rest()
                return
        raise NoPrompt(
            "the firmware in flash shows no MicroPython prompt on the serial port, and none after "
            "Ctrl-C, so no script can be sent to it; `k210sim run --engine riscv --exit-after 10` "
            "shows what it prints"
        )

    def run(self, source: bytes) -> tuple[bytes, bytes]:
        """Run a program to its end: what it printed, and its traceback."""
        for byte in (CTRL_A, CTRL_B, CTRL_C, CTRL_D):
            if byte in source:
                raise ConfigError(
                    f"script: it contains the control byte 0x{byte[0]:02x}, which the raw prompt "
                    "takes as a command; write it as an escape sequence"
                )
        self._type(source)
        while self._port.pending and self._turn():
            pass
        self._awaited = True
        self._type(CTRL_D)
        self._until(lambda: len(self._got) >= len(ACCEPTED), ANSWER_NS)
        if not self._got.startswith(ACCEPTED):
            got = bytes(self._got[:40])
            raise NoPrompt(f"the raw prompt answered {got!r}, expected {ACCEPTED!r}")
        del self._got[: len(ACCEPTED)]
        self._told, self._telling = 0, True
        self.deliver(b"")
        while not self._ended():
            self._turn()
        self._telling, self._over = False, True
        return self._parts()

    def _ended(self) -> bool:
        if not self._got.endswith(END + b">") or self._got.count(END) < 2:
            return False
        size = len(self._got)
        return not self._until(lambda: len(self._got) != size, QUIET_NS)

    def _parts(self) -> tuple[bytes, bytes]:
        """(printed, traceback) of the answer; a program may have printed the end mark, too."""
        printed, _, rest = bytes(self._got).rpartition(END)[0].rpartition(END)
        self._tell(len(printed))
        if rest:
            self._on_output(rest)
        return printed, rest

    @property
    def passed_ns(self) -> int:
        """Device time from the start of the program to its end."""
        return self._last_ns - self._began_ns

    def printed(self) -> bytes:
        """What a program has printed that ended without saying so (the chip was reset)."""
        if not self._telling:  # it was over before we saw it begin
            self._told = 0
            del self._got[: len(ACCEPTED)]
        self._tell(len(self._got))
        return bytes(self._got)

    def leave(self) -> None:
        """To the friendly prompt."""
        self._type(CTRL_B)
        self._until(self._at_prompt, ANSWER_NS)
