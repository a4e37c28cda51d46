"""The virtual clock against times that were published for a real board (docs/timing.md)."""

from __future__ import annotations

import pytest

from bench.guest import PROGRAMS, SOURCES, TIMED
from k210sim.builtin.image import make_vm
from k210sim.clock import Clock
from k210sim.micropython import frames
from k210sim.micropython.memory import Memory

FITTED = [name for name in PROGRAMS if name != "1M additions"]  # that one: another firmware


def clock_us(name: str, mode: str = "virtual") -> int:
    out = bytearray()
    vm = make_vm(Memory(), clock=Clock(mode), stdout=out.extend, board=None)
    vm.start()
    outcome = vm.execute(TIMED.format(program=PROGRAMS[name]).encode())
    assert not outcome.traceback, outcome.traceback.decode()
    return int(out)


@pytest.mark.parametrize("name", FITTED)
def test_a_published_program_takes_its_time(name):
    assert clock_us(name) == pytest.approx(SOURCES[name], rel=0.08)


def test_the_clock_mode_and_the_host_do_not_matter():
    assert clock_us("4 queens") == clock_us("4 queens") == clock_us("4 queens", "max")


def test_an_operation_is_charged_once_wherever_it_runs():
    """An instruction that the compiled loop leaves to its handler is not counted twice."""
    def operations(fast: bool) -> int:
        vm = make_vm(Memory(), clock=Clock("max"), stdout=bytearray().extend, board=None)
        vm.start()
        if not fast:
            vm.fast = None
        vm.execute(b"x = 0\nfor k in range(50):\n  x += len('a' * k) + abs(-k)\n")
        return vm.R[frames.R_OPS]

    assert operations(True) == operations(False) > 50 * 2 * 13
