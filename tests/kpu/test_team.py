"""The threads that share a chain's steps in compiled code: who does what and in which order, who
fails, when they sleep, and how a process with them ends."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from numba import cfunc

from k210sim.kpu.kernels import team, team_code
from k210sim.kpu.kernels.atomic import fetch_add, numbers

NOTES, FAILS = 2, 3  # words of a step behind its function and number of pieces
NOTHING = np.zeros(0, np.uint8)


@cfunc(team_code.PART)
def note(job, step, piece, member):
    """Writes down its step and piece; the piece FAILS fails."""
    s = numbers(step, team_code.STEP_WORDS)
    at = fetch_add(s[NOTES], 1)
    room = numbers(s[NOTES], 3 * at + 4)
    room[3 * at + 1], room[3 * at + 2], room[3 * at + 3] = step, piece, member
    total = 0
    for i in range(200):
        total += i * piece
    if piece == s[FAILS]:
        raise MemoryError
    return 1 if total >= 0 else 0


def make(pieces, fails=-1):
    """Steps of so many pieces, and where their parts are noted."""
    notes = np.zeros(3 * sum(pieces) + 2, np.int64)
    steps = np.zeros((len(pieces), team_code.STEP_WORDS), np.int64)
    steps[:, 0], steps[:, 1] = note.address, pieces
    steps[:, NOTES], steps[:, FAILS] = notes.ctypes.data, fails
    return steps, notes


def plain(pieces):
    """What the steps do, in plain words: (step, piece) in order."""
    return [(n, piece) for n, count in enumerate(pieces) for piece in range(count)]


def noted(steps, notes):
    found = notes[1 : 1 + 3 * notes[0]].reshape(-1, 3)
    at = (found[:, 0] - steps.ctypes.data) // (8 * team_code.STEP_WORDS)
    return list(zip(at.tolist(), found[:, 1].tolist(), strict=True))


def lead(members, steps):
    room = np.zeros(64 * members + 64, np.uint8)
    return team.lead(members, steps.reshape(-1), len(steps), NOTHING, NOTHING, room, 64)


def alone(steps):
    room = np.zeros(128, np.uint8)
    return team_code.alone(steps.reshape(-1), len(steps), NOTHING, NOTHING, room, 64)


def done(members, pieces):
    """Whether a team did all of the steps once."""
    steps, notes = make(pieces)
    return lead(members, steps) and sorted(noted(steps, notes)) == plain(pieces)


@pytest.fixture(autouse=True)
def cores(monkeypatch):
    monkeypatch.setattr(team, "cores", lambda: 4)


PIECES = ((1,), (3, 1, 7), (1, 1, 1, 1), (40, 2, 900))


def test_alone_the_caller_does_all_in_order():
    for pieces in PIECES:
        steps, notes = make(pieces)
        assert alone(steps)
        assert noted(steps, notes) == plain(pieces)


@pytest.mark.parametrize("members", (2, 3, 4))
def test_every_piece_is_done_once_and_steps_one_after_the_other(members):
    for pieces in PIECES:
        for turn in range(20):
            if turn % 10 == 9:
                time.sleep(2 * team.PATIENCE_S)  # now they sleep
            steps, notes = make(pieces)
            assert lead(members, steps)
            found = noted(steps, notes)
            assert sorted(found) == plain(pieces)
            assert [step for step, _ in found] == sorted(step for step, _ in found)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_part_that_fails_is_told():
    for pieces in ((5,), (2, 5, 2)):
        steps, notes = make(pieces, fails=4)
        assert lead(2, steps) is False
        notes[:] = 0
        assert not alone(steps)
        assert done(2, pieces)


def test_a_busy_team_says_so_and_does_nothing():
    steps, notes = make((5,))
    with team._the_team().busy:
        assert lead(2, steps) is None
    assert notes[0] == 0
    assert team.members(9) == 4 and team.members(2) == 2


def test_a_host_that_starts_no_thread_leaves_the_work_to_the_caller(monkeypatch):
    monkeypatch.setattr(team, "_team", None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    steps, notes = make((3, 2))
    assert lead(3, steps) and noted(steps, notes) == plain((3, 2))
    assert not team._team.threads


def refuse(thread):
    raise RuntimeError("can't start new thread")


def test_two_callers_at_once():
    wrong = []

    def call():
        for _ in range(100):
            steps, notes = make((7, 30))
            led = lead(3, steps)
            if sorted(noted(steps, notes)) != (plain((7, 30)) if led else []):
                wrong.append(noted(steps, notes))

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_members_without_work_sleep():
    assert done(3, (900,))
    control = team._the_team().control
    until = time.monotonic() + 5
    while (control[1:3, team_code.STATE] != team_code.ASLEEP).any() and time.monotonic() < until:
        time.sleep(0.001)
    assert (control[1:3, team_code.STATE] == team_code.ASLEEP).all()
    used = time.process_time()
    time.sleep(0.05)
    assert time.process_time() - used < 0.02
    assert done(3, (900,))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this host has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_team_of_its_own():
    assert done(3, (900,))
    child = os.fork()
    if child == 0:
        os._exit(0 if done(3, (9, 90)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert done(3, (900,))


LOOP = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
import numpy as np
from bench.kpu import synthetic
from k210sim.kpu import KModel
from k210sim.kpu.kernels import chain, team
chain.WORTH, team.cores = 0, lambda: 2
model = KModel.from_bytes(synthetic(), threads=2)
x = np.zeros(model.input_shape, np.uint8)
want = model.run(x)[0]
print("runs", flush=True)
try:
    while True:
        model.run(x)
except KeyboardInterrupt:
    print(not team._the_team().busy.locked() and (model.run(x)[0] == want).all())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_leaves_a_team_that_works_and_the_process_ends_with_it_awake():
    process = subprocess.Popen([sys.executable, "-c", LOOP], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "runs\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    # A fresh installation says that it compiles.
    assert (process.returncode, said) == (0, "True\n") and "Traceback" not in errors, errors
