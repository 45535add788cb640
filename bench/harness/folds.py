"""One fold of one learner: fit, predict, and how far off the predictions are.

    error = 1 − accuracy, or √(mean (ŷ − y)²) / σ, with σ the standard deviation of all targets

Five folds, with each class in each of them, the same ones for all learners. The standard error of a
fold's error is that over its n rows: √(p (1 − p) / n) with p = (mistakes + 1) / (n + 2); for a
regression, with s = (ŷ − y)² and the derivative of the root, std(s) / √n / (2 √mean(s)) / σ.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

N_FOLDS = 5
SEED = 0  # of the folds; a learner's is the number of its fold
SMALLEST = 1e-7  # a probability below is taken for it: float32 rounds 1 − 1e-8 to 1


def split(table: Any, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and those to test with."""
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = KFold if table.task == "regression" else StratifiedKFold
    folds = kind(N_FOLDS, shuffle=True, random_state=SEED).split(table.x, table.y)
    return list(folds)[fold]


def measure(learner: Any, table: Any, fold: int) -> dict[str, Any]:
    """Return times and scores of a fold."""
    train, test = split(table, fold)
    x, y = table.x.iloc[train], table.y[train]
    x_test, y_test = table.x.iloc[test], table.y[test]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged, a category not seen before
        start, busy = time.perf_counter(), time.process_time()
        learner.fit(x, y)
        fitted, busy = time.perf_counter(), time.process_time() - busy
        outputs = learner.predict(x_test)
        predicted = time.perf_counter()
    times = {
        "fit_seconds": fitted - start,
        "fit_processor_seconds": busy,
        "predict_seconds": predicted - fitted,
    }
    if table.task == "regression":
        return times | regression_scores(y_test, outputs, float(np.std(table.y)))
    return times | classification_scores(y_test, outputs, len(table.classes))


def classification_scores(
    y: np.ndarray, probabilities: np.ndarray, n_classes: int
) -> dict[str, Any]:
    """Return error, its standard error, log-loss and AUC (one against the rest, unweighted).

    Raises
    ------
    ValueError
        If the probabilities have another shape, or are not finite.
    """
    from sklearn.metrics import roc_auc_score

    if probabilities.shape != (len(y), n_classes):
        raise ValueError(
            f"probabilities of shape {probabilities.shape}, expected {(len(y), n_classes)}"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities that are not finite")
    error = float(np.mean(probabilities.argmax(axis=1) != y))
    likely = (error * len(y) + 1) / (len(y) + 2)  # no mistake in n rows is not none in all
    p = np.clip(probabilities, SMALLEST, 1.0)
    p /= p.sum(axis=1, keepdims=True)
    scores = p[:, 1] if n_classes == 2 else p
    return {
        "error": error,
        "standard_error": float(np.sqrt(likely * (1 - likely) / len(y))),
        "log_loss": float(-np.mean(np.log(p[np.arange(len(y)), y]))),
        "auc": float(roc_auc_score(y, scores, multi_class="ovr")),
        "n_test": len(y),
    }


def regression_scores(y: np.ndarray, outputs: np.ndarray, deviation: float) -> dict[str, Any]:
    """Return error and its standard error; ValueError if the outputs are not n finite numbers."""
    if outputs.shape != y.shape or not np.isfinite(outputs).all():
        raise ValueError(f"outputs of shape {outputs.shape}, expected {y.shape} finite numbers")
    squares = (outputs - y) ** 2
    rmse = float(np.sqrt(squares.mean()))
    of_squares = float(squares.std() / np.sqrt(len(y)))
    return {
        "error": rmse / deviation,
        "standard_error": of_squares / (2 * rmse) / deviation if rmse else 0.0,
        "n_test": len(y),
    }
