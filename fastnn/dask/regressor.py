"""DaskMLPRegressor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sklearn.utils.metaestimators import available_if

from fastnn.dask.estimator import OnCluster, called, on_cluster
from fastnn.dask.prediction import predicted
from fastnn.sklearn.parameters import is_stochastic
from fastnn.sklearn.regressor import MLPRegressor
from fastnn.sklearn.validation_rows import validation_rows


@on_cluster(MLPRegressor)
class DaskMLPRegressor(OnCluster, MLPRegressor):  # type: ignore[misc]
    """`fastnn.sklearn.MLPRegressor` for rows that lie on a Dask cluster.

    Trained as `DaskMLPClassifier` is.

    Parameters
    ----------
    loss, hidden_layer_sizes, activation, ..., backend
        As of `fastnn.sklearn.MLPRegressor`, with the exceptions of `DaskMLPClassifier`.
    client, rounds_per_epoch, rate_factor, outer, persist
        As of `DaskMLPClassifier`.

    Attributes
    ----------
    network_, loss_, loss_curve_, n_iter_, ...
        As of `fastnn.sklearn.MLPRegressor`.
    client_ : distributed.Client
        The client that is used.
    """

    def partial_fit(
        self: Any, X: Any, y: Any, sample_weight: Any = None, *, eval_set: Any = None
    ) -> Any:
        """Train for one epoch on other partitions, continuing from the last call.

        Parameters
        ----------
        X, y, sample_weight, eval_set
            As for `fit`.

        Returns
        -------
        self
        """
        return self._fit_on(X, y, sample_weight, True, validation_rows(eval_set))

    if not TYPE_CHECKING:  # so that editors and the reference always show it
        partial_fit = available_if(is_stochastic)(partial_fit)

    def transform(self: Any, X: Any) -> Any:
        """Return the outputs of the last hidden layer as a lazy collection of the kind of X.

        Parameters
        ----------
        X : dask array (n_samples, n_features), dask dataframe, or list of delayed tables
        """
        a = self._fitted_network().architecture
        return predicted(
            partial(called, "transform"), self._to_predict(), X,
            n_in=a.n_in, dtype=a.dtype, columns=self.get_feature_names_out(),
        )  # fmt: skip
