"""Saves the plain values that objects hold and puts them back: the state of a simulated chip.

A class that inherits `Saved` has `save_state()` and `load_state()` for everything plain in it, so
a new register or FIFO needs no line of its own. Saved are numbers, text, bytes, dates, containers
of these, numpy arrays that own their memory, alarms of the clock whose callback is a method of the
object (with arguments: functools.partial), and other `Saved` objects in it. What connects the
object (functions, views of other memory, parts that save themselves) stays as it is.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime
import functools
from collections import OrderedDict, deque
from enum import Enum
from typing import Any, ClassVar, NamedTuple

import numpy as np

from k210sim.clock import Alarm

_SINGLE = (int, float, str, bytes, bytearray, type(None), Enum, np.generic,
           datetime.date, datetime.time, datetime.timedelta)  # fmt: skip
_SEVERAL = (list, tuple, set, frozenset, deque)


class SavedAlarm(NamedTuple):
    """A pending alarm: when, its rank among alarms of that time, and what it calls."""

    at_ns: int
    order: int
    method: str
    arguments: tuple


def is_plain(value: Any) -> bool:
    """Whether a value means the same in another process."""
    if isinstance(value, _SINGLE):
        return True
    if isinstance(value, (dict, OrderedDict)):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, _SEVERAL):
        return all(is_plain(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return all(is_plain(getattr(value, f.name)) for f in dataclasses.fields(value))
    return False


class Saved:
    """See the module's docstring. NOT_SAVED : names of plain attributes that are no state. OWNED :
    an object that holds this one saves it too; False where somebody else does.

    `load_state` wants the clock to stand where it stood, and cancels alarms pending meanwhile.
    """

    NOT_SAVED: ClassVar[frozenset[str]] = frozenset()
    OWNED: ClassVar[bool] = True

    def save_state(self) -> dict[str, Any]:
        state = {}
        for name, value in vars(self).items():
            if name in self.NOT_SAVED or name.isupper():
                continue
            if isinstance(value, np.ndarray):
                if value.base is None:
                    state[name] = value.copy()
            elif isinstance(value, Saved):
                if value.OWNED:
                    state[name] = value.save_state()
            elif _has_alarms(value):
                state[name] = _each(value, self._save_alarm)
            elif is_plain(value):
                state[name] = copy.deepcopy(value)
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            own = getattr(self, name, None)
            if isinstance(own, np.ndarray):
                own[...] = value
            elif isinstance(own, Saved):
                own.load_state(value)
            else:
                _each(own, _cancel)
                setattr(self, name, _each(copy.deepcopy(value), self._load_alarm))

    def _save_alarm(self, value: Any) -> Any:
        if not isinstance(value, Alarm):
            return value
        if not value.pending:
            return None
        call = value.callback
        arguments = call.args if isinstance(call, functools.partial) else ()
        method = call.func if isinstance(call, functools.partial) else call
        if getattr(method, "__self__", None) is not self:
            raise TypeError(f"{type(self).__name__}: an alarm calls {call!r}, no method of its own")
        return SavedAlarm(value.at_ns, value.order, method.__name__, arguments)

    def _load_alarm(self, value: Any) -> Any:
        if not isinstance(value, SavedAlarm):
            return value
        call = functools.partial(getattr(self, value.method), *value.arguments)
        return self._clock.alarm(value.at_ns, call, order=value.order)


def _has_alarms(value: Any) -> bool:
    return isinstance(value, Alarm) or (
        isinstance(value, list) and any(isinstance(item, Alarm) for item in value)
    )


def _each(value: Any, change) -> Any:
    """`value`, or each item of a list that holds alarms, changed."""
    if isinstance(value, list) and any(isinstance(v, (Alarm, SavedAlarm)) for v in value):
        return [change(item) for item in value]
    return change(value)


def _cancel(value: Any) -> Any:
    if isinstance(value, Alarm):
        value.cancel()
    return value
