# list, tuple, dict, set, frozenset, slices, sorting, comprehensions, unpacking.
l = [5, 3, 8, 1]
l.append(4)
l.insert(1, 9)
l.extend((7, 6))
print(
    l,
    l.pop(),
    l.pop(0),
    l.index(8),
    l.count(3),
    sorted(l),
    sorted(l, key=lambda v: -v),
    sorted(l, reverse=True),
    l[::-1],
)
l.sort()
l.reverse()
l.remove(8)
del l[0]
l[1:2] = [0, 0, 0]
l += [2]
print(
    l,
    l * 2,
    [1, 2] < [1, 3],
    [1] == [1.0],
    3 in l,
    min(l),
    max(l),
    sum(l),
    any(l),
    all(l),
    list(enumerate("ab", 1)),
    list(zip("ab", (1, 2, 3))),
)
t = (1, "two", [3])
print(
    t,
    t[1:],
    t + (4,),
    (),
    (1,),
    t.count(1),
    t.index("two"),
    (1, 2) < (1, 2, 0),
    hash((1, 2)) == hash((1, 2)),
)
d = {"a": 1, 2: "b", (1, 2): [3], None: True, 1.5: "f"}
d["z"] = d.pop("a")
d.update({"q": 1}, r=2)
d.setdefault("s", []).append(1)
print(
    sorted(map(repr, d)),
    len(d),
    d.get("no"),
    d.get("no", 5),
    2 in d,
    d == dict(d),
    sorted(d.copy().keys(), key=repr) == sorted(d.keys(), key=repr),
)
print(
    {i: i * i for i in range(5)},
    {"one": 1}.items(),
    {"one": 1}.keys(),
    {"one": 1}.values(),
    dict([("k", "v")]),
    dict(a=1),
    {}.fromkeys if hasattr({}, "fromkeys") else 0,
)
s = {3, 1, 2}
s.add(5)
s.discard(1)
s.discard(99)
print(
    sorted(s),
    s & {2, 3},
    s - {2},
    sorted(s | {9}),
    sorted(s ^ {3, 4}),
    s <= {2, 3, 5, 7},
    s.isdisjoint({8}),
    frozenset((1,)),
    {1} == frozenset((1,)),
    len(s),
)
print(
    [x * y for x in range(3) for y in range(3) if x != y],
    {c for c in "aa"},
    tuple(i for i in range(3)),
    [[]] * 2,
    list(range(10, 0, -3)),
    range(3),
    range(1, 9, 2)[2],
    len(range(0, 10, 3)),
    range(5)[1:3],
)
a, *b, c = range(5)
(x, y), z = (1, 2), 3
print(
    a,
    b,
    c,
    x,
    y,
    z,
    list(reversed([1, 2])),
    list(map(str, (1, 2))),
    list(filter(None, (0, 1, "", "a"))),
)
for what in (
    "l[99]",
    "l['a']",
    "[].pop()",
    "[].remove(1)",
    "l.index(99)",
    "t[0].x",
    "d['missing']",
    "{}.popitem()",
    "{[]: 1}",
    "{1: 2}.pop(3)",
    "set([[]])",
    "set().pop()",
    "a, b = 1",
    "min([])",
    "max(1)",
    "sorted([1, 'a'])",
    "[1] + (2,)",
    "()[0]",
    "range(1, 2, 0)",
    "list(5)",
    "dict([1])",
    "next(iter([]))",
    "len(5)",
    "iter(5)",
    "{1} + {2}",
    "hash([])",
    "sum(['a'])",
    "zip(1)",
):
    try:
        print(what, repr(eval(what)))
    except Exception as e:
        print(what, type(e).__name__, e)
try:
    a, b = (1, 2, 3)
except ValueError as e:
    print(e)
try:
    a, *b = ()
except ValueError as e:
    print(e)
from ucollections import OrderedDict, deque, namedtuple

P = namedtuple("P", ("x", "y"))
p = P(1, y=2)
q = deque((), 3)
for i in range(3):
    q.append(i)
print(p, p.x, p[1], p == (1, 2), OrderedDict([("b", 1), ("a", 2)]), len(q), q.popleft(), bool(q))
for what in ("P(1)", "P(1, 2, 3)", "P(1, z=2)", "p.z"):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
