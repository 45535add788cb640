"""What peers need done to a frame first: numbers without gaps, categories, one-hot columns.

Each is fitted on the training rows. fastnn's and scikit-learn's perceptrons get the same columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_CATEGORIES = 254
"""Of a column made one-hot, or given to scikit-learn's trees, whose bins are bytes. Of more, the
most frequent stay, and one stands for the rest."""

OTHERS = "(all others)"


def perceptron_columns(frame: Any, categorical: list[str]) -> Any:
    """Return a transformer to standardized numbers and one-hot categories.

    Missing numbers become the median, with a column that says so; missing text is a category.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [name for name in frame.columns if name not in categorical]
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES)
    return ColumnTransformer([("numbers", numbers, numeric), ("one-hot", one_hot, categorical)])


class Categories:
    """Text to pandas' categories: those of the training rows, all others missing.

    Parameters
    ----------
    categorical : list of str
        The columns that hold text.
    most : int, optional
        How many categories a column may have; the rest of them become one.
    """

    def __init__(self, categorical: list[str], most: int | None = None) -> None:
        self.categorical, self.most = categorical, most
        self._known: dict[str, list[str]] = {}
        self._cut: set[str] = set()

    def fit(self, frame: Any) -> Categories:
        for name in self.categorical:
            known = frame[name].value_counts().index.tolist()  # the most frequent first
            if self.most is not None and len(known) > self.most:
                known = known[: self.most - 1]
                self._cut.add(name)
            self._known[name] = sorted(known)
        return self

    def transform(self, frame: Any) -> Any:
        import pandas as pd

        columns = {}
        for name in frame.columns:
            if name not in self.categorical:
                columns[name] = frame[name]
                continue
            known, values = self._known[name], frame[name]
            if name in self._cut:
                values = values.where(values.isin(known) | values.isna(), OTHERS)
                known = [*known, OTHERS]
            columns[name] = pd.Categorical(values.where(values.isin(known)), categories=known)
        return pd.DataFrame(columns, index=frame.index)


class FilledNumbers:
    """Missing numbers to the median of the training rows, with a column that says so."""

    def __init__(self, categorical: list[str]) -> None:
        self.categorical = categorical
        self._medians: dict[str, float] = {}
        self._gaps: list[str] = []

    def fit(self, frame: Any) -> FilledNumbers:
        numeric = [name for name in frame.columns if name not in self.categorical]
        self._medians = {name: float(np.nan_to_num(frame[name].median())) for name in numeric}
        self._gaps = [name for name in numeric if frame[name].isna().any()]
        return self

    def transform(self, frame: Any) -> Any:
        flags = {f"{name} is missing": frame[name].isna().astype(float) for name in self._gaps}
        return frame.fillna(self._medians).assign(**flags)
