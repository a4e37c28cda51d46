"""Classes, instances, descriptors, exceptions: behaviour that differs from CPython's or is easy
to get wrong. Expected texts are the device's (spec and its sources' rules)."""

from __future__ import annotations

import pytest

from k210sim.errors import NotSimulated
from k210sim.micropython.layout import TYPE
from tests.micropython.object_vm import make_vm, run


@pytest.mark.parametrize("source, message", [
    ("class A: pass\nA().x", "AttributeError: 'A' object has no attribute 'x'"),
    ("class A: pass\nA.x", "AttributeError: type object 'A' has no attribute 'x'"),
    ("int.x = 1", "AttributeError: 'type' object has no attribute 'x'"),
    ("object().x = 1", "AttributeError: 'object' object has no attribute 'x'"),
    ("class A:\n def __init__(self): return 1\nA()",
     "TypeError: __init__() should return None, not 'int'"),
    ("class A(int, str): pass\nA()",
     "TypeError: multiple bases have instance lay-out conflict"),
    ("class A(1): pass", "TypeError: function expected at most 2 arguments, got 3"),
    ("class A(type(lambda: 0)): pass",
     "TypeError: type 'function' isn't an acceptable base type"),
    ("slice(1)", "TypeError: cannot create 'slice' instances"),
    ("type(1, 2)", "TypeError: type takes 1 or 3 arguments"),
    ("type('A', 1, {})", "TypeError: "),
    ("object.__new__(int)", "TypeError: __new__ arg must be a user-type"),
    ("class A:\n x = property(None)\nA().x", "AttributeError: unreadable attribute"),
    ("class A: pass\nclass B(A): pass\nA.p = property(1)",
     "AttributeError: can't add special method to already-subclassed class"),
    ("class A:\n def __hash__(self): return 'a'\nhash(A())",
     "TypeError: can't convert str to int"),
    ("class A:\n def __eq__(self, o): return True\nhash(A())",
     "TypeError: unsupported type for __hash__: 'A'"),
    ("class A: pass\nlen(A())", "TypeError: object of type 'A' has no len()"),
    ("isinstance(1, 1)", "TypeError: issubclass() arg 2 must be a class or a tuple of classes"),
])
def test_messages(source, message):
    assert run(source).splitlines()[-1] == message


def test_lookup_is_depth_first_not_c3():
    assert run("""
class A:
    def m(self): return 'A'
class B(A): pass
class C(A):
    def m(self): return 'C'
class D(B, C): pass
print(D().m())
""") == "A\n"


def test_native_base_is_made_by_init_or_afterwards():
    assert run("""
class L(list):
    def __init__(self, n):
        super().__init__([n] * n)
class M(list): pass
print(L(3), M((1, 2)), len(L(2)), L(2)[1], L(1) + [5])
""") == "[3, 3, 3] [1, 2] 2 2 [1, 5]\n"


def test_special_methods():
    assert run("""
class V:
    def __init__(self, n): self.n = n
    def __add__(self, o): return V(self.n + o)
    def __iadd__(self, o): self.n += 100 * o; return self
    def __contains__(self, o): return o == self.n
    def __getitem__(self, i):
        if i > 2: raise IndexError
        return i * self.n
    def __call__(self, *a, **k): return (a, k)
    def __repr__(self): return 'V%d' % self.n
    def __bool__(self): return self.n > 1
    def __enter__(self): return self
    def __exit__(self, *a): return True
v = V(2)
print(v + 1, 2 in v, [x for x in v], v(1, b=2), bool(v), str(v))
v += 1
with v as w: 1 / 0
print(v, w is v, not V(1))
""") == "V3 True [0, 2, 4] ((1,), {'b': 2}) True V2\nV102 True True\n"


def test_only_true_itself_makes_objects_equal():
    assert run("""
class A:
    def __eq__(self, o): return 1
class B:
    def __eq__(self, o): return True
print(A() == A(), B() == 5, 5 == B(), B() == 'x', 1.5 == B(), B() != 5)
""") == "False True True False False False\n"


def test_descriptors_and_properties():
    assert run("""
class D:
    def __get__(self, o, t): return ('get', t.__name__)
    def __set__(self, o, v): print('set', v)
    def __delete__(self, o): print('delete')
class A:
    d = D()
    @property
    def p(self): return self._p
    @p.setter
    def p(self, v): self._p = v * 2
    @p.deleter
    def p(self): print('gone')
    @staticmethod
    def s(x): return x
    @classmethod
    def c(cls): return cls.__name__
a = A()
print(a.d); a.d = 5; del a.d
a.p = 4; print(a.p); del a.p
class B(A): pass
print(B.s(1), B.c(), B().c(), sorted(a.__dict__))
""") == "('get', 'A')\nset 5\ndelete\n8\ngone\n1 B B ['_p']\n"


def test_getattr_hook_and_dir():
    assert run("""
class A:
    def __getattr__(self, n):
        if n == 'magic': return 7
        raise AttributeError(n)
a = A(); a.z = 1; a.b = 2
print(a.magic, hasattr(a, 'other'))
print(dir(a)[:2], 'z' in dir(a))
""") == "7 False\n['__class__', '__getattr__'] True\n"


def test_exceptions_print_their_arguments():
    assert run("""
class E(ValueError):
    pass
class F(E):
    def __str__(self): return 'effed'
for e in (ValueError(), ValueError('x'), ValueError(1, 2), OSError(2), OSError(99), E('y'), F()):
    print(repr(e), str(e), e.args)
try: raise KeyError('k')
except LookupError as e: print(e.args)
print(issubclass(UnicodeError, ValueError), issubclass(IndentationError, SyntaxError))
""") == """ValueError()  ()
ValueError('x',) x ('x',)
ValueError(1, 2) (1, 2) (1, 2)
OSError(2,) [Errno 2] ENOENT (2,)
OSError(99,) 99 (99,)
E('y',) y ('y',)
F() effed ()
('k',)
True True
"""


def test_a_dead_class_leaves_the_type_table():
    vm, output = make_vm()
    before = len(vm.types)
    vm.execute(b"class A: pass\nA = None")
    assert len(vm.types) == before + 1
    vm.execute(b"import gc\ngc.collect()")
    assert len(vm.types) == before
    assert vm.types[TYPE["type"]].name == "type"


@pytest.mark.parametrize("source", ["list.append(1, 2)", "set.add([], 1)", "dict.keys(5)",
                                    "property.getter(1, 2)", "tuple.index([1], 1)"])
def test_a_method_of_a_foreign_object_is_refused(source):
    vm, _ = make_vm()
    with pytest.raises(NotSimulated, match="assertion"):
        vm.execute(source.encode())


def test_failing_allocations_still_raise():
    assert run("""
import micropython
def fill():
    l = []
    try:
        while 1: l.append(bytearray(1000))
    except MemoryError as e:
        l = None
        return str(e)
def locked():
    micropython.heap_lock()
    try:
        [] + []
    except MemoryError as e:
        micropython.heap_unlock()
        return repr(e)
print(fill())
print(locked())
""") == "memory allocation failed, allocating 1000 bytes\nMemoryError()\n"
