"""Numba's own exponential: as exact as the mathematical library's, and as careful at the ends."""

import numpy as np
import pytest

pytest.importorskip("numba")

from fastnn.kernels.numba.exponential import exp_in_place

ENDS = {"float32": (-110.0, 95.0), "float64": (-760.0, 720.0)}


@pytest.mark.parametrize("dtype", ENDS)
def test_is_within_two_units_in_the_last_place(dtype):
    x = np.concatenate([np.linspace(*ENDS[dtype], 20_000), np.linspace(-2, 2, 20_000)])
    x = x.astype(dtype)
    y = x.copy()
    exp_in_place(y)
    exact = np.exp(x.astype(np.longdouble))
    with np.errstate(over="ignore", under="ignore"):
        rounded = exact.astype(dtype)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], np.inf)
    error = np.abs(y[finite].astype(np.longdouble) - exact[finite])
    assert (error <= 2 * np.spacing(rounded[finite])).all()


@pytest.mark.parametrize("dtype", ENDS)
def test_keeps_what_is_not_a_number_and_the_infinities(dtype):
    y = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype)
    exp_in_place(y)
    np.testing.assert_array_equal(y, [np.nan, np.inf, 0.0, 1.0, 1.0])
