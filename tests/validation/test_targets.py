"""Labels and targets of any kind that people have train alike, or are named in the error."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import same_bits

import fastnn

X = np.random.default_rng(0).normal(size=(6, 3))
CLASSES, NAMES, NUMBERS = [0, 1, 2, 0, 1, 2], list("abcabc"), [0.5, 1.0, 2.5, 0.0, 1.0, 2.0]

FORMS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "objects": lambda y: np.array(y, object),
    "column": lambda y: np.array(y)[:, None],
    "series": lambda y: pd.Series(y, name="kind"),
    "series of objects": lambda y: pd.Series(y, dtype=object),
    "nullable": lambda y: pd.Series(y).convert_dtypes(),
    "category": lambda y: pd.Series(y, dtype="category"),
    "categorical": pd.Categorical,
    "index": pd.Index,
    "frame": lambda y: pd.DataFrame({"kind": y}),
    "frame of categories": lambda y: pd.DataFrame({"kind": pd.Series(y, dtype="category")}),
    "polars": lambda y: pl.Series("kind", y),
    "polars frame": lambda y: pl.DataFrame({"kind": y}),
}

OUTPUTS = {
    "classes": (CLASSES, {}),
    "names": (NAMES, {"class_labels": ["a", "b", "c"]}),
    "numbers": (NUMBERS, {"output": "identity", "sizes": (3, 1)}),
    "shares": ([0, 1, 1, 0, 1, 0], {"output": "sigmoid", "sizes": (3, 1)}),
}


def trained(y, sizes=(3, 3), x=X, **options):
    net = fastnn.Network(sizes, seed=0, **options)
    net.fit(x, y, epochs=2, progress=False)
    return net


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("form", FORMS)
def test_targets_in_any_form_train_and_measure_alike(form, output):
    y, options = OUTPUTS[output]
    expected, net = trained(y, **options), trained(FORMS[form](y), **options)
    assert same_bits(net.parameters, expected.parameters)
    assert net.evaluate(X, FORMS[form](y)) == expected.evaluate(X, y)


MISSING = {
    "None in a list": list,
    "objects": lambda y: np.array(y, object),
    "nullable": lambda y: pd.Series(y, name="kind").convert_dtypes(),
    "objects in a series": lambda y: pd.Series(y, dtype=object, name="kind"),
    "category": lambda y: pd.Series(y, dtype="category", name="kind"),
    "frame": lambda y: pd.DataFrame({"kind": pd.Series(y, dtype=object)}),
    "polars": lambda y: pl.Series("kind", y),
}


@pytest.mark.parametrize("output", OUTPUTS)
@given(form=st.sampled_from(sorted(MISSING)), row=st.integers(0, 5))
def test_a_value_that_is_missing_is_named_with_its_row_and_column(output, form, row):
    y, options = OUTPUTS[output]
    y = [None if i == row else value for i, value in enumerate(y)]
    with pytest.raises(ValueError, match=rf"^y.* in row {row}\b.*drop or fill") as said:
        trained(MISSING[form](y), **options)
    assert ("('kind')" in str(said.value)) == (form not in ("None in a list", "objects"))


def test_a_missing_target_of_several_is_named_by_its_column():
    y = pd.DataFrame({"u": NUMBERS, "v": [1.0, None, 1, 1, 1, 1]})
    with pytest.raises(ValueError, match=r"y must be finite, got nan in row 1, column 1 \('v'\)"):
        trained(y, (3, 2), output="identity")


def test_a_target_that_is_text_is_named_by_its_column():
    y = pd.DataFrame({"u": NUMBERS, "v": [1.0, "two", 1, 1, 1, 1]})
    with pytest.raises(TypeError, match="y must hold numbers, but its column 'v' holds 'two'"):
        trained(y, (3, 2), output="identity")


@pytest.mark.parametrize("series", [pd.Series, pl.Series, pd.Index])
def test_a_series_as_x_is_a_row_or_a_column_and_is_asked_about(series):
    with pytest.raises(ValueError, match=r"Series of 3: one row is x\.to_numpy\(\)\.reshape"):
        trained(CLASSES).predict(series([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("rows", [X.tolist(), X.astype(object), tuple(map(tuple, X))])
def test_rows_of_python_numbers_are_rows(rows):
    net = trained(CLASSES)
    assert same_bits(net.predict_proba(rows), net.predict_proba(X))


def test_rows_of_objects_name_what_is_no_number():
    net, rows = trained(CLASSES), X.astype(object)
    rows[2, 1] = "one"
    with pytest.raises(TypeError, match="its column 1 holds 'one'"):
        net.predict(rows)
    rows[2, 1] = None
    with pytest.raises(ValueError, match="got nan in row 2, column 1"):
        net.predict(rows)
