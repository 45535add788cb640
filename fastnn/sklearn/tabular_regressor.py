"""TabularRegressor: numbers from a table as it comes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_y, column_or_1d

from fastnn import scores
from fastnn.bagging.recipe import N_MODELS, NUMBERS, Recipe
from fastnn.bagging.tables import TableFit
from fastnn.bagging.targets import without_bounds
from fastnn.sklearn.tabular import Callbacks, TabularModel
from fastnn.validation import check_count, check_numbers
from fastnn.vocabulary import BackendName


class TabularRegressor(RegressorMixin, TabularModel):  # type: ignore[misc]
    """Numbers from a table as it comes: numbers, text, categories, times, missing values.

    As `TabularClassifier`; targets are standardized for training, and predictions kept within the
    range of the targets.

    Parameters
    ----------
    n_estimators, hidden_layer_sizes, max_iter, batch_size
        As of `TabularClassifier`.
    activation : str, default "mish"
    learning_rate_init : float, default 0.035
    weight_decay, dropout, n_bins, kinds, drop, time_limit, random_state, callbacks, verbose, \
n_threads, backend
        As of `TabularClassifier`.

    Attributes
    ----------
    columns_ : fastnn.tabular.Columns
        How each column was read.
    ensemble_ : fastnn.Ensemble
        The networks.
    feature_importances_ : ndarray of shape (n_features_in_,)
        The increase of the squared error of rows that were left out, divided by the variance of the
        targets, if a column's values are shuffled.
    oof_score_ : float
        R² of the networks on the rows that they left out, unweighted; not with `eval_set`. A little
        optimistic, since these rows have chosen the best epochs.
    oof_prediction_ : ndarray of the shape of y
        What they predict there; NaN for rows that all networks have learned.
    histories_ : list of fastnn.History
        Losses are those of standardized targets.
    n_iter_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn.sklearn import TabularRegressor
    >>> table = {"size": np.arange(200.0), "kind": ["a", "b"] * 100}
    >>> price = table["size"] * np.tile([1.0, 2.0], 100)
    >>> regressor = TabularRegressor(max_iter=20, random_state=0).fit(table, price)
    >>> regressor.predict({"size": [100], "kind": ["b"]}).shape
    (1,)
    """

    oof_prediction_: NDArray[Any]

    def __init__(
        self,
        *,
        n_estimators: int = N_MODELS,
        hidden_layer_sizes: int | Iterable[int] = NUMBERS.hidden_layer_sizes,
        activation: str = NUMBERS.activation,
        max_iter: int = NUMBERS.epochs,
        batch_size: int = NUMBERS.batch_size,
        learning_rate_init: float = NUMBERS.learning_rate,
        weight_decay: float = NUMBERS.weight_decay,
        dropout: float = NUMBERS.dropout,
        n_bins: int | Literal["auto"] = "auto",
        kinds: Mapping[str, str] | None = None,
        drop: Collection[str] | None = (),
        time_limit: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        callbacks: Callbacks = (),
        verbose: bool | Literal["auto"] = "auto",
        n_threads: int | None = None,
        backend: BackendName = "auto",
    ) -> None:
        self.n_estimators = n_estimators
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.n_bins = n_bins
        self.kinds = kinds
        self.drop = drop
        self.time_limit = time_limit
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose
        self.n_threads = n_threads
        self.backend = backend

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the prediction for each sample, (n_samples,) or (n_samples, n_outputs).

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            Columns are matched by name, if they had names.
        """
        frame = self._asked(X)
        return self.ensemble_.predict(frame, progress=False)

    def explain(self, X: Any, output: int = 0) -> NDArray[np.float64]:
        """Return what each column contributes to the prediction, (n_samples, n_features).

        The prediction is that before it is kept within the range of the targets. See
        `fastnn.bagging.contributions` for the formula.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
        output : int, default 0
            Which of several.
        """
        frame = self._asked(X)
        n_out = self.ensemble_.architecture.n_out
        output = check_count("output", output, minimum=0)
        if output >= n_out:
            raise ValueError(f"output must be below {n_out}, got {output}")
        # of the networks without bounds, whose output falls as the prediction rises
        return -self._explain(without_bounds(self.ensemble_), frame, np.full(frame.n_rows, output))

    # -- what the base asks for -----------------------------------------------------------------

    def _recipe(self) -> Recipe:
        return self._recipe_from(NUMBERS)

    def _targets(self, y: Any, *, reset: bool) -> tuple[NDArray[Any], int]:
        y = _check_y(y, multi_output=True, y_numeric=True, estimator=self)
        check_numbers(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if reset:
            self._is_flat = y.ndim == 1
        return y.reshape(len(y), -1).astype(np.float64), 0

    def _weights(
        self, y: NDArray[Any], weight: NDArray[np.float64] | None
    ) -> NDArray[np.float64] | None:
        return weight

    def _out_of_fold(self, y: NDArray[Any], fitted: TableFit) -> None:
        rows = fitted.left_out
        self.oof_prediction_ = np.full(y.shape, np.nan)
        self.oof_prediction_[rows] = fitted.predictions
        self.oof_score_ = scores.r2(y[rows], fitted.predictions)
        if self._is_flat:
            self.oof_prediction_ = self.oof_prediction_[:, 0]
