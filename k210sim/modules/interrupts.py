"""Callbacks from devices: they run between two operations of the guest, through the same queue of
eight entries as `micropython.schedule`; what does not fit is lost, as on the device."""

from __future__ import annotations

from k210sim.modules.micropython import SCHEDULER_DEPTH, run_scheduled


def schedule(vm, function: int, argument: int) -> bool:
    """Have `function(argument)` called soon; False when the queue is full."""
    if len(vm.scheduled) >= SCHEDULER_DEPTH:
        return False
    vm.scheduled.append((vm.keep(function), vm.keep(argument)))
    post(vm, run_scheduled)
    return True


def post(vm, action) -> None:
    """Have `action(vm)` done between two operations, or at the prompt, where nobody looks unless
    he is woken."""
    vm.post(action)
    port = getattr(vm.board, "port", None)
    if port is not None:
        port.wake()
