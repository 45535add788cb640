"""TabularClassifier: classes from a table as it comes."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, column_or_1d

from fastnn import scores
from fastnn.bagging.recipe import CLASSES, N_MODELS, Recipe
from fastnn.bagging.tables import TableFit
from fastnn.sklearn.labels import labels_for_files, sound_labels, weights_of_classes
from fastnn.sklearn.tabular import Callbacks, TabularModel
from fastnn.validation import check_in_range
from fastnn.vocabulary import BackendName


class TabularClassifier(ClassifierMixin, TabularModel):  # type: ignore[misc]
    """Classes from a table as it comes: numbers, text, categories, times, missing values.

    Columns are prepared as `fastnn.tabular.learn_columns` describes, and a few networks are
    trained, each of which leaves out other rows, by which its best epoch is chosen; their
    probabilities are averaged.

    Parameters
    ----------
    n_estimators : int, default 6
        Number of networks.
    hidden_layer_sizes : int or sequence of int, default (128, 128, 128)
    activation : str, default "selu"
    max_iter : int, default 128
        Epochs; large tables are learned in fewer.
    batch_size : int, default 256
    learning_rate_init : float, default 0.02
        The highest rate of the schedule `fastnn.schedules.CosLog`, for a layer with one input: that
        of a layer is divided by the root of their number.
    label_smoothing : float, default 0.1
        The share of each label that is spread over all classes.
    weight_decay, dropout : float, default 0.0
    n_bins : int or "auto", default "auto"
        Bins of the piecewise-linear encoding of numbers, 0 for none; "auto": 16 for tables of at
        least 1,500 rows.
    kinds : mapping of str to str, optional
        How to read columns otherwise than by default; see `fastnn.tabular.learn_columns`.
    drop : sequence of str, default ()
        Columns to leave out.
    class_weight : dict, "balanced" or None, default None
        Weights of the classes, multiplied by the sample weights.
    calibrate : bool, default True
        Whether to divide the logits by the temperature that is best for rows left out.
    time_limit : float, optional
        Seconds that a fit may take, about: there are then fewer epochs, or networks, as many as
        the machine can do.
    random_state : int, RandomState or None, default None
        Draws folds, initial weights and the order of samples.
    callbacks : callable, fastnn.Callback or sequence of them, default ()
        Called after each epoch as ``f(network, epoch, record)``, for one network after the other.
    verbose : bool or "auto", default "auto"
        Whether to show a progress bar with the best score so far; "auto": on a terminal.
    n_threads : int or None, default None
        Maximum number of threads; None is `fastnn.get_num_threads`.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    columns_ : fastnn.tabular.Columns
        How each column was read; ``print(classifier.columns_)`` shows it.
    ensemble_ : fastnn.Ensemble
        The networks; ``classifier.ensemble_.save(path)`` writes them with the columns. Classes that
        files cannot hold, such as times, are text there: ``str(label)``.
    feature_importances_ : ndarray of shape (n_features_in_,)
        The increase of the log-loss of rows that were left out, if a column's values are shuffled.
    oof_score_ : float
        Accuracy of the networks on the rows that they left out, unweighted; not with `eval_set`.
        A little optimistic, since these rows have chosen the best epochs and the temperature.
    oof_decision_function_ : ndarray of shape (n_samples, n_classes)
        Their probabilities; NaN for rows that all networks have learned.
    temperature_ : float
    histories_ : list of fastnn.History
    n_iter_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    Preparation and defaults begin from RealMLP (Holzmüller, Grinsztajn and Steinwart, 2024, "Better
    by default: strong pre-tuned MLPs and boosted trees on tabular data"); those that differ were
    chosen by measurement, see ``docs/tables.md``.

    Examples
    --------
    >>> from fastnn.sklearn import TabularClassifier
    >>> table = {"age": [31, 47, None, 22] * 25, "city": ["Rome", "Oslo", "Rome", None] * 25}
    >>> classifier = TabularClassifier(max_iter=20, random_state=0)
    >>> classifier = classifier.fit(table, ["yes", "no", "no", "yes"] * 25)
    >>> classifier.predict({"age": [30], "city": ["Rome"]})
    array(['yes'], dtype='<U3')
    """

    classes_: NDArray[Any]
    temperature_: float
    oof_decision_function_: NDArray[Any]

    def __init__(
        self,
        *,
        n_estimators: int = N_MODELS,
        hidden_layer_sizes: int | Iterable[int] = CLASSES.hidden_layer_sizes,
        activation: str = CLASSES.activation,
        max_iter: int = CLASSES.epochs,
        batch_size: int = CLASSES.batch_size,
        learning_rate_init: float = CLASSES.learning_rate,
        label_smoothing: float = CLASSES.label_smoothing,
        weight_decay: float = CLASSES.weight_decay,
        dropout: float = CLASSES.dropout,
        n_bins: int | Literal["auto"] = "auto",
        kinds: Mapping[str, str] | None = None,
        drop: Collection[str] | None = (),
        class_weight: Mapping[Any, float] | str | None = None,
        calibrate: bool = True,
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
        self.label_smoothing = label_smoothing
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.n_bins = n_bins
        self.kinds = kinds
        self.drop = drop
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.time_limit = time_limit
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose
        self.n_threads = n_threads
        self.backend = backend

    # -- using ----------------------------------------------------------------------------------

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each sample, (n_samples,).

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            Columns are matched by name, if they had names.
        """
        numbers = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[numbers]
        return labels

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class, (n_samples, n_classes).

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
        """
        frame = self._asked(X)
        return self.ensemble_.predict_proba(frame, progress=False)

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
        """
        with np.errstate(divide="ignore"):  # the logarithm of 0 is -inf
            log_p: NDArray[Any] = np.log(self.predict_proba(X))
        return log_p

    def explain(self, X: Any, label: Any = None) -> NDArray[np.float64]:
        """Return what each column contributes to the logit of a class, (n_samples, n_features).

        See `fastnn.bagging.contributions` for the formula.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
        label : optional
            The class; by default that of each sample's prediction.
        """
        frame = self._asked(X)
        networks = copy.copy(self.ensemble_)
        networks.columns = None
        if label is None:
            p = self.ensemble_.predict_proba(frame, progress=False)
            return self._explain(networks, frame, p.argmax(axis=1))
        found = np.flatnonzero(self.classes_ == label)
        if len(found) != 1:
            raise ValueError(f"label must be one of the classes, {self.classes_}, got {label!r}")
        return self._explain(networks, frame, np.full(frame.n_rows, found[0]))

    # -- what the base asks for -----------------------------------------------------------------

    def _recipe(self) -> Recipe:
        smoothing = check_in_range(
            "label_smoothing", self.label_smoothing, 0.0, 1.0, open_high=True
        )
        return self._recipe_from(CLASSES, label_smoothing=smoothing)

    def _targets(self, y: Any, *, reset: bool) -> tuple[NDArray[Any], int]:
        y = _check_y(column_or_1d(sound_labels(y), warn=True), estimator=self)
        check_classification_targets(y)
        if reset:
            self.classes_, numbers = np.unique(y, return_inverse=True)
            if len(self.classes_) < 2:
                raise ValueError(
                    f"y must hold at least two classes, got one class, {self.classes_[0]!r}"
                )
            return numbers.astype(np.int64), len(self.classes_)
        numbers = np.searchsorted(self.classes_, y)
        known = self.classes_[np.minimum(numbers, len(self.classes_) - 1)] == y
        if not known.all():
            raise ValueError(
                f"y holds {y[~known][0]!r}, which is not one of the classes, {self.classes_}"
            )
        return numbers.astype(np.int64), len(self.classes_)

    def _weights(
        self, y: NDArray[Any], weight: NDArray[np.float64] | None
    ) -> NDArray[np.float64] | None:
        if self.class_weight is not None:
            classes = self.classes_
            of_class = weights_of_classes(self.class_weight, classes, classes[y], weight)
            weight = of_class if weight is None else of_class * weight
        if weight is not None:
            counted = y[weight != 0]
            if len(counted) > 1 and (counted == counted[0]).all():
                raise ValueError(
                    f"y must hold at least two classes in rows with a weight, got one, "
                    f"{self.classes_.tolist()[counted[0]]!r}: sample_weight, or class_weight, is "
                    "zero for all others"
                )
        return weight

    def _learned(self, fitted: TableFit) -> None:
        self.temperature_, ensemble = fitted.temperature, fitted.ensemble
        labels, self._are_text = labels_for_files(self.classes_, ensemble.architecture)
        ensemble.class_labels = labels

    def _out_of_fold(self, y: NDArray[Any], fitted: TableFit) -> None:
        p, rows = fitted.predictions, fitted.left_out
        self.oof_decision_function_ = np.full((len(y), p.shape[1]), np.nan, p.dtype)
        self.oof_decision_function_[rows] = p
        self.oof_score_ = scores.accuracy(y[rows], p.argmax(axis=1))
