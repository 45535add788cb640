"""The rows of an ensemble's fit: one table, and each model's share of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn import validation
from fastnn.architecture import Architecture
from fastnn.model.ensemble_model import EnsembleModel
from fastnn.rows.checked import Rows, checked_rows
from fastnn.rows.shares import Shares
from fastnn.rows.strides import by_rows
from fastnn.rows.trained_on import TrainedOn
from fastnn.validation.ensembles import check_folds, check_groups


def as_table(
    ensemble: EnsembleModel, x: Any, y: Any, sample_weight: Any, groups: Any
) -> tuple[tuple[Any, Any, Any], Shares | None]:
    """Return rows in two dimensions, and whose they are if x has three.

    Raises
    ------
    ValueError
        If x, y and sample_weight of three dimensions do not belong together, or there are groups.
    """
    if getattr(x, "ndim", 2) != 3 and not _is_nested(x):
        return (x, y, sample_weight), None
    if groups is not None:
        raise ValueError(
            "x has three dimensions, (n_models, n_rows, n_in), and so each model its own rows: "
            "groups= is for rows (n_rows, n_in)"
        )
    x = np.asarray(x)
    n_models, n_rows, n_in = x.shape
    expected_models, expected_in = ensemble.n_models, ensemble.architecture.n_in
    if ensemble.columns is not None:
        expected_in = len(ensemble.columns.table)
    if n_models != expected_models or n_in != expected_in:
        raise ValueError(
            f"x must have shape (n_rows, {expected_in}) or ({expected_models}, n_rows, "
            f"{expected_in}), got {x.shape}"
        )
    flat: list[Any] = [x.reshape(n_models * n_rows, n_in)]
    for name, values in (("y", y), ("sample_weight", sample_weight)):
        if values is not None:
            values = np.asarray(values)
            if values.shape[:2] != (n_models, n_rows):
                raise ValueError(
                    f"{name} must have an entry for each row of x, ({n_models}, {n_rows}, …), got "
                    f"shape {values.shape}"
                )
            values = values.reshape(n_models * n_rows, *values.shape[2:])
        flat.append(values)
    return (flat[0], flat[1], flat[2]), Shares.equal(n_models, n_rows)


def _is_nested(x: Any) -> bool:
    """Say whether a list holds lists of lists."""
    for _ in range(3):
        if not isinstance(x, list | tuple) or not x:
            return False
        x = x[0]
    return True


def shares_of(ensemble: EnsembleModel, n_rows: int, groups: Any) -> Shares:
    """Return each model's share: its group, or all rows.

    Raises
    ------
    TypeError, ValueError
        If the groups are invalid.
    """
    if groups is None:
        return Shares.same(ensemble.n_models, n_rows)
    numbers = check_groups(groups, n_rows, ensemble.n_models, ensemble.group_labels)
    return Shares.of_groups(numbers, ensemble.n_models)


def shares_of_folds(
    ensemble: EnsembleModel, data: Rows, folds: Any
) -> tuple[Shares, tuple[Rows, Shares]]:
    """Return each model's share, all rows but those of its fold, and these to watch it on.

    Raises
    ------
    TypeError, ValueError
        If the folds are invalid.
    """
    n_models, n_rows = ensemble.n_models, len(data.y)
    numbers = check_folds(folds, n_rows, n_models)
    learned = [np.flatnonzero(numbers != i) for i in range(n_models)]
    left_out = [np.flatnonzero(numbers == i) for i in range(n_models)]
    watched = data._replace(x=by_rows(data.x), sample_weight=None)
    return Shares.of_lists(learned), (watched, Shares.of_lists(left_out))


def watched_rows(
    ensemble: EnsembleModel,
    architecture: Architecture,
    trained_on: TrainedOn,
    validation_data: Any,
    validation_groups: Any,
    groups: Any,
) -> tuple[Rows, Shares] | None:
    """Return checked validation rows, and whose they are; None if there are none.

    Raises
    ------
    TypeError, ValueError
        If they are invalid, or it is not said whose they are.
    """
    if validation_data is None:
        if validation_groups is not None:
            raise ValueError("validation_groups= needs validation_data=(x, y)")
        return None
    pair = validation.check_validation_data(validation_data)
    if len(pair) != 2:
        raise ValueError(
            "validation_data must be a tuple (x, y) for an ensemble, without sample_weight"
        )
    if groups is not None and validation_groups is None:
        raise ValueError(
            "with groups=, validation_groups= must say whose the rows of validation_data are"
        )
    try:
        (x, y, _), shares = as_table(ensemble, *pair, None, validation_groups)
        rows = checked_rows(architecture, ensemble.class_labels, trained_on, x, y)
    except TypeError as error:
        raise TypeError(f"validation_data: {error}") from None
    except ValueError as error:
        raise ValueError(f"validation_data: {error}") from None
    if shares is None:
        shares = shares_of(ensemble, len(rows.y), validation_groups)
    return rows._replace(x=by_rows(rows.x)), shares
