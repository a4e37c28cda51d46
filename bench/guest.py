"""Guest programs: how fast they run on this host, and what the virtual clock says they took.

The programs are those whose times on a real board were published (SOURCES). `vs_chip` is how many
times faster than the chip this host ran them; `clock_us` is what the guest itself measured, and
`residual` how far that is from the chip's figure, in percent. docs/timing.md keeps the table.
"""

from __future__ import annotations

import time

COLUMNS = ("program", "chip_us", "host_us", "vs_chip", "clock_us", "residual")

# MonishECE/K210-MicroPython-Determinism-Benchmark, 5000 runs each with the collector on: means, of
# those below 300 us medians; CanMV 2.0.6 on a Yahboom board. The last one, "about 3 s", is of
# another firmware: Sipeed's of January 2019, in loboris/MicroPython_K210_LoBo#1.
SOURCES = {
    "bubble sort of 20": 772.0,
    "8x8 matrix product": 2508.0,
    "500 list updates": 1161.0,
    "25 Fibonacci steps": 48.0,
    "4 queens": 270.0,
    "6 lists in a list": 46.0,
    "1M additions": 3.0e6,
}

# Each is a function without arguments. The values decide how often elements are exchanged.
PROGRAMS = {
    "bubble sort of 20": """
def run():
    row = [64, 34, 25, 12, 22, 11, 90, 5, 1, 77, 88, 33, 17, 42, 56, 73, 18, 29, 44, 91]
    size = len(row)
    for done in range(size):
        for k in range(size - done - 1):
            if row[k] > row[k + 1]:
                row[k], row[k + 1] = row[k + 1], row[k]
""",
    "8x8 matrix product": """
left = [[r + c for c in range(8)] for r in range(8)]
right = [[r * c for c in range(8)] for r in range(8)]
product = [[0] * 8 for r in range(8)]
def run():
    for r in range(8):
        for c in range(8):
            dot = 0
            for k in range(8):
                dot += left[r][k] * right[k][c]
            product[r][c] = dot
""",
    "500 list updates": """
numbers = list(range(500))
def run():
    for k in range(500):
        numbers[k] = k
""",
    "25 Fibonacci steps": """
def run():
    x = 0
    y = 1
    for k in range(25):
        before = x
        x = y
        y = before + y
""",
    "4 queens": """
columns = [-1] * 4
def run():
    size = 4
    for k in range(size): columns[k] = -1
    r, c = 0, 0
    while r < size:
        placed = False
        while c < size:
            free = True
            for above in range(r):
                other = columns[above]
                if other == c or other - above == c - r or other + above == c + r:
                    free = False
                    break
            if free:
                columns[r] = c
                c = 0
                placed = True
                break
            else:
                c += 1
        if placed:
            r += 1
            if r == size: return
        else:
            r -= 1
            if r < 0: return
            c = columns[r] + 1
""",
    "6 lists in a list": """
def run():
    rows = []
    for k in range(6):
        rows.append([k])
    amount = 0
    for row in rows:
        amount += row[0]
    return amount
""",
    "1M additions": """
def run(count=1000000, one=1234, other=5678):
    amount = 0
    for k in range(count):
        amount = one + other
    return amount
""",
}

# As the published script measures; its own few operations are in the chip's figures too.
TIMED = """
import time
{program}
def timed(function):
    start = time.ticks_us()
    function()
    return time.ticks_diff(time.ticks_us(), start)
print(timed(run))
"""
REPEATED = """
for _ in range({repeats}):
    run()
"""


def measure(options):
    """One row per program."""
    from k210sim.board.board import Board

    with Board(clock="max") as board:
        for name, program in PROGRAMS.items():
            chip = SOURCES[name]
            clock_us = int(_exec(board, TIMED.format(program=program)))
            host_us = _host_us(board, chip, 2 if options.quick else 5)
            yield {"program": name, "chip_us": chip, "host_us": host_us,
                   "vs_chip": chip / host_us, "clock_us": clock_us,
                   "residual": 100 * (clock_us - chip) / chip}
    yield {"program": "compiling a line", "host_us": _compile_us(2 if options.quick else 5)}


def _compile_us(tries: int) -> float:
    """Host microseconds to compile a line of the programs above: the fastest of some tries."""
    from k210sim.micropython.compiler import compile_source

    source = "".join(PROGRAMS.values()).encode() * 10

    def once() -> float:
        strings: dict[bytes, int] = {}
        started = time.perf_counter()
        compile_source(source, "<stdin>", "exec", lambda s: strings.setdefault(s, len(strings) + 1))
        return time.perf_counter() - started

    return min(once() for _ in range(tries)) / source.count(b"\n") * 1e6


def _host_us(board, chip_us: float, tries: int) -> float:
    """Host microseconds of one run of the program that was defined last: the fastest of some tries
    of many runs, less the fastest of none."""
    repeats = max(1, int(3e6 / chip_us))

    def fastest(count: int) -> float:
        spent = []
        for _ in range(tries):
            started = time.perf_counter()
            _exec(board, REPEATED.format(repeats=count))
            spent.append(time.perf_counter() - started)
        return min(spent)

    return (fastest(repeats) - fastest(0)) / repeats * 1e6


def _exec(board, code: str) -> str:
    result = board.exec(code, timeout=None)
    if not result.ok:
        raise RuntimeError(result.error)
    return result.stdout
