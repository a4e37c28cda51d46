"""A whole firmware image on a machine with an empty file system, without a board around it."""

from __future__ import annotations

from types import SimpleNamespace

from k210sim.builtin.image import make_vm
from k210sim.clock import Clock
from k210sim.flash.factory import put_files
from k210sim.flash.nor import NorFlash
from k210sim.micropython.memory import Memory
from k210sim.modules import settings


class SystemWasReset(BaseException):
    """What `machine.reset()` raises here."""


def _reset():
    raise SystemWasReset


class Machine:
    """`run(source)` gives what the program prints and the traceback it ends with."""

    def __init__(self, files: dict[str, bytes] | None = None):
        flash = NorFlash()
        put_files(flash, files or {})
        self.clock = Clock("virtual")
        self.out = bytearray()
        self.board = SimpleNamespace(
            flash=flash, clock=self.clock, seed=0, system_reset=_reset, firmware=SimpleNamespace())
        self.vm = make_vm(
            Memory(), clock=self.clock, stdout=self.out.extend, board=self.board)
        settings.power_on(self.vm, create=False)
        self.restart()

    def restart(self) -> None:
        """Soft reset, with /flash as the current directory afterwards."""
        self.vm.finalise_all()
        self.vm.start()
        self.run("import uos\nuos.chdir('/flash')\ndel uos\nimport sys\n"
                 "sys.path.append('')\nsys.path.append('.')\ndel sys\n")

    def run(self, source: str) -> str:
        self.out.clear()
        outcome = self.vm.execute(source.encode())
        return (bytes(self.out) + outcome.traceback).decode("utf-8", "replace")
