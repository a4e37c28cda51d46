# Raising, catching, finally, chains of handlers, custom classes, attributes of exceptions.
import sys, uio


class Mine(ValueError):
    def __init__(self, code):
        super().__init__("mine", code)
        self.code = code


def show(f):
    try:
        print("returned", f())
    except Exception as e:
        text = uio.StringIO()
        sys.print_exception(e, text)
        print(type(e), repr(e), e.args)
        print(text.getvalue())


def nested():
    try:
        try:
            raise Mine(3)
        except KeyError:
            print("no")
        finally:
            print("inner")
    except ValueError as e:
        print("caught", e.code, isinstance(e, Mine))
        raise
    finally:
        print("outer")


def swallow():
    for i in range(3):
        try:
            if i == 1:
                continue
            if i == 2:
                return i
        finally:
            print("finally", i)


def in_handler():
    try:
        {}["k"]
    except KeyError:
        [][1]


def deep(n):
    return deep(n - 1) if n else 1 // 0


show(nested)
show(swallow)
show(in_handler)
show(lambda: deep(4))
for what in (
    "raise ValueError",
    "raise ValueError('a', 1)",
    "raise OSError(2)",
    "raise OSError(5, 'x')",
    "raise OSError(2000)",
    "raise 5",
    "raise",
    "assert 0",
    "assert 0, 'why'",
    "raise StopIteration(3)",
    "raise KeyError('k')",
    "undefined",
    "None.x",
    "None()",
    "int.foo",
    "(1).x = 2",
    "del undefined",
    "import nothere",
    "from sys import nothere",
    "def f(a): pass\nf()",
    "def f(a): pass\nf(1, 2)",
    "def f(a): pass\nf(b=1)",
    "def f(a=1, *, k): pass\nf()",
    "class A: pass\nA(1)",
    "[].append()",
    "len()",
    "len(1, 2)",
    "print(foo=1)",
    "int('a', 99)",
    "open('/nothere')",
    "raise SystemExit if 0 else EOFError",
    "lambda: (yield)\nreturn 1",
    "x = = 1",
    "for",
    "a b",
    "'abc",
    "if 1:\nprint()",
    "f(**1)",
    "f(*1)",
    "1 +",
    "def f(:\n pass",
    "break",
    "nonlocal x",
    "x = 1; global x",
    "(1, 2) = 3",
    "f() = 1",
    "def f(a, a): pass",
    "import",
    "@5\ndef f(): pass",
):
    try:
        exec(what)
        print(repr(what), "fine")
    except BaseException as e:
        print(repr(what), type(e).__name__, e.args)
