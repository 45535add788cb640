"""A bag of networks for a table with mixed columns: what they are asked is a table, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnn.bagging.importances import permutation_importances
from fastnn.bagging.recipe import LARGE_TABLE, Recipe
from fastnn.bagging.targets import standardization_of
from fastnn.bagging.training import train
from fastnn.ensemble import Ensemble
from fastnn.model.standardization import Standardization
from fastnn.tabular import Columns, Frame, learn_columns
from fastnn.training.history import History

MOST_DEVIATIONS = 1e15
"""Of a target that is watched: squares of more overflow in float32."""

BINS = 16
"""Of the piecewise-linear encoding, of tables of at least `LARGE_TABLE` rows."""


@dataclass(frozen=True)
class Preparation:
    """How columns are read; see `fastnn.tabular.learn_columns`.

    Attributes
    ----------
    kinds : mapping, optional
    drop : collection of str, optional
    n_bins : int or "auto"
        "auto": 16 for tables of at least 1,500 rows, else none.
    """

    kinds: Mapping[str, Any] | None = None
    drop: Collection[str] | None = ()
    n_bins: int | Literal["auto"] = "auto"

    def learn(self, frame: Frame) -> Columns:
        """Return what the columns of a training table become."""
        n_bins = self.n_bins
        if n_bins == "auto":
            n_bins = BINS if frame.n_rows >= LARGE_TABLE else 0
        return learn_columns(frame, kinds=self.kinds, drop=self.drop, n_bins=n_bins)


@dataclass(frozen=True, eq=False)
class Watched:
    """Rows and classes, or targets, to choose the best epoch and the temperature by.

    Attributes
    ----------
    name : str
        What errors call them.
    frame : Frame
    y : ndarray
    """

    name: str
    frame: Frame
    y: NDArray[Any]

    def rows(self, columns: Columns) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Return the prepared rows, and y."""
        try:
            return columns.rows(self.frame), self.y
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{self.name}: {error}") from None

    def check_targets(self, learned: Standardization) -> None:
        """Check that numbers are not so far from those that are learned that squares overflow.

        Raises
        ------
        ValueError
            If one is; the message has it as it came.
        """
        far = np.abs(learned.apply(self.y, np.float64)) > MOST_DEVIATIONS
        if far.any():
            row = int(far.any(axis=1).argmax())
            raise ValueError(
                f"{self.name}: y must hold numbers like those that are learned, got "
                f"{self.y[row][far[row]][0]:g} in row {row}, more than {MOST_DEVIATIONS:g} times "
                "their standard deviation from their mean"
            )


@dataclass(frozen=True, eq=False)
class TableFit:
    """What comes of `fit_table`.

    Attributes
    ----------
    ensemble : Ensemble
        Which takes tables (`Ensemble.columns`).
    columns : Columns
    histories : list of History
        Of each network.
    temperature : float
    measure_importances : callable
        Returns `importances`.
    left_out : ndarray of int64
        Rows that some network has not learned, all of those watched if others were.
    predictions : ndarray
        For these rows, what the network says that has not learned them: probabilities
        (n_left_out, n_classes), or numbers (n_left_out, n_out).
    importances : ndarray of shape (n_columns,)
        See `fastnn.bagging.importances`; of a column that is left out, 0. Measured when they are
        first asked for.
    """

    ensemble: Ensemble
    columns: Columns
    histories: list[History]
    temperature: float
    measure_importances: Callable[[], NDArray[np.float64]]
    left_out: NDArray[np.int64]
    predictions: NDArray[Any]

    @cached_property
    def importances(self) -> NDArray[np.float64]:
        """What each column of the table is worth."""
        return self.measure_importances()


def places(columns: Columns) -> list[int]:
    """Return for each output the place in the table of the column it comes from."""
    names = [column.name for column in columns.table]
    place = [names.index(name) for name in columns.names]
    return [place[source] for source in columns.sources]


def fit_table(
    frame: Frame,
    y: NDArray[Any],
    *,
    n_classes: int,
    recipe: Recipe,
    preparation: Preparation,
    n_models: int,
    seed: int,
    watched: Watched | None = None,
    **options: Any,
) -> TableFit:
    """Learn the columns of a table, then train networks on its rows.

    Parameters
    ----------
    frame : Frame
    y : ndarray
        Classes (n_rows,) int64, or targets (n_rows, n_out).
    n_classes : int
        0 for a regression.
    recipe : Recipe
    preparation : Preparation
    n_models, seed : int
    watched : Watched, optional
    **options
        Of `fastnn.bagging.training.train`.

    Raises
    ------
    TypeError, ValueError
        If no column can be learned from, or an argument is invalid.
    KeyboardInterrupt
        If no network has completed an epoch.
    """
    start, limit = time.perf_counter(), options.get("time_limit")
    weight, kept = options.get("sample_weight"), np.arange(frame.n_rows)
    if weight is not None:
        kept = np.flatnonzero(weight)  # a row without weight is as if it were not there
        least = 2 if watched is None else 1
        if len(kept) < least:
            raise ValueError(
                f"sample_weight must be other than zero for at least {least} rows, got {len(kept)}"
            )
        frame, y, options["sample_weight"] = frame.rows(kept), y[kept], weight[kept]
    if not n_classes:
        learned = standardization_of(y, options.get("sample_weight"), kept)
        if watched is not None:
            watched.check_targets(learned)
    columns = preparation.learn(frame)
    x = columns.rows(frame)
    rows = None if watched is None else watched.rows(columns)
    if limit is not None:
        options["time_limit"] = max(limit - (time.perf_counter() - start), 1e-9)
    bag = train(
        x, y, n_classes=n_classes, recipe=recipe, n_models=n_models, seed=seed, watched=rows,
        **options,
    )  # fmt: skip
    ensemble = bag.ensemble
    if bag.folds is None:
        assert rows is not None
        (x, y), left_out, models = rows, np.arange(len(rows[1])), None
    else:
        left_out = np.flatnonzero(bag.folds >= 0)
        x, y, models = x[left_out], y[left_out], bag.folds[left_out]
        left_out = kept[left_out]
    predict = ensemble.predict_proba if n_classes else ensemble.predict
    predictions = predict(x, groups=models, progress=False)
    measure_importances = partial(
        permutation_importances, ensemble, x, y, models, places(columns), len(frame.columns),
        np.random.default_rng(seed), None if limit is None else start + limit,
    )  # fmt: skip
    ensemble.columns = columns
    return TableFit(
        ensemble,
        columns,
        bag.histories,
        bag.temperature,
        measure_importances,
        left_out,
        predictions.reshape(len(y), -1),
    )
