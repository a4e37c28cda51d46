"""Instructions, constants, slots and line tables of compiled code.

The expectations were worked out from the 1.11 instruction set and agree with the output of that
release's own compiler.
"""

from __future__ import annotations

import pytest
from compiler_helpers import build, child_listing, listing

from k210sim.micropython.compiler import prelude
from k210sim.micropython.compiler.opcodes import instructions

END = ["LOAD_CONST_NONE", "RETURN_VALUE"]


@pytest.mark.parametrize(
    "source, expected",
    [
        ("x = 1", ["LOAD_CONST_SMALL_INT 1", "STORE_NAME x"]),
        ("x = 48", ["LOAD_CONST_SMALL_INT 48", "STORE_NAME x"]),
        ("x = -17", ["LOAD_CONST_SMALL_INT -17", "STORE_NAME x"]),
        ("x = 2**3", ["LOAD_CONST_SMALL_INT 2", "LOAD_CONST_SMALL_INT 3", "BINARY_OP power",
                      "STORE_NAME x"]),
        ("x = 1 + 2 * 3 - 10 // 3", ["LOAD_CONST_SMALL_INT 4", "STORE_NAME x"]),
        ("x = 1 + 2 + y", ["LOAD_CONST_SMALL_INT 1", "LOAD_CONST_SMALL_INT 2", "BINARY_OP add",
                           "LOAD_NAME y", "BINARY_OP add", "STORE_NAME x"]),
        ("x = 'short'", ["LOAD_CONST_STRING short", "STORE_NAME x"]),
        ("x = 'eleven char'", ["LOAD_CONST_OBJ 0 ('str' b'eleven char')", "STORE_NAME x"]),
        ("x = b'a'", ["LOAD_CONST_OBJ 0 ('bytes' b'a')", "STORE_NAME x"]),
        ("x = ...", ["LOAD_CONST_OBJ 0 ('ellipsis')", "STORE_NAME x"]),
        ("x = 4611686018427387904", ["LOAD_CONST_OBJ 0 ('int' 4611686018427387904)",
                                     "STORE_NAME x"]),
        # Once long, a folded integer stays a heap object.
        ("x = 1 << 80 >> 80", ["LOAD_CONST_OBJ 0 ('int' 1)", "STORE_NAME x"]),
        ("'doc'\n5\nNone", []),
        ("a.b.c(1, k=2)", ["LOAD_NAME a", "LOAD_ATTR b", "LOAD_METHOD c",
                           "LOAD_CONST_SMALL_INT 1", "LOAD_CONST_STRING k",
                           "LOAD_CONST_SMALL_INT 2", "CALL_METHOD 257", "POP_TOP"]),
        ("f(*a)", ["LOAD_NAME f", "LOAD_NAME a", "LOAD_NULL", "CALL_FUNCTION_VAR_KW 0",
                   "POP_TOP"]),
        ("a, b = b, a", ["LOAD_NAME b", "LOAD_NAME a", "ROT_TWO", "STORE_NAME a",
                         "STORE_NAME b"]),
        ("a, *b = c", ["LOAD_NAME c", "UNPACK_EX 1", "STORE_NAME a", "STORE_NAME b"]),
        ("a[1] += 2", ["LOAD_NAME a", "LOAD_CONST_SMALL_INT 1", "DUP_TOP_TWO", "LOAD_SUBSCR",
                       "LOAD_CONST_SMALL_INT 2", "BINARY_OP inplace_add", "ROT_THREE",
                       "STORE_SUBSCR"]),
        ("del a.b", ["LOAD_NAME a", "LOAD_NULL", "ROT_TWO", "STORE_ATTR b"]),
        ("x = a not in b", ["LOAD_NAME a", "LOAD_NAME b", "BINARY_OP in", "UNARY_OP not",
                            "STORE_NAME x"]),
        ("x = {1: 2}", ["BUILD_MAP 1", "LOAD_CONST_SMALL_INT 2", "LOAD_CONST_SMALL_INT 1",
                        "STORE_MAP", "STORE_NAME x"]),
        ("x = a[1:]", ["LOAD_NAME a", "LOAD_CONST_SMALL_INT 1", "LOAD_CONST_NONE",
                       "BUILD_SLICE 2", "LOAD_SUBSCR", "STORE_NAME x"]),
        ("import a.b as c", ["LOAD_CONST_SMALL_INT 0", "LOAD_CONST_NONE", "IMPORT_NAME a.b",
                             "LOAD_ATTR b", "STORE_NAME c"]),
        ("from a import *", ["LOAD_CONST_SMALL_INT 0", "LOAD_CONST_STRING *", "BUILD_TUPLE 1",
                             "IMPORT_NAME a", "IMPORT_STAR"]),
        ("if 0: x", []),
        ("x = not 0 or y", ["LOAD_CONST_TRUE", "STORE_NAME x"]),
        ("x = errno.ENOENT", ["LOAD_CONST_SMALL_INT 2", "STORE_NAME x"]),
        ("x = uctypes.ARRAY", ["LOAD_CONST_SMALL_INT -1073741824", "STORE_NAME x"]),
        ("_A = const(3)\nx = _A + 1", ["LOAD_CONST_SMALL_INT 4", "STORE_NAME x"]),
        ("A = const(3)\nx = A", ["LOAD_CONST_SMALL_INT 3", "STORE_NAME A",
                                 "LOAD_CONST_SMALL_INT 3", "STORE_NAME x"]),
        ("x = __debug__", ["LOAD_CONST_TRUE", "STORE_NAME x"]),
        ("x = OrderedDict({1: 2})", ["LOAD_NAME OrderedDict", "CALL_FUNCTION 0",
                                     "LOAD_CONST_SMALL_INT 2", "LOAD_CONST_SMALL_INT 1",
                                     "STORE_MAP", "STORE_NAME x"]),
    ],
)  # fmt: skip
def test_statements(source, expected):
    assert listing(source) == expected + END


def test_interactive_input_prints():
    assert listing("a", "single", repl=True)[:2] == ["LOAD_NAME __repl_print__", "LOAD_NAME a"]
    # A lonely constant is printed at the prompt, though dropped from files.
    assert listing("5", "single", repl=True)[1] == "LOAD_CONST_SMALL_INT 5"
    assert listing("a+1", "eval")[-2:] == ["BINARY_OP add", "RETURN_VALUE"]


def test_optimisation_level():
    assert listing("assert a", opt_level=1) == END
    assert listing("x = __debug__", opt_level=1)[0] == "LOAD_CONST_FALSE"
    raw, _ = build("\n\nx = 1\n\n\ny = 2", opt_level=3)
    assert prelude.line_for_offset(raw.bytecode, len(raw.bytecode) - 1) == 1


def test_counted_loop():
    assert listing("for i in range(3): f") == [
        "LOAD_CONST_SMALL_INT 0", "JUMP 14", "DUP_TOP", "STORE_NAME i", "LOAD_NAME f", "POP_TOP",
        "LOAD_CONST_SMALL_INT 1", "BINARY_OP inplace_add", "DUP_TOP", "LOAD_CONST_SMALL_INT 3",
        "BINARY_OP less", "POP_JUMP_IF_TRUE 4", "POP_TOP", *END,
    ]  # fmt: skip


def test_loop_over_an_iterable_and_leaving_it():
    assert listing("for i in x:\n  try: break\n  finally: y") == [
        "LOAD_NAME x", "GET_ITER_STACK", "FOR_ITER 26", "STORE_NAME i", "SETUP_FINALLY 18",
        "UNWIND_JUMP 26 129", "LOAD_CONST_NONE", "LOAD_NAME y", "POP_TOP", "END_FINALLY",
        "JUMP 4", *END,
    ]  # fmt: skip


def test_exception_handlers():
    assert listing("try: a\nexcept B as e: c\nelse: d") == [
        "SETUP_EXCEPT 10", "LOAD_NAME a", "POP_TOP", "POP_EXCEPT_JUMP 41", "DUP_TOP",
        "LOAD_NAME B", "BINARY_OP exception_match", "POP_JUMP_IF_FALSE 40", "STORE_NAME e",
        "SETUP_FINALLY 29", "LOAD_NAME c", "POP_TOP", "LOAD_CONST_NONE", "LOAD_CONST_NONE",
        "STORE_NAME e", "DELETE_NAME e", "END_FINALLY", "POP_EXCEPT_JUMP 45", "END_FINALLY",
        "LOAD_NAME d", "POP_TOP", *END,
    ]  # fmt: skip


def test_with_statement():
    raw, _ = build("with a as b: c")
    assert listing("with a as b: c") == [
        "LOAD_NAME a", "SETUP_WITH 14", "STORE_NAME b", "LOAD_NAME c", "POP_TOP",
        "LOAD_CONST_NONE", "WITH_CLEANUP", "END_FINALLY", *END,
    ]  # fmt: skip
    assert (raw.n_state, raw.n_exc_stack) == (5, 1)


def test_comprehension():
    assert listing("[x for x in y]") == [
        "MAKE_FUNCTION 0 (<listcomp>)", "LOAD_NAME y", "CALL_FUNCTION 1", "POP_TOP", *END
    ]  # fmt: skip
    assert child_listing("[x for x in y if z]") == [
        "BUILD_LIST 0", "LOAD_FAST 0", "GET_ITER_STACK", "FOR_ITER 20", "STORE_FAST 1",
        "LOAD_GLOBAL z", "POP_JUMP_IF_FALSE 4", "LOAD_FAST 1", "STORE_COMP 20", "JUMP 4",
        "RETURN_VALUE",
    ]  # fmt: skip
    assert "STORE_COMP 25" in child_listing("{x: x for x in y}")
    assert "STORE_COMP 22" in child_listing("{x for x in y}")
    assert "STORE_COMP 36" in child_listing("[x for y in z for x in y]")


def test_closure_slots():
    source = "def f(a, b):\n  c = 1\n  def g(*args, k=2): return a + c\n  return g"
    raw, table = build(source)
    outer = raw.children()[0]
    assert prelude.decode_prelude(outer.bytecode).cells == (0, 3)
    inner = outer.children()[0]
    # Captured variables are passed as leading arguments that no keyword can name.
    assert (inner.n_pos_args, inner.n_kwonly_args) == (2, 1)
    assert [table.text(q) for _, q in inner.const_table[:3]] == ["*", "*", "k"]
    assert inner.scope_flags == prelude.FLAG_VARARGS | prelude.FLAG_DEFKWARGS
    assert child_listing(source) == [
        "LOAD_CONST_SMALL_INT 1", "STORE_DEREF 3", "LOAD_NULL", "BUILD_MAP 0",
        "LOAD_CONST_SMALL_INT 2", "LOAD_CONST_STRING k", "STORE_MAP", "LOAD_FAST 0",
        "LOAD_FAST 3", "MAKE_CLOSURE_DEFARGS 2 2 (g)", "STORE_FAST 2", "LOAD_FAST 2",
        "RETURN_VALUE",
    ]  # fmt: skip


def test_scopes():
    f = "def f():\n  global a\n  a = 1\n  b = 2\n  return a, b, c"
    assert child_listing(f) == [
        "LOAD_CONST_SMALL_INT 1", "STORE_GLOBAL a", "LOAD_CONST_SMALL_INT 2", "STORE_FAST 0",
        "LOAD_GLOBAL a", "LOAD_FAST 0", "LOAD_GLOBAL c", "BUILD_TUPLE 3", "RETURN_VALUE",
    ]  # fmt: skip
    # A global statement inside a function changes later code of the module as well.
    assert "STORE_GLOBAL a" in listing("a = 0\n" + f)
    raw, _ = build("class A:\n  x = 1\n  def f(self): return super().f(x)")
    method = raw.children()[0].children()[0]
    names = [step.op.name for step in instructions(method.bytecode, method.code_offset)]
    assert names[:3] == ["LOAD_GLOBAL", "LOAD_DEREF", "LOAD_FAST 1"]
    assert "LOAD_SUPER_METHOD" in names


def test_generators():
    raw, _ = build("def f():\n  x = yield 1\n  yield from x\nlambda: (yield)\ng = (a for a in b)")
    flags = [child.scope_flags for child in raw.children()]
    assert flags == [prelude.FLAG_GENERATOR] * 3
    assert [child.name for child in raw.children()] == ["f", "<lambda>", "<genexpr>"]
    assert [child.kind for child in raw.children()] == ["function", "lambda", "genexpr"]


def test_prelude_agrees_with_the_code_object():
    raw, table = build("def f(a, b=1, *c, d, e=2, **g):\n  def h(): return a, g\n  return h")
    f = raw.children()[0]
    head = prelude.decode_prelude(f.bytecode)
    assert (head.n_state, head.n_exc_stack) == (f.n_state, f.n_exc_stack)
    assert (head.n_pos_args, head.n_kwonly_args, head.n_def_pos_args) == (2, 2, 1)
    assert head.scope_flags == f.scope_flags == 0x0B
    assert head.code_offset == f.code_offset
    assert table.text(head.block_name) == "f" and table.text(head.source_file) == "t.py"
    # The last keyword-only parameter and *c change places.
    names = [table.text(q) for _, q in f.const_table[:4]]
    assert names == ["a", "b", "e", "d"]


def test_lines():
    raw, _ = build("a\n\nb\n" + "\n" * 3000 + "c(\n 1,\n d)\n")
    code = raw.bytecode
    lines = [
        prelude.line_for_offset(code, step.offset)
        for step in instructions(code, raw.code_offset)
        if step.op.name == "LOAD_NAME"
    ]
    # Names carry no line of their own: `d` counts to the statement.
    assert lines == [1, 3, 3004, 3004]
    calls = [s.offset for s in instructions(code, raw.code_offset) if "CALL" in s.op.name]
    assert prelude.line_for_offset(code, calls[0]) == 3004


def test_lines_of_nested_expressions():
    raw, _ = build("x = [\n a.b,\n c.d(\n  e.f)]\n")
    pairs = {}
    for step in instructions(raw.bytecode, raw.code_offset):
        pairs[step.op.name] = prelude.line_for_offset(raw.bytecode, step.offset)
    assert pairs["LOAD_ATTR"] == 4 and pairs["LOAD_METHOD"] == 3 and pairs["STORE_NAME"] == 4


def test_strings_are_interned_in_source_order():
    _, table = build("import sys\nx = 'ab' 'cd'\ny = 'a long string here'\nz.__class__")
    assert list(table.numbers)[:6] == [b"t.py", b"sys", b"x", b"abcd", b"y", b"z"]
    assert b"a long string here" not in table.numbers


def test_known_long_strings_are_not_copied():
    known = {b"a long string here"}
    raw, _ = build("x = 'a long string here'", find=lambda text: text in known)
    assert raw.const_table == []
    raw, _ = build("x = b'a long string here'", find=lambda text: text in known)
    assert raw.const_table == [("bytes", b"a long string here")]
