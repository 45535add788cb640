"""A fit on columns that a network learns badly from says so, and on others nothing."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import fastnn

RNG = np.random.default_rng(3)
Y = np.arange(64) % 2


def fit(x, y=Y, **options):
    """What a fit on x warns of."""
    net = fastnn.Network((x.shape[1], 2), seed=0, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(x, y, epochs=1, progress=False)
    assert all(w.filename == __file__ for w in caught)
    return [str(w.message) for w in caught if w.category is UserWarning]


@given(
    seed=st.integers(0, 2**32 - 1),
    apart=st.floats(1e4, 1e8),
    dtype=st.sampled_from(["float32", "float64"]),
    order=st.permutations(["small", "large", "other"]),
)
def test_columns_of_very_different_ranges_are_named(seed, apart, dtype, order):
    rng = np.random.default_rng(seed)
    sizes = {"small": 1.0, "large": apart, "other": 30.0}
    x = rng.uniform(-1, 1, (64, 3)) * [sizes[name] for name in order]
    (said,) = fit(pd.DataFrame(x.astype(dtype), columns=order))
    assert "'small' from" in said
    assert "'large' from" in said
    assert "'other'" not in said
    assert "standardize" in said
    (said,) = fit(x.astype(dtype))
    assert f"column {order.index('small')} from" in said


@given(
    seed=st.integers(0, 2**32 - 1),
    centre=st.sampled_from([2000.0, -1e6, 1e9]),
)
def test_a_column_far_from_zero_is_named(seed, centre):
    rng = np.random.default_rng(seed)
    x = np.c_[centre + rng.normal(size=64), centre + rng.normal(size=64)]
    (said,) = fit(pd.DataFrame(x, columns=["year", "again"]), dtype="float64")
    assert "far from 0: 'year' from" in said


def fractions():
    """Images in numbers, of which some pixels are seldom lit, and faintly."""
    x = RNG.random((64, 20)) * (RNG.random((64, 20)) < 0.3)
    x[:, 0], x[5, 0] = 0, 1 / 255
    return x


@pytest.mark.parametrize(
    "x",
    [
        RNG.normal(size=(64, 3)) * [1, 10, 100],
        fractions(),
        1 - fractions(),
        RNG.integers(0, 256, (64, 5), np.uint8),
        RNG.random((64, 5)) < 0.5,
        np.c_[RNG.normal(size=64), np.full(64, 1e9)],  # one that does not vary has no range
        290 + 10 * RNG.normal(size=(64, 2)),  # temperatures
        np.zeros((64, 2)),
        sparse.csr_array(RNG.normal(size=(64, 2)) * [1, 1e6]),  # which no mean is subtracted from
    ],
    ids=["tame", "images", "negatives", "bytes", "flags", "constant", "kelvin", "zeros", "sparse"],
)
def test_nothing_is_said_of(x):
    assert not fit(x)


def test_what_is_standardised_as_the_warning_says_brings_no_warning():
    x = RNG.normal(size=(64, 3)) * [1, 1e6, 1e-6] + [1e9, 0, 0]
    assert fit(x)
    assert not fit((x - x.mean(axis=0)) / x.std(axis=0))
