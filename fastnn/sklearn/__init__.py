"""scikit-learn's multi-layer perceptrons and softmax regression, implemented with fastnn.

Code written for ``sklearn.neural_network`` works when only the import changes: the parameters,
their defaults, the attributes and the order of random draws are scikit-learn's, so that the same
`random_state` gives the same initial weights and minibatches. Losses and weights agree to rounding.
"""

from __future__ import annotations

try:
    import sklearn  # noqa: F401
except ImportError:
    raise ImportError('fastnn.sklearn needs scikit-learn: pip install "fastnn[sklearn]"') from None

from fastnn.sklearn.classifier import MLPClassifier
from fastnn.sklearn.ensemble_classifier import MLPEnsembleClassifier
from fastnn.sklearn.ensemble_regressor import MLPEnsembleRegressor
from fastnn.sklearn.regressor import MLPRegressor
from fastnn.sklearn.search import MLPSearchCV
from fastnn.sklearn.softmax_regression import SoftmaxRegression
from fastnn.sklearn.tabular_classifier import TabularClassifier
from fastnn.sklearn.tabular_regressor import TabularRegressor

__all__ = [
    "MLPClassifier",
    "MLPEnsembleClassifier",
    "MLPEnsembleRegressor",
    "MLPRegressor",
    "MLPSearchCV",
    "SoftmaxRegression",
    "TabularClassifier",
    "TabularRegressor",
]
