"""scikit-learn's multi-layer perceptrons and softmax regression, computed by fastnn.

Code written for ``sklearn.neural_network`` works when the import line changes: the parameters,
their defaults, the attributes and the order in which random numbers are drawn are scikit-learn's,
so that the same `random_state` starts from the same weights and sees the same minibatches. Losses
and weights agree to rounding.
"""

from __future__ import annotations

try:
    import sklearn  # noqa: F401
except ImportError:
    raise ImportError('fastnn.sklearn needs scikit-learn: pip install "fastnn[sklearn]"') from None

from fastnn.sklearn.classifier import MLPClassifier
from fastnn.sklearn.regressor import MLPRegressor
from fastnn.sklearn.softmax_regression import SoftmaxRegression

__all__ = ["MLPClassifier", "MLPRegressor", "SoftmaxRegression"]
