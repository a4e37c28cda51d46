"""A virtual machine with camera, LCD and files in a dict, for tests of the picture modules."""

from __future__ import annotations

from types import SimpleNamespace

from k210sim.builtin.image import make_vm
from k210sim.camera import Camera, open_source
from k210sim.clock import Clock
from k210sim.flash.nor import NorFlash
from k210sim.heap.system import SystemHeap
from k210sim.lcd import Panel
from k210sim.micropython.importing import FILE, NOTHING
from k210sim.micropython.memory import Memory
from k210sim.modules.vfs import NOWHERE

SYSTEM_HEAP = 0x80380000, 0x80600000


class DictFiles:
    """The least of a file system."""

    def __init__(self, vm):
        self.vm, self.files = vm, {}

    def lookup(self, path):
        """All under /flash is mounted, and that is the current folder."""
        inside = path.startswith(b"/flash") or not path.startswith(b"/")
        return (self if inside else NOWHERE), path

    def import_stat(self, path):
        return FILE if path in self.files else NOTHING

    def open(self, vm, args, kw):
        raise vm.os_error(2)

    def read_file(self, path):
        if path not in self.files:
            raise self.vm.os_error(2)
        return self.files[path]

    def write_file(self, path, data):
        self.files[path] = bytes(data)


class PictureVm:
    """`run` executes guest code and gives what it printed; errors raise AssertionError."""

    def __init__(self, heap_size=None, source="scene", chip="ov2640"):
        self.output = bytearray()
        clock = Clock()
        self.camera = Camera(clock, open_source(source), chip)
        self.panel = Panel()
        board = SimpleNamespace(camera=self.camera, lcd=self.panel, flash=NorFlash())
        self.vm = make_vm(Memory(), clock=clock, stdout=self.output.extend, board=board)
        self.vm.system_heap = SystemHeap(*SYSTEM_HEAP)
        self.vm.start(heap_size)
        self.vm.vfs = DictFiles(self.vm)
        self.files = self.vm.vfs.files

    def outcome(self, code: str):
        self.output.clear()
        return self.vm.execute(code.encode(), filename="<test>", mode="exec")

    def run(self, code: str) -> str:
        outcome = self.outcome(code)
        assert not outcome.traceback, outcome.traceback.decode()
        return self.output.decode()

    def error(self, code: str) -> str:
        """The last line of the traceback."""
        outcome = self.outcome(code)
        assert outcome.traceback, "no error: " + self.output.decode()
        return outcome.traceback.decode().strip().splitlines()[-1]

    def global_word(self, name: str) -> int:
        return self.vm.dict_get(self.vm.main_globals, self.vm.new_qstr(name))

    def image(self, name: str = "img"):
        """The HostImage of a global."""
        return self.vm.host(self.global_word(name))
