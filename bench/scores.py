"""Scores of fastnn.sklearn's estimators and of scikit-learn's: the same data, folds and parameters.

    python bench/scores.py [--data digits wine] [--backend cython] [--seeds 5] [--json results.json]

Five-fold cross-validation, with folds and initial weights of their own for each seed; the mean over
the folds is the score of a seed. fastnn's mean over the seeds may fall below scikit-learn's by the
standard deviation of scikit-learn's seeds; below that it is called worse, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets, linear_model, neural_network
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import available_backends
from fastnn import sklearn as ours
from harness import report

FOLDS = 5
CLASSES = ("digits", "wine", "breast_cancer", "iris")
NUMBERS = ("diabetes",)
Make = Callable[..., Any]


@dataclass(frozen=True)
class Pair:
    """An estimator of scikit-learn's, ours, and what both are given."""

    name: str
    theirs: Make
    mine: Make
    parameters: dict[str, Any]


def pairs(data: str) -> list[Pair]:
    """Return what is compared on a data set."""
    classifies = data in CLASSES
    name = "MLPClassifier" if classifies else "MLPRegressor"
    found = [
        Pair(
            f"{name}, {solver}",
            getattr(neural_network, name),
            getattr(ours, name),
            {"solver": solver},
        )
        for solver in ("adam", "sgd", "lbfgs")
    ]
    if classifies:
        theirs, mine = linear_model.LogisticRegression, ours.SoftmaxRegression
        found.append(Pair("SoftmaxRegression", theirs, mine, {}))
    return found


def load(data: str) -> tuple[Any, Any]:
    """Return inputs and targets; numbers are brought to mean 0 and variance 1."""
    x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    return (x, y) if data in CLASSES else (x, (y - y.mean()) / y.std())


def scores(estimator: Any, x: Any, y: Any, classifies: bool, seed: int) -> float:
    """Return accuracy or R², the mean over the folds of a seed."""
    kind = StratifiedKFold if classifies else KFold
    model = make_pipeline(StandardScaler(), estimator.set_params(random_state=seed))
    folds = kind(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some do not converge in the iterations of the defaults
        return float(cross_val_score(model, x, y, cv=folds).mean())


def compare(data: Sequence[str], backends: Sequence[str], n_seeds: int) -> Iterator[dict[str, Any]]:
    """Yield a result for each estimator on each data set."""
    for name in data:
        x, y = load(name)
        for pair in pairs(name):
            classifies = name in CLASSES

            def seeds(
                make: Make, x: Any = x, y: Any = y, classifies: bool = classifies, **more: Any
            ) -> list[float]:
                return [scores(make(**more), x, y, classifies, seed) for seed in range(n_seeds)]

            theirs = seeds(pair.theirs, **pair.parameters)
            mine = {b: seeds(pair.mine, **pair.parameters, backend=b) for b in backends}
            lowest = float(np.mean(theirs) - np.std(theirs))
            worse = [b for b, of_seeds in mine.items() if np.mean(of_seeds) < lowest]
            yield {
                "data": name, "estimator": pair.name, "scikit-learn": theirs, "fastnn": mine,
                "worse": worse,
            }  # fmt: skip


def row(result: dict[str, Any]) -> list[str]:
    """Return a result as a row of the table: means ± standard deviations over the seeds."""
    columns = [result["scikit-learn"], *result["fastnn"].values()]
    cells = [f"{np.mean(seeds):.4f} ± {np.std(seeds):.4f}" for seeds in columns]
    return [result["data"], result["estimator"], *cells]


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print the table, and say who is worse."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    everything = [*CLASSES, *NUMBERS]
    here = [name for name, reason in available_backends().items() if reason is None]
    parser.add_argument("--data", nargs="+", choices=everything, default=everything)
    parser.add_argument("--backend", nargs="+", default=here, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--json", metavar="FILE", help="write all scores there")
    options = parser.parse_args(argv)
    results = list(compare(options.data, options.backend, options.seeds))
    head = ["data", "estimator", "scikit-learn", *(f"fastnn {name}" for name in options.backend)]
    print("\n".join(report.aligned([head, *map(row, results)])))
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    worse = [result for result in results if result["worse"]]
    for result in worse:
        names = ", ".join(result["worse"])
        print(f"WORSE: {result['estimator']} on {result['data']}: {names}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    raise SystemExit(main())
