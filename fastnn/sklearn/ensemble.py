"""The common base of the ensembles: perceptrons of the same parameters, trained together."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import check_is_fitted

from fastnn.sklearn.alone import Wanted
from fastnn.sklearn.inputs import checked_weight, checked_x
from fastnn.sklearn.perceptron import Perceptron
from fastnn.sklearn.together import fit_each
from fastnn.sklearn.training import undone_if_it_fails
from fastnn.validation import check_count, check_flag

OWN = ("n_estimators", "bootstrap", "random_state")
"""Parameters of an ensemble that its members do not take from it."""


class MLPEnsemble(BaseEstimator):  # type: ignore[misc]
    """The base of both ensembles; not to be used by itself."""

    n_estimators: int
    bootstrap: bool
    random_state: int | np.random.RandomState | None
    warm_start: bool

    n_features_in_: int
    feature_names_in_: NDArray[Any]
    estimators_: list[Any]

    _kind: type[Perceptron]

    @abstractmethod
    def _checked(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        """Return checked X and y."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train all members on X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples in the loss; samples are drawn without regard to them. Members
            are then trained one after the other.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As from `fit` of a member.
        """
        try:
            n_members = check_count("n_estimators", self.n_estimators)
            check_flag("bootstrap", self.bootstrap)
            rng = check_random_state(self.random_state)
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(str(error)) from None
        with undone_if_it_fails(self):
            X, y = self._checked(X, y)
            weight = checked_weight(sample_weight, X)
            members = getattr(self, "estimators_", [])
            if not self.warm_start or len(members) != n_members:
                seeds = rng.randint(np.iinfo(np.int32).max, size=(2, n_members))
                members = [self._member(int(seed)) for seed in seeds[0]]
                self._row_seeds = seeds[1].tolist()
                self._n_samples = int(X.shape[0])
            elif self._n_samples != X.shape[0]:
                raise ValueError(
                    f"warm_start needs as many samples as before, {self._n_samples}, got "
                    f"{X.shape[0]}: set warm_start=False to start over"
                )
            fit_params = {} if weight is None else {"sample_weight": weight}
            samples = self._samples()
            wanted = (
                Wanted(member.set_params(**self._shared()), X, y, rows, fit_params)
                for member, rows in zip(members, samples, strict=True)
            )
            done = list(fit_each(wanted))
            for each in done:
                if each.error is not None:
                    raise each.error
            self.estimators_ = [each.estimator for each in done]
        return self

    def _shared(self) -> dict[str, Any]:
        """Return the parameters that all members have."""
        names = [n for n in inspect.signature(self._kind).parameters if n not in OWN]
        return {name: getattr(self, name) for name in names}

    def _member(self, seed: int) -> Perceptron:
        return self._kind(random_state=seed, **self._shared())

    def _samples(self) -> list[NDArray[np.int64]]:
        n = self._n_samples
        if not self.bootstrap:
            return [np.arange(n)] * len(self._row_seeds)
        return [np.random.RandomState(seed).randint(0, n, n) for seed in self._row_seeds]

    @property
    def estimators_samples_(self) -> list[NDArray[np.int64]]:
        """The rows that each member learned from."""
        check_is_fitted(self)
        return self._samples()

    @property
    def n_iter_(self) -> int:
        """Epochs, or iterations of "lbfgs", of the member that took most."""
        check_is_fitted(self)
        return max(int(member.n_iter_) for member in self.estimators_)

    def _outputs(self, X: Any) -> list[NDArray[Any]]:
        """Return the outputs of each member."""
        check_is_fitted(self)
        x = checked_x(self, X)
        return [member._outputs_of(x) for member in self.estimators_]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimators_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
