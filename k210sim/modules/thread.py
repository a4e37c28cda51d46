"""`_thread`: threads of the guest, one at a time, switched at fixed points of virtual time.

Each guest thread runs in a host thread of its own, but only the one that holds the baton does
anything: the others wait. Its stack is a block of the system heap, its registers are swapped in
and out with it. A slice is 10 ms of virtual time, looked at between operations and while
sleeping, so that the same program gives the same order every time; the length is a guess (the
board's real switching depends on its lock and its timer tick). At the prompt threads stand still.
Source: micropython v1.11 py/modthread.c; MaixPy-v1 v0.6.3 port/src/mpthreadport.c.
"""

from __future__ import annotations

import threading

from k210sim.errors import NotSimulated
from k210sim.micropython import frames as F
from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import TYPE
from k210sim.micropython.native import GuestError, GuestModule, GuestType, method
from k210sim.micropython.types.exceptions import traceback_text
from k210sim.modules.receivers import checked

SLICE_NS = 10_000_000
WAIT_NS = 100_000
LOCK_BYTES = 32
LEAST_STACK, DEFAULT_STACK, STACK_RESERVE = 4096, 5120, 1024
ENTRY_BYTES, NODE_BYTES = 48, 48
HOST_STACK_BYTES = 64 << 20
MAIN_IDENT = 0x80010000  # where the firmware keeps the main thread's state; a made-up place

_SHARED = (F.R_BUDGET, F.R_PENDING, F.R_OPS)  # registers of the machine, not of a thread

module = GuestModule("_thread")


class _Killed(BaseException):
    """Ends a host thread whose guest thread is no more."""


class GuestThread:
    """A thread: saved registers, rooted objects and stack while it does not run."""

    def __init__(self, registers: list[int], stack_top: int, stack_base: int):
        self.registers = registers
        self.temps: list[int] = []
        self.stack_top, self.stack_base = stack_top, stack_base
        self.block = 0  # of the system heap
        self.keeps = 0  # guest object that holds the function and its arguments
        self.go = threading.Semaphore(0)  # released to hand the thread its turn
        self.dying = self.abandoned = False
        self.host: threading.Thread | None = None


class Threads:
    """The threads of one machine. `running[0]` is the main one; the list is in turn order."""

    def __init__(self, vm):
        self.vm = vm
        self.main = GuestThread([], vm.stack_top, vm.stack_base)
        self.running = [self.main]
        self.current = self.main
        self.failure: BaseException | None = None
        self._ticking = False

    # --- switching ------------------------------------------------------------------------------
    def _save(self) -> None:
        t, vm = self.current, self.vm
        t.registers, t.temps = list(vm.R[: F.N_REGS]), vm.temps

    def _load(self, t: GuestThread) -> None:
        vm, R = self.vm, self.vm.R
        for i, value in enumerate(t.registers):
            if i not in _SHARED:
                R[i] = value
        vm.temps = t.temps
        vm.stack_top, vm.stack_base = t.stack_top, t.stack_base
        self.current = t

    def switch(self, t: GuestThread) -> None:
        """Let `t` run; returns when somebody switches back."""
        me = self.current
        self._save()
        self._load(t)
        t.go.release()
        self._wait(me)

    def _wait(self, me: GuestThread) -> None:
        me.go.acquire()
        if me.dying:
            raise _Killed
        if me is self.main and self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    def rotate(self, vm=None) -> None:
        """The next thread's turn. With other interrupts waiting, those are served first."""
        self._ticking = False
        if len(self.running) > 1:
            if self.vm.interrupts:
                self.vm.post(self.rotate)
                return
            self.tick()
            at = self.running.index(self.current)
            self.switch(self.running[(at + 1) % len(self.running)])

    def tick(self) -> None:
        """Have the turn end after a slice."""
        if not self._ticking and len(self.running) > 1:
            self._ticking = True
            self.vm.clock.alarm(self.vm.clock.now_ns + SLICE_NS, self._end_slice)
            self.vm.look_soon()

    def _end_slice(self) -> None:
        self.vm.post(self.rotate)

    # --- beginning and end ------------------------------------------------------------------------
    def start(self, entry: int, fun: int, args: list[int], kw: dict[int, int],
              stack_bytes: int) -> None:
        vm = self.vm
        heap = getattr(vm, "system_heap", None)
        if heap is None:
            raise NotSimulated("_thread.start_new_thread", "this machine has no system heap")
        block = heap.malloc(stack_bytes)
        if not block:
            raise vm.error("OSError", "can't create thread", formatted=False)
        base = block + 15 & ~15
        top = base + stack_bytes - 32 & ~15
        registers = list(vm.R[: F.N_REGS])
        for i in (F.R_IP, F.R_SP, F.R_CODE, F.R_FRAME, F.R_EXC_SP, F.R_FASTN):
            registers[i] = 0
        registers[F.R_STACK], registers[F.R_STACK_MIN] = top, base + STACK_RESERVE
        t = GuestThread(registers, top, top)
        t.block, t.keeps = block, vm.keep(entry)
        self.running.append(t)
        old = threading.stack_size(HOST_STACK_BYTES)
        try:
            t.host = threading.Thread(target=self._body, args=(t, fun, args, kw),
                                      name="k210 guest thread", daemon=True)
            t.host.start()
        finally:
            threading.stack_size(old)
        self.tick()

    def _body(self, t: GuestThread, fun: int, args: list[int], kw: dict[int, int]) -> None:
        """In the host thread: the guest's function, from its first turn to its end."""
        vm = self.vm
        try:
            self._wait(t)
            vm.call(fun, args, kw)
        except GuestError as error:
            self._tell(fun, error.obj)
        except _Killed:
            return
        except BaseException as failure:
            # The host's business (power-off, a reset, a bug): the main thread raises it.
            if t.abandoned:
                return
            self.failure = failure
        self.running.remove(t)
        vm.release(t.keeps)
        vm.system_heap.free(t.block)
        self._load(self.main)
        self.main.go.release()

    def _tell(self, fun: int, exc: int) -> None:
        """What an exception that ended a thread prints; Ctrl-C goes on to the main thread."""
        vm = self.vm
        kind = vm.type_word(exc)
        if vm.is_subclass(kind, vm.exception_word("SystemExit")):
            return
        if vm.is_subclass(kind, vm.exception_word("KeyboardInterrupt")):
            vm.interrupt()
            return
        vm.write("Unhandled exception in thread started by %s\n"
                 % vm.print_text(fun, ops.PRINT_REPR))
        vm.write(traceback_text(vm, exc))

    def abandon(self) -> None:
        """End all threads but the main one where they stand, as a soft reset does.

        Their stacks go back to the system heap, as FreeRTOS frees those of deleted tasks.
        Ref: MaixPy mpthreadport.c, mp_thread_deinit.
        """
        for t in self.running[1:]:
            t.dying = t.abandoned = True
            t.go.release()
            t.host.join(1.0)
            self.vm.system_heap.free(t.block)
        del self.running[1:]

    def __reduce__(self):
        if len(self.running) > 1:
            raise TypeError("a guest thread is running")
        return Threads, (self.vm,)

    # --- for the collector -------------------------------------------------------------------
    def other_stacks(self):
        """(address, length) of the stacks of the threads that wait."""
        for t in self.running:
            if t is not self.current:
                low = t.registers[F.R_STACK]
                yield low, t.stack_top - low

    def roots(self) -> list[int]:
        found = []
        for t in self.running:
            if t is not self.current:
                found += t.temps
                found += (t.registers[F.R_GLOBALS], t.registers[F.R_LOCALS])
        return found


@checked
class LockType(GuestType):
    name = "lock"

    def print(self, vm, o, kind):
        return "<lock>"

    @method(1, 3)
    def acquire(vm, self, wait=L.TRUE, timeout=0):
        """True once it is ours; without `wait` False if it is not free."""
        lock = vm.host(self)
        waits = vm.get_int(wait) != 0
        while lock[0]:
            if not waits:
                return L.FALSE
            vm.threads.rotate()
            vm.delay_ns(WAIT_NS)
        lock[0] = True
        return L.TRUE

    @method(1)
    def release(vm, self):
        _release(vm, self)

    @method(1)
    def locked(vm, self):
        return vm.new_bool(vm.host(self)[0])

    @method(4, name="__exit__")
    def exit(vm, self, _type, _value, _traceback):
        _release(vm, self)

    constants = {"__enter__": acquire}


def _release(vm, o: int) -> None:
    lock = vm.host(o)
    if not lock[0]:
        raise vm.error("RuntimeError")
    lock[0] = False


module.add_type(LockType, "LockType")


@module.function(0)
def get_ident(vm):
    current = vm.threads.current
    return vm.new_int(MAIN_IDENT if current is vm.threads.main else current.stack_top)


@module.function(0, 1)
def stack_size(vm, *size):
    before = vm.new_int(vm.thread_stack_size)
    vm.thread_stack_size = vm.get_int(size[0]) if size else 0
    return before


@module.function(2, 3)
def start_new_thread(vm, function, args, kwargs=0):
    words = vm.get_array(args)
    kw: dict[int, int] = {}
    if kwargs:
        if vm.type_word(kwargs) != TYPE["dict"]:
            raise vm.error("TypeError", "expecting a dict for keyword args", formatted=False)
        kw = {vm.qstr_of(key): value for key, value in vm.dict_items(kwargs)}
    held = [function, *words, *kw.values()]
    entry = vm.malloc(ENTRY_BYTES + 8 * (len(words) + 2 * len(kw)))
    for i, word in enumerate(held[: 1 + len(words) + len(kw)]):
        vm.memory.set_word(entry + 8 * i, word)
    vm.malloc(NODE_BYTES)
    wanted = vm.thread_stack_size or DEFAULT_STACK
    vm.threads.start(entry, function, words, kw, max(wanted, LEAST_STACK))
    return L.NONE


@module.function(0, name="exit")
def exit_(vm):
    raise vm.error("SystemExit")


@module.function(0)
def allocate_lock(vm):
    return vm.new_host_object(LockType, [False], LOCK_BYTES)


@module.init
def _start(vm):
    old = getattr(vm, "threads", None)
    vm.thread_stack_size = 0
    vm.threads = Threads(vm)
    if old is not None:
        old.abandon()
