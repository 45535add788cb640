"""Folds: equal shares of rows, and of each class, of which every model leaves out one."""

import numpy as np
import pytest

from fastnn.bagging.folds import folds_of, n_folds


@pytest.mark.parametrize("seed", range(40))
def test_folds_are_equal_shares_of_all_rows_and_of_each_class(seed):
    rng = np.random.default_rng(seed)
    n_rows, n_models = int(rng.integers(1, 200)), int(rng.integers(1, 12))
    classes = rng.choice(4, n_rows, p=[0.7, 0.2, 0.05, 0.05]) if seed % 2 else None
    folds = folds_of(n_rows, n_models, np.random.default_rng(seed), classes)
    parts = n_folds(n_rows, n_models)
    size = np.bincount(folds[folds >= 0], minlength=min(n_models, parts))
    assert folds.min() >= -1
    assert folds.max() < n_models
    assert size.max() - size.min() <= 1
    assert size.min() >= n_rows // parts
    if n_models < parts:
        assert abs((folds < 0).sum() - n_rows * (parts - n_models) / parts) < parts
    if classes is not None:
        for k in np.unique(classes):
            of_class = np.bincount(folds[(classes == k) & (folds >= 0)], minlength=len(size))
            assert of_class.max() - of_class.min() <= 1
    again = folds_of(n_rows, n_models, np.random.default_rng(seed), classes)
    np.testing.assert_array_equal(folds, again)


def test_a_model_leaves_out_at_most_a_fifth():
    assert (folds_of(1000, 2, np.random.default_rng(0)) == 0).sum() == 200
    assert (folds_of(1000, 10, np.random.default_rng(0)) == 0).sum() == 100
