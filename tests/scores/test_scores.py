"""Scores agree with scikit-learn's."""

import numpy as np
import pytest

from fastnn import scores

metrics = pytest.importorskip("sklearn.metrics")


def drawn(seed, n_classes, weighted):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(n_classes, 200))
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n)])
    p = rng.dirichlet(np.full(n_classes, 0.3), len(y)).round(int(rng.integers(1, 5))) + 1e-3
    p /= p.sum(axis=1, keepdims=True)
    return y, p, rng.integers(1, 5, len(y)).astype(float) if weighted else None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_scores_of_classes_are_scikit_learns(seed, n_classes, weighted):
    y, p, weight = drawn(seed, n_classes, weighted)
    guess = p.argmax(axis=1)
    average = "binary" if n_classes == 2 else "macro"
    one = p[:, 1] if n_classes == 2 else p
    theirs = {
        "accuracy": metrics.accuracy_score(y, guess, sample_weight=weight),
        "balanced": metrics.balanced_accuracy_score(y, guess, sample_weight=weight),
        "f1": metrics.f1_score(y, guess, average=average, sample_weight=weight),
        "auc": metrics.roc_auc_score(
            y, one, multi_class="ovr", average="macro", sample_weight=weight
        ),
        "log_loss": metrics.log_loss(y, p, sample_weight=weight),
    }
    ours = {
        "accuracy": scores.accuracy(y, guess, weight),
        "balanced": scores.balanced_accuracy(y, guess, n_classes, weight),
        "f1": scores.f1(y, guess, n_classes, weight),
        "auc": scores.roc_auc(y, p, weight),
        "log_loss": scores.log_loss(y, p, weight),
    }
    assert ours == pytest.approx(theirs, rel=1e-12)
    counts = scores.confusion(y, guess, n_classes, weight)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(y, guess, sample_weight=weight))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(50,), (50, 3)])
def test_scores_of_numbers_are_scikit_learns(shape, weighted):
    rng = np.random.default_rng(0)
    y, predicted = rng.normal(size=shape), rng.normal(size=shape)
    weight = rng.integers(1, 5, 50).astype(float) if weighted else None
    options = {"sample_weight": weight}
    theirs = (
        metrics.root_mean_squared_error(y, predicted, **options),
        metrics.mean_absolute_error(y, predicted, **options),
        metrics.r2_score(y, predicted, **options),
    )
    ours = tuple(f(y, predicted, weight) for f in (scores.rmse, scores.mae, scores.r2))
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_scores_of_one_class_say_nothing_of_others():
    y = np.zeros(4, np.int64)
    p = np.full((4, 2), 0.5)
    assert np.isnan(scores.roc_auc(y, p))
    assert scores.balanced_accuracy(y, y, 2) == 1.0


def test_the_calibration_error_is_the_distance_of_confidence_from_accuracy():
    p = np.array([[0.75, 0.25]] * 100)
    y = np.repeat([0, 1], [75, 25])
    assert scores.calibration_error(y, p) == pytest.approx(0.0, abs=1e-12)
    assert scores.calibration_error(1 - y, p) == pytest.approx(0.5)
    weight, confidence, right = scores.reliability(y, p)
    np.testing.assert_allclose([weight[7], confidence[7], right[7]], [100, 0.75, 0.75])
    assert weight.sum() == 100


def test_a_class_neither_there_nor_predicted_is_left_out_of_f1():
    metrics = pytest.importorskip("sklearn.metrics")
    y, predicted = np.array([0, 0, 2, 2]), np.array([0, 2, 2, 2])
    expected = metrics.f1_score(y, predicted, average="macro")
    assert scores.f1(y, predicted, 4) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_reliability_is_counted_row_by_row(seed):
    rng = np.random.default_rng(seed)
    p, y = rng.dirichlet([1, 1, 1], 200), rng.integers(0, 3, 200)
    weight = rng.integers(1, 9, 200).astype(float)
    of_bin, confidence, right = scores.reliability(y, p, weight, 5)
    at = np.minimum((p.max(axis=1) * 5).astype(int), 4)
    error = 0.0
    for k in range(5):
        rows = at == k
        assert of_bin[k] == weight[rows].sum()
        if rows.any():
            mean = np.average(p.max(axis=1)[rows], weights=weight[rows])
            share = np.average((p.argmax(axis=1) == y)[rows], weights=weight[rows])
            assert (confidence[k], right[k]) == pytest.approx((mean, share))
            error += weight[rows].sum() * abs(mean - share)
    found = scores.calibration_error(y, p, weight, 5)
    assert found == pytest.approx(error / weight.sum())


@pytest.mark.parametrize("errors", [[0.0, 0.0], [0.0, 1.0], [0.5, 1.0]])
def test_of_a_constant_r2_is_one_if_it_is_predicted_and_else_zero(errors):
    y = np.full((5, 2), 3.0)
    assert scores.r2(y, y + errors) == np.mean([error == 0 for error in errors])
