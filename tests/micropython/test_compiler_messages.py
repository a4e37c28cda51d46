"""What the compiler refuses, with message, line and block as the device reports them."""

from __future__ import annotations

import pytest
from compiler_helpers import StringTable

from k210sim.micropython.compiler import GuestSyntaxError, compile_source

SYNTAX = "SyntaxError"


def refusal(source: str, mode: str = "exec") -> GuestSyntaxError:
    with pytest.raises(GuestSyntaxError) as caught:
        compile_source(source.encode(), "t.py", mode, StringTable().intern)
    return caught.value


# Refused by the compiler proper: the traceback names the block.
COMPILED = [
    ("x=[*[1,2],3]", "*x must be assignment target", 1, "<module>"),
    ("print(*[1],*[2])", "can't have multiple *x", 1, "<module>"),
    ("f(**{},**{})", "can't have multiple **x", 1, "<module>"),
    ("nonlocal x", "can't declare nonlocal in outer code", 1, "<module>"),
    ("def f():\n  nonlocal q", "no binding for nonlocal found", 2, "f"),
    ("def f(a):\n  nonlocal a", "identifier redefined as nonlocal", 2, "f"),
    ("def f(a):\n  global a", "identifier redefined as global", 2, "f"),
    ("\nyield 1", "'yield' outside function", 2, "<module>"),
    ("x = yield", "'yield' outside function", 1, "<module>"),
    ("return 1", "'return' outside function", 1, "<module>"),
    ("class A:\n  return 1", "'return' outside function", 2, "A"),
    ("break", "'break' outside loop", 1, "<module>"),
    ("def f():\n  if 1:\n    continue", "'continue' outside loop", 3, "f"),
    ("for x in y: pass\nelse: break", "'break' outside loop", 2, "<module>"),
    ("1=2", "can't assign to expression", 1, "<module>"),
    ("a+1=2", "can't assign to expression", 1, "<module>"),
    ("f()=1", "can't assign to expression", 1, "<module>"),
    ("'a'=1", "can't assign to expression", 1, "<module>"),
    ("None=1", "can't assign to expression", 1, "<module>"),
    ("()=1", "can't assign to expression", 1, "<module>"),
    ("(a,b) += 1", "can't assign to expression", 1, "<module>"),
    ("x = 1\n\nfor 1 in x: pass", "can't assign to expression", 3, "<module>"),
    ("[x for x.y() in z]", "can't assign to expression", 1, "<listcomp>"),
    ("a, *b, *c = x", "multiple *x in assignment", 1, "<module>"),
    ("def f(a,a): pass", "argument name reused", 1, "f"),
    ("\nlambda a,a: 1", "argument name reused", 2, "<lambda>"),
    ("def f(a=1,b): pass", "non-default argument follows default argument", 1, "<module>"),
    ("def f(**k, a): pass", "invalid syntax", 1, "f"),
    ("def f(*, *a): pass", "invalid syntax", 1, "f"),
    ("f(a=1,2)", "non-keyword arg after keyword arg", 1, "<module>"),
    ("f(*a,b)", "non-keyword arg after */**", 1, "<module>"),
    ("f(1=2)", "LHS of keyword arg must be an id", 1, "<module>"),
    ("del f()", "can't delete expression", 1, "<module>"),
    ("del ()", "can't delete expression", 1, "<module>"),
    ("del x+1", "can't delete expression", 1, "<module>"),
    ("{1:2,3}", "expecting key:value for dict", 1, "<module>"),
    ("{1,2:3}", "expecting just a value for set", 1, "<module>"),
    ("try: pass\nexcept: pass\nexcept A: pass", "default 'except' must be last", 2, "<module>"),
    ("def f(): super().x", "super() can't find self", 1, "f"),
    ("@micropython.native\ndef f(): pass", "invalid micropython decorator", 1, "<module>"),
    ("@micropython.viper\ndef f(): pass", "invalid micropython decorator", 1, "<module>"),
    ("x\n@micropython\ndef f(): pass", "invalid micropython decorator", 2, "<module>"),
    # Errors at a bare name have no line of their own: a list of statements supplies it, a lone
    # statement does not.
    ("x\ndef f():\n\n  g(*a, b)", "non-keyword arg after */**", 2, "f"),
    ("x\ndef f():\n\n  g(*a, b)\n  h", "non-keyword arg after */**", 4, "f"),
    ("x\ndef f():\n  g(*a, b);", "non-keyword arg after */**", 3, "f"),
    ("def f(a, a):\n  b", "argument name reused", 1, "f"),
    ("def f(a, a):\n  b\n  c", "argument name reused", 2, "f"),
    ("x = (\n f(*a, b),\n  [1,\n g(), 2])", "non-keyword arg after */**", 4, "<module>"),
]


@pytest.mark.parametrize("source, message, line, block", COMPILED)
def test_compiler_refusals(source, message, line, block):
    e = refusal(source)
    assert (e.kind, e.message, e.line, e.block) == (SYNTAX, message, line, block)
    assert e.filename == "t.py"


# Refused by the parser or tokenizer: no block.
PARSED = [
    ("1if 1else 2", SYNTAX, "invalid syntax for integer with base 10: '1if'", 1),
    ("0b12", SYNTAX, "invalid syntax for integer with base 2: '12'", 1),
    ("0x", SYNTAX, "invalid syntax for integer with base 16: ''", 1),
    ("\n0xg", SYNTAX, "invalid syntax for integer with base 16: 'g'", 2),
    ("1a", SYNTAX, "invalid syntax for integer with base 10: '1a'", 1),
    ("0o8", SYNTAX, "invalid syntax for integer with base 8: '8'", 1),
    ("12abc", SYNTAX, "invalid syntax for integer with base 10: '12abc'", 1),
    ("1..real", SYNTAX, "invalid syntax for number", 1),
    ("1.2.3", SYNTAX, "invalid syntax for number", 1),
    ("1e", SYNTAX, "invalid syntax for number", 1),
    ("a=1\n  b=2", "IndentationError", "unexpected indent", 2),
    ("  a=1", "IndentationError", "unexpected indent", 1),
    (
        "if 1:\n    pass\n  pass",
        "IndentationError",
        "unindent doesn't match any outer indent level",
        3,
    ),
    ("X=const(a)", SYNTAX, "constant must be an integer", 1),
    ("\nX=const()", SYNTAX, "constant must be an integer", 2),
    ("X=const(1,)", SYNTAX, "constant must be an integer", 1),
    ("x = 1\nif x\n  y", SYNTAX, "invalid syntax", 3),
    ("x = (1,\n\n\n", SYNTAX, "invalid syntax", 4),
    ("x =\n\n\ny", SYNTAX, "invalid syntax", 4),
    ("'abc", SYNTAX, "invalid syntax", 1),
    ("'\\xz'", SYNTAX, "invalid syntax", 1),
    ("b'\\777'", SYNTAX, "invalid syntax", 1),
    ("'\\U00110000'", SYNTAX, "invalid syntax", 1),
    ("a b", SYNTAX, "invalid syntax", 1),
    ("2)", SYNTAX, "invalid syntax", 1),
    ("a $ b", SYNTAX, "invalid syntax", 1),
    ("a ! b", SYNTAX, "invalid syntax", 1),
    ("b'a' 'b'", SYNTAX, "invalid syntax", 1),
    ("x.__debug__", SYNTAX, "invalid syntax", 1),
    ("@5\ndef f(): pass", SYNTAX, "invalid syntax", 1),
    ("try: pass\nx", SYNTAX, "invalid syntax", 2),
    ("from . import", SYNTAX, "invalid syntax", 2),
]


@pytest.mark.parametrize("source, kind, message, line", PARSED)
def test_parser_refusals(source, kind, message, line):
    e = refusal(source)
    assert (e.kind, e.message, e.line, e.block) == (kind, message, line, None)


@pytest.mark.parametrize(
    "source",
    [
        "f'x{1}'", "a := 5", "(a := 5)", "match x:\n  case 1: pass", "def f(a, /): pass",
        "async def f(): pass", "await x", "async with x: pass", "x: int = 5", "x: int", "a @ b",
        "{**a}", "{*a}", "try: pass\nexcept* A: pass", "`x`", "a <> b", "exec 'a'", "print 1",
        "x = rb'a' b'b' 'c'", "lambda x: return", "raise ValueError from", "class A(: pass",
        "with a as b, : pass", "else: pass", "f(a=1 b=2)", "x++", "def f(x)(y): pass", "a =",
    ],
)  # fmt: skip
def test_newer_or_wrong_syntax_is_invalid(source):
    e = refusal(source)
    assert (e.kind, e.message) == (SYNTAX, "invalid syntax")


@pytest.mark.parametrize(
    "source",
    [
        "def f(a: int, *b: x, k: y = 1, **c: z) -> int: pass", "x = 1_000", "u'a' 'b'",
        "rb'\\x'", "a if b else c", "print >>x", "...", "def f(*, a, b=2): pass", "é = 1",
        "a = b = c, d = 1, 2", "x[1:2, ..., ::3]", "from ..a.b import (c, d as e,)",
        "from a import b, c,", "raise A from B", "f(x for x in y)", "f(a=1, a=2)", "x = yield_",
        "global x", "del a, (b, c), d[0], e.f", "a = *b, c", "@micropython.bytecode\ndef f(): 0",
        "class A(): pass", "class A(B, metaclass=C): pass", "try: 1\nfinally: 2", "1; 2;",
        "with a, b as c: pass", "assert a, b", "x = [*a] = b", "{1: 2, }", "{1, }", "(a)", "",
        "\n\n# only a comment", "if 0: pass\nelif 1: pass\nelse: pass", "__debug__", "async_ = 1",
    ],
)  # fmt: skip
def test_accepted_forms(source):
    if source == "a = *b, c":
        assert refusal(source).message == "*x must be assignment target"
    else:
        compile_source(source.encode(), "t.py", "exec", StringTable().intern)


def test_name_escapes_have_no_line_and_are_seen_one_token_ahead():
    e = refusal("x = 1\ny = '\\N{DASH}'")
    assert (e.kind, e.message, e.line) == ("NotImplementedError", "unicode name escapes", None)
    # The syntax error comes first: the literal is two tokens further on.
    assert refusal("x y z '\\N{DASH}'").kind == SYNTAX


def test_eval_and_single_take_one_expression_or_statement():
    assert refusal("a b", "eval").message == "invalid syntax"
    assert refusal("a = 1", "eval").message == "invalid syntax"
    assert refusal("", "eval").message == "invalid syntax"
    assert refusal("a\nb", "single").line == 2
    for source, mode in (("1+1", "eval"), ("\n", "single"), ("if a:\n  b\n", "single")):
        compile_source(source.encode(), "t.py", mode, StringTable().intern)


def test_unknown_mode():
    with pytest.raises(ValueError, match="mode must be one of"):
        compile_source(b"", "t.py", "file", StringTable().intern)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 10000, "[" * 10000 + "]" * 10000, "{" * 10000, "-" * 10000 + "x",
        "not " * 10000 + "x", "lambda:" * 10000 + "1", "x**" * 10000 + "x",
        "a if b else " * 10000 + "c", "f(" * 10000, "x[" * 10000,
        "".join(" " * i + "if x:\n" for i in range(500)),
    ],
)  # fmt: skip
def test_deep_nesting_ends_in_the_recursion_error(source):
    e = refusal(source)
    assert (e.kind, e.message) == ("RuntimeError", "maximum recursion depth exceeded")


def test_moderate_nesting_compiles():
    for source in ("(" * 80 + "x" + ")" * 80, "[" * 80 + "]" * 80, "f(" * 60 + "x" + ")" * 60):
        compile_source(source.encode(), "t.py", "exec", StringTable().intern)


def test_impossible_constants():
    e = refusal("x = 1 << 100000000")
    assert e.kind == "MemoryError" and e.line is None
    assert e.message == "memory allocation failed, allocating 12500002 bytes"
    assert refusal("x = 1 << (1 << 64)").kind == "OverflowError"
