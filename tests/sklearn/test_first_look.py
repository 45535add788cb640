"""A short path gives what scikit-learn's checks do: the same, or the same error and words."""

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.handed_in import LABELS, N_IN, outcome, rows

from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression, classifier, inputs


def both_ways(call):
    """Assert that a call does the same where nothing passes a first look."""
    short = outcome(call)
    with (
        patch.object(inputs, "are_sound_rows", lambda *_: False),
        patch.object(classifier, "known_targets", lambda *_: None),
    ):
        general = outcome(call)
    assert short == general


def fitted(kind, trained, dtype, names=False):
    x = np.random.default_rng(1).random((60, N_IN))
    x = {
        "bytes": (255 * x).astype(np.uint8),
        "numbers": (9 * x - 4).astype(dtype),
        "fractions": x.astype(dtype),
    }[trained]
    y = np.arange(60) % 3
    estimator = {
        "classes": MLPClassifier((4,), max_iter=1, random_state=0, solver="sgd"),
        "two": MLPClassifier((4,), max_iter=1, random_state=0, input_scale=1 / 255),
        "text": MLPClassifier((4,), max_iter=1, random_state=0),
        "softmax": SoftmaxRegression(max_iter=2, random_state=0, solver="adam"),
        "numbers": MLPRegressor(hidden_layer_sizes=(4,), max_iter=1, random_state=0),
    }[kind]
    y = {"two": y % 2 * 5, "text": np.array(["a", "b", "c"])[y]}.get(kind, y)
    return estimator.fit(pd.DataFrame(x, columns=list("vwxyz")) if names else x, y)


kinds = st.sampled_from(["classes", "two", "text", "softmax", "numbers"])
trainings = st.sampled_from(["bytes", "numbers", "fractions"])
dtypes = st.sampled_from(["float32", "float64"])


@given(x=rows(), kind=kinds, trained=trainings, dtype=dtypes, names=st.booleans())
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_predictions(x, kind, trained, dtype, names):
    estimator = fitted(kind, trained, dtype, names)
    for name in ("predict", "predict_proba", "transform"):
        if hasattr(estimator, name):
            method = getattr(estimator, name)
            both_ways(lambda method=method: (lambda p: (p.dtype, p.shape, p.tobytes()))(method(x)))


@given(
    x=rows(), y=st.sampled_from(sorted(LABELS)), kind=kinds, trained=trainings, dtype=dtypes,
    names=st.booleans(), factor=st.sampled_from([1, 5]),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_training_in_pieces(x, y, kind, trained, dtype, names, factor):
    labels = LABELS[y](factor * (np.arange(len(x)) % (2 if kind == "two" else 3)))

    def trained_further():
        estimator = fitted(kind, trained, dtype, names).partial_fit(x, labels)
        return estimator.loss_curve_, estimator.network_.parameters.tobytes()

    both_ways(trained_further)
