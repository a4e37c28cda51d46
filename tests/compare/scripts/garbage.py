# What objects cost: falls of gc.mem_free().
import gc


class A:
    pass


def cost(f):
    gc.collect()
    before = gc.mem_free()
    x = f()
    gc.collect()
    return before - gc.mem_free()


for name, f in (
    ("list", lambda: [1, 2, 3]),
    ("dict", lambda: {1: 2}),
    ("bytearray", lambda: bytearray(1000)),
    ("float", lambda: 1.5 + len("a")),
    ("big", lambda: 2**100 + len("a")),
    ("str", lambda: "a" * 77),
    ("instance", A),
    ("closure", lambda: (lambda v: lambda: v)(1)),
    ("generator", lambda: (i for i in ())),
    ("set", lambda: {1, 2, 3, 4, 5}),
    ("tuple", lambda: (1, len("ab"), 3)),
    ("exception", lambda: ValueError("x", 1)),
    ("range", lambda: range(len("abc"))),
    ("slice", lambda: "abcdef"[1:4]),
    ("list100", lambda: [0] * 100),
    ("dict20", lambda: {i: i for i in range(20)}),
):
    print(name, cost(f), cost(f))
