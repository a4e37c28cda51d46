"""The compiled loop against the handlers: same programs, same everything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.clock import Clock
from k210sim.micropython import fastloop, frames
from k210sim.micropython import layout as L
from k210sim.micropython.memory import Memory
from k210sim.micropython.types.classes import FLAG_ACCESSORS


def test_fastloop_constants():
    for name, key in (("T_TYPE", "type"), ("T_INT", "int"), ("T_FLOAT", "float"),
                      ("T_BYTES", "bytes"), ("T_BYTEARRAY", "bytearray"), ("T_TUPLE", "tuple"),
                      ("T_LIST", "list"), ("T_DICT", "dict"), ("T_RANGE", "range"),
                      ("T_FUNCTION", "function"), ("T_FUN_BC", "fun_bc"),
                      ("T_CLOSURE", "closure"), ("T_GEN_WRAP", "gen_wrap"),
                      ("T_BOUND", "bound_method"), ("T_MODULE", "module")):
        assert getattr(fastloop, name) == L.TYPE[key], name
    for name in ("NONE", "TRUE", "FALSE", "EMPTY_TUPLE", "ROM_END"):
        assert getattr(fastloop, name) == getattr(L, name), name
    assert fastloop.BASE == L.RAM_BASE
    for name in ("R_IP", "R_SP", "R_CODE", "R_FRAME", "R_STACK", "R_GLOBALS", "R_EXC_SP",
                 "R_FASTN", "R_BUDGET", "R_PENDING", "R_OPS", "R_STACK_MIN", "R_LOCALS",
                 "R_APPEND_NAME", "R_APPEND", "R_LEN"):
        assert getattr(fastloop, name) == getattr(frames, name), name
    assert fastloop.FRAME_SIZE == frames.FRAME_STATE
    assert fastloop.CODE_STATE == L.CODE_STATE
    assert fastloop.EXC_ENTRY == L.EXC_ENTRY_SIZE
    assert fastloop.CALL_OVERHEAD == frames.CALL_OVERHEAD
    assert fastloop.CLOSURE_OVERHEAD == frames.CLOSURE_OVERHEAD
    assert fastloop.MAX_STATE_ON_STACK == frames.VM_MAX_STATE_ON_STACK
    assert fastloop.FLAG_ACCESSORS == FLAG_ACCESSORS


PROGRAMS = {
    "arithmetic": "for a in (0, 1, -7, 5, 2**40, -2**61):\n"
                  "  for b in (1, -3, 2, 2**31, 2**61):\n"
                  "    print(a + b, a - b, a * b, a // b, a % b, a & b, a | b, a ^ b,"
                  " a < b, a >= b, a == b, a >> 3)\n",
    "floats": "x = 0.1\nfor i in range(50):\n  x = x * 1.1 + i / 3 - 0.5\n"
              "  print(x, x < i, x == i)\n",
    "calls": "def f(a, b=3):\n  c = a\n  return c * b\n"
             "def g(n):\n  return 1 if n < 2 else g(n - 1) + g(n - 2)\n"
             "def many(a, b, c, d, e, f_, g_, h, i):\n  x = y = z = w = a\n  return x + i\n"
             "print(f(2), f(2, 4), g(14), many(1, 2, 3, 4, 5, 6, 7, 8, 9))\n",
    "closures": "def mk(k):\n  n = 0\n  def inc(d):\n    nonlocal n\n    n += d * k\n    return n\n"
                "  return inc\nc = mk(3)\nprint([c(i) for i in range(6)])\n",
    "methods": "class P:\n  z = 4\n  def __init__(self, v):\n    self.v = v\n"
               "  def add(self, d):\n    self.v += d\n    return self.v + self.z\n"
               "p = P(1)\nm = p.add\nprint([p.add(i) for i in range(5)], m(7), p.v)\n",
    "containers": "l = [1, 2, 3]\nd = {'a': 1, 5: 2}\nt = (1, 'x', None)\n"
                  "for i in range(-3, 3):\n  l[i] = i * 2\n  print(l[i], t[i % 3])\n"
                  "d['a'] = 7\nd[5] = 8\nprint(d['a'], d[5], l, [x for x in l if x], b'ab'[1])\n"
                  "a, b, c = t\nprint(c, b, a)\n",
    "exceptions": "def f(x):\n  try:\n    return [1, 2][x]\n"
                  "  except IndexError as e:\n    return e\n"
                  "  finally:\n    print('f', x)\n"
                  "print(f(1), f(9))\n"
                  "for i in range(4):\n  try:\n    if i == 2: raise ValueError(i)\n"
                  "    if i == 3: continue\n  except ValueError as e:\n    print('v', e)\n"
                  "  else:\n    print('else', i)\n",
    "truth": "for x in (0, 1, '', 'a', [], [0], (), (0,), {}, {1: 1}, None, 0.0, 0.5, True):\n"
             "  print(not x, 1 if x else 2, x and 3, x or 4)\n",
}


def run(source: str, fast: bool):
    from k210sim.builtin.image import make_vm

    out = bytearray()
    vm = make_vm(Memory(), clock=Clock("max"), stdout=out.extend, board=None)
    vm.start()
    if not fast:
        vm.fast = None
    outcome = vm.execute(source.encode())
    return bytes(out), outcome, vm.heap.info(), vm.R[frames.R_STACK], vm.R[frames.R_OPS]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_the_same_with_and_without_the_compiled_loop(name):
    compiled, plain = run(PROGRAMS[name], True), run(PROGRAMS[name], False)
    assert compiled == plain
    assert compiled[1].kind == "ok", compiled[1].traceback.decode()
    assert compiled[0]


INTS = st.one_of(st.integers(-20, 20), st.integers(-(2**63), 2**63))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(INTS, INTS), min_size=1, max_size=4))
def test_integer_operators_agree_with_host_integers(pairs):
    source, expected = "", ""
    for a, b in pairs:
        source += f"a = {a}\nb = {b}\nprint(a + b, a - b, a * b, a & b, a | b, a ^ b, a < b)\n"
        expected += f"{a + b} {a - b} {a * b} {a & b} {a | b} {a ^ b} {a < b}\n"
        if b:
            source += "print(a // b, a % b)\n"
            expected += f"{a // b} {a % b}\n"
    assert run(source, True)[0].decode() == expected
