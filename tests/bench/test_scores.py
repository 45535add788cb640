"""Cross-validated scores beside scikit-learn's, as bench/scores.py compares them."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from sklearn.neural_network import MLPClassifier as TheirClassifier
from threadpoolctl import threadpool_limits


@pytest.fixture
def scores(bench):
    """The module bench/scores.py."""
    return bench("scores")


@pytest.mark.slow
@pytest.mark.parametrize("data", ["digits", "wine", "breast_cancer", "iris", "diabetes"])
def test_scores_are_no_worse_than_scikit_learns(scores, monkeypatch, data):
    load = scores.load

    def few(data):
        x, y = load(data)
        rows = np.random.default_rng(0).permutation(len(x))[:300]
        return x[rows], y[rows]

    monkeypatch.setattr(scores, "load", few)
    monkeypatch.setattr(scores, "FOLDS", 2)
    with threadpool_limits(1):  # so small products lose by more threads
        results = list(scores.compare([data], ["cython"], 2))
    assert len(results) == (3 if data == "diabetes" else 4)
    assert [result for result in results if result["worse"]] == []


def test_an_estimator_that_learns_less_is_called_worse(scores, monkeypatch, capsys):
    def lazy(backend, **parameters):
        return TheirClassifier(**parameters, max_iter=1)

    monkeypatch.setattr(scores, "FOLDS", 2)
    monkeypatch.setattr(scores.ours, "MLPClassifier", lazy)
    assert scores.main(["--data", "iris", "--backend", "numpy", "--seeds", "2"]) == 1
    captured = capsys.readouterr()
    assert "WORSE: MLPClassifier, adam on iris: numpy" in captured.err
    assert "SoftmaxRegression" in captured.out
    assert "SoftmaxRegression" not in captured.err
