"""Random guest programs against the host: `python -m bench.fuzz_guest --minutes 20 --seed 1`.

Four kinds of cases, chosen at random:

calls      every built-in function, type, method and module function with odd arguments
mpy        a good .mpy file with bytes changed, imported
ram        random writes into the guest's own RAM through uctypes, then ordinary work
source     statements put together at random

A case may end in any way the guest can see: output, exception, a call that is not simulated,
and for `mpy` and `ram` a crash of the simulated chip. It may not raise in the host (InternalError),
kill or stop the process, outlive its time, or make it grow. Cases run in a worker process; the
parent notices deaths, hangs and growth, and starts another. Findings are written to --out, one
JSON object a line; the last lines on standard output are the counts.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path

CASE_SECONDS = 2.0  # of wall time, before a case gets Ctrl-C
WORKER_SECONDS = 45.0  # silence after which the parent ends a worker
MEGABYTES = 1500  # peak size of a worker
CALLS_A_CASE = 300
KINDS = ("calls", "calls", "source", "mpy", "ram")

# What the arguments are drawn from, made anew for each program.
POOL = """
import array, ucollections, uio, sys, uctypes, utimeq, micropython, gc, image, ulab, ure, uzlib
import ustruct, ujson, ubinascii, uhashlib, ucryptolib, machine, Maix, KPU, sensor, lcd, uos, utime
class A: pass
class L(list): pass
class D(dict): pass
class S(str): pass
class E(ValueError): pass
class G:
    def __getitem__(self, i):
        if i > 3: raise IndexError
        return i
    def __len__(self): return 3
    def __eq__(self, o): return True
    def __hash__(self): return 4
    def __call__(self, *a): return self
class H:
    def __getattr__(self, n): return 1 if n != '__del__' else None
    def __len__(self): return -1
    def __iter__(self): return self
    def __next__(self): raise E('x')
P = ucollections.namedtuple('P', 'a b')
def gen(): yield 1
cyc = [1]; cyc.append(cyc)
pool = [0, 1, -1, 5, 255, 65536, 2**31, 2**62, -2**63, -2**70, 2**200, 1.5, -0.0, 1e38,
 float('inf'), float('nan'), 1j, True, None, '', 'abc', 'a b', '%s%d', '{}{0[0]}', '\\u20ac',
 'x' * 300, b'', b'xyz', b'\\xff' * 40, bytearray(b'12'), bytearray(64), memoryview(b'abcd'),
 memoryview(bytearray(8)), array.array('i', [1, 2]), array.array('f', [1.5]), array.array('O', []),
 [], [1, 2, 3], cyc, (1, 2), (), {}, {'a': 1}, {1: 2, 'b': ()}, {1, 2}, frozenset((1,)),
 range(3), range(1000), slice, A, A(), L((1, 2)), D(a=1), S('s'), E('x'), G(), H(), P(1, 2), P,
 int, str, list, dict, object, object(), type, super, ucollections.OrderedDict({'a': 1}),
 ucollections.deque((), 3), uio.StringIO('hello'), uio.BytesIO(b'x'), iter([1, 2]),
 enumerate([1]), zip([1], [2]), map(len, ['a']), reversed([1]), filter(None, [0, 1]),
 lambda *a, **k: 1, lambda: None, len, sys, gen(), gen, {}.keys(), {1: 2}.items(),
 property(len), staticmethod(len), Ellipsis, NotImplemented, ValueError, ValueError('a'),
 utimeq.utimeq(2),
 [].append, ure.compile('a(b)?'), ulab.array([1, 2, 3]), ulab.array([[1, 2], [3, 4]]),
 image.Image(size=(8, 6)), uhashlib.sha256(b'a'), '/flash/x', '../..', '/flash', 'rb', 'w']
"""
# Calls that end or stop the program, wait for a person, or only take long.
SKIPPED = {
    "sys.exit", "machine.reset", "input", "help", "micropython.heap_lock", "gc.disable",
    "machine.soft_reset", "micropython.kbd_intr", "sys.stdin", "Maix.freq", "uos.mkfs",
    "utime.sleep", "utime.sleep_ms", "os.mkfs", "gc.threshold", "machine.WDT",
    "gc_heap_size", "uctypes.struct", "uctypes.bytes_at", "uctypes.bytearray_at", "struct",
    "_thread.start_new_thread", "pye", "pye_mp",
}
CALLS = POOL + """
import sys
targets = []
def add(label, o):
    if label not in skipped: targets.append((label, o))
for m in modules:
    try: m = __import__(m)
    except Exception: continue
    for n in dir(m):
        try: o = getattr(m, n)
        except Exception: continue
        if n in skipped: continue
        add(m.__name__ + '.' + n, o)
        if type(o) is type:
            for k in dir(o):
                if k in skipped: continue
                try: add(n + '.' + k, getattr(o, k))
                except Exception: pass
for o in pool:
    try:
        for k in dir(o):
            if k not in skipped: add('.' + k, getattr(o, k))
    except Exception: pass
def attempt(t, args, kw):
    try:
        r = targets[t % len(targets)][1](*[pool[a % len(pool)] for a in args], **kw)
    except Exception as e:
        return
    try:
        repr(r)
        for i, x in zip(range(5), r): repr(x)
    except Exception: pass
def operate(op, a, b):
    a, b = pool[a % len(pool)], pool[b % len(pool)]
    try: r = eval(op, {'a': a, 'b': b})
    except Exception: return
    try: repr(r)
    except Exception: pass
"""
MODULES = ("builtins", "array", "cmath", "gc", "math", "sys", "ubinascii", "ucollections", "uerrno",
           "micropython", "ucryptolib", "uctypes", "uhashlib", "uheapq", "uio", "ujson", "urandom",
           "ure", "ustruct", "utimeq", "uzlib", "uos", "utime", "Maix", "machine", "image", "KPU",
           "lcd", "sensor", "ulab", "usocket", "network", "_thread", "audio", "video", "nes",
           "touchscreen", "fpioa_manager", "board", "modules")
OPERATORS = (
    "a+b", "a-b", "a*b", "a/b", "a//b", "a%b", "a@b", "a&b", "a|b", "a^b", "a<b", "a<=b", "a==b",
    "a!=b", "a in b", "a is b", "-a", "+a", "~a", "not a", "a[b]", "a[b:]", "a[:b]", "a[::b]",
    "a[b:b:b]", "print(*a, **b)", "dict(a)", "str(a)", "repr(a)", "hash(a)", "len(a)", "a.b",
    "'%d' % a", "'%s %r' % (a, b)", "'{:5}'.format(a)", "'{!r:>9}{}'.format(a, b)",
    "int.to_bytes(a, b, 'big')", "sorted(a, key=b)", "sum(a, b)", "min(a, b)", "a if b else a",
    "print(a, b)", "print(*a)", "isinstance(a, b)", "type(a)(b)", "divmod(a, b)", "pow(a, 3, b)",
    "{a: b}", "{a, b}", "list(zip(a, b))", "getattr(a, 'x', b)", "bytes(a)", "bytearray(b)",
    "[x for x in a]", "iter(a, b)", "round(a, b)", "a.format(b)", "'%*.*f' % (a, b, a)",
    "type('T', (a,), b)", "type('T', a, b)", "super(a, b)", "memoryview(a)[b]",
)


def calls_program(r: random.Random) -> list[str]:
    steps = [f"skipped = {sorted(SKIPPED)!r}\nmodules = {MODULES!r}" + CALLS]
    for _ in range(CALLS_A_CASE):
        if r.random() < 0.7:
            args = [r.randrange(1 << 16) for _ in range(r.choice((0, 1, 1, 2, 2, 3, 4, 5)))]
            kw = r.choice(({}, {}, {}, {"sep": 1}, {"key": 2}, {"x": None}, {"color": 5, "roi": 1}))
            steps.append(f"attempt({r.randrange(1 << 20)}, {args}, {kw})")
        else:
            a, b = r.randrange(1 << 16), r.randrange(1 << 16)
            steps.append(f"operate({r.choice(OPERATORS)!r}, {a}, {b})")
    return steps


ATOMS = ("a", "b", "c", "1", "0", "-1", "2.5", "'s'", "b'xy'", "None", "[]", "{}", "()", "[1, 2]",
         "{'k': 1}", "(1, 2)", "A", "A()", "f", "len", "str", "range(5)", "10**40", "True",
         "ValueError", "(lambda: a)", "[i for i in range(4)]", "(i for i in 'abc')")


def expression(r: random.Random, depth: int = 0) -> str:
    if depth > 3 or r.random() < 0.35:
        return r.choice(ATOMS)
    x, y = expression(r, depth + 1), expression(r, depth + 1)
    return r.choice((
        f"({x} + {y})", f"({x} * 3)", f"({x} % {y})", f"({x} == {y})", f"({x} if {y} else {x})",
        f"[{x}, {y}]", f"{{{x}: {y}}}", f"({x})[{y}]", f"str({x})", f"({x}).{r.choice('xyz')}",
        f"({x})({y})", f"f({x}, {y})", f"list({x})", f"({x} and {y})", f"(yield {x})",
        f"repr({x})", f"sorted({x})", f"({x}).append({y})", f"'%s' % {x}", f"not {x}",
        f"({x})[{y}:]", f"(lambda a=1, *b: b)({x})", f"isinstance({x}, {y})", f"-{x}",
    ))


def plain(r: random.Random) -> str:
    """An expression that may stand outside a function."""
    while "yield" in (text := expression(r)):
        pass
    return text


def block(r: random.Random, indent: str, depth: int) -> str:
    lines = []
    for _ in range(r.randrange(1, 4)):
        x = expression(r)
        kind = r.randrange(13) if depth < 4 else r.randrange(4)
        inner = indent + " "
        if kind < 3:
            lines.append(f"{indent}{r.choice('abc')} = {x}")
        elif kind == 3:
            lines.append(f"{indent}{x}")
        elif kind == 4:
            lines.append(f"{indent}for {r.choice('abc')} in {x}:\n{block(r, inner, depth + 1)}")
        elif kind == 5:
            lines.append(f"{indent}if {x}:\n{block(r, inner, depth + 1)}")
        elif kind in (6, 7):
            lines.append(f"{indent}try:\n{block(r, inner, depth + 1)}\n{indent}except Exception "
                         f"as e:\n{inner}print(type(e))\n{indent}finally:\n"
                         f"{block(r, inner, depth + 1)}")
        elif kind == 8:
            lines.append(f"{indent}def f(a=1, *b, c=2, **d):\n{block(r, inner, depth + 1)}")
        elif kind == 9:
            lines.append(f"{indent}class A({r.choice(('', 'list', 'dict', 'Exception', 'int'))}):"
                         f"\n{inner}a = {plain(r)}\n{inner}def __init__(self, *b): self.x = b")
        elif kind == 10:
            lines.append(f"{indent}with {x}:\n{block(r, inner, depth + 1)}")
        elif kind == 11:
            lines.append(f"{indent}del {r.choice('abc')}")
        else:
            lines.append(f"{indent}{r.choice(('raise', 'return', 'assert', 'yield from'))} {x}")
    return "\n".join(lines)


def source_program(r: random.Random) -> str:
    head = "a, b, c = 1, 'x', [1, 2]\nclass A: pass\ndef f(*x, **k): return x\n"
    parts = []
    for _ in range(8):
        parts.append("try:\n" + block(r, " ", 1) + "\nexcept Exception as e:\n print(e)")
    return head + "def run():\n" + "\n".join(
        " " + line for line in "\n".join(parts).split("\n")) + "\n" + (
        "run()" if r.random() < 0.7 else "print(list(run() or ()))")


def number(n: int) -> bytes:
    """A count in 7-bit groups, the highest first."""
    groups = [n & 0x7F]
    while n := n >> 7:
        groups.append(n & 0x7F | 0x80)
    return bytes(reversed(groups))


def mpy_name(text: str) -> bytes:
    return number(len(text) << 1) + text.encode()


def mpy_file(code: bytes, *, n_state: int = 8, n_exc: int = 1, objects: tuple = (),
             children: tuple = (), flags: int = 0, n_pos: int = 0, top: bool = True) -> bytes:
    """A version-4 file around instructions in the file's own form. objects: (letter, text)."""
    start = number(n_state) + number(n_exc) + bytes((flags, n_pos, 0, 0))
    info = b"\0\0\0\0\0"
    prelude = start + number(len(info) + 1) + info + b"\xff"
    size = len(prelude) + code_size(code)
    out = number(size << 2) + prelude + code + mpy_name("m") + mpy_name("m.py")
    out += number(len(objects)) + number(len(children))
    for _ in range(n_pos):
        out += mpy_name("a")
    for letter, text in objects:
        out += letter + (number(len(text)) + text if letter != b"e" else b"")
    for child in children:
        out += child
    return (b"M\x04\x02\x3f\x20" if top else b"") + out


def code_size(code: bytes) -> int:
    """Bytes the instructions take once loaded, names counted with two bytes each."""
    from k210sim.micropython.compiler.opcodes import AHEAD, BYTE, JUMP, OPS, QSTR, SINT, UINT

    at = size = 0
    while at < len(code):
        op = OPS.get(code[at])
        start, at = at, at + 1
        named = op is not None and op.operand == QSTR
        if op is None:
            size += 1
            continue
        if op.operand in (UINT, SINT, QSTR):
            head = 0
            while at < len(code):
                head = head << 7 | code[at] & 0x7F
                at += 1
                if code[at - 1] < 0x80:
                    break
            if named:
                at += 1 if head == 0 else 0 if head & 1 else head >> 1
        elif op.operand in (JUMP, AHEAD):
            at += 2
        elif op.operand == BYTE:
            at += 1
        if op.extra:
            at += 1
        size += 3 + bool(op.extra) if named else at - start
    return size


def random_code(r: random.Random) -> bytes:
    """Instructions with right forms and random contents; a good one at times."""
    from k210sim.micropython.compiler.opcodes import AHEAD, BYTE, JUMP, OPS, QSTR, SINT, UINT

    out = b""
    known = sorted(OPS)
    for _ in range(r.randrange(1, 40)):
        opcode = r.choice(known)
        op = OPS[opcode]
        out += bytes((opcode,))
        if op.operand == QSTR:
            out += mpy_name(r.choice(("a", "print", "append", "__class__", "len", "x", "sys")))
        elif op.operand in (UINT, SINT):
            out += number(r.choice((0, 1, 2, 3, 5, 100, 255, 256, 1 << 16, 1 << 40, 1 << 61,
                                    (1 << 64) - 1, 1 << 70)))
        elif op.operand in (JUMP, AHEAD):
            out += r.choice((b"\x00\x80", b"\xf0\x7f", b"\x05\x80", b"\xff\xff", b"\x00\x00",
                             r.randbytes(2)))
        elif op.operand == BYTE:
            out += r.randbytes(1)
        if op.extra:
            out += r.randbytes(1)
    return out + b"\x11\x5b"


def mpy_program(r: random.Random) -> str:
    child = mpy_file(random_code(r), n_pos=r.randrange(3), top=False, flags=r.randrange(16),
                     n_state=r.choice((0, 1, 4, 20, 300)))
    data = mpy_file(
        random_code(r),
        n_state=r.choice((0, 1, 4, 8, 20, 60, 1000, 1 << 20, 1 << 60)),
        n_exc=r.choice((0, 1, 4, 1 << 30)),
        objects=tuple(r.choice(((b"s", b"text"), (b"i", b"12345678901234567890"), (b"e", b""),
                                (b"f", b"1.5"), (b"c", b"2j"), (b"b", b"\xff"), (b"i", b"x"),
                                (b"f", b"\xff"))) for _ in range(r.randrange(3))),
        children=(child,) * r.randrange(3), flags=r.choice((0, 0, 1, 2, 8, 15)))
    data = bytearray(data)
    if r.random() < 0.6:
        for _ in range(r.randrange(1, 6)):
            data[r.randrange(5, len(data))] = r.choice((0, 1, 0x7F, 0x80, 0xFF, r.randrange(256)))
    if r.random() < 0.1:
        del data[r.randrange(5, len(data)) :]
    return (f"f = open('/flash/m.mpy', 'wb'); f.write({bytes(data)!r}); f.close()\n"
            "try:\n import m\n for n in dir(m): print(n, getattr(m, n))\n"
            "except Exception as e: print(e)\n" + WORK)


WORK = """
import gc
gc.collect()
x = [i for i in range(200)]; d = {str(i): [i] for i in range(50)}
class Q:
    def m(self, a): return a
def g():
    for i in range(5): yield Q().m(i)
print(sum(x), len(d), list(g()), sorted(d)[:3], '%s' % d['3'])
gc.collect(); gc.mem_free()
try: 1/0
except ZeroDivisionError as e: print(e)
"""


def ram_program(r: random.Random) -> str:
    objects = ("[1, 2, 3]", "{'a': 1, 2: 3}", "(1, 2)", "'text' * 9", "b'xy' * 9", "2**90", "1.5",
               "lambda a: a + n", "g()", "Q()", "Q", "ValueError(1)", "iter([1, 2])", "{1, 2}",
               "array.array('i', [1, 2])", "memoryview(bytearray(9))", "range(9)", "Q().m",
               "ucollections.OrderedDict(((1, 2),))", "ucollections.deque((), 4)", "slice",
               "[1].append", "uio.StringIO('a')", "image.Image(size=(8, 8))", "ulab.array([1, 2])",
               "globals()", "type(Q())", "ure.compile('a')", "enumerate([1])")
    lines = ["import uctypes, array, ucollections, uio, image, ulab, ure, gc", "n = 3", "class Q:",
             " def m(self, a): return a", "def g():", " yield 1", " yield 2"]
    lines.append("def poke(a, v):\n  uctypes.struct(a, {'x': 0 | uctypes.UINT64}).x = v")
    lines.append(f"o = {r.choice(objects)}")
    for _ in range(r.randrange(1, 8)):
        value = r.choice((
            "0", "1", "-1", "0xffffffffffffffff", "1 << 60", "(1 << 63) - 1", "id(o)", "id(n)",
            "0x80100000", f"0x{0x80100000 + 64 * r.randrange(64):x}", "0x802ffd80", "0x80800000",
            "0x807ffff8", "4", "2", f"{r.getrandbits(64)}", f"{r.randrange(1 << 20)}", "-8", "7"))
        place = r.choice((
            f"id(o) + {8 * r.randrange(6)}", f"id(o) + {8 * r.randrange(6)}",
            f"id(Q) + {8 * r.randrange(16)}",
            f"0x802ffd80 + {8 * r.randrange(512)}",  # allocation table
            f"0x80300000 + {8 * r.randrange(0x10000)}",  # heap
            f"0x802f0000 + {8 * r.randrange(0x1000)}",  # stack
            f"0x802f7c00 + {8 * r.randrange(0x80)}",  # used stack
            f"0x802e0000 + {8 * r.randrange(64)}",  # root pointers
            f"0x80100000 + {8 * r.randrange(0x8000)}",  # image
            f"0x80000000 + {8 * r.randrange(0x100000)}",
        ))
        if r.random() < 0.1:
            lines.append(f"for k in range({r.randrange(1, 2000)}): poke({place} + 8 * k, {value})")
        else:
            lines.append(f"poke({place}, {value})")
    lines.append(
        "for f in (repr, len, list, str, hash, bool, iter, dir, sum, sorted, print, next, type,"
        " lambda o: o(1), lambda o: o + o, lambda o: o[0], lambda o: o == o, lambda o: o.x,"
        " lambda o: o.append(1), lambda o: o * 2, lambda o: {o: o}, bytes, int):\n"
        "  try: f(o)\n  except Exception: pass")
    return "\n".join(lines) + WORK


MAKERS = {"calls": calls_program, "source": source_program, "mpy": mpy_program, "ram": ram_program}


def make_case(kind: str, seed: int) -> list[str]:
    """The programs of a case, run one after the other; equal arguments give equal text."""
    made = MAKERS[kind](random.Random(seed))
    return made if isinstance(made, list) else [made]


def run_program(board, program: str) -> dict:
    """Run one program on a board that is on. How it ended, and where if badly."""
    from k210sim.board.board import ExecTimeout
    from k210sim.errors import InternalError, K210SimError

    try:
        answer = board.exec(program, timeout=CASE_SECONDS)
        return {"end": answer.error.strip().splitlines()[-1].split(":")[0] if answer.error
                else "ok"}
    except ExecTimeout:
        return {"end": "timeout"}
    except InternalError as error:
        cause = error.__cause__ or error
        frames = [f for f in traceback.extract_tb(cause.__traceback__) if "k210sim" in f.filename]
        places = [f"{Path(f.filename).name}:{f.lineno}" for f in frames[-5:]] or ["?"]
        return {"end": "bug", "error": f"{type(cause).__name__}: {cause}"[:200], "at": places[-1],
                "through": places, "program": program[:200]}
    except K210SimError as error:
        return {"end": "stuck" if "ignored" in str(error) else "host error", "error": str(error)}


def run_case(board, kind: str, seed: int):
    """Run a case on a fresh board; yields how each of its programs ended."""
    from k210sim.errors import K210SimError

    for program in make_case(kind, seed):
        result = run_program(board, program)
        yield result
        # A NameError: the program has emptied its own namespace.
        if not board.powered or result["end"] in ("stuck", "host error", "NameError"):
            break
    try:
        board.power_off()
        board.power_on()
    except K210SimError as error:
        yield {"end": "stuck for ever", "error": str(error)}


def worker(first: int, count: int, kinds: tuple[str, ...]) -> None:
    """Run cases, telling each one's start and end on standard output."""
    import logging

    from k210sim import Board

    logging.disable(logging.CRITICAL)
    limit = 4 << 30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with Board(flash_image=None) as board:
        for seed in range(first, first + count):
            kind = kinds[seed % len(kinds)]
            print(json.dumps({"seed": seed, "kind": kind}), flush=True)
            started = time.monotonic()
            for result in run_case(board, kind, seed):
                result["seconds"] = round(time.monotonic() - started, 2)
                result["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
                print(json.dumps(result), flush=True)
                started = time.monotonic()
                if result["end"] == "stuck for ever" or result["mb"] > MEGABYTES:
                    return
            board.serial.clear()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--out", type=Path, help="findings, one JSON object a line")
    parser.add_argument("--show", metavar="KIND:SEED", help="print that case's programs and leave")
    parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    kinds = tuple(args.kinds.split(","))
    if args.show:
        kind, seed = args.show.split(":")
        print("\n".join(make_case(kind, int(seed))))
        return 0
    if args.worker:
        worker(*args.worker, kinds)
        return 0
    return watch(args.minutes, args.seed * 1_000_000, kinds, args.out)


def watch(minutes: float, first: int, kinds: tuple[str, ...], out: Path | None) -> int:
    """Run workers until the time is up; 0 when nothing was found."""
    import selectors

    ends: collections.Counter = collections.Counter()
    found: dict[str, dict] = {}
    peak, slowest, total = 0, 0.0, 0

    def finding(case: dict, result: dict) -> None:
        key = f"{result['end']} {result.get('error', '').split(':')[0]} {result.get('at', '')}"
        ends["finding"] += 1
        if key not in found:
            found[key] = {**case, **result}
            print("found:", json.dumps(found[key]), flush=True)
            if out is not None:
                with out.open("a") as f:
                    f.write(json.dumps(found[key]) + "\n")

    end_at = time.monotonic() + 60 * minutes
    while time.monotonic() < end_at:
        child = subprocess.Popen(
            [sys.executable, "-m", "bench.fuzz_guest", "--kinds", ",".join(kinds),
             "--worker", str(first), "150"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        selector = selectors.DefaultSelector()
        selector.register(child.stdout, selectors.EVENT_READ)
        case, done = None, 0
        while time.monotonic() < end_at:
            if not selector.select(WORKER_SECONDS):
                finding(case or {}, {"end": "hang"})
                break
            line = child.stdout.readline()
            if not line:
                if child.wait() != 0:
                    finding(case or {}, {"end": "death", "error": str(child.returncode)})
                break
            message = json.loads(line)
            if "seed" in message:
                case = message
                continue
            done, total = case["seed"] - first + 1, total + 1
            ends[f"{case['kind']} {message['end']}"] += 1
            peak, slowest = max(peak, message["mb"]), max(slowest, message["seconds"])
            if message["end"] in ("bug", "stuck", "stuck for ever", "host error"):
                finding(case, message)
            elif message["mb"] > MEGABYTES:
                finding(case, {"end": "growth", "error": f"{message['mb']} MB"})
        child.kill()
        child.wait()
        first += max(done, case["seed"] - first + 1 if case else 1)
    for name, count in sorted(ends.items()):
        print(f"{count:8d}  {name}")
    print(f"{total} programs, {len(found)} kinds of findings, slowest {slowest} s, peak {peak} MB")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
