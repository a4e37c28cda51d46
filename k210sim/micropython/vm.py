"""The virtual machine: RAM, heap, types and modules put together.

One `VM` is one powered-on MicroPython. `start()` begins afresh (power-on or soft reset); the
engine then runs boot files and REPL lines through `run_source`. What the machine needs of the
board comes in through the constructor; it knows neither board nor engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from k210sim.errors import InternalError
from k210sim.heap.gc import GcHeap
from k210sim.micropython import layout as L
from k210sim.micropython.execution import Execution
from k210sim.micropython.frames import Frames
from k210sim.micropython.handlers import Handlers
from k210sim.micropython.layout import RAM_BASE, TYPE
from k210sim.micropython.memory import Memory
from k210sim.micropython.native import (
    GuestError,
    GuestModule,
    GuestType,
    Lazy,
    NativeFunction,
)
from k210sim.micropython.objects import Objects
from k210sim.micropython.operations import Operations
from k210sim.micropython.qstr import QstrTable

STACK_TOP = 0x802F8000  # the MicroPython task's stack: 32 KiB, of which the port allows 31744
STACK_LIMIT = 31744
STATE_AREA = 0x802E0000  # root pointers of the runtime, scanned by the collector
STATE_WORDS = 64
ROM_STRINGS = L.ROM_END - 0x40000  # constant message texts
HEAP_START = 0x802FFD80  # as the v0.6.2-75 standard image prints it
DELAY_TICK_NS = 10_000_000  # of the firmware's scheduler

# Indexes in the state area.
(R_MAIN, R_LOADED, R_PATH, R_ARGV, R_LAST_EXC, R_SCHED, R_KBD, R_DUPTERM) = range(8)
# Static objects in the state area (types/exceptions.py has words 32 to 37).
S_LOADED, S_MAIN, S_PATH, S_ARGV = (STATE_AREA + 8 * n for n in (44, 48, 52, 56))


class VM(Objects, Operations, Frames, Handlers, Execution):
    """A MicroPython on a simulated RAM.

    stdout(data: bytes)    receives what the guest prints, line ends as the guest wrote them
    clock                  k210sim.clock.Clock charged by `charge_ns` and `delay_ns`
    board                  an attribute bag that native modules find their parts in
    """

    def __init__(self, memory: Memory, *, clock, stdout: Callable[[bytes], None],
                 types: Iterable[type[GuestType]], modules: Iterable[GuestModule],
                 builtins: GuestModule, weak_links: dict[str, str] | None = None,
                 qstrs: Iterable[str] = (), frozen: dict[str, bytes] | None = None,
                 board: Any = None):
        self.memory = memory
        self.words, self.floats = memory.words, memory.floats
        memory.SCRATCH, memory.SCRATCH_WORDS = STATE_AREA + 8 * STATE_WORDS, 4096
        self.clock, self.stdout, self.board = clock, stdout, board
        self.raw_stdout = stdout
        self.on_event: Callable[[str, Any], None] | None = None
        # False once the program could write where it wants (uctypes) or brought bytecode of its
        # own (.mpy): what our code then stumbles over in RAM is the program's doing.
        self.trusts_ram = True
        self.qstrs = QstrTable()
        for text in qstrs:
            self.qstrs.intern(text)
        self.types: dict[int, GuestType] = {}
        self._type_objects: dict[type[GuestType], GuestType] = {}
        self.rom: dict[int, NativeFunction | GuestModule] = {}
        self._rom_next = L.ROM_BASE + L.FIRST_FREE_SLOT * L.ROM_SLOT
        self.host_values: dict[int, Any] = {}
        self.temps: list[int] = []
        self.kept: dict[int, int] = {}
        self.modules: dict[str, GuestModule] = {}
        self.weak_links = dict(weak_links or {})
        self.builtin_modules = list(modules)
        self.frozen = dict(frozen or {})  # Python modules of the image: file name -> source
        self._frozen_code: dict[str, int] = {}
        self.vfs: Any = None  # see importing.py
        self._rom_strings: dict[bytes, int] = {}
        self._strings_next = ROM_STRINGS
        self._build_rom(types, builtins)
        self.heap: GcHeap
        self.heap_start, self.heap_size = HEAP_START, 512 * 1024
        self.init_interpreter()
        for name, source in self.frozen.items():
            self.intern_names(name, source)
        self.qstrs.freeze()
        self._image_end = self._rom_next

    # --- the firmware image ---------------------------------------------------------------
    def rom_alloc(self, *words: int) -> int:
        """An object of the firmware image, never collected."""
        addr = self._rom_next
        size = (8 * len(words) + 15) & ~15
        if addr + size > ROM_STRINGS:
            raise InternalError("the simulated firmware image is full")
        self._rom_next += size
        for i, word in enumerate(words):
            self.words[((addr - RAM_BASE) >> 3) + i] = word
        return addr

    def rom_block(self, n_bytes: int) -> int:
        """Cleared bytes in the firmware image."""
        return self.rom_alloc(*([0] * ((n_bytes + 7) // 8)))

    def rom_bytes_object(self, data: bytes, type_name: str) -> int:
        """A str or bytes object in the image."""
        cells = [int.from_bytes(data[i : i + 8].ljust(8, b"\0"), "little", signed=True)
                 for i in range(0, len(data) + 1, 8)]
        addr = self.rom_alloc(*cells)
        return self.rom_alloc(TYPE[type_name], 0, len(data), addr)

    def rom_data(self, data: bytes) -> int:
        """Address of constant bytes in the image, shared among equal ones."""
        addr = self._rom_strings.get(data)
        if addr is None:
            size = (len(data) + 8) & ~7
            if self._strings_next + size > L.ROM_END:
                # Message texts only; by now the oldest ones are dead.
                self._strings_next = ROM_STRINGS
                self._rom_strings.clear()
            addr = self._rom_strings[data] = self._strings_next
            self._strings_next += size
            self.memory.write(addr, data + b"\0")
        return addr

    def _build_rom(self, types, builtins: GuestModule) -> None:
        words = self.words
        for addr, name in ((L.NONE, "NoneType"), (L.TRUE, "bool"), (L.FALSE, "bool"),
                           (L.ELLIPSIS, "ellipsis"), (L.NOT_IMPLEMENTED, "NotImplementedType"),
                           (L.EMPTY_TUPLE, "tuple"), (L.STOP_ITERATION_MARK, "stop"),
                           (L.GENERATOR_EXIT_MARK, "stop")):
            words[(addr - RAM_BASE) >> 3] = TYPE[name]
        self.empty_bytes = self.rom_bytes_object(b"", "bytes")
        pending = []
        for cls in types:
            pending.append(self._install_type(cls))
        self.int_type, self.str_type = self.types[TYPE["int"]], self.types[TYPE["str"]]
        self.builtins_module = self._install_module(builtins)
        for module in self.builtin_modules:
            self._install_module(module)
        for t in list(self.types.values()):
            self._fill_type(t)

    def _install_type(self, cls: type[GuestType]) -> GuestType:
        known = self._type_objects.get(cls)
        if known is not None:
            return known
        t = cls()
        core = getattr(cls, "core_name", cls.name)
        t.word = TYPE[core] if core in TYPE and TYPE[core] not in self.types else \
            self.rom_alloc(TYPE["type"], *([0] * 15))
        self.words[(t.word - RAM_BASE) >> 3] = TYPE["type"]
        self.types[t.word] = t
        self._type_objects[cls] = t
        self.intern_rom(cls.name)
        t.parent_type = self._install_type(cls.parent) if cls.parent else None
        t.table = {}
        t.filled = False
        return t

    def _fill_type(self, t: GuestType) -> None:
        if t.filled:
            return
        t.filled = True
        for name, entry in t.locals.items():
            if isinstance(entry, NativeFunction) and entry.kind == "function":
                entry.owners |= {type(t)}
            t.table[self.intern_rom(name)] = self._rom_entry(entry)

    def intern_rom(self, text: str) -> int:
        return self.qstrs.intern(text)

    def _rom_entry(self, entry: Any) -> int:
        if isinstance(entry, NativeFunction):
            kind = {"function": "function", "static": "staticmethod",
                    "class": "classmethod"}[entry.kind]
            inner = self.rom_alloc(TYPE["function"], 0)
            self.rom[inner] = entry
            self.intern_rom(entry.name)
            return inner if kind == "function" else self.rom_alloc(TYPE[kind], inner)
        if isinstance(entry, type) and issubclass(entry, GuestType):
            t = self._install_type(entry)
            self._fill_type(t)
            return t.word
        if isinstance(entry, Lazy):
            return entry.make(self)
        if isinstance(entry, GuestModule):
            return self._install_module(entry)
        if hasattr(entry, "rom_word"):
            return entry.rom_word(self)
        if entry is None:
            return L.NONE
        if entry is Ellipsis:
            return L.ELLIPSIS
        if isinstance(entry, bool):
            return self.new_bool(entry)
        if isinstance(entry, int):
            return (entry << 1) | 1
        if isinstance(entry, float):
            o = self.rom_alloc(TYPE["float"], 0)
            self.floats[(o - RAM_BASE + 8) >> 2] = entry
            return o
        if isinstance(entry, str):
            return (self.intern_rom(entry) << 2) | 2
        if isinstance(entry, bytes):
            return self.rom_bytes_object(entry, "bytes")
        if isinstance(entry, tuple):
            items = [self._rom_entry(e) for e in entry]
            return self.rom_alloc(TYPE["tuple"], len(items), *items) if items else L.EMPTY_TUPLE
        raise InternalError(f"cannot put {entry!r} into the firmware image")

    def _install_module(self, module: GuestModule) -> int:
        if module.name in self.modules:
            return self.modules[module.name][0]
        word = self.rom_alloc(TYPE["module"], 0)
        table: dict[int, int] = {}
        self.modules[module.name] = (word, module, table)
        self.rom[word] = (module, table)
        table[self.intern_rom("__name__")] = (self.intern_rom(module.shown_name) << 2) | 2
        for name, entry in module.entries.items():
            if not isinstance(entry, Lazy):
                table[self.intern_rom(name)] = self._rom_entry(entry)
            else:
                table[self.intern_rom(name)] = L.NONE
        return word

    def type_of_class(self, cls: type[GuestType] | GuestType) -> GuestType:
        """The installed type declared by a GuestType class (installed now if it never was)."""
        if isinstance(cls, GuestType):
            return cls
        t = self._type_objects.get(cls)
        if t is None:
            t = self._install_type(cls)
            self._fill_type(t)
        return t

    def module_table(self, word: int) -> dict[int, int] | None:
        """The name table of a built-in module object, None for a module made by the guest."""
        entry = self.rom.get(word)
        return entry[1] if isinstance(entry, tuple) else None

    # --- start ----------------------------------------------------------------------------
    def start(self, heap_size: int | None = None) -> None:
        """Begin afresh: empty heap, no user names, `__main__` ready."""
        if heap_size is not None:
            self.heap_size = heap_size
        for i in range(STATE_WORDS):
            self.words[((STATE_AREA - RAM_BASE) >> 3) + i] = 0
        # Types of the guest, and built-in ones that were only installed when first used.
        for addr in [a for a in self.types if a >= self._image_end]:
            self._type_objects.pop(type(self.types.pop(addr)), None)
        for addr in [a for a in self.rom if a >= self._image_end]:
            del self.rom[addr]
        self._rom_next = self._image_end
        self._main_module = 0
        self.host_values.clear()
        self.temps.clear()
        self.kept.clear()
        self.trusts_ram = True
        self.heap = GcHeap(self.memory, self.heap_start, self.heap_size,
                           roots=self._roots, finalise=self._finalise)
        self.heap.extra_roots = self._extra_roots
        self.heap.watch = lambda used: self.event("gc.collect", used)
        self.qstrs.reset(self.heap)
        self.start_interpreter()
        self._frozen_code.clear()
        # The firmware's own first allocations, in its order. The objects themselves are static
        # there; only their tables come from the heap.
        for root, at, size in ((R_LOADED, S_LOADED, 3), (R_MAIN, S_MAIN, 1)):
            self.memory.set_word(at, TYPE["dict"])
            self.map_init(at + L.DICT_MAP, size)
            self.set_root(root, at)
        self.main_globals = S_MAIN
        self.dict_set(S_MAIN, self.new_qstr("__name__"), self.new_qstr("__main__"))
        self.set_globals(S_MAIN)
        for root, at in ((R_PATH, S_PATH), (R_ARGV, S_ARGV)):
            table = self.malloc(4 * 8)
            for i, word in enumerate((TYPE["list"], 4, 0, table)):
                self.memory.set_word(at + 8 * i, word)
            self.set_root(root, at)
        for _word, module, table in list(self.modules.values()):
            for name, entry in module.entries.items():
                if isinstance(entry, Lazy):
                    table[self.intern(name)] = entry.make(self)
            if module.on_init:
                module.on_init(self)
        self.temps.clear()

    def root(self, index: int) -> int:
        """A root pointer of the runtime (R_*)."""
        return self.words[((STATE_AREA - RAM_BASE) >> 3) + index]

    def set_root(self, index: int, word: int) -> None:
        self.words[((STATE_AREA - RAM_BASE) >> 3) + index] = word

    def keep(self, word: int) -> int:
        """Hold an object for as long as the host wants it; returns it. See `release`."""
        self.kept[word] = self.kept.get(word, 0) + 1
        return word

    def release(self, word: int) -> None:
        if self.kept.get(word, 0) <= 1:
            self.kept.pop(word, None)
        else:
            self.kept[word] -= 1

    def _roots(self):
        yield STATE_AREA, 8 * STATE_WORDS
        yield self.stack_pointer, self.stack_top - self.stack_pointer
        yield from self.other_stacks()

    def _extra_roots(self):
        out = list(self.temps)
        out += self.kept
        if self.threads is not None:
            out += self.threads.roots()
        out += self.qstrs.roots()
        for _word, module, table in self.modules.values():
            if any(isinstance(e, Lazy) for e in module.entries.values()):
                out += table.values()
        return out

    def _finalise(self, addr: int) -> None:
        """A block with a finaliser is dying."""
        if addr in self.types:
            del self.types[addr]
            return
        value = self.host_values.pop(addr, None)
        type_word = self.words[(addr - RAM_BASE) >> 3]
        t = self.types.get(type_word)
        if t is not None and t.finalise is not None:
            try:
                t.finalise(self, addr, value)
            except GuestError as error:
                # The firmware prints what a finaliser raised and goes on.
                self.stdout(self.print_text(error.obj, 2).encode("utf-8", "surrogateescape")
                            + b"\n")

    # --- time -----------------------------------------------------------------------------
    def charge_ns(self, ns: int) -> None:
        """Let virtual time pass for work done."""
        self.clock.advance_ns(ns)

    def delay_ns(self, ns: int) -> None:
        """Wait, with interrupts, callbacks and threads served on the way, but for the last 10 ms:
        there the firmware watches its clock alone (mphalport.c, mp_hal_delay_ms)."""
        self.account()
        end = self.clock.now_ns + ns
        while True:
            self.checkpoint()
            now = self.clock.now_ns
            left = end - DELAY_TICK_NS - now
            if left <= 0:
                break
            if self.clock.mode == "real":
                step = min(left, 1_000_000)  # short enough for Ctrl-C
            else:
                alarm = self.clock.next_alarm_ns()
                step = left if alarm is None else min(left, max(1, alarm - now))
            self.charge_ns(step)
        if end > now:
            self.charge_ns(end - now)

    def now_ns(self) -> int:
        """Virtual time, with the operations so far accounted for."""
        self.account()
        return self.clock.now_ns

    def cycles(self) -> int:
        """The CPU's cycle counter at 400 MHz."""
        return self.now_ns() * 2 // 5

    def write(self, text: str) -> None:
        """Print as the guest's `print` does."""
        self.stdout(text.encode("utf-8", "surrogateescape"))

    def printk(self, text: str) -> None:
        """Print as the firmware's C code does: line ends as they are."""
        self.raw_stdout(text.encode("utf-8", "surrogateescape"))

    def event(self, kind: str, value: Any) -> None:
        """Tell the host what happened (reports, logs); the guest sees nothing of it."""
        if self.on_event is not None:
            self.on_event(kind, value)

    def not_simulated(self, call: str) -> GuestError:
        """The OSError of a call that has no simulation behind it, ready to `raise`."""
        self.event("not_simulated", call)
        return self.error("OSError", "k210sim: %s is not simulated" % call)

    def address_of(self, array) -> int:
        """Guest address of a numpy view of the RAM, 0 for an array of the host's."""
        offset = array.__array_interface__["data"][0] - self.memory.u8.ctypes.data
        return offset + RAM_BASE if 0 <= offset < len(self.memory.u8) else 0

    def finalise_all(self) -> None:
        """Run every finaliser, as the firmware does before a soft reset."""
        for addr in sorted(self.host_values):
            self._finalise(addr)
        self.host_values.clear()
