"""How fast the RISC-V core computes: the interpreter, compiled blocks, and qemu on one program.

The program is firmware_images/riscv/kernels.c. Seconds are of this process's thread (qemu: of its
process), the least of several runs that take turns. `compile` is the time to compile all of the
program, in one thread. qemu's user mode runs the same source with the same flags, code and data in
pages of their own; its rows need qemu-riscv64 and riscv64-unknown-elf-gcc.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

COLUMNS = ("what", "cpu_s", "million", "mips", "vs_qemu")
PROGRAMS = Path(__file__).resolve().parents[1] / "firmware_images" / "riscv"
ROUNDS_AT = 0x3F0000  # in RAM, see kernels.c
CC, QEMU = "riscv64-unknown-elf-gcc", "qemu-riscv64"
FLAGS = ("-march=rv64imafdc_zicsr_zifencei -mabi=lp64d -mcmodel=medany -O1 -ffreestanding -nostdlib"
         " -fno-tree-loop-distribute-patterns -ffp-contract=off -DHOSTED -static -mno-relax"
         " -Wl,--no-relax,-Tdata=0x100000,-Tbss=0x200000 -w").split()  # fmt: skip


def measure(options):
    """A row each for the interpreter, compiling, compiled blocks and qemu."""
    rounds, repeats = (40, 2) if options.quick else (400, 5)
    compiled = _Program(rounds)
    compile_s = compiled.compile()
    qemu = _qemu_program(rounds)
    runs: dict[str, list[float]] = {"compiled blocks": [], "qemu": []}
    for _ in range(repeats):
        runs["compiled blocks"].append(compiled.run())
        if qemu:
            runs["qemu"].append(_qemu_run(qemu))
    plain = _Program(rounds // 10)
    runs["interpreter"] = [plain.run() for _ in range(2)]
    qemu_s = min(runs["qemu"], default=None)
    yield {"what": "compile", "cpu_s": compile_s}
    for what, count in (("interpreter", plain.million), ("compiled blocks", compiled.million)):
        seconds = min(runs[what])
        scaled = qemu_s and qemu_s * count / compiled.million / seconds
        yield {"what": what, "cpu_s": seconds, "million": count, "mips": count / seconds,
               "vs_qemu": scaled}  # fmt: skip
    if qemu_s:
        yield {"what": "qemu", "cpu_s": qemu_s, "million": compiled.million,
               "mips": compiled.million / qemu_s, "vs_qemu": 1.0}  # fmt: skip
        shutil.rmtree(qemu.parent)


class _Program:
    """A machine with kernels.bin, run to its end again and again."""

    def __init__(self, rounds: int):
        from k210sim.clock import Clock
        from k210sim.flash.nor import NorFlash
        from k210sim.riscv.machine import Machine

        self._sent = bytearray()
        clock = Clock()
        self._machine = Machine(clock, NorFlash(clock), self._sent.extend, lambda n: b"",
                                compile_blocks=False)  # fmt: skip
        self._rounds = rounds
        self.million = 0.0

    def compile(self) -> float:
        from k210sim.riscv.jit import Jit
        from k210sim.riscv.jit_compiler import Compiler

        self.run(1)
        core = self._machine.core
        started = time.thread_time()
        Jit(core.code, core.entries, Compiler(None)).compile_all()
        return time.thread_time() - started

    def run(self, rounds: int | None = None) -> float:
        machine = self._machine
        machine.load((PROGRAMS / "kernels.bin").read_bytes())
        machine.core.ram[ROUNDS_AT : ROUNDS_AT + 4].view("<u4")[0] = rounds or self._rounds
        for hart in machine.harts:
            hart.reset()
        self._sent.clear()
        started = time.thread_time()
        while not self._sent.endswith(b"end\n"):
            machine.step()
        spent = time.thread_time() - started
        self.million = machine.statistics()["instructions"] / 1e6
        return spent


def _qemu_program(rounds: int) -> Path | None:
    if not (shutil.which(CC) and shutil.which(QEMU)):
        return None
    program = Path(tempfile.mkdtemp()) / "kernels"
    source = str(PROGRAMS / "kernels.c")
    subprocess.run([CC, *FLAGS, f"-DROUNDS={rounds}", "-o", program, source], check=True)
    return program


def _qemu_run(program: Path) -> float:
    before = os.times()
    subprocess.run([QEMU, program], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before[2] - before[3]
