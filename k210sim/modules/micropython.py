"""`micropython`: memory figures, scheduled callbacks, compiler settings.

Source: micropython v1.11 py/modmicropython.c, py/gc.c, py/qstr.c, py/scheduler.c.
"""

from __future__ import annotations

from k210sim.heap import gc_blocks
from k210sim.micropython.layout import BLOCK, RAM_BASE, TYPE
from k210sim.micropython.native import GuestError, GuestModule
from k210sim.micropython.types.exceptions import set_emergency_buffer, traceback_text

STACK_TOP = 0x802F8000
STACK_LIMIT = 31744
R_STACK = 4  # register of the simulated C stack
SCHEDULER_DEPTH = 8
PER_LINE = 64

# What a block whose first word is this type looks like in the table.
_LETTERS = {"tuple": "T", "list": "L", "dict": "D", "str": "S", "bytes": "S", "bytearray": "A",
            "array": "A", "float": "F", "fun_bc": "B", "module": "M"}

module = GuestModule("micropython")


@module.init
def start(vm):
    """Settings are those of power-on again after a soft reset."""
    vm.opt_level = 0
    vm.scheduled = []
    vm.scheduler_busy = False


@module.function(1)
def const(vm, value):
    return value


@module.function(0, 1)
def opt_level(vm, *level):
    if not level:
        return vm.new_int(vm.opt_level)
    vm.opt_level = vm.get_int(level[0])
    return None


@module.function(0)
def mem_total(vm):
    return vm.new_int(vm.heap.total_bytes)


@module.function(0)
def mem_current(vm):
    return vm.new_int(vm.heap.current_bytes)


@module.function(0)
def mem_peak(vm):
    return vm.new_int(vm.heap.peak_bytes)


def stack_used(vm) -> int:
    """Bytes of the task's C stack in use."""
    return STACK_TOP - vm.R[R_STACK]


@module.function(0, 1)
def mem_info(vm, *table):
    heap = vm.heap
    vm.write("mem: total=%d, current=%d, peak=%d\n"
             % (heap.total_bytes, heap.current_bytes, heap.peak_bytes))
    vm.write("stack: %d out of %d\n" % (stack_used(vm), STACK_LIMIT))
    info = heap.info()
    vm.write("GC: total: %d, used: %d, free: %d\n" % (info.total, info.used, info.free))
    vm.write(" No. of 1-blocks: %d, 2-blocks: %d, max blk sz: %d, max free sz: %d\n"
             % (info.one_blocks, info.two_blocks, info.max_block, info.max_free))
    if table:
        vm.write(heap_table(vm))


def heap_table(vm) -> str:
    """The allocation table, a letter a block, runs of free lines left out."""
    heap = vm.heap
    letters = {TYPE[name]: letter for name, letter in _LETTERS.items()}
    first_word = (heap.pool_start - RAM_BASE) >> 3
    cells = []
    for block in range(heap.n_blocks):
        kind = gc_blocks.kind(heap.ram, heap.state, block)
        if kind == gc_blocks.HEAD:
            cells.append(letters.get(vm.words[first_word + block * (BLOCK >> 3)], "h"))
        else:
            cells.append({gc_blocks.FREE: ".", gc_blocks.TAIL: "=", gc_blocks.MARK: "m"}[kind])
    text = "".join(cells)
    out = "GC memory layout; from %x:" % heap.pool_start
    at = 0
    while at < len(text):
        free = len(text) - at - len(text[at:].lstrip("."))
        if free >= 2 * PER_LINE:
            out += "\n       (%d lines all free)" % (free // PER_LINE)
            at = (at + free) & ~(PER_LINE - 1)
            if at >= len(text):
                break
        out += "\n%05x: %s" % (at * BLOCK & 0xFFFFF, text[at : at + PER_LINE])
        at += PER_LINE
    return out + "\n"


@module.function(0, 1)
def qstr_info(vm, *dump):
    qstrs = vm.qstrs
    total = qstrs.n_bytes + sum(vm.heap.n_bytes(addr) for addr, _ in qstrs.pools)
    vm.write("qstr pool: n_pool=%d, n_qstr=%d, n_str_data_bytes=%d, n_total_bytes=%d\n"
             % (len(qstrs.pools), len(qstrs.text) - qstrs.n_rom, qstrs.n_bytes, total))
    if dump:
        # The newest pool comes first.
        starts, at = [], qstrs.n_rom
        for _, entries in qstrs.pools:
            starts.append((at, at + entries))
            at += entries
        for first, end in reversed(starts):
            for data in qstrs.text[first:end]:
                vm.write("Q(%s)\n" % data.decode("utf-8", "surrogateescape"))


@module.function(0)
def stack_use(vm):
    return vm.new_int(stack_used(vm))


@module.function(1)
def alloc_emergency_exception_buf(vm, size):
    set_emergency_buffer(vm, vm.get_int(size))


@module.function(0)
def heap_lock(vm):
    vm.heap.lock()


@module.function(0)
def heap_unlock(vm):
    vm.heap.unlock()


@module.function(1)
def kbd_intr(vm, char):
    """Which byte of the console interrupts a program; -1: none."""
    vm.interrupt_char = vm.get_int(char)


@module.function(2)
def schedule(vm, function, argument):
    if len(vm.scheduled) == SCHEDULER_DEPTH:
        raise vm.error("RuntimeError", "schedule stack full")
    vm.scheduled.append((vm.keep(function), vm.keep(argument)))
    vm.post(run_scheduled)


def run_scheduled(vm) -> None:
    """Run the oldest callback; what it raises is printed. Callbacks do not interrupt others."""
    if vm.scheduler_busy or not vm.scheduled:
        return
    function, argument = vm.scheduled.pop(0)
    vm.scheduler_busy = True
    try:
        vm.call(function, [argument])
    except GuestError as error:
        vm.write(traceback_text(vm, error.obj))
    finally:
        vm.scheduler_busy = False
        vm.release(function)
        vm.release(argument)
        if vm.scheduled:
            vm.post(run_scheduled)
