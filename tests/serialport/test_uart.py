"""The device's side of the serial port."""

from __future__ import annotations

import threading

import pytest

from k210sim.clock import Clock
from k210sim.serialport.ends import Backlog
from k210sim.serialport.inprocess import ExpectFailed, SerialEnd
from k210sim.serialport.uart import (
    DEAF_S,
    RX_BUFFER_SIZE,
    WIRE_LIMIT,
    PortClosed,
    UartPort,
)

BYTE_NS = 10 * 1_000_000_000 // 115200


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def port(clock):
    return UartPort(clock)


def read_all(port):
    data = bytearray()
    while port.any():
        data.append(port.read_byte())
    return bytes(data)


def test_the_waiting_prompt_takes_any_amount(port):
    data = bytes(range(32, 127)) * 200
    port.host_send(data)
    assert bytes(port.read_byte(idle=True) for _ in data) == data
    assert port.dropped == 0


def test_a_running_program_loses_what_the_buffer_cannot_hold(port, clock):
    port.set_interrupt_char(3)
    data = bytes(i % 200 + 32 for i in range(5000))
    port.host_send(data)
    clock.advance_ns(5000 * BYTE_NS)
    assert read_all(port)[:RX_BUFFER_SIZE] == data[:RX_BUFFER_SIZE]
    assert port.dropped == 5000 - RX_BUFFER_SIZE


def test_bytes_still_on_the_wire_are_not_lost(port, clock):
    port.set_interrupt_char(3)
    data = bytes(i % 200 + 32 for i in range(3000))
    port.host_send(data)
    assert read_all(port) + read_all(port) == data
    assert port.dropped == 0


def test_the_interrupt_character_interrupts_only_a_running_program(port):
    port.host_send(b"\x03")
    assert port.read_byte(idle=True) == 3
    port.set_interrupt_char(3)
    port.host_send(b"a\x03b")
    assert port.interrupt_pending
    assert port.take_interrupt() and not port.take_interrupt()
    assert read_all(port) == b"ab"


def test_two_interrupts_in_one_write_arrive_one_after_the_other(port):
    port.set_interrupt_char(3)
    port.host_send(b"\x03\x03")
    assert port.take_interrupt()
    port.poll()
    assert port.take_interrupt()
    assert not port.any()


def test_the_interrupt_byte_is_kept_where_the_chip_keeps_it(clock):
    port = UartPort(clock, keep_interrupt_byte=True)
    port.set_interrupt_char(3)
    port.host_send(b"\x03")
    assert port.take_interrupt()
    port.set_interrupt_char(None)
    assert port.read_byte(idle=True) == 3


def test_an_interrupt_overtakes_a_full_buffer(port):
    port.set_interrupt_char(3)
    port.host_send(b"x" * 4000 + b"\x03")
    assert port.take_interrupt()


def test_an_interrupt_nobody_took_is_typed_at_the_prompt(port):
    port.set_interrupt_char(3)
    port.host_send(b"\x03")
    port.set_interrupt_char(None)
    assert port.read_byte(idle=True) == 3


def test_the_callback_comes_with_the_interrupt(port):
    calls = []
    port.on_interrupt = lambda: calls.append(port.interrupt_pending)
    port.set_interrupt_char(3)
    port.host_send(b"ab")
    assert calls == []
    port.host_send(b"\x03")
    assert calls == [True]


def test_sending_takes_the_time_of_the_line(port, clock):
    port.write(b"x" * 1152)
    assert clock.now_ns == 1152 * BYTE_NS


def test_cooked_output_ends_lines_with_carriage_return_and_newline(port):
    end = SerialEnd(port)
    port.write_cooked(b"a\nb\r\nc")
    assert end.read() == b"a\r\nb\r\r\nc"


def test_closing_ends_a_wait(port):
    seen = []

    def wait():
        try:
            port.read_byte(idle=True)
        except PortClosed:
            seen.append("closed")

    thread = threading.Thread(target=wait)
    thread.start()
    port.close()
    thread.join(2)
    assert seen == ["closed"]


def test_waking_ends_only_an_idle_wait(port):
    port.wake()
    assert port.read_byte(idle=True) is None
    port.wake()
    port.host_send(b"z")
    assert port.read_byte() == ord("z")


def test_state_travels(port, clock):
    port.set_interrupt_char(3)
    port.host_send(b"y" * 2100)
    state = port.save_state()
    other = UartPort(clock)
    other.load_state(state)
    assert bytes(other.read_byte() for _ in range(2100)) == b"y" * 2100


def test_several_ends_hear_the_same(port):
    ends = [SerialEnd(port) for _ in range(3)]
    port.write(b"hello")
    port.detach(ends[1])
    port.write(b"!")
    assert [end.read() for end in ends] == [b"hello!", b"hello", b"hello!"]


def test_expect_consumes_up_to_its_match(port):
    end = SerialEnd(port)
    port.write(b"one two three")
    assert end.expect(rb"t\w+").group() == b"two"
    assert end.read() == b" three"


def test_expect_fails_with_what_it_saw(port):
    end = SerialEnd(port)
    port.write(b"Traceback: nothing good")
    with pytest.raises(ExpectFailed, match="nothing good") as caught:
        end.expect(b">>> ", timeout=0.05)
    assert caught.value.exit_code == 42
    assert end.read() == b"Traceback: nothing good"


def test_the_backlog_keeps_the_newest():
    backlog = Backlog(limit=10)
    for piece in (b"abcd", b"efgh", b"ijklmn"):
        backlog.put(piece)
    assert (backlog.take(4), backlog.take(100), backlog.lost) == (b"efgh", b"ijklmn", 4)
    backlog.put(b"0123456789ABCDE")
    assert backlog.take(100) == b"56789ABCDE"


def test_a_client_that_reads_and_goes_still_counts_as_having_heard():
    """The next end is told a moment later, when the first one's client may have left."""
    port = UartPort(Clock("virtual"))
    heard = []

    class Quick:
        connected = True

        def deliver(self, data):
            self.connected = False

    class Late:
        connected = False

        def deliver(self, data):
            heard.append(port.heard_by_others(self))

    port.attach(Quick())
    port.attach(Late())
    port.write(b"x")
    port.write(b"y")
    assert heard == [True, False]


def test_what_waits_when_the_reset_line_is_pulled_reaches_nobody(port, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("k210sim.serialport.uart.time.monotonic", lambda: now[0])
    port.host_send(b"x" * WIRE_LIMIT)
    assert port.room() == 0
    port.hold_in_reset()
    assert port.room() == WIRE_LIMIT, "ends go on reading, so that nothing stays behind"
    port.host_send(b"the rest of a packet")
    assert not port.pending
    now[0] += DEAF_S
    port.host_send(b"new")
    assert bytes(port.read_byte(idle=True) for _ in b"new") == b"new"
