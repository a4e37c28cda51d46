"""Clock mode `real`: never ahead of the wall, and a sleep that Ctrl-C ends."""

from __future__ import annotations

import threading
import time

from k210sim.clock import Clock
from k210sim.serialport.uart import UartPort


def test_charging_sleeps_until_the_wall_has_caught_up():
    clock = Clock("real")
    started = time.monotonic()
    for _ in range(10):
        clock.advance_ns(10_000_000)
    assert 0.09 < time.monotonic() - started < 0.5
    clock = Clock("virtual")
    started = time.monotonic()
    clock.advance_ns(10_000_000_000)
    assert time.monotonic() - started < 1


def test_an_interrupt_ends_the_sleep_and_the_wall_goes_on_from_there():
    clock = Clock("real")
    port = UartPort(clock)
    clock.hurry = lambda: port.interrupt_pending
    port.set_interrupt_char(3)
    threading.Timer(0.1, port.host_send, [b"\x03"]).start()
    started = time.monotonic()
    clock.advance_ns(20_000_000_000)
    assert time.monotonic() - started < 2
    assert port.take_interrupt()
    clock.advance_ns(1_000_000)
    assert time.monotonic() - started < 2


def test_idling_lets_virtual_time_follow_the_wall():
    clock = Clock("real")
    port = UartPort(clock)
    threading.Timer(0.2, port.host_send, [b"x"]).start()
    assert port.read_byte(idle=True) == ord("x")
    assert clock.now_ns > 150_000_000
