"""Released firmware on the riscv engine: how long the host takes, and how long the board.

Each release found in $K210SIM_FIRMWARE_DIR boots from an empty flash to its prompt (which formats
/flash), runs a loop, sets up the camera, and finds faces in 20 frames where the face model and its
picture are in $K210SIM_SHARED. All of that several times, on new boards in one process: the best
time of each case is reported, the first round is not, for hot code is compiled in it and numba's
functions are loaded (the starts have rows of their own). `real_time` is device time over the
host's wall time: above 1 the board is faster than its own clock. `mips` are executed instructions
of both harts per second of processor time, loops that only wait computed at once; `python` is how
many register accesses left compiled code. The last rows are starts of the core in a process of its
own, without and with numba's cache, and of `k210sim exec -c "print(1)"` with a boot and with one
that was kept, in wall seconds, and the memory of this process.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS = ("release", "what", "wall_s", "cpu_s", "device_s", "real_time", "million", "mips",
           "python", "mb")  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]
LOOP = "for i in range(300000): pass\n"
FACES = """\
import sensor, lcd, KPU
lcd.init(); sensor.reset(); sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QVGA); sensor.run(1)
task = KPU.load(0x300000)
KPU.init_yolo2(task, 0.5, 0.3, 5, (1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437,
                                   6.92275, 6.718375, 9.01025))
"""
FRAMES = """\
for _ in range(20):
    img = sensor.snapshot(); found = KPU.run_yolo2(task, img); a = lcd.display(img)
print(len(found))
"""
FIRST_TURN = """
from k210sim.clock import Clock
from k210sim.flash.nor import NorFlash
from k210sim.riscv.machine import Machine
clock = Clock()
machine = Machine(clock, NorFlash(clock), lambda data: None, lambda count: b"")
machine.load(open({program!r}, "rb").read())
machine.step()
"""


def measure(options):
    """Rows of each release, then of starting."""
    os.environ["K210SIM_BOOT_CACHE"] = ""  # boots are measured here
    folder = os.environ.get("K210SIM_FIRMWARE_DIR")
    binaries = sorted(Path(folder).glob("maixpy*.bin")) if folder else []
    for binary in binaries[-1:] if options.quick else binaries:
        rounds = [list(_release(binary)) for _ in range(2 if options.quick else 4)]
        for same in zip(*rounds[1:], strict=True):
            yield min(same, key=lambda row: row["wall_s"])
    yield from _starts(options.quick)
    for binary in binaries[-1:] if options.quick else binaries:
        yield from _commands(binary, 2 if options.quick else 5)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield {"what": "peak memory of this process", "mb": peak}


def _release(binary: Path):
    from k210sim import Board

    shared = Path(os.environ.get("K210SIM_SHARED", ROOT.parent / "shared"))
    model = shared / "models" / "face_model_at_0x300000.kfpkg"
    picture = shared / "images" / "faces_31.jpg"
    both = model.exists() and picture.exists()
    board = Board(engine="riscv", clock="max", camera=picture if both else None)
    try:
        board.flash(binary.read_bytes(), 0, name=binary.name)
        if both:
            board.flash(model)
        yield _timed(board, binary, "reset to prompt", lambda: board.power_on())
        yield _timed(board, binary, "300,000 rounds", lambda: board.exec(LOOP, timeout=60))
        if both:
            yield _timed(board, binary, "camera set-up", lambda: board.exec(FACES, timeout=60))
            names = FACES.splitlines()[0] + "\n"
            yield _timed(board, binary, "20 face frames",
                         lambda: board.exec(names + FRAMES, timeout=60))  # fmt: skip
    finally:
        board.close()
        gc.collect()  # a board's tables are large


def _timed(board, binary: Path, what: str, job) -> dict:
    def now() -> tuple[float, float, float, int, int]:
        seen = board.statistics() if board.powered else {}
        return (time.perf_counter(), time.process_time(), board.clock.now_ns / 1e9,
                seen.get("instructions", 0), seen.get("register accesses served in Python", 0))

    before = now()
    job()
    wall, cpu, device, instructions, served = (b - a for a, b in zip(before, now(), strict=True))
    return {"release": binary.stem, "what": what, "wall_s": wall, "cpu_s": cpu, "device_s": device,
            "real_time": device / wall, "million": instructions / 1e6,
            "mips": instructions / cpu / 1e6, "python": served}  # fmt: skip


def _starts(quick: bool):
    code = FIRST_TURN.format(program=str(ROOT / "firmware_images" / "riscv" / "hello.bin"))
    with tempfile.TemporaryDirectory() as cold:
        if not quick:
            caches = {"NUMBA_CACHE_DIR": cold, "K210SIM_JIT_CACHE": cold}
            yield {"what": "first start, compiling", **_process(["-c", code], caches)}
    yield {"what": "start to the first turn", **_best(["-c", code], 2 if quick else 5)}


def _commands(binary: Path, rounds: int):
    """`exec` on an image whose /flash is formatted already."""
    from k210sim import Board

    command = ["-m", "k210sim", "exec", "-c", "print(1)"]
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "flash.bin"
        image.write_bytes(b"\xff" * (16 << 20))
        board = Board(image, engine="riscv", clock="max")
        board.flash(binary.read_bytes(), 0, name=binary.name)
        board.power_on()
        board.close()
        flash = {"K210SIM_FLASH": str(image)}
        _process(command, flash)
        yield {"release": binary.stem, "what": "exec print(1)", **_best(command, rounds, flash)}
        kept = {**flash, "K210SIM_BOOT_CACHE": folder}
        for _ in range(3):
            _process(command, kept)
        yield {"release": binary.stem, "what": "the same, boot kept",
               **_best(command, rounds, kept)}  # fmt: skip


def _best(arguments: list[str], rounds: int, environment: dict[str, str] | None = None) -> dict:
    return min((_process(arguments, environment or {}) for _ in range(rounds)),
               key=lambda row: row["wall_s"])  # fmt: skip


def _process(arguments: list[str], environment: dict[str, str]) -> dict:
    """Wall and processor time of a Python process that has written its bytecode before."""
    environment = {**os.environ, **environment}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, env=environment,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    after = os.times()
    cpu = after.children_user + after.children_system - before[2] - before[3]
    return {"wall_s": time.perf_counter() - began, "cpu_s": cpu}
