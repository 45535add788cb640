"""Wrappers of scikit-learn estimators: pipelines of scalers, scaled targets, searches.

A scaler is ``factor · x + shift`` of each column x; `fastnn.exchange.folding` folds it into the
first layer, and the inverse of a target's scaler into the last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastnn.exchange.folding import Scaling
from fastnn.validation.values import describe

SCALERS = "StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler"


class Wrapped(NamedTuple):
    """An estimator, the scalings of its inputs and outputs, and its column names."""

    estimator: Any
    before: list[Scaling]
    after: list[Scaling]
    feature_names: tuple[str, ...] | None


def unwrapped(estimator: Any) -> Wrapped:
    """Unwrap pipelines, searches and TransformedTargetRegressors.

    Raises
    ------
    TypeError, ValueError
        If a step cannot be folded into a layer, or is not fitted.
    """
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import check_is_fitted

    before: list[Scaling] = []
    after: list[Scaling] = []
    names = None
    while not isinstance(estimator, type):
        names = names or _names(estimator)
        if isinstance(estimator, Pipeline):
            flat = _flat(estimator)
            if not flat:
                raise ValueError(
                    "the Pipeline has no steps, expected a fitted estimator at its end"
                )
            *steps, (_, last) = flat
            for name, step in steps:
                before += _scalings(name, step)
                names = names or _names(step)  # columns stay columns
            estimator = last
        elif isinstance(estimator, GridSearchCV | RandomizedSearchCV) or hasattr(
            estimator, "best_estimator_"
        ):
            if not getattr(estimator, "refit", True):
                raise ValueError(
                    f"{type(estimator).__name__} has refit={estimator.refit!r} and therefore no "
                    "best_estimator_: fit it with refit=True, or give an estimator"
                )
            check_is_fitted(estimator)
            estimator = estimator.best_estimator_
        elif isinstance(estimator, TransformedTargetRegressor):
            check_is_fitted(estimator)
            scalings = _scalings("transformer", estimator.transformer_)
            after = [*map(_inverse, reversed(scalings)), *after]
            estimator = estimator.regressor_
        else:
            break
    return Wrapped(estimator, before, after, names)


def _names(estimator: Any) -> tuple[str, ...] | None:
    names = tuple(str(name) for name in getattr(estimator, "feature_names_in_", ()))
    return names if names and len(set(names)) == len(names) else None


def _flat(pipeline: Any) -> list[tuple[str, Any]]:
    """Return the steps of a pipeline, with nested pipelines flattened."""
    from sklearn.pipeline import Pipeline

    steps: list[tuple[str, Any]] = []
    for name, step in pipeline.steps:
        if isinstance(step, Pipeline):
            steps += [(f"{name}.{inner}", part) for inner, part in _flat(step)]
        else:
            steps.append((name, step))
    return steps


def _scalings(name: str, step: Any) -> list[Scaling]:
    """Return the scaling of a transformer for each column."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        MaxAbsScaler,
        MinMaxScaler,
        RobustScaler,
        StandardScaler,
    )
    from sklearn.utils.validation import check_is_fitted

    if step is None or step == "passthrough":
        return []
    if isinstance(step, Pipeline):
        return [s for inner, part in _flat(step) for s in _scalings(f"{name}.{inner}", part)]
    kind = type(step)  # a subclass may compute something else
    label = f"the step {name!r}, a {kind.__name__},"
    if kind is FunctionTransformer and step.func is None and step.inverse_func is None:
        return []
    if kind not in (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler):
        raise TypeError(
            f"{label} cannot be folded into a layer: only scalers of single columns can, "
            f"{SCALERS}. Apply it to the rows beforehand, and give from_sklearn the rest"
        )
    check_is_fitted(step)
    if getattr(step, "clip", False):
        raise ValueError(
            f"{label} has clip=True, which no layer computes: with clip=False, rows within the "
            "range of the training rows give the same"
        )
    mean, spread = 0.0, 1.0
    match step:
        case MinMaxScaler():
            return [Scaling(name, step.scale_, step.min_)]
        case StandardScaler():
            mean = step.mean_ if step.with_mean else mean
            spread = step.scale_ if step.with_std else spread
        case RobustScaler():
            mean = step.center_ if step.with_centering else mean
            spread = step.scale_ if step.with_scaling else spread
        case MaxAbsScaler():
            spread = step.scale_
    factor = 1 / np.asarray(spread, np.float64)
    return [Scaling(name, factor, -factor * np.asarray(mean, np.float64))]


def _inverse(scaling: Scaling) -> Scaling:
    """Return ``(y − shift) / factor``."""
    factor = np.asarray(scaling.factor, np.float64)
    return Scaling(scaling.name, 1 / factor, -scaling.shift / factor)


def check_can_be_scaled(output: str, estimator: Any) -> None:
    """Check that the targets of a network with this output may be scaled.

    Raises
    ------
    ValueError
        If the output is not linear.
    """
    if output != "identity":
        raise ValueError(
            f"{describe(estimator)} has the output {output}, behind which no scaling of the "
            "targets can be folded into a layer: fit it on the targets as they are"
        )
