"""fastnn on a Dask cluster: rows that lie on many machines, with the same bits on any of them.

`fit`, `evaluate`, `predict` and `predict_proba` are those of `fastnn.Network` for Dask collections,
and `read` makes such collections of files.
`DaskMLPClassifier`, `DaskMLPRegressor` and `DaskSoftmaxRegression` are the estimators of
`fastnn.sklearn` for them, and need scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnn.cluster import LostError, TaskError
from fastnn.dask.inference import evaluate, predict, predict_proba
from fastnn.dask.network import fit
from fastnn.dask.reading import read

if TYPE_CHECKING:
    from fastnn.dask.classifier import DaskMLPClassifier, DaskSoftmaxRegression
    from fastnn.dask.regressor import DaskMLPRegressor

__all__ = [
    "DaskMLPClassifier",
    "DaskMLPRegressor",
    "DaskSoftmaxRegression",
    "LostError",
    "TaskError",
    "evaluate",
    "fit",
    "predict",
    "predict_proba",
    "read",
]

_ESTIMATORS = {
    "DaskMLPClassifier": "fastnn.dask.classifier",
    "DaskMLPRegressor": "fastnn.dask.regressor",
    "DaskSoftmaxRegression": "fastnn.dask.classifier",
}


def __getattr__(name: str) -> Any:
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from fastnn.system.packages import imported

    imported("sklearn", "sklearn")
    return getattr(import_module(_ESTIMATORS[name]), name)
