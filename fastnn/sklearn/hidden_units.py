"""Hidden units as features: an estimator that was trained is a transformer too."""

from __future__ import annotations

from typing import Any, NoReturn

from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin


class HiddenUnits(ClassNamePrefixFeaturesOutMixin, TransformerMixin):  # type: ignore[misc]
    """What makes a perceptron a transformer: `transform` returns its last hidden layer."""

    def transform(self, X: Any) -> NDArray[Any]:
        """Return the outputs of the last hidden layer, (n_samples, n_units).

        In a pipeline they are features that the labels have shaped, for another estimator behind.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_units)
            float64 if the estimator was fitted on float64, else float32.
        """
        # of the perceptron that this is mixed into
        outputs: NDArray[Any] = self._outputs(X, layer=-1)
        return outputs

    @property
    def _n_features_out(self) -> int:
        sizes = self._fitted_network().architecture.sizes
        return int(sizes[-2])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class NotThere:
    """A method of a base class that its subclass does not have."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(f"{owner.__name__} has no hidden units and no {self._name}")
