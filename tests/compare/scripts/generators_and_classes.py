# Generators, closures, decorators, classes with operators, inheritance, properties, with.
def count(n):
    got = None
    try:
        while n:
            got = yield (n, got)
            n -= 1
        return "end"
    except ValueError as e:
        yield "thrown " + str(e)
    finally:
        print("closing")


g = count(3)
print(next(g), g.send("x"), g.throw(ValueError("v")), list(g))
g = count(2)
print(next(g))
g.close()
print(list(g))


def chain():
    r = yield from count(2)
    print("r", r)
    yield from (10, 11)


print(list(chain()), sum(i * i for i in range(5)), any(x > 3 for x in (1, 5)))


def counter():
    n = 0

    def step(by=1, *more, key=None, **rest):
        nonlocal n
        n += by
        return n, more, key, sorted(rest.items())

    return step


c = counter()
print(c(), c(5), c(1, 2, 3, key="k", z=1), c(*[1, 2], **{"key": 3}))


def twice(f):
    def wrapped(*a, **k):
        return f(*a, **k), f(*a, **k)

    return wrapped


@twice
def hello(name="you"):
    return "hi " + name


print(hello(), hello("me"), hello.__class__)


class V:
    total = 0

    def __init__(self, x):
        self.x = x
        V.total += 1

    def __add__(self, o):
        return V(self.x + (o.x if isinstance(o, V) else o))

    def __radd__(self, o):
        return V(o + self.x)

    def __eq__(self, o):
        return self.x == o.x

    def __lt__(self, o):
        return self.x < o.x

    def __repr__(self):
        return "V(%r)" % self.x

    def __len__(self):
        return self.x

    def __getitem__(self, i):
        return i * self.x

    def __setitem__(self, i, v):
        print("set", i, v)

    def __contains__(self, v):
        return v == self.x

    def __call__(self, *a):
        return a

    def __bool__(self):
        return self.x > 1

    def __hash__(self):
        return 5

    def __neg__(self):
        return V(-self.x)

    def __iter__(self):
        return iter(range(self.x))

    def __getattr__(self, name):
        return "got " + name

    @property
    def half(self):
        return self.x / 2

    @half.setter
    def half(self, v):
        self.x = v * 2

    @staticmethod
    def s(a):
        return a

    @classmethod
    def c(cls, a):
        return cls.__name__, a


v = V(4)
v[1] = 2
v.half = 3
print(
    v,
    v + 1,
    v + v,
    v == V(6),
    v < V(7),
    len(v),
    v[2],
    6 in v,
    v(1, 2),
    bool(V(1)),
    -v,
    list(v),
    v.foo,
    v.half,
    V.s(1),
    v.c(2),
    V.total,
    sorted([V(3), V(1)]),
    hash(v),
    {v: 1},
)


class A:
    def who(self):
        return "A"


class B(A):
    def who(self):
        return "B" + super().who()


class C(B, V):
    pass


x = C(1)
print(
    x.who(),
    isinstance(x, A),
    issubclass(C, V),
    C.__name__,
    type(x) is C,
    hasattr(x, "zzz"),
    getattr(B(), "nope", 7),
    B.__bases__ if hasattr(B, "__bases__") else "",
)


class Ctx:
    def __enter__(self):
        print("in")
        return self

    def __exit__(self, *a):
        print("out", a[0])
        return a[0] is KeyError


with Ctx() as k:
    {}["x"]
try:
    with Ctx():
        raise ValueError("through")
except ValueError as e:
    print(e)
for what in (
    "B().nope",
    "A.who()",
    "V()",
    "C.nothing",
    "A() + 1",
    "A() < A()",
    "len(A())",
    "A()[0]",
    "A()()",
    "iter(A())",
    "next(count(0))",
    "super().x",
    "A().who.x",
    "object().x",
    "V(1).half()",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
