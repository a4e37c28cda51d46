"""A saved machine goes on exactly as the one it was saved from."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from k210sim.board import parts
from k210sim.board.profiles import profile
from k210sim.devices.bus import Bus
from k210sim.devices.spi import Unconnected
from k210sim.riscv import state as st
from k210sim.saving import Saved, is_plain


def everything(rig) -> dict:
    """The state of a machine in comparable form."""
    state = rig.machine.save_state()
    state["core"]["decoded"] = [part.tobytes() for part in state["core"]["decoded"]]
    return pickle.loads(pickle.dumps(state))


def same(one, two, path="") -> list[str]:
    """Paths at which two states differ."""
    if isinstance(one, dict):
        return [p for key in one for p in same(one[key], two[key], f"{path}/{key}")]
    if isinstance(one, (list, tuple)):
        if len(one) != len(two):
            return [path]
        return [p for i, (a, b) in enumerate(zip(one, two, strict=True))
                for p in same(a, b, f"{path}/{i}")]  # fmt: skip
    return [] if np.array_equal(one, two) else [path]


@pytest.mark.parametrize(
    "program, turns, jit",
    [("timer", 3, False), ("harts", 7, False), ("harts", 7, True), ("flash", 5, False)],
)
def test_a_restored_machine_goes_on_bit_for_bit(rig, program, turns, jit, monkeypatch):
    monkeypatch.setattr("k210sim.riscv.machine.SLICE", 300)
    first = rig(program, compile_blocks=jit)
    for _ in range(turns):
        first.machine.step()
    if jit:
        first.machine.core.jit.compile_all()
    saved = pickle.loads(pickle.dumps(first.machine.save_state()))
    flash, before = first.flash.state(), len(first.sent)
    second = rig(program, compile_blocks=jit)
    second.run(until=b"\n")  # a machine with a past of its own
    core = second.machine.core
    tables = [hart.all[st.RAM_AT :].tolist() for hart in core.harts]
    assert core.code.ctypes.data in tables[0] and core.ram.ctypes.data in tables[1]
    second.flash.load_state(flash)
    second.machine.load_state(saved)
    assert [hart.all[st.RAM_AT :].tolist() for hart in core.harts] == tables
    if jit:
        core.jit.compile_all()  # code that reads the tables
    second.sent[:] = first.sent
    for board in (first, second):
        if program == "timer":
            board.run(until=b"type\n")
            board.typed += b"k"
        board.run()
    assert len(first.sent) > before and first.sent == second.sent
    assert first.clock.now_ns == second.clock.now_ns
    assert not same(everything(first), everything(second))


def test_timer_and_watchdog_alarms_are_saved(rig):
    first = rig("hello")
    devices = first.machine.bus.devices
    devices["TIMER1"].write(0x14, 4, 13_000)  # channel 1: 1 ms
    devices["TIMER1"].write(0x1C, 4, 3)
    devices["WDT0"].write(0, 4, 1)
    saved = pickle.loads(pickle.dumps(first.machine.save_state()))
    second = rig("hello")
    second.machine.load_state(saved)
    for board in (first, second):
        timer, wdt = (board.machine.bus.devices[name] for name in ("TIMER1", "WDT0"))
        assert board.clock.next_alarm_ns() == 1_000_000
        board.clock.advance_ns(1_000_001)
        assert (timer.read(0xA8, 4), timer.read(0x18, 4)) == (2, 12_999)
        assert wdt.read(0x08, 4) == 65536 - 13_001
        board.clock.advance_ns(65536 * 1_000_000_000 // 13_000_000)
        assert board.machine.reset_wanted


def test_nothing_of_a_device_is_left_out(rig):
    # Attributes that save_state leaves out must be connections: functions, views, parts.
    left, seen = [], set()

    def walk(owner, name):
        if id(owner) in seen:
            return
        seen.add(id(owner))
        kept = owner.save_state()
        kept = kept.get("registers", kept)  # the KPU's has the KPU beside them
        for attribute, value in vars(owner).items():
            home = type(value).__module__
            if isinstance(value, np.ndarray) or attribute in kept or callable(value):
                continue
            if isinstance(value, Saved):
                walk(value, f"{name}.{attribute}")
            elif home.startswith("k210sim.devices") and not isinstance(value, (Bus, Unconnected)):
                left.append(f"{name}.{attribute}: {type(value).__name__} is not Saved")
            elif is_plain(value) and attribute not in owner.NOT_SAVED and not attribute.isupper():
                left.append(f"{name}.{attribute}: not in the state")

    kind = profile("bit")
    board = rig("hello", panel=lambda clock: parts.make_lcd(kind),
                camera=lambda clock: parts.make_camera("scene", kind, clock, 0))  # fmt: skip
    for name, device in board.machine.bus.devices.items():
        walk(device, name)
    assert not left
