"""Bytes, flags and numbers in fastnn.sklearn: the same values are the same answers."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn.base")

from scipy import sparse
from support.examples import same_bits

from fastnn.sklearn import MLPClassifier, SoftmaxRegression

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def of_pixels(kind, x):
    return {
        "int64": x.astype(np.int64),
        "int16": x.astype(np.int16),
        "list": x.tolist(),
        "frame": pd.DataFrame(x.astype(np.int64)),
        "CSR": sparse.csr_array(x.astype(np.int32)),
        "uint8 frame": pd.DataFrame(x),
    }[kind]


@pytest.mark.parametrize("kind", ["int64", "int16", "list", "frame", "CSR", "uint8 frame"])
@pytest.mark.parametrize("estimator", [MLPClassifier, SoftmaxRegression])
def test_an_estimator_of_bytes_takes_integers_for_bytes(estimator, kind):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (60, 9), dtype=np.uint8)
    y = np.arange(60) % 3
    fitted = estimator(input_scale=1 / 255, random_state=0, max_iter=500, tol=1e-2).fit(x, y)
    expected = fitted.predict_proba(x)
    np.testing.assert_allclose(fitted.predict_proba(of_pixels(kind, x)), expected)
    np.testing.assert_allclose(fitted.network_.predict_proba(x.astype(int)), expected)
    with pytest.raises(ValueError, match="floats from 0 to 255, but the network was trained on b"):
        fitted.predict(x.astype(float))
    with pytest.raises(ValueError, match=r"trained on bytes, .* holds 256"):
        fitted.predict(x.astype(int) + 1)
    np.testing.assert_allclose(fitted.predict_proba(x / 255), expected, atol=1e-5)


@pytest.mark.parametrize("input_scale", [1.0, 0.5])
def test_flags_in_bool_are_flags_in_uint8(input_scale):
    flags = np.random.default_rng(0).random((60, 9)) < 0.4
    y = np.arange(60) % 3
    fits = [
        MLPClassifier((5,), input_scale=input_scale, random_state=0, max_iter=3).fit(x, y)
        for x in (flags, flags.astype(np.uint8), pd.DataFrame(flags))
    ]
    for other in fits[1:]:
        assert same_bits(other.network_.parameters, fits[0].network_.parameters)
