"""`gc`. Source: micropython v1.11 py/modgc.c."""

from __future__ import annotations

from k210sim.micropython.layout import BLOCK
from k210sim.micropython.native import GuestModule

module = GuestModule("gc")


@module.function(0)
def collect(vm):
    vm.heap.collect()


@module.function(0)
def disable(vm):
    vm.heap.auto_collect = False


@module.function(0)
def enable(vm):
    vm.heap.auto_collect = True


@module.function(0)
def isenabled(vm):
    return vm.new_bool(vm.heap.auto_collect)


@module.function(0)
def mem_free(vm):
    return vm.new_int(vm.heap.info().free)


@module.function(0)
def mem_alloc(vm):
    return vm.new_int(vm.heap.info().used)


@module.function(0, 1)
def threshold(vm, n_bytes=0):
    """Bytes after which a collection runs; -1: only when memory is short."""
    if not n_bytes:
        blocks = vm.heap.threshold
        return vm.new_int(blocks * BLOCK if blocks >= 0 else -1)
    wanted = vm.get_int(n_bytes)
    vm.heap.threshold = wanted // BLOCK if wanted >= 0 else -1
