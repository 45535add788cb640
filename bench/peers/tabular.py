"""Learners of tables, each with its defaults: from a frame and targets to a function of other rows.

A learner is made for each fit, by `LEARNERS[name]`. `fit(x, y)` takes a frame and int64 classes or
float64 targets, and `predict(x)` returns probabilities of shape (n, n_classes), in the order of the
classes, or numbers of shape (n,). Whatever a peer needs done to the frame is inside, and timed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import metadata
from typing import Any

import numpy as np

from peers.columns import MOST_CATEGORIES, Categories, FilledNumbers, perceptron_columns


class Learner(ABC):
    """What is asked of a learner of tables.

    Parameters
    ----------
    classifies : bool
    categorical : list of str
        The columns that hold text.
    seed, threads : int
    """

    package = ""
    """Whose version is recorded."""

    def __init__(self, classifies: bool, categorical: list[str], seed: int, threads: int) -> None:
        self.classifies, self.categorical = classifies, categorical
        self.seed, self.threads = seed, threads

    @classmethod
    def version(cls) -> str:
        """Return the version of its package; ImportError if that is not installed."""
        try:
            return metadata.version(cls.package)
        except metadata.PackageNotFoundError:
            raise ImportError(
                f"{cls.package} is not installed: pip install {cls.package}"
            ) from None

    @abstractmethod
    def fit(self, x: Any, y: np.ndarray) -> None: ...

    @abstractmethod
    def predict(self, x: Any) -> np.ndarray: ...

    def _outputs(self, model: Any, x: Any) -> np.ndarray:
        outputs = model.predict_proba(x) if self.classifies else model.predict(x)
        return np.asarray(outputs, np.float64)


class Perceptron(Learner):
    """An `MLPClassifier` or `MLPRegressor` on one-hot and standardized columns.

    Targets of a regression are standardized: the default learning rate assumes such numbers.
    """

    def _estimators(self) -> Any:
        raise NotImplementedError

    def fit(self, x: Any, y: np.ndarray) -> None:
        name = "MLPClassifier" if self.classifies else "MLPRegressor"
        self._columns = perceptron_columns(x, self.categorical)
        inputs = self._columns.fit_transform(x)
        self._shift, self._scale = 0.0, 1.0
        if not self.classifies:
            self._shift, self._scale = float(y.mean()), float(y.std()) or 1.0
            y = (y - self._shift) / self._scale
        self._model = getattr(self._estimators(), name)(random_state=self.seed)
        self._model.fit(inputs, y)

    def predict(self, x: Any) -> np.ndarray:
        outputs = self._outputs(self._model, self._columns.transform(x))
        return outputs if self.classifies else outputs * self._scale + self._shift


class FastnnPerceptron(Perceptron):
    package = "fastnn"

    def _estimators(self) -> Any:
        from fastnn import sklearn

        return sklearn


class SklearnPerceptron(Perceptron):
    package = "scikit-learn"

    def _estimators(self) -> Any:
        from sklearn import neural_network

        return neural_network


class FastnnTabular(Learner):
    """`TabularClassifier` and `TabularRegressor`, which take the frame as it is."""

    package = "fastnn"

    @classmethod
    def version(cls) -> str:
        from fastnn import sklearn

        if not hasattr(sklearn, "TabularClassifier"):
            raise ImportError("this fastnn has no fastnn.sklearn.TabularClassifier yet")
        return super().version()

    def fit(self, x: Any, y: np.ndarray) -> None:
        from fastnn import sklearn

        name = "TabularClassifier" if self.classifies else "TabularRegressor"
        self._model = getattr(sklearn, name)(random_state=self.seed).fit(x, y)

    def predict(self, x: Any) -> np.ndarray:
        return self._outputs(self._model, x)


class HistGradientBoosting(Learner):
    """Text becomes pandas' categories, at most 254 of a column."""

    package = "scikit-learn"

    def fit(self, x: Any, y: np.ndarray) -> None:
        from sklearn import ensemble

        self._categories = Categories(self.categorical, MOST_CATEGORIES).fit(x)
        kind = "Classifier" if self.classifies else "Regressor"
        self._model = getattr(ensemble, f"HistGradientBoosting{kind}")(random_state=self.seed)
        self._model.fit(self._categories.transform(x), y)

    def predict(self, x: Any) -> np.ndarray:
        return self._outputs(self._model, self._categories.transform(x))


class LightGBM(Learner):
    """Text becomes pandas' categories; columns are renamed, since it takes no brackets in names."""

    package = "lightgbm"

    def _frame(self, x: Any) -> Any:
        frame = self._categories.transform(x)
        return frame.set_axis([f"c{i}" for i in range(frame.shape[1])], axis=1)

    def fit(self, x: Any, y: np.ndarray) -> None:
        import lightgbm

        self._categories = Categories(self.categorical).fit(x)
        make = lightgbm.LGBMClassifier if self.classifies else lightgbm.LGBMRegressor
        self._model = make(random_state=self.seed, n_jobs=self.threads, verbose=-1)
        self._model.fit(self._frame(x), y)

    def predict(self, x: Any) -> np.ndarray:
        return self._outputs(self._model, self._frame(x))


class Pytabkit(Learner):
    """Its models take categories; missing numbers they refuse, and get the median and a column."""

    package = "pytabkit"
    model = ""

    def _frame(self, x: Any) -> Any:
        return self._categories.transform(self._numbers.transform(x))

    def fit(self, x: Any, y: np.ndarray) -> None:
        import pytabkit

        self._numbers = FilledNumbers(self.categorical).fit(x)
        self._categories = Categories(self.categorical).fit(x)
        kind = "Classifier" if self.classifies else "Regressor"
        self._model = getattr(pytabkit, f"{self.model}_{kind}")(
            device="cpu", random_state=self.seed, n_threads=self.threads
        )
        self._model.fit(self._frame(x), y, cat_col_names=self.categorical)

    def predict(self, x: Any) -> np.ndarray:
        return self._outputs(self._model, self._frame(x)).reshape(
            (len(x), -1) if self.classifies else len(x)
        )


class RealMLPSmall(Pytabkit):
    model = "RealMLP_TD_S"


class RealMLP(Pytabkit):
    model = "RealMLP_TD"


class TabM(Pytabkit):
    model = "TabM_D"


LEARNERS: dict[str, type[Learner]] = {
    "fastnn-tabular": FastnnTabular,
    "fastnn-mlp": FastnnPerceptron,
    "sklearn-mlp": SklearnPerceptron,
    "hist-gb": HistGradientBoosting,
    "lightgbm": LightGBM,
    "realmlp-td-s": RealMLPSmall,
    "realmlp-td": RealMLP,
    "tabm": TabM,
}
LABELS = {
    "fastnn-tabular": "fastnn tabular",
    "fastnn-mlp": "fastnn MLP",
    "sklearn-mlp": "sklearn MLP",
    "hist-gb": "sklearn HGB",
    "lightgbm": "LightGBM",
    "realmlp-td-s": "RealMLP-TD-S",
    "realmlp-td": "RealMLP-TD",
    "tabm": "TabM-D",
}


def absent(names: list[str]) -> dict[str, str]:
    """Return which of these learners cannot run here, and why."""
    reasons = {}
    for name in names:
        try:
            LEARNERS[name].version()
        except ImportError as error:
            reasons[name] = str(error)
    return reasons
