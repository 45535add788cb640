"""Contributions of tables of any number of rows."""

import numpy as np
import pytest

import fastnn
from fastnn.bagging.contributions import BLOCK, contributions

X = np.random.default_rng(0).normal(size=(2 * BLOCK + 7, 3)).astype(np.float32)


@pytest.mark.parametrize("n_rows", [0, 1, BLOCK, BLOCK + 1, len(X)])
def test_rows_contribute_the_same_however_many_there_are(n_rows):
    ensemble = fastnn.Ensemble((3, 5, 2), 2, seed=0)
    outputs = np.arange(len(X)) % 2
    x, asked = X[:n_rows], outputs[:n_rows]
    found = contributions(ensemble, x, np.zeros(3, np.float32), asked, [0, 2, 2], 4)
    assert found.shape == (n_rows, 4)
    for row in {0, BLOCK - 1, n_rows - 1} & set(range(n_rows)):
        one = slice(row, row + 1)
        alone = contributions(ensemble, x[one], np.zeros(3, np.float32), asked[one], [0, 2, 2], 4)
        np.testing.assert_allclose(found[one], alone, rtol=1e-5, atol=1e-6)
