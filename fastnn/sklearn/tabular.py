"""The common base of the estimators for tables: their parameters, checks, and what was learned."""

from __future__ import annotations

import sys
import warnings
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn.architecture import ACTIVATIONS
from fastnn.backends.threads import threads_limited
from fastnn.bagging.contributions import contributions
from fastnn.bagging.recipe import Recipe
from fastnn.bagging.tables import Preparation, TableFit, Watched, fit_table, places
from fastnn.callbacks.base import Callback
from fastnn.ensemble import Ensemble
from fastnn.sklearn.inputs import checked_weight
from fastnn.sklearn.training import undone_if_it_fails
from fastnn.sklearn.validation_rows import ValidationRows, validation_rows
from fastnn.system.terminal import is_terminal
from fastnn.tabular import Columns, Frame, as_frame
from fastnn.tabular.polars_columns import is_polars
from fastnn.training.history import History
from fastnn.validation import check_choice, check_count, check_in_range, check_positive
from fastnn.validation.frames import is_frame
from fastnn.vocabulary import BackendName, ModuleWeightType, WeightType

Callbacks = Callback | Callable[..., Any] | Iterable[Callback | Callable[..., Any]]


OUT_OF_FOLD = ("oof_score_", "oof_decision_function_", "oof_prediction_")
"""Attributes that a fit with `eval_set` does not leave."""


class TabularModel(BaseEstimator):  # type: ignore[misc]
    """The base of `TabularClassifier` and `TabularRegressor`; not to be used by itself."""

    # Set by __init__ of the subclass, as scikit-learn requires.
    n_estimators: int
    hidden_layer_sizes: int | Iterable[int]
    activation: str
    max_iter: int
    batch_size: int
    learning_rate_init: float
    weight_decay: float
    dropout: float
    n_bins: int | Literal["auto"]
    kinds: Mapping[str, str] | None
    drop: Collection[str] | None
    time_limit: float | None
    random_state: int | np.random.RandomState | None
    callbacks: Callbacks
    verbose: bool | Literal["auto"]
    n_threads: int | None
    backend: BackendName

    n_features_in_: int
    feature_names_in_: NDArray[Any]
    ensemble_: Ensemble
    columns_: Columns
    histories_: list[History]
    feature_importances_: NDArray[np.float64]
    oof_score_: float

    # -- defined by subclasses ------------------------------------------------------------------

    @abstractmethod
    def _targets(self, y: Any, *, reset: bool) -> tuple[NDArray[Any], int]:
        """Return checked classes (n_samples,) or targets (n_samples, n_out), and n_classes."""

    @abstractmethod
    def _weights(self, y: NDArray[Any], weight: Any) -> NDArray[np.float64] | None:
        """Return the weight of each sample."""

    def _learned(self, fitted: TableFit) -> None:
        """Keep what was learned besides the networks, and tell them what their outputs mean."""

    @abstractmethod
    def _out_of_fold(self, y: NDArray[Any], fitted: TableFit) -> None:
        """Keep the score of what was left out."""

    @abstractmethod
    def _recipe(self) -> Recipe:
        """Return the checked settings of training."""

    def _recipe_from(self, defaults: Recipe, **own: Any) -> Recipe:
        sizes = self.hidden_layer_sizes
        sizes = sizes if isinstance(sizes, Iterable) else (sizes,)
        check_choice("activation", self.activation, ACTIVATIONS)
        return replace(
            defaults,
            hidden_layer_sizes=tuple(check_count("hidden_layer_sizes", size) for size in sizes),
            activation=self.activation,
            epochs=check_count("max_iter", self.max_iter),
            batch_size=check_count("batch_size", self.batch_size),
            learning_rate=check_positive("learning_rate_init", self.learning_rate_init),
            weight_decay=check_in_range("weight_decay", self.weight_decay, 0.0, np.inf),
            dropout=check_in_range("dropout", self.dropout, 0.0, 1.0, open_high=True),
            **own,
        )

    # -- learning -------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        eval_set: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Learn a table.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            A frame of pandas or polars, or anything else that `fastnn.tabular.as_frame` takes;
            columns may hold numbers, text, categories, times, and missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or numbers.
        sample_weight : array-like of shape (n_samples,), optional
            By default every sample has weight 1.
        eval_set : (X, y), optional
            Samples to choose the best epoch by, and the temperature of a classifier, instead of
            those that each network leaves out.
        X_val, y_val : optional
            Another way to pass `eval_set`, for pipelines.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, or there is no column to learn from; the estimator is then
            unchanged.
        KeyboardInterrupt
            If the fit is interrupted before the first epoch; later the best is kept.
        """
        watched = validation_rows(eval_set, X_val, y_val)
        try:
            recipe, n_models = self._recipe(), check_count("n_estimators", self.n_estimators)
            n_bins = self.n_bins
            if n_bins != "auto":
                n_bins = check_count("n_bins", n_bins, minimum=0)
            if self.time_limit is not None:
                check_positive("time_limit", self.time_limit)
            if self.verbose != "auto" and not isinstance(self.verbose, bool | np.bool_):
                raise TypeError(f'verbose must be True, False or "auto", got {self.verbose!r}')
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(str(error)) from None
        with undone_if_it_fails(self):
            frame = self._frame(X, y, reset=True)
            if not frame.n_rows:
                raise ValueError(
                    "X must have at least 2 samples, one to learn and one to watch, got 0 samples"
                )
            targets, n_classes = self._targets(y, reset=True)
            if frame.n_rows != len(targets):
                raise ValueError(
                    f"X and y must have as many samples, got {frame.n_rows} and {len(targets)}"
                )
            if frame.n_rows < 2:
                raise ValueError(
                    f"X must have at least 2 samples, one to learn and one to watch, got n_samples "
                    f"= {frame.n_rows}"
                )
            weight = self._weights(targets, checked_weight(sample_weight, targets))
            with nullcontext() if self.n_threads is None else threads_limited(self.n_threads):
                fitted = fit_table(
                    frame,
                    targets,
                    n_classes=n_classes,
                    recipe=recipe,
                    preparation=Preparation(self.kinds, self.drop, n_bins),
                    n_models=n_models,
                    seed=seed,
                    watched=None if watched is None else self._watched(watched),
                    sample_weight=weight,
                    calibrate=bool(getattr(self, "calibrate", False)),
                    time_limit=self.time_limit,
                    callbacks=_several(self.callbacks),
                    backend=self.backend,
                    progress=is_terminal(sys.stderr)
                    if self.verbose == "auto"
                    else bool(self.verbose),
                )
                self.feature_importances_ = fitted.importances
            self.ensemble_, self.columns_ = fitted.ensemble, fitted.columns
            self.histories_ = fitted.histories
            for name in OUT_OF_FOLD:
                self.__dict__.pop(name, None)
            self._learned(fitted)
            if watched is None:
                self._out_of_fold(targets, fitted)
        return self

    def _frame(self, X: Any, *y: Any, reset: bool) -> Frame:
        """Return a checked table, with names of columns as scikit-learn records them."""
        if isinstance(X, list | tuple) and not (len(X) and isinstance(X[0], Mapping)):
            X = np.array(X, dtype=object)
        is_table = isinstance(X, Frame) or (not issparse(X) and (_is_columns(X) or is_frame(X)))
        if not is_table:
            X = check_array(X, dtype=None, ensure_all_finite=False, estimator=self)
        frame = as_frame(X)
        if frame.has_names and is_table:  # matched by name, in any order
            if reset:
                self.feature_names_in_ = np.array(frame.names, object)
                self.n_features_in_ = len(frame.names)
                return frame
            if hasattr(self, "feature_names_in_"):
                return frame
        validate_data(self, X, *y, reset=reset, skip_check_array=True)
        return frame

    def _watched(self, watched: ValidationRows) -> Watched:
        with watched.named_in_errors():
            y, _ = self._targets(watched.y, reset=False)
            return Watched(watched.name, self._frame(watched.x, reset=False), y)

    # -- using ----------------------------------------------------------------------------------

    def _asked(self, X: Any) -> Frame:
        """Return a checked table that a fitted estimator is asked about."""
        check_is_fitted(self)
        return self._frame(X, reset=False)

    @property
    def n_iter_(self) -> int:
        """Epochs of the network that took most."""
        check_is_fitted(self)
        return max(history.n_epochs for history in self.histories_)

    def _explain(
        self, networks: Ensemble, frame: Frame, outputs: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the contribution of each column to one output of each row, of networks of rows."""
        columns = self.columns_
        x, typical = columns.rows(frame), columns.typical_row
        return contributions(networks, x, typical, outputs, places(columns), len(columns.table))

    # -- writing --------------------------------------------------------------------------------

    def to_onnx(self, path: Any, *, input_dtype: Any = None) -> None:
        """Write the fitted estimator as an ONNX model that takes tables.

        Parameters
        ----------
        path : path-like
        input_dtype : {"float64", "float32"}, optional
            Of the inputs that are numbers or flags, see `fastnn.Network.to_onnx`.
        """
        check_is_fitted(self)
        self._warn_of_classes()
        self.ensemble_.to_onnx(path, input_dtype=input_dtype)

    def to_c(
        self,
        path: Any,
        *,
        weights: WeightType = "float32",
        name: str | None = None,
        rows: Any = None,
    ) -> Any:
        """Write an estimator fitted on numbers and flags as one C99 header.

        Parameters
        ----------
        path : path-like
        weights : {"float32", "int8"}, default "float32"
        name : str, optional
        rows : table, or tuple (table, y), optional
            As of `fastnn.Network.to_c`.

        Returns
        -------
        fastnn.exchange.c.header.Written

        Raises
        ------
        ValueError
            If a column holds text or times; the message names it.
        """
        check_is_fitted(self)
        self._warn_of_classes()
        return self.ensemble_.to_c(path, weights=weights, name=name, rows=rows)

    def to_html(self, path: Any, *, weights: ModuleWeightType = "float32", rows: Any = None) -> Any:
        """Write the fitted estimator as one HTML file, a page with a form for the columns.

        Parameters
        ----------
        path : path-like
        weights : {"float32", "float16", "int8"}, default "float32"
        rows : table, or tuple (table, y), optional
            As of `fastnn.Network.to_html`.

        Returns
        -------
        fastnn.exchange.page.writing.WrittenPage
        """
        check_is_fitted(self)
        self._warn_of_classes()
        return self.ensemble_.to_html(path, weights=weights, rows=rows)

    def _warn_of_classes(self) -> None:
        """Warn if files cannot hold the classes, such as times."""
        if getattr(self, "_are_text", False):
            warnings.warn(
                f"classes are written as text, {str(self.classes_[0])!r} for classes_[0]: files "
                f"hold text, numbers and flags, not classes such as {self.classes_[0]!r}",
                UserWarning,
                stacklevel=3,
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "ensemble_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _is_columns(X: Any) -> bool:
    """Say whether X holds columns by name, or rows of named values."""
    if isinstance(X, Mapping) or getattr(getattr(X, "dtype", None), "names", None):
        return True
    rows = isinstance(X, list | tuple) and len(X) > 0 and isinstance(X[0], Mapping)
    is_lazy = is_polars(X) and hasattr(X, "collect")  # which `as_frame` refuses in words
    return rows or is_lazy or hasattr(X, "__dataframe__") or hasattr(X, "__arrow_c_stream__")


def _several(callbacks: Callbacks | None) -> Sequence[Any]:
    if callbacks is None:
        return ()
    if isinstance(callbacks, Iterable):
        return list(callbacks)
    return [callbacks]
