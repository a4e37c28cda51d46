"""What stands in front of the instructions of a code object, and the line of an instruction.

Layout of a bytecode string:

    n_state         uint    locals + value stack, in slots
    n_exc_stack     uint    nesting of exception handlers
    scope_flags     byte    FLAG_*
    n_pos_args      byte
    n_kwonly_args   byte
    n_def_pos_args  byte
    code_info_size  uint    bytes from this field to the cell list
    block name      2 bytes string number
    source file     2 bytes string number
    line table      pairs of steps, ended by 0
    cell list       local numbers that become cells, ended by 255
    instructions

Two forms in the line table: 0LLBBBBB, or 1LLLBBBB LLLLLLLL (high bits of the line step first).
"""

from __future__ import annotations

from dataclasses import dataclass

from .opcodes import read_uint

FLAG_VARARGS = 0x01
FLAG_VARKEYWORDS = 0x02
FLAG_GENERATOR = 0x04
FLAG_DEFKWARGS = 0x08


@dataclass(frozen=True)
class Prelude:
    """Decoded head of a bytecode string. Offsets count from its first byte."""

    n_state: int
    n_exc_stack: int
    scope_flags: int
    n_pos_args: int
    n_kwonly_args: int
    n_def_pos_args: int
    code_info_offset: int
    code_info_size: int
    block_name: int
    source_file: int
    lines_offset: int
    cells_offset: int
    cells: tuple[int, ...]
    code_offset: int


def decode_prelude(code: bytes) -> Prelude:
    """Read the head of a bytecode string (any bytes-like object)."""
    n_state, at = read_uint(code, 0)
    n_exc_stack, at = read_uint(code, at)
    flags, n_pos, n_kwonly, n_def = code[at], code[at + 1], code[at + 2], code[at + 3]
    at += 4
    info = at
    size, at = read_uint(code, at)
    block = code[at] | code[at + 1] << 8
    source = code[at + 2] | code[at + 3] << 8
    first_cell = here = info + size
    while code[here] != 255:
        here += 1
    return Prelude(
        n_state=n_state,
        n_exc_stack=n_exc_stack,
        scope_flags=flags,
        n_pos_args=n_pos,
        n_kwonly_args=n_kwonly,
        n_def_pos_args=n_def,
        code_info_offset=info,
        code_info_size=size,
        block_name=block,
        source_file=source,
        lines_offset=at + 4,
        cells_offset=first_cell,
        cells=tuple(code[first_cell:here]),
        code_offset=here + 1,
    )


def line_for_offset(code: bytes, ip: int, prelude: Prelude | None = None) -> int:
    """Source line of the instruction at offset `ip` of the bytecode string.

    The firmware counts bytes from the cell list on (its 255 included), not from the first
    instruction; this does the same.
    """
    head = prelude or decode_prelude(code)
    left, line, at = ip - head.cells_offset, 1, head.lines_offset
    while code[at]:
        first = code[at]
        if first & 0x80:
            n_bytes, n_lines = first & 0x0F, (first & 0x70) << 4 | code[at + 1]
            at += 2
        else:
            n_bytes, n_lines = first & 0x1F, first >> 5
            at += 1
        if left < n_bytes:
            break
        left -= n_bytes
        line += n_lines
    return line
