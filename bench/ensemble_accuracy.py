"""How much better ten networks are than one: accuracy or R² of an ensemble and of its members.

    python bench/ensemble_accuracy.py [--seeds 5] [--models 10] [--data digits iris]
                                      [--data-dir FOLDER]

An `Ensemble` of ten is trained on each data set, each network from its own weights in its own order
of rows, and measured on rows that none has seen: the mean of its members' scores, and that of their
mean. scikit-learn's tables are split anew for each seed. See README.md beside this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets as tables
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import fastnn
from fastnn.vocabulary import Output

Rows = tuple[Any, Any]


class Task(NamedTuple):
    """A data set, and how networks learn it."""

    load: Callable[[int, str | None], tuple[Rows, Rows]]  # training and test rows of a seed
    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    output: Output = "softmax"
    rate: float = 0.003


def table(read: Callable[..., Rows]) -> Callable[[int, str | None], tuple[Rows, Rows]]:
    """Return a loader of one of scikit-learn's tables, standardized."""

    def load(seed: int, folder: str | None) -> tuple[Rows, Rows]:
        x, y = read(return_X_y=True)
        x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=seed)
        scaler = StandardScaler().fit(x)
        if y.dtype.kind == "f":
            mean, deviation = y.mean(), y.std()
            y, y_test = (y - mean) / deviation, (y_test - mean) / deviation
        return (scaler.transform(x), y), (scaler.transform(x_test), y_test)

    return load


def synthetic(seed: int, folder: str | None) -> tuple[Rows, Rows]:
    data = fastnn.datasets.digits(6000, test=3000, seed=seed)
    return data.train, data.test


def mnist(seed: int, folder: str | None) -> tuple[Rows, Rows]:
    data = fastnn.datasets.mnist(folder)
    return data.train, data.test


TASKS = {
    "digits": Task(synthetic, (64,), 12, 50),
    "mnist": Task(mnist, (100,), 6, 100),
    "scikit-learn's digits": Task(table(tables.load_digits), (32,), 40, 32),
    "breast cancer": Task(table(tables.load_breast_cancer), (16,), 40, 32),
    "wine": Task(table(tables.load_wine), (8,), 60, 16),
    "iris": Task(table(tables.load_iris), (8,), 100, 16),
    "diabetes": Task(table(tables.load_diabetes), (16,), 60, 16, "identity"),
}


def compare(task: Task, seed: int, n_models: int, folder: str | None) -> tuple[float, float]:
    """Return the mean score of the members, and that of the ensemble."""
    (x, y), test = task.load(seed, folder)
    n_out = 1 if task.output == "identity" else int(np.max(y)) + 1
    sizes = (x.shape[1], *task.hidden, n_out)
    ensemble = fastnn.Ensemble(sizes, n_models, activation="relu", output=task.output, seed=seed)
    ensemble.fit(
        x, y, epochs=task.epochs, batch_size=task.batch_size, optimizer=fastnn.Adam(task.rate)
    )
    name = "r2" if task.output == "identity" else "accuracy"
    each = ensemble.evaluate(*test, reduce=None)[name]
    return float(each.mean()), float(ensemble.evaluate(*test)[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--data", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--data-dir", metavar="FOLDER", help="MNIST's four files")
    options = parser.parse_args()
    print(f"{'data':22}  {'measure':8}  {'member':>8}  {'ensemble':>8}  {'gain':>8}  seeds better")
    for name in options.data:
        task = TASKS[name]
        found = np.array(
            [compare(task, seed, options.models, options.data_dir) for seed in range(options.seeds)]
        )
        (one, all_of_them), gain = found.mean(axis=0), found[:, 1] - found[:, 0]
        print(
            f"{name:22}  {'R²' if task.output == 'identity' else 'accuracy':8}  {one:8.4f}  "
            f"{all_of_them:8.4f}  {gain.mean():+8.4f}  {(gain > 0).sum()} of {len(gain)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
