"""A table learned by a bag: what was left out is asked of the network that left it out."""

import numpy as np
import pytest

from fastnn.bagging import tables
from fastnn.bagging.importances import permutation_importances
from fastnn.bagging.recipe import CLASSES, NUMBERS
from fastnn.bagging.tables import Preparation, fit_table, places
from fastnn.bagging.training import train
from fastnn.tabular import as_frame

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=200), RNG.choice(["u", "v", "w"], 200)
FRAME = as_frame({"id": np.arange(200), "b": B, "a": A})


@pytest.mark.parametrize("n_classes", [2, 0])
def test_each_row_is_asked_of_the_network_that_has_not_learned_it(n_classes, monkeypatch):
    bags = []
    monkeypatch.setattr(tables, "train", lambda *a, **k: bags.append(train(*a, **k)) or bags[0])
    y = (A + (B == "u") > 0).astype(np.int64) if n_classes else (3 * A + (B == "u"))[:, None]
    of = CLASSES if n_classes else NUMBERS
    recipe = of.__class__(**{**vars(of), "epochs": 8, "hidden_layer_sizes": (8,)})
    fitted = fit_table(
        FRAME, y, n_classes=n_classes, recipe=recipe, preparation=Preparation(), n_models=3,
        seed=4, progress=False,
    )  # fmt: skip
    folds = bags[0].folds
    left_out = np.flatnonzero(folds >= 0)
    np.testing.assert_array_equal(fitted.left_out, left_out)
    for i, network in enumerate(fitted.ensemble):
        rows = np.flatnonzero(folds == i)
        ask = network.predict_proba if n_classes else network.predict
        expected = ask(FRAME.rows(rows)).reshape(len(rows), -1)
        found = fitted.predictions[np.searchsorted(left_out, rows)]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    x = fitted.columns.rows(FRAME)[left_out]
    fitted.ensemble.columns = None
    expected = permutation_importances(
        fitted.ensemble, x, y[left_out], folds[left_out], places(fitted.columns), 3,
        np.random.default_rng(4),
    )  # fmt: skip
    np.testing.assert_array_equal(fitted.importances, expected)
    assert fitted.importances[0] == 0
