"""scikit-learn's own checks of an estimator, for each of ours, and on each backend."""

import os
import subprocess
import sys
from unittest import SkipTest

import pytest

pytest.importorskip("sklearn.base")

from sklearn.utils.estimator_checks import parametrize_with_checks
from support.backends import backends_under_test

from fastnn.sklearn import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    SoftmaxRegression,
)

# All on the backend that is chosen where none is named, on each of the others one.
FIRST, *OTHERS = sorted(backends_under_test())
ESTIMATORS = [
    MLPClassifier(max_iter=100, backend=FIRST),
    MLPRegressor(max_iter=100, backend=FIRST),
    SoftmaxRegression(backend=FIRST),
    MLPEnsembleClassifier(max_iter=60, n_estimators=2, backend=FIRST),
    MLPEnsembleRegressor(max_iter=60, n_estimators=2, backend=FIRST),
    *(
        kind(max_iter=100, backend=name)
        for kind, name in zip((MLPClassifier, MLPRegressor), OTHERS, strict=False)
    ),
]

SKIPPED = {
    "check_array_api_input": "SciPy must be imported with SCIPY_ARRAY_API=1; see the next test",
    "check_classifiers_multilabel_output_format_decision_function": "MLPClassifier has no "
    "decision_function, as scikit-learn's has none",
}
"""The checks that may skip themselves, and why that is right."""


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check):
    try:
        check(estimator)
    except SkipTest as skipped:
        name = check.func.__name__
        if name not in SKIPPED:
            raise AssertionError(f"{name} skips itself: {skipped}") from None
        pytest.skip(SKIPPED[name])


def test_scikit_learns_checks_of_other_arrays():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-rs", "-k", "check_array_api", __file__],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert f"{len(ESTIMATORS)} passed" in done.stdout
    assert "skipped" not in done.stdout
