"""Plain values as bytes: the same back, and nothing else."""

from __future__ import annotations

import datetime
from collections import OrderedDict, deque
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from k210sim.board.plain_values import PlainValues


class Pair(NamedTuple):
    first: object
    second: object


VALUES = PlainValues((Pair,))
SINGLE = (some.none() | some.booleans() | some.integers() | some.text() | some.binary()
          | some.floats(allow_nan=False) | some.dates() | some.datetimes() | some.times()
          | some.timedeltas() | some.binary().map(bytearray))  # fmt: skip
ANY = some.recursive(SINGLE, lambda inner: (
    some.lists(inner, max_size=4) | some.lists(inner, max_size=4).map(tuple)
    | some.lists(inner, max_size=4).map(deque) | some.builds(Pair, inner, inner)
    | some.dictionaries(some.integers() | some.tuples(some.integers(), some.text()), inner,
                        max_size=4)
    | some.dictionaries(some.text(), inner, max_size=4).map(OrderedDict)
    | some.sets(some.integers() | some.binary()) | some.frozensets(some.text())), max_leaves=12)


def same(one, other) -> bool:
    return type(one) is type(other) and one == other


@settings(max_examples=25, deadline=None)
@given(ANY)
def test_values_come_back(value):
    assert same(VALUES.unpack(VALUES.pack(value)), value)


def test_arrays_come_back_and_can_be_written():
    for array in (np.arange(6, dtype=np.int16).reshape(2, 3), np.zeros(0, np.uint8)):
        got = VALUES.unpack(VALUES.pack([array, array[..., :1].sum()]))
        assert got[0].dtype == array.dtype and got[0].shape == array.shape
        assert (got[0] == array).all() and type(got[1]) is type(array.sum())
        got[0][...] = 0
    bounded = VALUES.unpack(VALUES.pack(deque([1], 3)))
    assert bounded.maxlen == 3


@pytest.mark.parametrize("value", [object(), lambda: 1, 1j, np.array([None]), range(3)])
def test_other_values_are_refused(value):
    with pytest.raises(TypeError, match="is no plain value"):
        VALUES.pack([value])


@settings(max_examples=25, deadline=None)
@given(ANY, some.data())
def test_spoilt_bytes_are_told_or_give_values(value, data):
    packed = bytearray(VALUES.pack(value))
    at = data.draw(some.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(some.integers(1, 255))
    for spoilt in (bytes(packed), bytes(packed[:at])):
        try:
            VALUES.unpack(spoilt)
        except ValueError:
            pass


def test_a_class_that_was_not_named_is_not_made():
    packed = VALUES.pack(Pair(1, datetime.date(2020, 1, 1)))
    with pytest.raises(ValueError, match="no plain values"):
        PlainValues().unpack(packed)
