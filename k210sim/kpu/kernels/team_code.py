"""How threads in compiled code share the steps of a chain (chain.py, team.py).

A step is a number of pieces in any order; the next step begins when all are done. Whoever is there
takes the next piece of the current step, so nobody waits for a thread that did not come: the caller
begins at once, and others join at whatever step is current.

words: int64, begins with `count` steps of STEP_WORDS each = address of a part, pieces, address and
further number for the part; what the addresses lead to may follow. A part is a C function of four
int64 that returns 1: addresses of the job and of its step, piece, member. job: int64[JOB_WORDS] =
flat bytes the first map is read from and the others written to (address, size; twice), a member's
own room and its size. The first line of a room is for the parts to note what it holds; it begins
as 0.

control: int64[members, WORDS], a row for each member, two cache lines apart; row 0 is of them all.
NEXT is the turn in its upper bits, which no two steps share, and how many pieces were taken from
the back and from the front. A piece is taken by changing NEXT from what it was before the other
words were read: if that succeeds they were those of this step. The caller takes pieces from the
front and others from the back: so each meets what it wrote itself in the step before.
"""

import numpy as np
from numba import types

from k210sim.kpu.kernels.atomic import call4, call_lock, fetch_add, load, pause, store, swap
from k210sim.kpu.kernels.late_numba import njit

PART = types.int64(*[types.int64] * 4)
STEP_WORDS, JOB_WORDS, WORDS = 4, 8, 16
FUNCTION, PIECES = 0, 1
SOURCE, SOURCE_SIZE, TARGET, TARGET_SIZE, ROOM, ROOM_SIZE = range(6)
# Row 0: of all members.
(NEXT, COUNT, STEP, END, JOB, DONE, ACTIVE, MEMBERS, FAILED, STOP, RELEASE, ACQUIRE,
 YIELD) = range(13)
STATE, LOCK = 0, 1  # other rows
AWAKE, ASLEEP = 0, 1
BITS = 10  # of each number of pieces
MOST = (1 << BITS) - 1  # pieces of a step are less
TURNS = 8  # pauses between two looks
LOOKS = 64  # looks at a running chain before a thread offers its core to others


@njit("void(int64[::1], uint8[::1], uint8[::1], uint8[::1], int64, int64)", cache=True, nogil=True)
def fill(job, source, target, room, each, members):
    """Set the words of a job, and the first ones of its rooms."""
    job[SOURCE], job[SOURCE_SIZE] = source.ctypes.data, source.shape[0]
    job[TARGET], job[TARGET_SIZE] = target.ctypes.data, target.shape[0]
    job[ROOM], job[ROOM_SIZE] = (np.int64(room.ctypes.data) + 63) // 64 * 64, each
    for m in range(members):
        store(job[ROOM] + m * each, 0)


@njit("boolean(int64[::1], int64, uint8[::1], uint8[::1], uint8[::1], int64)", cache=True,
      nogil=True)
def alone(words, count, source, target, room, each):
    """All steps by the caller, one after the other; whether every part went well.

    room: `each` bytes, a multiple of 64, and 63 to begin at a cache line.
    """
    job = np.empty(JOB_WORDS, np.int64)
    fill(job, source, target, room, each, 1)
    well = True
    for n in range(count):
        step = words[n * STEP_WORDS : (n + 1) * STEP_WORDS]
        for piece in range(step[PIECES]):
            if call4(step[FUNCTION], np.int64(job.ctypes.data), np.int64(step.ctypes.data), piece,
                     np.int64(0)) != 1:
                well = False
    return well


@njit("void(int64, int64)", cache=True, nogil=True)
def begin(base, step):
    """Make a step the current one. Only for who knows that nobody works on another."""
    turn = (load(base + 8 * NEXT) >> 2 * BITS) + 1
    store(base + 8 * NEXT, turn << 2 * BITS | MOST)
    store(base + 8 * DONE, 0)
    if step == load(base + 8 * END):
        store(base + 8 * ACTIVE, 0)
        return
    store(base + 8 * STEP, step)
    store(base + 8 * COUNT, load(step + 8 * PIECES))
    store(base + 8 * NEXT, turn << 2 * BITS)


@njit("boolean(int64, int64)", cache=True, nogil=True)
def take(base, member):
    """Do a piece, if one is left; who ends the last one begins the next step."""
    word = load(base + 8 * NEXT)
    count, step, job = load(base + 8 * COUNT), load(base + 8 * STEP), load(base + 8 * JOB)
    front, back = word & MOST, word >> BITS & MOST
    if front + back >= count or member >= load(base + 8 * MEMBERS):
        return False
    piece, following = front, word + 1
    if member > 0:
        piece, following = count - 1 - back, word + (1 << BITS)
    if not swap(base + 8 * NEXT, word, following):
        return True
    if call4(load(step + 8 * FUNCTION), job, step, piece, member) != 1:
        store(base + 8 * FAILED, 1)
    if fetch_add(base + 8 * DONE, 1) + 1 == count:
        begin(base, step + 8 * STEP_WORDS)
    return True


@njit("void()", cache=True, nogil=True)
def relax():
    """Wait for some hundred nanoseconds."""
    for _ in range(TURNS):
        pause()


@njit("void(int64)", cache=True, nogil=True)
def relax_often(count):
    """`count` times relax(), to learn how long that takes."""
    for _ in range(count):
        relax()


@njit("void(int64, int64)", cache=True, nogil=True)
def wait(base, looks):
    """Wait a moment while a chain runs; now and then offer the core to others."""
    relax()
    if looks % LOOKS == 0 and load(base + 8 * YIELD) != 0:
        call_lock(load(base + 8 * YIELD), 0, 0)


@njit("void(int64, int64)", cache=True, nogil=True)
def rouse(base, member):
    """Wake a member that sleeps."""
    row = base + 8 * WORDS * member
    if swap(row + 8 * STATE, ASLEEP, AWAKE):
        call_lock(load(base + 8 * RELEASE), load(row + 8 * LOCK), 0)


@njit("boolean(int64[:, ::1], int64, int64[::1], int64, uint8[::1], uint8[::1], uint8[::1], int64)",
      cache=True, nogil=True)
def lead(control, members, words, count, source, target, room, each):
    """As `alone`, with the members of the team that come. room: `each` bytes for each, and 63.

    For who holds the team's lock.
    """
    base = np.int64(control.ctypes.data)
    job = np.empty(JOB_WORDS, np.int64)
    fill(job, source, target, room, each, members)
    first = np.int64(words.ctypes.data)
    store(base + 8 * FAILED, 0)
    store(base + 8 * JOB, np.int64(job.ctypes.data))
    store(base + 8 * END, first + 8 * STEP_WORDS * count)
    store(base + 8 * MEMBERS, members)
    store(base + 8 * ACTIVE, 1)
    begin(base, first)
    for m in range(1, members):
        rouse(base, m)
    looks = 0
    while load(base + 8 * ACTIVE) != 0:
        if take(base, 0):
            looks = 0
        else:
            looks += 1
            wait(base, looks)
    # Named here so that it is not freed while others read it.
    return load(base + 8 * FAILED) == 0 and job.shape[0] > 0


@njit("void(int64[:, ::1], int64)", cache=True, nogil=True)
def call_in(control, members):
    """Wake the members that sleep, for a chain that follows soon."""
    for m in range(1, members):
        rouse(np.int64(control.ctypes.data), m)


@njit("void(int64[:, ::1], int64, int64)", cache=True, nogil=True)
def serve(control, member, patience):
    """Be a member until STOP: take pieces, and sleep where there was no chain to work on for
    `patience` calls of relax()."""
    base = np.int64(control.ctypes.data)
    row = base + 8 * WORDS * member
    left = looks = 0
    while True:
        while left > 0:
            if take(base, member):
                left, looks = patience, 0
            elif load(base + 8 * ACTIVE) != 0 and member < load(base + 8 * MEMBERS):
                looks += 1
                wait(base, looks)
            else:
                left -= 1
                relax()
        left = patience
        store(row + 8 * STATE, ASLEEP)
        # A chain that began before this was seen wakes nobody: look again.
        waited = load(base + 8 * ACTIVE) != 0 and member < load(base + 8 * MEMBERS)
        if (waited or load(base + 8 * STOP) != 0) and swap(row + 8 * STATE, ASLEEP, AWAKE):
            pass
        else:
            call_lock(load(base + 8 * ACQUIRE), load(row + 8 * LOCK), 1)
        if load(base + 8 * STOP) != 0:
            return
