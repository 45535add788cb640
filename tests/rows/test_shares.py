"""Shares of some models, and of the rows that these use, are the same rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastnn.rows.shares import Shares


@given(data=st.data())
def test_parts_hold_the_same_rows(data):
    n_rows, n_models = data.draw(st.sampled_from([8, 400])), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    shares = {
        "same": lambda: Shares.same(n_models, n_rows),
        "equal": lambda: Shares.equal(n_models, n_rows // n_models),
        "groups": lambda: Shares.of_groups(rng.integers(0, n_models, n_rows), n_models),
        "drawn": lambda: Shares.of_lists(
            [rng.integers(0, n_rows, rng.integers(0, 9)) for _ in range(n_models)]
        ),
    }[data.draw(st.sampled_from(["same", "equal", "groups", "drawn"]))]()
    models = np.flatnonzero(rng.integers(0, 2, n_models))
    part = shares.part(models)
    used = part.used(n_rows)
    among = part.among(used)
    whose = [shares.of(i) for i in models]
    for k, rows in enumerate(whose):
        np.testing.assert_array_equal(part.of(k), rows)
        np.testing.assert_array_equal(used[among.of(k)], rows)
    expected = np.unique(np.concatenate([*whose, np.empty(0, np.int64)]))
    np.testing.assert_array_equal(used, expected)


def test_a_list_of_several_models_is_sent_once():
    rows = np.arange(5)
    shares = Shares(np.zeros(3, np.int64), np.full(3, 5), rows)
    assert len(shares.part(np.arange(3)).rows) == 5
