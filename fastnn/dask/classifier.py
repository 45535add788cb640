"""DaskMLPClassifier and DaskSoftmaxRegression."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fastnn.dask.estimator import OnCluster, called, on_cluster
from fastnn.dask.prediction import predicted
from fastnn.sklearn.classifier import MLPClassifier
from fastnn.sklearn.parameters import is_stochastic
from fastnn.sklearn.softmax_regression import SoftmaxRegression
from fastnn.sklearn.validation_rows import validation_rows


class Classifies(OnCluster):
    """What the classifiers on a cluster share."""

    def partial_fit(
        self: Any,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        classes: Any = None,
        *,
        eval_set: Any = None,
    ) -> Any:
        """Train for one epoch on other partitions, continuing from the last call.

        Parameters
        ----------
        X, y, sample_weight, eval_set
            As for `fit`.
        classes : array-like of shape (n_classes,), optional
            All classes that can occur; required in the first call.

        Returns
        -------
        self
        """
        self._check_weights_of_a_part()
        return self._fit_on(X, y, sample_weight, True, validation_rows(eval_set), classes)

    if not TYPE_CHECKING:  # so that editors and the reference always show it
        partial_fit = available_if(is_stochastic)(partial_fit)

    def predict_proba(self: Any, X: Any) -> Any:
        """Return the probability of each class as a lazy collection of the kind of X.

        Parameters
        ----------
        X : dask array (n_samples, n_features), dask dataframe, or list of delayed tables

        Returns
        -------
        dask array or dataframe, or list of delayed arrays
            (n_samples, n_classes), in the order of `classes_`, which name the columns of a
            dataframe.
        """
        check_is_fitted(self)
        return self._lazy("predict_proba", X, self.classes_)

    def predict_log_proba(self: Any, X: Any) -> Any:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : dask array (n_samples, n_features), dask dataframe, or list of delayed tables
        """
        check_is_fitted(self)
        return self._lazy("predict_log_proba", X, self.classes_)

    def _lazy(self: Any, method: str, X: Any, columns: Any) -> Any:
        a = self._fitted_network().architecture
        return predicted(
            partial(called, method), self._to_predict(), X,
            n_in=a.n_in, dtype=a.dtype, columns=columns,
        )  # fmt: skip


@on_cluster(MLPClassifier)
class DaskMLPClassifier(Classifies, MLPClassifier):  # type: ignore[misc]
    """`fastnn.sklearn.MLPClassifier` for rows that lie on a Dask cluster.

    In each round every partition trains a copy of the network on its own samples, and the results
    are averaged; "lbfgs" adds the losses and gradients of all partitions. The result depends on the
    partitions, not on the workers: any number of them, and workers lost in the middle, give the
    same bits.

    Parameters
    ----------
    hidden_layer_sizes, activation, ..., backend
        As of `fastnn.sklearn.MLPClassifier`, but for: `batch_size` "auto", which is 200 divided by
        the number of partitions, at least 8; `early_stopping`, which needs an `eval_set`;
        `validation_fraction` and `n_threads`, which are not used.
    client : distributed.Client, optional
        By default the current one. It is neither copied nor pickled with the estimator.
    rounds_per_epoch, rate_factor, outer, persist
        As of `fastnn.dask.fit`.

    Attributes
    ----------
    classes_, network_, loss_, loss_curve_, n_iter_, ...
        As of `fastnn.sklearn.MLPClassifier`.
    client_ : distributed.Client
        The client that is used.

    See Also
    --------
    fastnn.dask.fit : The same for a `fastnn.Network`.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from fastnn.dask import DaskMLPClassifier
    >>> client = Client()  # doctest: +SKIP
    >>> X = da.random.random((1_000_000, 20), chunks=(100_000, 20)).astype("float32")
    >>> y = (X[:, 0] > X[:, 1]).astype(int)
    >>> classifier = DaskMLPClassifier((32,), max_iter=3, random_state=0)
    >>> classifier.fit(X, y).score(X, y)  # doctest: +SKIP
    0.995
    """

    def transform(self, X: Any) -> Any:
        """Return the outputs of the last hidden layer as a lazy collection of the kind of X.

        Parameters
        ----------
        X : dask array (n_samples, n_features), dask dataframe, or list of delayed tables
        """
        return self._lazy("transform", X, self.get_feature_names_out())


@on_cluster(SoftmaxRegression)
class DaskSoftmaxRegression(Classifies, SoftmaxRegression):  # type: ignore[misc]
    """`fastnn.sklearn.SoftmaxRegression` for rows that lie on a Dask cluster.

    Its default solver "lbfgs" adds the losses and gradients of all partitions in a fixed tree, and
    finds the minimum that it finds on one machine.

    Parameters
    ----------
    C, solver, ..., backend
        As of `fastnn.sklearn.SoftmaxRegression`.
    client, rounds_per_epoch, rate_factor, outer, persist
        As of `DaskMLPClassifier`.

    Attributes
    ----------
    classes_, coef_, intercept_, network_, loss_, n_iter_, ...
        As of `fastnn.sklearn.SoftmaxRegression`.
    client_ : distributed.Client
        The client that is used.
    """

    def decision_function(self, X: Any) -> Any:
        """Return the logits as a lazy collection of the kind of X.

        Parameters
        ----------
        X : dask array (n_samples, n_features), dask dataframe, or list of delayed tables
        """
        return self._lazy("decision_function", X, self.classes_ if self.n_outputs_ > 1 else None)
