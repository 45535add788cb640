"""scikit-learn's own checks of an estimator, for each of ours on each backend."""

import pytest

pytest.importorskip("sklearn")

from conftest import backends_under_test
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression

ESTIMATORS = [
    estimator
    for name in backends_under_test()
    for estimator in (
        MLPClassifier(max_iter=100, backend=name),
        MLPRegressor(max_iter=100, backend=name),
        SoftmaxRegression(backend=name),
    )
]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
