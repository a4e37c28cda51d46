"""Board: a whole K210 board as one object."""

from __future__ import annotations

import copy
import gc
import logging
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k210sim.board import engines, kept_boot, parts
from k210sim.board.hardware import Hardware
from k210sim.board.isp_mode import IspMode
from k210sim.board.parts import FACTORY
from k210sim.board.profiles import profile
from k210sim.clock import MODES, Clock
from k210sim.errors import (
    BootRefused,
    ConfigError,
    GivenUp,
    HostError,
    InternalError,
    K210SimError,
    TimeoutExpired,
)
from k210sim.serialport.inprocess import SerialEnd
from k210sim.serialport.reset_circuit import ResetCircuit
from k210sim.serialport.uart import UartPort

log = logging.getLogger("k210sim.board")
SNAPSHOT_VERSION = 1
BOOT_TIMEOUT_S = 60.0
BOOTS = ("flash", "isp")


@dataclass(frozen=True)
class ExecResult:
    """How a program ended that `Board.exec` ran.

    stdout : what it printed, as text with plain newlines, without the traceback
    error : the traceback as the device prints it, or None
    output : all it made the device send, byte for byte, traceback included
    virtual_ms : virtual time it took
    exit_reason : ok, exception, system_exit, reset (it had the chip reset) or timeout
    """

    stdout: str
    error: str | None
    output: bytes
    virtual_ms: float
    exit_reason: str

    @property
    def ok(self) -> bool:
        return self.error is None and self.exit_reason != "timeout"


class ExecTimeout(TimeoutExpired):
    """The program was still running at its timeout and was stopped; `.result` has its output."""

    def __init__(self, message: str, result: ExecResult):
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class Snapshot:
    """The state of a whole board at its prompt. Can be copied and pickled."""

    version: int
    board: str
    engine: str
    clock_ns: int
    parts: dict[str, Any]
    engine_state: dict


class Board:
    """A virtual board. `with Board() as board:` switches it on and, at the end, off.

    flash_image : path of the flash image file, created as a factory image when missing; None
        gives a chip in memory with an empty file system that boots to its prompt; FACTORY a
        factory image in memory
    camera : `scene`, a picture, a folder of pictures, a video, `webcam:0`, or a camera object
    sd : folder or image file in the SD slot, or None
    engine : `builtin`, our own firmware; `riscv`, the firmware in flash (docs/riscv.md); `auto`,
        `riscv` when there is one at 0x0, else `builtin`
    clock : `virtual`, `real` or `max` (see k210sim.clock)
    seed : start of all randomness; equal seeds give equal runs
    board : name of a profile (k210sim.board.profiles)
    run_main : False boots to the prompt without running main.py
    safe : True boots with neither boot.py nor main.py, as Ctrl-C in the right moment does; a soft
        reset runs them
    boot : `flash`, or `isp` to wait for a flashing tool when switched on, as with the boot pin
        held low
    strict : with the riscv engine, a register that nobody modelled stops the board with
        DeviceError instead of a line in the log
    wires : pairs of pads to join with jumper wires, as (10, 12): levels of GPIO, and with the riscv
        engine UARTs and I2C as well

    Raises ConfigError for an option that cannot be used, before anything is opened.
    """

    def __init__(
        self,
        flash_image: str | Path | None = None,
        *,
        camera: Any = "scene",
        sd: str | Path | None = None,
        engine: str = engines.AUTO,
        clock: str = "virtual",
        seed: int = 0,
        board: str = "bit",
        run_main: bool = True,
        safe: bool = False,
        boot: str = "flash",
        strict: bool = False,
        wires: Iterable[tuple[int, int]] = (),
    ):
        kind = profile(board)
        if boot not in BOOTS:
            raise ConfigError(f"boot {boot!r}: expected one of {', '.join(BOOTS)}")
        joined = parts.checked_wires(wires)
        if clock not in MODES:
            raise ConfigError(f"clock mode {clock!r}: expected one of {', '.join(MODES)}")
        self.profile = kind
        self.clock = Clock(clock)
        self.port = UartPort(self.clock)
        self.clock.hurry = lambda: self.port.interrupt_pending
        made_camera = parts.make_camera(camera, kind, self.clock, seed)
        made_lcd = parts.make_lcd(kind)
        made_sd = parts.make_sd(sd)
        try:
            storage = parts.open_flash(flash_image, kind, self.clock)
        except K210SimError:
            made_sd.eject()
            raise
        self.hardware = Hardware(
            profile=kind,
            clock=self.clock,
            port=self.port,
            storage=storage,
            camera=made_camera,
            lcd=made_lcd,
            sd=made_sd,
            seed=seed,
            run_main=run_main,
            safe=safe,
            strict=strict,
            wires=joined,
            going_off=lambda: self._closed or bool(self._ending),
        )
        self._ending: list[None] = []  # one for each thread that waits to switch off
        self._closed = False
        self.serial = SerialEnd(self.port, is_dead=lambda: not self.powered)
        self.random = random.Random(seed)
        self._wanted_engine, self._looks_at = engine, camera
        self._engine: engines.Engine | IspMode | None = None
        self._boot_isp = boot == "isp"
        self._power = threading.RLock()  # held while the engine changes
        self._in_reset = False
        self._started = False  # whether an engine has run on this board
        self._reset_failure: K210SimError | None = None  # of a reset nobody waited for
        self._circuit = ResetCircuit(kind.reset_circuit, self._hold, self._release)
        try:
            self.engine_name = engines.choose(engine, self.hardware)
        except ConfigError:
            storage.close(save=False)
            made_sd.eject()
            raise

    # --- power ----------------------------------------------------------------------------------

    def __enter__(self) -> Board:
        try:
            self.power_on()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def powered(self) -> bool:
        """Whether the board has power; true in ISP mode and while it is held in reset too."""
        engine = self._engine
        return self._in_reset or (engine is not None and engine.alive)

    @property
    def in_isp(self) -> bool:
        """Whether the board waits for a flashing tool instead of running its firmware."""
        engine = self._engine
        return isinstance(engine, IspMode) and engine.alive

    def power_on(self, *, wait: bool = True, isp: bool | None = None) -> None:
        """Switch on. With `wait` returns at the prompt, or when main.py has come to stay.

        isp : True waits for a flashing tool instead of booting; None as the board was made
        """
        with self._power:
            if self._engine is not None and self._engine.alive:
                return
            if self._engine is not None and not self._engine.wait_stopped(BOOT_TIMEOUT_S):
                raise InternalError("the program of before has not stopped since power-off")
            self._engine = None
            engine: engines.Engine | IspMode
            if self._boot_isp if isp is None else isp:
                engine = IspMode(self.hardware, self._leave_isp)
            else:
                if self._started:
                    # An engine that is thrown away refers to itself, and its memories weigh more
                    # than its objects count: Python would let hundreds of megabytes pile up before
                    # it looks. Not before ISP mode, where a flashing tool waits for its answer.
                    gc.collect()
                self.engine_name = engines.choose(self._wanted_engine, self.hardware)
                by_firmware = wait and not self._started and self.engine_name == engines.RISCV
                self.hardware.kept_boot = (
                    kept_boot.find(self.hardware, self._looks_at) if by_firmware else None
                )
                self._started = True
                engine = engines.make(self.engine_name, self.hardware)
            if self.camera is not None:
                self.camera.power_on()
            self.lcd.reset()
            self._engine = engine
            engine.start()
            self._in_reset = False
        if wait:
            engine.wait_booted(BOOT_TIMEOUT_S)

    def raise_failure(self) -> None:
        """Raise InternalError if the engine ended by a bug of ours instead of power-off."""
        if self._reset_failure is not None:
            raise self._reset_failure
        engine = self._engine
        if engine is not None:
            engine.raise_failure()

    def power_off(self) -> None:
        """Cut the power and save the flash image. RAM is lost, flash stays."""
        self._stop(in_reset=False)

    def close(self) -> None:
        """Switch off and give the flash image free; the board cannot be used any more."""
        self._closed = True
        self._circuit.close()
        with self._power:
            try:
                self.power_off()
            finally:
                self.hardware.storage.close()
                self.hardware.sd.eject()

    def reset(self, *, wait: bool = True, isp: bool = False) -> None:
        """The reset button: everything but flash and the time starts anew.

        isp : with the boot key held, so that the board waits for a flashing tool
        """
        with self._power:
            self._stop(in_reset=True)
            try:
                self.power_on(wait=False, isp=isp)
            finally:
                self._in_reset = False
            engine = self._engine
        if wait and engine is not None:
            engine.wait_booted(BOOT_TIMEOUT_S)

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """A serial bridge's lines (True: asserted), which reset the board through its circuit.

        Returns at once.
        """
        self._circuit.lines(dtr, rts)

    def soft_reset(self) -> None:
        """Ctrl-D at the prompt: a fresh heap, boot.py and main.py again."""
        self._running_engine().soft_reset()

    # --- running programs -----------------------------------------------------------------------

    def exec(
        self,
        code: str | bytes | Path,
        timeout: float | None = 10.0,
        *,
        on_output: Callable[[bytes], None] | None = None,
    ) -> ExecResult:
        """Run a program on the board, as a tool that uses the raw prompt would.

        code : source text, or the path of a file (a Path, or a string ending in `.py` that
            names an existing file)
        timeout : seconds of wall time, then the program gets Ctrl-C and ExecTimeout is raised
        on_output : called with the bytes the device sends, as they come

        A program that is already running (main.py) is stopped first. Whatever the program
        raises ends up in `.error`. Raises InternalError when a bug of ours ended it.
        """
        engine = self._running_engine()
        result = engine.run_program(_source(code), timeout=timeout, on_output=on_output)
        if result.outcome.bug is not None:
            bug = result.outcome.bug
            raise InternalError(f"a bug of ours: {type(bug).__name__}: {bug}") from bug
        error = result.outcome.traceback.decode("utf-8", "replace") or None
        output = result.output + result.outcome.traceback.replace(b"\n", b"\r\n")
        text = result.output.decode("utf-8", "replace").replace("\r\n", "\n")
        reason = "timeout" if result.timed_out else result.outcome.kind
        answer = ExecResult(text, error, output, result.virtual_ns / 1e6, reason)
        if result.timed_out:
            raise ExecTimeout(f"the program ran for more than {timeout:g} s", answer)
        return answer

    def expect(self, pattern, timeout: float = 10.0):
        """Wait for a regular expression on the serial port; see SerialEnd.expect."""
        return self.serial.expect(pattern, timeout)

    def interrupt(self) -> None:
        """Ctrl-C at the program that is running."""
        self._running_engine().interrupt()

    def statistics(self) -> dict:
        """Figures the engine keeps: heap peaks, KPU layer times and the like; and, under `flash`,
        the chip's wear (NorFlash.wear)."""
        return {**self._running_engine().statistics(), "flash": self.hardware.flash.wear()}

    # --- flash, panel, snapshots ----------------------------------------------------------------

    def flash(
        self,
        source: str | Path | bytes,
        addr: int | None = None,
        *,
        name: str | None = None,
        progress: Callable | None = None,
    ) -> list:
        """Program a file or bytes into the flash chip, as a flashing tool would.

        kfpkg packages know their addresses; other files need `addr` unless their kind has a
        usual place. Returns the parts written (name, address, data). A board that is on is
        off meanwhile and boots again afterwards. Raises before anything is written.
        """
        from k210sim.flash import program

        planned = program.plan(source, addr, name)
        was_on = self.powered
        if was_on:
            self.power_off()
        with self.hardware.flash.untimed():
            program.apply(self.hardware.flash, planned, progress)
        self.hardware.storage.commit()
        if was_on:
            self.power_on()
        return planned

    @property
    def lcd(self):
        """The panel; `.image()` is what it shows."""
        return self.hardware.lcd

    @property
    def camera(self):
        return self.hardware.camera

    @property
    def sd(self):
        """The SD slot: `insert(path)` and `eject()` at any time, `inserted`."""
        return self.hardware.sd

    def snapshot(self) -> Snapshot:
        """The state of the whole board. The device must be (or come) at its prompt."""
        engine = self._running_engine()

        def take() -> Snapshot:
            return Snapshot(
                version=SNAPSHOT_VERSION,
                board=self.profile.name,
                engine=self.engine_name,
                clock_ns=self.clock.now_ns,
                parts=copy.deepcopy({k: _save(p) for k, p in self.hardware.parts().items()}),
                engine_state=engine.save_state(),
            )

        return engine.call(take, timeout=BOOT_TIMEOUT_S)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this kind of board; raises ConfigError for another kind."""
        engine = self._running_engine()
        mine = (SNAPSHOT_VERSION, self.profile.name, self.engine_name)
        theirs = (snapshot.version, snapshot.board, snapshot.engine)
        if mine != theirs:
            raise ConfigError(
                f"snapshot: it is of {theirs} (version, board, engine), this board is {mine}"
            )

        def put_parts() -> None:
            for name, part in self.hardware.parts().items():
                part.load_state(copy.deepcopy(snapshot.parts[name]))

        def put() -> None:
            put_parts()
            engine.load_state(snapshot.engine_state)
            put_parts()  # once more: starting the engine anew may have used them
            self.clock.now_ns = snapshot.clock_ns

        engine.call(put, timeout=BOOT_TIMEOUT_S)

    # --- inside ---------------------------------------------------------------------------------

    def _stop(self, *, in_reset: bool) -> None:
        """Stop what runs and save the flash image; the board has power in reset, else none."""
        self._ending.append(None)  # an engine that is being made is given up
        try:
            self._power.acquire()
        finally:
            self._ending.pop()
        try:
            self._in_reset = in_reset
            if self._engine is not None:
                self._engine.stop()
            self.hardware.storage.commit()
            self.hardware.sd.flush()
        finally:
            self._power.release()

    def _hold(self) -> None:
        """The reset line is pulled."""
        self.hardware.port.hold_in_reset()
        with self._power:
            if self.powered and not self._closed:
                self._stop(in_reset=True)

    def _release(self, isp: bool) -> None:
        """The reset line is let go."""
        with self._power:
            if self._in_reset and not self._closed:
                self._start_unattended(isp)

    def _start_unattended(self, isp: bool) -> None:
        """Power on from a thread of ours; a failure waits for `raise_failure`. Where the boot ROM
        starts nothing, a flashing tool finds it in its ISP mode, as on the chip."""
        try:
            try:
                self.power_on(wait=False, isp=isp)
            except BootRefused as error:
                log.warning("%s", error)
                self.power_on(wait=False, isp=True)
        except GivenUp:
            self._in_reset = False
        except K210SimError as error:
            self._in_reset = False
            self._reset_failure = error

    def _leave_isp(self) -> None:
        """The flash program reboots: boot what is in flash now, from a thread that may wait."""
        threading.Thread(
            target=self._boot_after_isp, args=(self._engine,), name="k210 reboot", daemon=True
        ).start()

    def _boot_after_isp(self, ended: IspMode) -> None:
        with self._power:
            if self._engine is ended and ended.alive and not self._closed:
                self._stop(in_reset=True)
                self._start_unattended(isp=False)

    def _running_engine(self) -> engines.Engine:
        engine = self._engine
        if engine is None or not engine.alive:
            self.raise_failure()
            if self._in_reset:
                raise K210SimError("the board is held in reset by DTR and RTS")
            raise K210SimError("the board is off; call power_on() or use it as a context manager")
        return engine


def _save(part: Any) -> Any:
    return part.save_state() if hasattr(part, "save_state") else part.state()


def _source(code: str | bytes | Path) -> bytes:
    """The program text of what `exec` was given."""
    if isinstance(code, bytes):
        return code
    if isinstance(code, str):
        if not (code.endswith(".py") and "\n" not in code and Path(code).is_file()):
            return code.encode()
        code = Path(code)
    try:
        return code.read_bytes()
    except OSError as error:
        raise HostError(f"script {code}: {error.strerror}") from error


__all__ = ["FACTORY", "Board", "ExecResult", "ExecTimeout", "Snapshot"]
