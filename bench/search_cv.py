"""Seconds of a random search: MLPSearchCV, and scikit-learn's RandomizedSearchCV in processes.

    python bench/search_cv.py [--candidates 60] [--folds 5] [--dtype float64] [--epochs 100]
                              [--rounds 3] [--jobs 2] [--json results.json] [--smoke]

All three evaluate the same candidates on the same folds of scikit-learn's digits: `MLPSearchCV`,
whose candidates are trained together; `RandomizedSearchCV` with the same estimator, in `--jobs`
processes; and with scikit-learn's own. Before they are timed, and after, the scores of the first
two must be the same numbers, and those of scikit-learn's estimator as near as the folds are to each
other. The rounds are interleaved.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import loguniform
from sklearn import neural_network
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV

from fastnn.sklearn import MLPClassifier, MLPSearchCV
from harness import report

DISTRIBUTIONS = {
    "alpha": loguniform(1e-6, 1.0),
    "learning_rate_init": loguniform(1e-4, 3e-2),
    "hidden_layer_sizes": [(16,), (32,), (64,)],
    "batch_size": [32, 64, 200],
}
TOGETHER, IN_PROCESSES, THEIRS = "MLPSearchCV", "RandomizedSearchCV", "scikit-learn"
VERIFIED = 4
"""Candidates of the search before the timing, which also starts the processes."""


def searches(options: argparse.Namespace, n_candidates: int) -> dict[str, Any]:
    """Return the three searches."""
    chosen = {"max_iter": options.epochs, "random_state": 0}
    common = {"n_iter": n_candidates, "cv": options.folds, "random_state": 0, "refit": False}
    mine, theirs = MLPClassifier(**chosen), neural_network.MLPClassifier(**chosen)
    jobs = options.jobs
    return {
        TOGETHER: MLPSearchCV(mine, DISTRIBUTIONS, **common),
        IN_PROCESSES: RandomizedSearchCV(mine, DISTRIBUTIONS, n_jobs=jobs, **common),
        THEIRS: RandomizedSearchCV(theirs, DISTRIBUTIONS, n_jobs=jobs, **common),
    }


def verdict(found: dict[str, Any]) -> str | None:
    """Return what is wrong with the scores, or None."""
    mean = {name: search.cv_results_["mean_test_score"] for name, search in found.items()}
    if not np.array_equal(mean[TOGETHER], mean[IN_PROCESSES]):
        return "the scores of estimators trained together differ from those of estimators alone"
    apart = np.abs(mean[TOGETHER] - mean[THEIRS])
    spread = found[THEIRS].cv_results_["std_test_score"]
    if (apart > np.maximum(spread, 0.01)).any():
        return f"scores are up to {apart.max():.3f} apart from scikit-learn's"
    return None


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Verify, time in rounds, verify; return seconds by search and the last one's results."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(options.dtype)[: options.rows]
    y = y[: options.rows]
    seconds: dict[str, list[float]] = {}
    wrong = None
    for round_number in range(options.rounds + 1):
        n = options.candidates if round_number else min(VERIFIED, options.candidates)
        found = searches(options, n)
        names = list(found)
        first = round_number % len(names)
        for name in (*names[first:], *names[:first]):
            start = time.perf_counter()
            found[name].fit(x, y)
            if round_number:
                seconds.setdefault(name, []).append(time.perf_counter() - start)
        wrong = wrong or verdict(found)
        if wrong:
            break
    best = {
        name: float(search.cv_results_["mean_test_score"].max()) for name, search in found.items()
    }
    return {"seconds": seconds, "best": best, "wrong": wrong}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, default, text in (
        ("--candidates", 60, "parameter sets"),
        ("--folds", 5, "folds"),
        ("--epochs", 100, "most epochs of a fit"),
        ("--rounds", 3, "rounds"),
        ("--jobs", 2, "processes of RandomizedSearchCV"),
        ("--rows", 1797, "rows of digits"),
    ):
        parser.add_argument(name, type=int, default=default, help=f"{text}, %(default)s")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--smoke", action="store_true", help="only check that it runs")
    options = parser.parse_args(argv)
    if options.smoke:
        options.candidates, options.folds, options.epochs = 3, 2, 3
        options.rounds, options.rows, options.jobs = 1, 300, 1
    warnings.simplefilter("ignore")  # some do not converge
    result = measure(options)
    if result["wrong"]:
        print(f"WRONG: {result['wrong']}", file=sys.stderr)
        return 1
    medians = {name: float(np.median(values)) for name, values in result["seconds"].items()}
    rows = [["search", "seconds", "min … max", "× MLPSearchCV", "best score"]]
    for name in (TOGETHER, IN_PROCESSES, THEIRS):
        values = result["seconds"][name]
        ratio = medians[name] / medians[TOGETHER]
        spread = f"{min(values):.2f} … {max(values):.2f}"
        best = f"{result['best'][name]:.4f}"
        rows.append([name, f"{medians[name]:.2f}", spread, f"{ratio:.1f}", best])
    print(
        f"{options.candidates} candidates × {options.folds} folds, digits as {options.dtype}, at "
        f"most {options.epochs} epochs; RandomizedSearchCV in {options.jobs} processes"
    )
    print("\n".join(report.aligned(rows)))
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
