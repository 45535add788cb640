"""One row in any form: predictors and trainers read the same numbers from it, and give one back."""

from array import array

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from support.examples import same_bits

import fastnn
from fastnn.rows.one_row import as_minibatch, as_rows, of_one_row, row_of_frame

NAMES = ["a", "b", "c", "d"]
BACKENDS = ["numpy", "numba", "cython"]


def named(row):
    return pd.Series(row, NAMES)


ONE_ROW = {
    "array": lambda row: row,
    "list": lambda row: row.tolist(),
    "tuple": lambda row: tuple(row.tolist()),
    "every other": lambda row: np.repeat(row, 2)[::2],
    "objects": lambda row: row.astype(object),
    "series": pd.Series,
    "series of objects": lambda row: pd.Series(row, dtype=object),
    "nullable series": lambda row: pd.Series(row).convert_dtypes(),
    "series of polars": lambda row: pl.Series("row", row),
    "array of the standard library": lambda row: array("d", row.tolist()),
    "row of a frame": named,
    "row of a frame, columns mixed": lambda row: named(row)[["c", "a", "d", "b"]],
    "row of a frame of objects": lambda row: named(row).astype(object),
}
NO_ROW = {
    "rows": lambda row: row[None],
    "list of rows": lambda row: [row.tolist()],
    "frame": lambda row: pd.DataFrame(row[None], columns=NAMES),
    "CSR": lambda row: sparse.csr_array(row[None]),
    "CSR of one dimension": sparse.csr_array,
    "number": lambda row: row[0],
    "deep": lambda row: row[None, None],
    "none": lambda row: None,
}


def trained(backend, frame):
    """A network that has learned rows of a frame, or rows without names."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 4))
    net = fastnn.Network((4, 5, 3), seed=1, backend=backend)
    x = pd.DataFrame(x, columns=NAMES) if frame else x
    net.fit(x, rng.integers(0, 3, 20), epochs=1, optimizer=fastnn.SGD(0.1))
    return net


@pytest.mark.parametrize("form", ONE_ROW)
def test_one_row_is_a_minibatch_of_one(form):
    row = np.array([0.5, -1.0, 2.0, 3.0])
    rows, is_row = as_rows(ONE_ROW[form](row))
    assert is_row
    assert rows.shape == (1, 4)
    if "columns mixed" in form:
        rows = rows[NAMES]
    assert np.asarray(rows, np.float64).tolist() == [row.tolist()]
    _, y, _ = as_minibatch(ONE_ROW[form](row), 2)
    assert y.tolist() == [2]
    _, y, _ = as_minibatch(ONE_ROW[form](row), [0.5, 1.0])
    assert y.tolist() == [[0.5, 1.0]]
    assert as_minibatch(ONE_ROW[form](row), None)[1] is None


@pytest.mark.parametrize("form", NO_ROW)
def test_anything_else_is_left_as_it_is(form):
    x, y = NO_ROW[form](np.array([0.5, -1.0, 2.0, 3.0])), [1, 2]
    rows, same_y, is_row = as_minibatch(x, y)
    assert not is_row
    assert same_y is y
    if form == "list of rows":
        assert rows.tolist() == x
    else:
        assert rows is x


@pytest.mark.parametrize("form", ONE_ROW | NO_ROW)
def test_only_a_series_with_names_is_a_row_of_a_frame(form):
    frame = row_of_frame((ONE_ROW | NO_ROW)[form](np.arange(4.0)))
    assert (frame is not None) == form.startswith("row of")
    if frame is not None:
        assert sorted(frame.columns) == NAMES


def test_names_that_are_not_all_text_name_no_columns():
    assert row_of_frame(pd.Series(np.ones(2), ["a", 1])) is None


@given(n_rows=st.integers(1, 4), is_row=st.booleans(), kind=st.sampled_from(["plain", "subclass"]))
def test_what_is_given_back_is_a_plain_array(n_rows, is_row, kind):
    x = np.arange(4.0 * n_rows).reshape(n_rows, 4)
    back = of_one_row(x if kind == "plain" else x.view(np.recarray), is_row)
    assert type(back) is np.ndarray
    assert same_bits(back, x[0] if is_row else x)
    matrix = sparse.csr_array(x)
    assert of_one_row(matrix, is_row) is matrix


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("frame", [False, True])
@given(form=st.sampled_from(sorted(ONE_ROW)), seed=st.integers(0, 99))
def test_predictors_and_trainers_read_the_same_row(backend, frame, form, seed):
    net = trained(backend, frame)
    row = np.random.default_rng(seed).normal(size=4)
    given_row = ONE_ROW[form](row)
    if form.endswith("mixed") and not frame:
        row = given_row.to_numpy()  # without names columns count as they stand
    predictor, trainer = net.predictor(), net.trainer()
    expected = predictor(row[None])
    assert same_bits(predictor(given_row), expected[0])
    outputs = trainer.forward(row)
    assert outputs.shape == (3,)
    assert same_bits(trainer.forward(given_row), outputs)
    np.testing.assert_allclose(outputs, expected[0], rtol=1e-5)


@pytest.mark.parametrize("form", sorted(ONE_ROW))
def test_a_row_of_another_width_is_refused(form):
    net = trained("cython", frame=True)
    row = ONE_ROW[form](np.ones(4))[:3]
    is_named = form.startswith("row of")
    for call, said in (
        (net.predictor(), r"\(4,\) or \(n_rows, 4\), got"),
        (lambda row: net.trainer()(row, 1), "x has 3 columns, but the network takes 4"),
    ):
        with pytest.raises(ValueError, match="lacks" if is_named else said):
            call(row)
