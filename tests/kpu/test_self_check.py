"""A kernel set that computes something else is found out and not chosen."""

import naive
import numpy as np
import pytest

from k210sim.errors import ConfigError
from k210sim.kpu import self_check
from k210sim.kpu.kernels import portable, table
from k210sim.kpu.kmodel.writer import activation_table


class Wrong:
    """The portable set, but for one pixel of depthwise layers."""

    NAME = "vnni"

    @staticmethod
    def available():
        return True

    @staticmethod
    def prepare(params):
        plan = portable.prepare(params)
        run = plan.run

        def spoilt(x, threads=1):
            out = run(x, threads)
            out[-1, -1, -1] ^= params.depthwise
            return out

        plan.run = spoilt
        return plan


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """No markers, nothing examined yet."""
    monkeypatch.setattr(self_check, "_marker", lambda name: tmp_path / "kernels" / name)
    monkeypatch.setattr(table, "_trusted", {})
    monkeypatch.delenv("K210SIM_KERNELS", raising=False)


def test_the_plain_way_is_the_twins():
    for number, case in enumerate(self_check.CASES[3:]):
        p, x = self_check.layer(*case, seed=number)
        side = 3 if p.taps == 9 else 1
        weights = p.weights.reshape(len(p.weights), -1, side, side)
        # The twin adds its constant from the weights; here it is a number of its own.
        maps = naive.convolve(x, weights, depthwise=p.depthwise, pad_value=p.pad_value,
                              arg_x=p.arg_x, shr_x=p.shr_x, arg_w=0, shr_w=0, arg_add=0)
        act = activation_table(case[7], 9)
        rows = list(zip(act.x_start, act.mul, act.shift, act.bias, strict=True))
        full = np.array([[[naive.activate(naive.normalise(v + int(n[0]), *map(int, n[1:])), rows)
                           for v in line] for line in plane]
                         for plane, n in zip(maps, p.norm, strict=True)], np.uint8)
        assert np.array_equal(self_check.plain(p, x), naive.pool(full, p.pool))


def test_the_sets_of_this_host_are_right(fresh):
    for name in table.available():
        assert self_check.check(table.load(name))


def test_one_layer_serves_set_after_set():
    """What one set makes of a layer's parameters takes nothing away from the next one."""
    p, x = self_check.layer(*self_check.CASES[1], seed=1)
    want = self_check.plain(p, x)
    for name in 2 * [*table.available()]:
        assert np.array_equal(table.load(name).prepare(p).run(x), want), name


def test_a_wrong_set_is_told_once_and_passed_over(fresh, monkeypatch, capsys):
    monkeypatch.setattr(table, "_module", lambda name: Wrong if name == "vnni" else portable)
    assert table.default() is portable
    assert "the vnni kernels give other bytes" in capsys.readouterr().err
    assert table.default() is portable and "vnni" not in table.available()
    with pytest.raises(ConfigError, match="other bytes than plain integers"):
        table.load("vnni")
    assert capsys.readouterr().err == ""


def test_the_marker_spares_the_check(fresh, monkeypatch):
    assert self_check.examine(portable)
    monkeypatch.setattr(self_check, "check", lambda kernels: pytest.fail("checked again"))
    assert self_check.examine(portable)
    self_check.remember("portable", False)
    assert not self_check.examine(portable)


def test_no_place_for_a_marker_is_no_error(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(self_check, "_marker", lambda name: blocked / "kernels" / name)
    self_check.remember("portable", True)
    assert self_check.known("portable") is None
