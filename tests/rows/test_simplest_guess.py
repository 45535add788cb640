"""The simplest guess is saved with a network, and checked where it is read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastnn
from fastnn.rows.trained_on import TrainedOn, checked_trained_on


@given(guess=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4))
def test_it_is_read_as_it_was_written(guess):
    known = TrainedOn(simplest_guess=tuple(guess))
    assert checked_trained_on(known.to_fields(), 3) == known
    assert known.same_kind is None
    assert "simplest_guess" not in TrainedOn().to_fields()  # which an older fastnn reads


def test_it_is_saved(tmp_path):
    net = fastnn.Network((2, 3, 2), seed=0)
    net.trained_on = replace(net.trained_on or TrainedOn(), simplest_guess=(0.25, 0.75))
    net.save(tmp_path / "net")
    assert fastnn.load(tmp_path / "net").trained_on.simplest_guess == (0.25, 0.75)


@pytest.mark.parametrize("bad", [0.5, [], "ab", ["a"], [None], [float("nan")], [True]])
def test_others_are_refused(bad):
    with pytest.raises((TypeError, ValueError), match="simplest_guess"):
        checked_trained_on({**TrainedOn().to_fields(), "simplest_guess": bad}, 3)
