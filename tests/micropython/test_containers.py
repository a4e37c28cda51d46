"""Containers: hash order, the unstable sort, growth, sizes, slices, views, deque, arrays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.micropython.objects import next_hash_size
from k210sim.micropython.qstr import qstr_hash
from k210sim.micropython.types import list as lists
from k210sim.micropython.types import set as sets
from tests.micropython.object_vm import cost, make_vm, run


@pytest.fixture(scope="module")
def vm():
    return make_vm()[0]


def table_order(keys, start: int) -> list:
    """The order of a device's hash table that gets `keys` one by one (plain twin of map.c)."""
    def h(key):
        return key % 2**64 if isinstance(key, int) else qstr_hash(key.encode())

    def put(table, key):
        pos = h(key) % len(table)
        for i in range(len(table)):
            slot = (pos + i) % len(table)
            if table[slot] == key:
                return True
            if table[slot] is None:
                table[slot] = key
                return True
        return False

    table = [None] * start
    for key in keys:
        while not table or not put(table, key):
            old, table = table, [None] * next_hash_size(len(table) + 1)
            for other in old:
                if other is not None:
                    put(table, other)
    return [key for key in table if key is not None]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.integers(-50, 2000), st.text("abcdeé", min_size=1, max_size=4)),
                max_size=40))
def test_dict_and_set_order(vm, keys):
    words = [vm.new_int(k) if isinstance(k, int) else vm.new_str(k) for k in keys]
    d = vm.new_dict(0)
    s = sets.new_set(vm)
    for word in words:
        vm.dict_set(d, word, word)
        sets.lookup(vm, s, word, sets.ADD)

    def host(word):
        return vm.text_of(word) if vm.is_str(word) else vm.int_value(word)

    expected = table_order(keys, 0)
    assert [host(k) for k, _ in vm.dict_items(d)] == expected
    assert [host(w) for w in sets.set_items(vm, s)] == expected
    for word in words[::2]:
        vm.map_remove(d + 8, word)
        sets.lookup(vm, s, word, sets.REMOVE)
    assert {host(k) for k, _ in vm.dict_items(d)} == {host(w) for w in sets.set_items(vm, s)}


def quicksorted(items: list, key) -> list:
    """The device's sort in the most obvious form: last item as pivot, swaps from both ends."""
    items = list(items)

    def part(low, high):
        if low >= high:
            return
        h, t = low - 1, high
        while True:
            h += 1
            while h < t and key(items[h]) < key(items[high]):
                h += 1
            t -= 1
            while h < t and key(items[high]) < key(items[t]):
                t -= 1
            if h >= t:
                break
            items[h], items[t] = items[t], items[h]
        items[h], items[high] = items[high], items[h]
        part(low, t)
        part(h + 1, high)

    part(0, len(items) - 1)
    return items


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-40, 40), max_size=60))
def test_sort_of_numbers(vm, numbers):
    o = vm.new_list([vm.new_int(n) for n in numbers])
    lists.sort(vm, o, [], {})
    assert [w >> 1 for w in vm.items_of(o)] == sorted(numbers)


def test_sort_is_not_stable_and_reverse_is_not_its_mirror():
    pairs = [(i * 7 % 5, i) for i in range(20)]
    text = run(f"l = {pairs}\nl.sort(key=lambda p: p[0])\nprint(l)")
    assert text == f"{quicksorted(pairs, lambda p: p[0])}\n"
    assert text != f"{sorted(pairs, key=lambda p: p[0])}\n"


@pytest.mark.parametrize("source, expected", [
    ("print([1,2,3,4,5][::2], [1,2,3,4,5][::-1], [1,2,3][5:0:-2])",
     "[1, 3, 5] [5, 4, 3, 2, 1] [3]"),
    ("l = [1,2,3]; l[1:1] = (7,8); del l[0]; del l[-1:]; print(l)", "[7, 8, 2]"),
    ("l = [1,2,3]; l[5:9] = [4]; l.insert(-10, 0); print(l, l.pop(1))", "[0, 2, 3, 4] 1"),
    ("print((1,)+(2,), (0,)*3, (1,2)<(1,3), ()==[], (1,2,3)[1:])",
     "(1, 2) (0, 0, 0) True False (2, 3)"),
    ("print(range(0,10,3)[1:], range(5)[::-1], len(range(9,0,-2)), range(3)==range(3))",
     "range(3, 12, 3) range(4, -1, -1) 5 False"),
    ("print(list(zip([1,2],(3,4,5))), list(map(lambda a,b:a*b,[1,2],[3,4])))",
     "[(1, 3), (2, 4)] [3, 8]"),
    ("print(list(filter(None,[0,1,'',2])), list(enumerate('ab',5)), list(reversed((1,2))))",
     "[1, 2] [(5, 'a'), (6, 'b')] [2, 1]"),
    ("d = {1:2}; print(d.keys(), d.values(), d.items(), 1 in d.keys())",
     "dict_keys([1]) dict_values([2]) dict_items([(1, 2)]) True"),
    ("d = dict(a=1); d.update([('b',2)], c=3); print(sorted(d.items()), d.pop('z', 9))",
     "[('a', 1), ('b', 2), ('c', 3)] 9"),
    ("print({1,2}|{3}, {1,2}&{2}, {1,2}-{2}, {1,2}^{2,3}, {1}<{1,2}, frozenset((1,)))",
     "{1, 2, 3} {2} {1} {3, 1} True frozenset({1})"),
    ("print({}=={}, {1:1}=={1:1.0}, {1:1}!={1:2}, [] in {}, bool({}), bool({0}))",
     "True True True False False True"),
    ("a = bytearray(b'abc'); a[1:2] = b'XY'; a += b'!'; print(a, a[1], b'XY' in a)",
     "bytearray(b'aXYc!') 88 True"),
    ("m = memoryview(bytearray(4)); m[1:3] = b'ab'; print(bytes(m), m[1], len(m[2:]))",
     "b'\\x00ab\\x00' 97 2"),
    ("from array import array\nprint(array('h', [1, -1]), array('f', (1, 2.5)), array('B'))",
     "array('h', [1, -1]) array('f', [1.0, 2.5]) array('B')"),
    ("from ucollections import deque\nd = deque((), 2)\nfor i in range(4): d.append(i)\n"
     "print(len(d), d.popleft(), d.popleft(), bool(d))", "2 2 3 False"),
    ("from ucollections import namedtuple\nP = namedtuple('P', 'a b')\np = P(b=2, a=1)\n"
     "print(p, p.a, p == (1, 2), p[1:], P.__name__, isinstance(p, tuple))",
     "P(a=1, b=2) 1 True (2,) P True"),
    ("from ucollections import OrderedDict\nd = OrderedDict([('z',1),('a',2)])\nd['m'] = 3\n"
     "del d['a']\nprint(d, list(d))", "OrderedDict({'z': 1, 'm': 3}) ['z', 'm']"),
    ("print(slice, type(iter([])), iter((1,)), type(map(abs, [])))",
     "<class 'slice'> <class 'iterator'> <iterator> <class 'map'>"),
    ("print(type(...), Ellipsis, NotImplemented, type(None))",
     "<class ''> Ellipsis NotImplemented <class 'NoneType'>"),
])
def test_results(source, expected):
    assert run(source) == expected + "\n"


@pytest.mark.parametrize("source, message", [
    ("[].pop()", "IndexError: pop from empty list"),
    ("[1]['a']", "TypeError: list indices must be integers, not str"),
    ("(1,)[2]", "IndexError: tuple index out of range"),
    ("(1,2)[::2]", "NotImplementedError: only slices with step=1 (aka None) are supported"),
    ("[1,2][::0]", "ValueError: slice step cannot be zero"),
    ("[].index(1)", "ValueError: object not in sequence"),
    ("{}.popitem()", "KeyError: popitem(): dictionary is empty"),
    ("{}[(1, 2)]", "KeyError: (1, 2)"),
    ("dict([(1,2,3)])", "ValueError: dict update sequence has wrong length"),
    ("{[]: 1}", "TypeError: unsupported type for __hash__: 'list'"),
    ("set().remove(1)", "KeyError: 1"),
    ("range(1, 2, 0)", "ValueError: zero step"),
    ("bytearray(-1)", "MemoryError: memory allocation failed, allocating 4294967295 bytes"),
    ("bytearray(2)[5]", "IndexError: bytearray index out of range"),
    ("import array\narray.array('z')", "ValueError: bad typecode"),
    ("memoryview(b'ab')[0] = 1", "TypeError: 'memoryview' object doesn't support item assignment"),
    ("max([])", "ValueError: arg is an empty sequence"),
    ("sorted([1], 2)", "TypeError: must use keyword argument for key function"),
    ("reversed(1)", "TypeError: object of type 'int' has no len()"),
    ("import uerrno\nuerrno.errorcode[1] = 2", "TypeError: "),
    ("l = [1]\nl *= 2", "TypeError: unsupported types for : 'list', 'int'"),
])
def test_messages(source, message):
    assert run(source).splitlines()[-1] == message


@pytest.mark.parametrize("expression, n_bytes", [
    ("[]", 64), ("[None]*5", 160), ("list(range(9))", 224), ("tuple(range(7))", 160),
    ("{}", 32), ("{1: 1, 2: 2, 3: 3}", 96), ("{i: i for i in range(13)}", 384), ("set()", 32),
    ("set(range(10))", 192), ("bytearray(33)", 96), ("object()", 32), ("iter([1])", 96),
    ("range(3)", 32), ("ValueError('x')", 64),
])
def test_heap_bytes(expression, n_bytes):
    # Figures of the device (goldens); the table entry of `x` is there beforehand.
    assert cost(expression, "x = a = b = None") == n_bytes


def test_iterating_a_changing_list_sees_the_change():
    assert run("l = [1, 2, 3]\nfor x in l:\n    if x < 3: l.append(x + 10)\n    print(x, end=' ')"
               ) == "1 2 3 11 12 "


def test_nesting_ends_in_an_error_of_the_guest():
    assert run("""
def deep(make, n, x):
    for i in range(n): x = make(x)
    return x
a, b = deep(lambda x: [x], 1000, []), deep(lambda x: [x], 1000, [])
for f in (lambda: a == b, lambda: str(a), lambda: list(deep(lambda x: map(len, x), 500, []))):
    try: print(f())
    except RuntimeError as e: print(e)
print(list(deep(lambda x: map(str, x), 20, [1])))
""") == "maximum recursion depth exceeded\n" * 3 + "['1']\n"


def test_objects_made_of_raw_memory_are_refused():
    from k210sim.errors import NotSimulated

    vm, _ = make_vm()
    with pytest.raises(NotSimulated, match="no object"):
        vm.execute(b"from array import array\na = array('O', b'\\x60bcdefgX')\nprint(a[0])")
