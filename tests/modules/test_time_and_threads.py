"""`utime` against the standard library's calendar, and `_thread`'s order."""

from __future__ import annotations

import datetime

import pytest
from files_vm import Machine
from hypothesis import given
from hypothesis import strategies as st

from k210sim.modules.utime import date_of_seconds, seconds_of_date

EPOCH = datetime.datetime(2000, 1, 1)
FOUR_CENTURIES = 146097 * 86400


@pytest.fixture(scope="module")
def machine():
    return Machine()


@given(st.integers(-FOUR_CENTURIES * 4, FOUR_CENTURIES * 15))
def test_dates_are_those_of_the_gregorian_calendar(seconds):
    d = EPOCH + datetime.timedelta(seconds=seconds)
    assert date_of_seconds(seconds) == (
        d.year, d.month, d.day, d.hour, d.minute, d.second, d.weekday(), d.timetuple().tm_yday)


@given(st.integers(0, FOUR_CENTURIES * 15))
def test_mktime_undoes_localtime_from_2000_on(seconds):
    assert seconds_of_date(*date_of_seconds(seconds)[:6]) == seconds


@given(st.integers(-100, 100), st.integers(-1000, 1000), st.integers(-1000, 1000),
       st.integers(-10**6, 10**6))
def test_fields_carry_over(day, hour, minute, second):
    wanted = datetime.datetime(2500, 5, 1) + datetime.timedelta(
        days=day - 1, hours=hour, minutes=minute, seconds=second)
    assert seconds_of_date(2500, 5, day, hour, minute, second) == \
        (wanted - EPOCH).total_seconds()


def test_the_calendar_clock_runs_in_virtual_time(machine):
    assert machine.run(
        "import utime\nprint(utime.set_time((2024, 2, 29, 23, 59, 58)))\n"
        "a = utime.time(); utime.sleep(3); print(utime.time() - a, utime.localtime())\n"
    ) == "True\n3 (2024, 3, 1, 0, 0, 1, 5, 61)\n"


def test_the_calendar_clock_counts_days_as_its_driver_does(machine):
    """From Sunday, and the day of the year in eight bits: what the booted v0.6.3 prints."""
    assert machine.run(
        "import utime\n"
        "for y, m, d in ((2024, 3, 3), (2024, 3, 9), (2023, 12, 31), (2024, 12, 31)):\n"
        "    a = utime.set_time((y, m, d, 5, 6, 7)); print(utime.localtime()[6:])\n"
        "print(utime.localtime(86400 * 30)[6:])\n"
    ) == "(0, 63)\n(6, 69)\n(0, 109)\n(2, 110)\n(0, 31)\n"


def test_sleeps_take_the_time_they_say(machine):
    before = machine.clock.now_ns
    machine.run("import utime\nutime.sleep_ms(20); utime.sleep_us(300); utime.sleep(0.5)\n"
                "utime.sleep_ms(-5); utime.sleep(-1)")
    assert 520_300_000 <= machine.clock.now_ns - before < 523_000_000


def test_ticks_wrap(machine):
    assert machine.run(
        "import utime\nprint(utime.ticks_add(1, -2), utime.ticks_diff(1, utime.ticks_add(0, -1)))"
    ) == "4611686018427387903 2\n"


def test_frame_clock(machine):
    assert machine.run(
        "import utime\nc = utime.clock()\nprint(c, end='')\n"
        "for i in range(2):\n    c.tick(); utime.sleep_ms(50)\n    f = c.fps()\n"
        "print(19 < f <= 20)\n"
        "c.reset(); c.tick(); utime.sleep_ms(10); print(10 <= c.avg() < 12)\n"
        "c.tick(); utime.sleep_ms(2500); c.fps(); print(c, end='')\n"
    ).startswith("t_start:0 t_ticks:0 t_frame:0\nTrue\nTrue\nt_start:")


THREADS = """
import _thread, utime
lock = _thread.allocate_lock()
out = []
def work(name, step=1):
    for i in range(3):
        with lock:
            out.append(name + str(i * step))
        utime.sleep_ms(15)
_thread.start_new_thread(work, ('a',))
_thread.start_new_thread(work, ('b',), {'step': 2})
utime.sleep_ms(150)
print(out)
"""


def test_threads_take_turns_the_same_way_every_time():
    first, second = Machine().run(THREADS), Machine().run(THREADS)
    assert first == second
    assert sorted(eval(first)) == ["a0", "a1", "a2", "b0", "b2", "b4"]


def test_an_exception_ends_its_thread_only(machine):
    text = machine.run(
        "import _thread, utime\n"
        "def bad():\n    raise ValueError('oops')\n"
        "def quiet():\n    _thread.exit()\n"
        "_thread.start_new_thread(bad, ()); _thread.start_new_thread(quiet, ())\n"
        "utime.sleep_ms(60); print('main')\n")
    assert text.startswith("Unhandled exception in thread started by <function bad at 0x")
    assert text.endswith('  File "<stdin>", line 3, in bad\nValueError: oops\nmain\n')


def test_objects_of_waiting_threads_survive_a_collection(machine):
    assert machine.run(
        "import _thread, utime, gc\n"
        "def hold(n):\n"
        "    mine = [str(n + i) for i in range(50)]\n"
        "    utime.sleep_ms(50)\n"
        "    out.append(mine == [str(n + i) for i in range(50)])\n"
        "out = []\n"
        "for n in range(4): _thread.start_new_thread(hold, (n,))\n"
        "for i in range(10):\n    gc.collect(); utime.sleep_ms(20); x = [i] * 100\n"
        "utime.sleep_ms(200)\nprint(out)\n") == "[True, True, True, True]\n"


def test_a_lock_is_waited_for(machine):
    assert machine.run(
        "import _thread, utime\n"
        "lock = _thread.allocate_lock()\n"
        "def hold():\n    lock.acquire(); utime.sleep_ms(100); out.append('held'); lock.release()\n"
        "out = []\n_thread.start_new_thread(hold, ())\nutime.sleep_ms(30)\n"
        "print(lock.acquire(0), lock.locked()); print(lock.acquire(), out)\n"
    ) == "False True\nTrue ['held']\n"


def test_the_stack_of_a_thread_is_small(machine):
    text = machine.run("import _thread, utime\ndef f(): f()\n_thread.start_new_thread(f, ())\n"
                       "utime.sleep_ms(100)")
    assert text.endswith("RuntimeError: maximum recursion depth exceeded\n")
    assert 3 < text.count("in f\n") < 40


def test_a_soft_reset_ends_threads():
    machine = Machine()
    used = machine.vm.system_heap.used_bytes
    machine.run("import _thread, utime\ndef f():\n    while True: utime.sleep_ms(1)\n"
                "for i in range(3): _thread.start_new_thread(f, ())\nutime.sleep_ms(100)")
    hosts = [t.host for t in machine.vm.threads.running[1:]]
    assert machine.vm.system_heap.used_bytes > used
    machine.restart()
    assert machine.vm.system_heap.used_bytes == used, "their stacks are free again"
    assert len(hosts) == 3 and not any(host.is_alive() for host in hosts)
    assert machine.run("print('fine')") == "fine\n"
