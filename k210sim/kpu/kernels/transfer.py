"""Maps on their way between main memory and the AI RAM, as parts of a chain (team_code.py)."""

from __future__ import annotations

from k210sim.kpu.kernels import chain, maps, rows, team_code
from k210sim.kpu.kernels.atomic import numbers
from k210sim.kpu.kernels.late_numba import cfunc

ROWS, CHANNELS, HEIGHT, WIDTH, PLACE, DOWN, RECORD_WORDS = range(7)
RECORD, PER_PIECE = 2, 3  # words of a step, behind its function and number of pieces
PIECES = 2  # of each thread


@cfunc(team_code.PART, cache=True)
def part(job, step, piece, member):
    """Some channels of a map."""
    j, s = numbers(job, team_code.JOB_WORDS), numbers(step, team_code.STEP_WORDS)
    r = numbers(s[RECORD], RECORD_WORDS)
    place, width = numbers(r[PLACE], 5), r[WIDTH]
    first = piece * s[PER_PIECE]
    for c in range(first, min(first + s[PER_PIECE], r[CHANNELS])):
        at = j[team_code.SOURCE] + maps.byte_of(place, c)
        row = r[ROWS] + c * r[HEIGHT] * width
        if r[DOWN] != 0:
            rows.copy_rows(row, width, at, place[4], r[HEIGHT], width)
        else:
            rows.copy_rows(at, place[4], row, width, r[HEIGHT], width)
    return 1


class Transfer:
    """A plan as chain.Chain takes them, whose source and target is the AI RAM; its places are not
    used. rows: uint8[channels, pixels] of main memory that nobody moves; down: into them."""

    __slots__ = ("rows", "height", "width", "place", "down", "work")

    def __init__(self, rows, height: int, width: int, place, down: bool):
        self.rows, self.height, self.width = rows, height, width
        self.place, self.down, self.work = place, down, rows.size

    def parts(self, threads: int, source_place, target_place) -> chain.Parts:
        channels = len(self.rows)
        each = -(-channels // (1 if threads == 1 else PIECES * threads))
        record = [chain.address(self.rows), channels, self.height, self.width,
                  chain.address(self.place), int(self.down)]
        return chain.Parts(record, [(part.address, -(-channels // each), each)], 0,
                           [self.place])
