"""Strings and bytes: against CPython where they agree, and the device's own texts elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.native import GuestError
from k210sim.micropython.types import str_print
from tests.micropython.number_vm import make_vm, run

texts = st.text(st.sampled_from("ab ,x\u00e9\u4e2d\U0001f600\n\t'\"\\"), max_size=12)
data = st.binary(max_size=12)


@pytest.fixture(scope="module")
def vm():
    return make_vm()[0]


def word(vm, value):
    if isinstance(value, str):
        return vm.new_str(value)
    if isinstance(value, bytes):
        return vm.new_bytes(value)
    if value is None:
        return L.NONE
    return vm.new_int(value)


def host(vm, o):
    if vm.is_str(o):
        return vm.text_of(o)
    if vm.is_bytes(o):
        return vm.bytes_of(o)
    if o in (L.TRUE, L.FALSE):
        return o == L.TRUE
    if o == L.NONE:
        return None
    if vm.type_name(o) in ("list", "tuple"):
        items = [host(vm, item) for item in vm.items_of(o)]
        return items if vm.type_name(o) == "list" else tuple(items)
    return vm.int_value(o)


def call(vm, value, name, *args):
    """Host result of a guest method, or the name of the exception."""
    vm.temps.clear()
    try:
        return host(vm, vm.call_method(word(vm, value), name, *(word(vm, a) for a in args)))
    except GuestError as error:
        return vm.type_name(error.obj)


def expected(value, name, *args):
    try:
        return getattr(value, name)(*args)
    except Exception as error:
        return type(error).__name__


@settings(max_examples=150, deadline=None)
@given(t=texts, start=st.integers(-15, 15) | st.none(), stop=st.integers(-15, 15) | st.none())
def test_slices_and_indexes_count_characters(vm, t, start, stop):
    vm.temps.clear()
    o = word(vm, t)
    bounds = vm.new_object(L.TYPE["slice"], 32)
    at = (bounds - L.RAM_BASE) >> 3
    vm.words[at + 1], vm.words[at + 2] = word(vm, start), word(vm, stop)
    vm.words[at + 3] = L.NONE
    assert host(vm, vm.subscr(o, bounds)) == t[start:stop]
    assert vm.len_of(o) == len(t)
    if start is not None and -len(t) <= start < len(t):
        assert host(vm, vm.subscr(o, word(vm, start))) == t[start]
    assert [host(vm, c) for c in vm.iterate(o)] == list(t)


@settings(max_examples=150, deadline=None)
@given(t=data, start=st.integers(-15, 15) | st.none(), stop=st.integers(-15, 15) | st.none())
def test_slices_of_bytes(vm, t, start, stop):
    vm.temps.clear()
    o = word(vm, t)
    bounds = vm.new_object(L.TYPE["slice"], 32)
    at = (bounds - L.RAM_BASE) >> 3
    vm.words[at + 1], vm.words[at + 2] = word(vm, start), word(vm, stop)
    vm.words[at + 3] = L.NONE
    assert host(vm, vm.subscr(o, bounds)) == t[start:stop]
    assert [host(vm, c) for c in vm.iterate(o)] == list(t)
    assert vm.print_text(o, ops.PRINT_REPR) == repr(t)


@settings(max_examples=200, deadline=None)
@given(t=texts, sub=texts.map(lambda s: s[:2]),
       name=st.sampled_from(["find", "rfind", "index", "rindex", "count", "split", "rsplit",
                             "partition", "rpartition", "startswith", "endswith", "strip",
                             "lstrip", "rstrip"]))
def test_searching_methods_agree_with_cpython(vm, t, sub, name):
    if name.endswith("strip") and not sub.isascii():
        return  # the device strips byte by byte
    assert call(vm, t, name, sub) == expected(t, name, sub)


@settings(max_examples=100, deadline=None)
@given(t=data, sub=data.map(lambda s: s[:1]), n=st.integers(-1, 3),
       name=st.sampled_from(["split", "rsplit"]))
def test_splitting_bytes_agrees_with_cpython(vm, t, sub, n, name):
    assert call(vm, t, name, sub, n) == expected(t, name, sub, n)


@settings(max_examples=100, deadline=None)
@given(t=texts, old=texts.map(lambda s: s[:1]).filter(bool), new=texts, n=st.integers(-1, 3))
def test_replace_agrees_with_cpython(vm, t, old, new, n):
    assert call(vm, t, "replace", old, new, n) == t.replace(old, new, n)


@settings(max_examples=100, deadline=None)
@given(a=texts, b=texts, n=st.integers(-1, 4))
def test_operators_agree_with_cpython(vm, a, b, n):
    vm.temps.clear()
    x, y = word(vm, a), word(vm, b)
    assert host(vm, vm.binary_op(ops.ADD, x, y)) == a + b
    assert host(vm, vm.binary_op(ops.MULTIPLY, x, word(vm, n))) == a * n
    assert host(vm, vm.binary_op(ops.LESS, x, y)) == (a.encode() < b.encode())
    assert vm.equal(x, y) == (a == b)
    assert host(vm, vm.binary_op(ops.IN, x, y)) == (a in b)
    assert (vm.hash(x) == vm.hash(y)) or a != b


@settings(max_examples=100, deadline=None)
@given(t=st.text(max_size=6))
def test_quotes_and_escapes(t):
    if any(0xD800 <= ord(c) < 0xE000 for c in t):
        return
    shown = str_print.quoted_text(t.encode())
    assert shown.isascii()
    assert eval(shown) == t


@settings(max_examples=100, deadline=None)
@given(flags=st.sampled_from(["", "-", "0", "+", " ", "#", "-#", "0#", "+0"]),
       width=st.integers(0, 12), style=st.sampled_from("diuxX"),
       n=st.integers(-10**6, 10**6) | st.integers(-(1 << 80), 1 << 80))
def test_percent_of_integers_agrees_with_cpython(vm, flags, width, style, n):
    vm.temps.clear()
    pattern = f"%{flags}{width or ''}{style}"
    result = vm.binary_op(ops.MODULO, vm.new_str(pattern), word(vm, n))
    assert host(vm, result) == pattern % n


@settings(max_examples=100, deadline=None)
@given(fill=st.sampled_from(["", "*<", "_>", "x^", "0=", "<", ">", "^"]),
       sign=st.sampled_from(["", "+", " ", "-"]), width=st.integers(1, 14),
       style=st.sampled_from(["d", "b", "o", "x", "X", ""]), n=st.integers(-10**9, 10**9))
def test_format_of_integers_agrees_with_cpython(vm, fill, sign, width, style, n):
    pattern = "{:%s%s%d%s}" % (fill, sign, width, style)
    assert call(vm, pattern, "format", n) == pattern.format(n)


DEVICE = r"""
def show(f):
    try: print(repr(f()))
    except Exception as e: print(repr(e))
for f in (lambda: "%z" % 1, lambda: "%d" % "a", lambda: "%d %d" % 1, lambda: "%d" % (1, 2),
          lambda: "%(a)s" % {"a": 1}, lambda: "%(b)s" % {"a": 1}, lambda: "%c" % "ab",
          lambda: b"%s" % b"x", lambda: "%s" % b"x", lambda: "{} {}".format(1),
          lambda: "{0} {}".format(1, 2), lambda: "{a}".format(1), lambda: "{".format(1),
          lambda: "{:d}".format("a"), lambda: "{:z}".format(1), lambda: "{!x}".format(1),
          lambda: "{:,}".format(1234567), lambda: "{!r:>6}".format("a"),
          lambda: "a" + 1, lambda: "a" + b"a", lambda: b"a" + bytearray(b"b"), lambda: "a" * "b",
          lambda: "abc"[5], lambda: b"abc"[5], lambda: "abc"["a"], lambda: "abc"[::2],
          lambda: "a".join([1]), lambda: "a".split(""), lambda: "abc".index("z"),
          lambda: "a b".rsplit(None, 1), lambda: "abc".endswith("c", 1), lambda: bytes("abc"),
          lambda: bytes([256]), lambda: str(b"\xff", "utf8"), lambda: "ab".encode(),
          lambda: b"ab".decode(), lambda: "x".center(4), lambda: "\u00e9\x01".upper(),
          lambda: str(1, 2), lambda: str(x=1), lambda: "abc".foo):
    show(f)
s = "a"
try:
    s *= 2
except TypeError as e:
    print(e)
"""

DEVICE_SAYS = r"""ValueError("unsupported format character 'z' (0x7a) at index 1",)
TypeError("can't convert str to int",)
TypeError('format string needs more arguments',)
TypeError("format string didn't convert all arguments",)
'1'
KeyError('b',)
TypeError('%%c needs int or char',)
b'x'
"b'x'"
IndexError('tuple index out of range',)
ValueError("can't switch from manual field specification to automatic field numbering",)
KeyError('a',)
ValueError("unmatched '{' in format",)
ValueError("unknown format code 'd' for object of type 'str'",)
ValueError('invalid format specifier',)
ValueError('unknown conversion specifier x',)
'1,234,567'
"   'a'"
TypeError("can't convert 'int' object to str implicitly",)
TypeError("can't convert 'bytes' object to str implicitly",)
b'ab'
TypeError("unsupported types for __mul__: 'str', 'str'",)
IndexError('string index out of range',)
IndexError('bytes index out of range',)
TypeError('string indices must be integers, not str',)
NotImplementedError('only slices with step=1 (aka None) are supported',)
TypeError('join expects a list of str/bytes objects consistent with self object',)
ValueError('empty separator',)
ValueError('substring not found',)
NotImplementedError('rsplit(None,n)',)
NotImplementedError('start/end indices',)
TypeError('wrong number of arguments',)
ValueError('bytes value out of range',)
UnicodeError()
b'ab'
'ab'
' x  '
'\xe9\x01'
TypeError('object with buffer protocol required',)
NotImplementedError('keyword argument(s) not yet implemented - use normal args instead',)
AttributeError("'str' object has no attribute 'foo'",)
can't convert 'int' object to str implicitly
"""


def test_messages_are_the_device_s():
    assert run(DEVICE).splitlines() == DEVICE_SAYS.splitlines()


def test_print_options_and_errors():
    out = run("""
print(1, 2, sep="-", end="!\\n")
print("a", "b", sep="")
for kw in ({"foo": 1}, {"sep": 5}, {"file": 1}):
    try: print(1, **kw)
    except Exception as e: print(repr(e))
""")
    assert out.splitlines() == [
        "1-2!", "ab", "TypeError('extra keyword arguments given',)",
        "TypeError(\"can't convert 'int' object to str implicitly\",)",
        "OSError('stream operation not supported',)"]


def test_what_strings_cost():
    """Blocks that building and formatting leave, from the device's table of costs."""
    out = run("""
import gc
def cost(fn):
    fn(); gc.collect(); gc.disable()
    a = gc.mem_free(); x = fn(); b = gc.mem_free()
    gc.enable()
    return a - b
print(cost(lambda: "a" * 5), cost(lambda: "a" * 32), cost(lambda: str(12345678)),
      cost(lambda: "ab" + str(1)), cost(lambda: "%d" % 12345), cost(lambda: "x".encode()),
      cost(lambda: bytes(0)), cost(lambda: bytes(33)), cost(lambda: 2 ** 63),
      cost(lambda: 2 ** 1000), cost(lambda: 1.5 + 0.0))
""", "gc")
    assert out == "64 96 64 128 64 32 64 96 128 224 32\n"
