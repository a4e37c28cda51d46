"""Random programs: valid ones compile into well-formed code, broken ones fail in one way only."""

from __future__ import annotations

import random

from compiler_helpers import StringTable
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.micropython.compiler import (
    GuestSyntaxError,
    compile_source,
    continue_input,
    opcodes,
    prelude,
)

names = st.sampled_from(["a", "b", "cc", "self", "x1"])
leaves = st.one_of(
    names,
    st.integers(-(10**25), 10**25).map(lambda n: f"({n})"),
    st.sampled_from(["1.5", "'s'", "b'bytes'", "None", "True", "...", "2j", "()", "[]", "{}"]),
    st.text("ab\n'\\", max_size=14).map(repr),
)


def grow(inner):
    return st.one_of(
        st.tuples(inner, st.sampled_from("+ - * / // % ** & | ^ << >> < == in is or and".split()),
                  inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["-", "~", "not "]), inner).map(lambda t: f"({t[0]}{t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.lists(inner, max_size=3).map(lambda t: f"f({', '.join(t)})"),
        st.lists(inner, max_size=3).map(lambda t: f"[{', '.join(t)}]"),
        st.tuples(inner, inner).map(lambda t: "{" + f"{t[0]}: {t[1]}" + "}"),
        inner.map(lambda t: f"({t}).attr[1:2].m(k={t}, *a)"),
        st.tuples(names, inner).map(lambda t: f"(lambda {t[0]}, k={t[1]}: {t[0]})"),
        st.tuples(inner, names, inner).map(lambda t: f"[{t[0]} for {t[1]} in {t[2]} if {t[0]}]"),
    )  # fmt: skip


expressions = st.recursive(leaves, grow, max_leaves=8)


def indent(block: str) -> str:
    return "".join(f"  {line}\n" for line in block.splitlines())


simple = st.one_of(
    st.tuples(names, expressions).map(lambda t: f"{t[0]} = {t[1]}\n"),
    st.tuples(names, expressions).map(lambda t: f"{t[0]} += {t[1]}\n"),
    expressions.map(lambda t: f"f({t})\n"),
    st.sampled_from(["pass\n", "import a.b as c\n", "from a import b\n", "del a\n", "raise\n",
                     "a, *b = c\n", "assert a, b\n", "a, b = b, a\n"]),
)  # fmt: skip


def nest(block):
    return st.one_of(
        st.tuples(block, block).map("".join),
        st.tuples(expressions, block, block).map(
            lambda t: f"if {t[0]}:\n{indent(t[1])}else:\n{indent(t[2])}"
        ),
        st.tuples(names, expressions, block).map(
            lambda t: f"for {t[0]} in {t[1]}:\n{indent(t[2])}  break\n"
        ),
        st.tuples(block, block).map(
            lambda t: f"try:\n{indent(t[0])}except E as e:\n{indent(t[1])}finally:\n  pass\n"
        ),
        st.tuples(names, block).map(
            lambda t: f"def {t[0]}(a, b=1, *c, k, d=2, **e):\n{indent(t[1])}  return {t[0]}\n"
        ),
        st.tuples(names, block).map(lambda t: f"class {t[0]}(B):\n{indent(t[1])}"),
        block.map(lambda t: f"with a as b:\n{indent(t)}"),
        block.map(lambda t: f"while a:\n{indent(t)}  continue\n"),
    )


programs = st.recursive(simple, nest, max_leaves=6)


def check(raw) -> None:
    """Every code object decodes, jumps hit instructions, and operands are within bounds."""
    head = prelude.decode_prelude(raw.bytecode)
    assert head.code_offset == raw.code_offset and head.n_state == raw.n_state
    steps = list(opcodes.instructions(raw.bytecode, raw.code_offset))
    starts = {s.offset for s in steps}
    assert steps[-1].offset + steps[-1].size == len(raw.bytecode)
    for s in steps:
        if s.op.operand in (opcodes.JUMP, opcodes.AHEAD):
            assert s.arg in starts
        if s.op.code == opcodes.LOAD_CONST_OBJ:
            assert raw.const_table[s.arg][0] not in ("qstr", "raw")
        if opcodes.MAKE_FUNCTION <= s.op.code <= opcodes.MAKE_CLOSURE_DEFARGS:
            assert raw.const_table[s.arg][0] == "raw"
    for child in raw.children():
        check(child)


@settings(max_examples=120, deadline=None)
@given(programs)
def test_valid_programs_compile_to_well_formed_code(source):
    table = StringTable()
    raw = compile_source(source.encode(), "t.py", "exec", table.intern)
    check(raw)
    opcodes.dis(raw, table.text)


_MARKS = ["(", ")", "[", "]", "{", "}", ":", ",", "*", "=", "\n", "\n  ", "if ", " else ", " in ",
          "lambda ", "'", '"""', "\\", "0x", "1e", ".", "@", "def ", "class ", "yield ", "\t",
          "\0", "é", "\\N", "\\x", "**", "not ", "return ", "global a", "const(", "-"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(programs, st.integers(0, 2**32), st.sampled_from(["exec", "single", "eval"]))
def test_broken_programs_raise_only_the_guest_error(source, seed, mode):
    chance = random.Random(seed)
    text = source
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(text) + 1)
        end = at + chance.choice([0, 0, 1, 5])
        text = text[:at] + chance.choice([*_MARKS, ""]) + text[end:]
    data = text.encode()
    try:
        check(compile_source(data, "t.py", mode, StringTable().intern, repl=mode == "single"))
    except GuestSyntaxError as e:
        assert e.message and e.filename == "t.py"
        assert e.line is None or 0 <= e.line <= data.count(b"\n") + 2
    continue_input(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes(data):
    try:
        compile_source(data, "t.py", "exec", StringTable().intern)
    except GuestSyntaxError as e:
        assert e.kind
    continue_input(data)


@given(st.integers(-(1 << 62), (1 << 62) - 1))
def test_operand_numbers_survive(value):
    assert opcodes.read_sint(opcodes.write_sint(value), 0)[0] == value
    assert opcodes.read_uint(opcodes.write_uint(abs(value)), 0)[0] == abs(value)
