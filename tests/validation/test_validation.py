"""The words of errors about data: what came, what was expected, and what to do."""

import numpy as np
import pytest
from scipy import sparse
from support.strategies import parts

from fastnn import validation
from fastnn.validation import (
    check_count,
    check_in_range,
    check_labels,
    check_number,
    check_per_layer,
    check_sample_weight,
    check_targets,
    check_two_classes,
    check_x,
)

# -- x --------------------------------------------------------------------------------------------

GOOD = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_x_of_a_kind_that_backends_read_is_not_copied(dtype):
    x = GOOD.astype(dtype)
    assert check_x(x, 3, "float32") is x
    csr = sparse.csr_array(x)
    own = check_x(csr, 3, "float32")
    assert own is not csr
    shared = [np.shares_memory(*pair) for pair in zip(parts(own), parts(csr), strict=True)]
    assert shared == [True, True, False]  # where rows begin nobody else can change


@pytest.mark.parametrize(
    "x", [GOOD.astype(">f8"), GOOD.astype("f2"), GOOD.astype(int), [[1, 2, 3]]]
)
def test_other_numbers_are_converted_to_the_networks_dtype(x):
    converted = check_x(x, 3, "float32")
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted, x)


def bad_csr(**parts):
    x = sparse.csr_array(GOOD)
    for name, value in parts.items():
        setattr(x, name, np.asarray(value, getattr(x, name).dtype))
    return x


WRONG_X = {
    "one row": (GOOD[0], ValueError, r"\(n_rows, 3\), got \(3,\); one row is x.reshape\(1, -1\)"),
    "a number": (5.0, ValueError, r"got \(\); one row of one feature is \[\[value\]\]"),
    "images": (np.zeros((2, 3, 3)), ValueError, r"flatten each row first: x.reshape\(len\(x\), -1"),
    "columns": (GOOD[:, :2], ValueError, "x has 2 columns, but the network takes 3"),
    "ragged": ([[1, 2, 3], [1, 2]], ValueError, "x must be an array with rows of equal length"),
    "text": (np.full((2, 3), "a"), TypeError, "real numbers, got dtype <U1; convert text to num"),
    "objects": (np.full((2, 3), None), TypeError, "real numbers, got dtype object; convert text"),
    "complex": (GOOD + 1j, TypeError, "x must hold real numbers, got dtype complex128"),
    "dates": (GOOD.astype("M8[D]"), TypeError, "x must hold real numbers, got dtype datetime64"),
    "None": (None, TypeError, r"an array of shape \(n_rows, 3\), got None \(NoneType\)"),
    "a word": ("abc", TypeError, r"an array of shape \(n_rows, 3\), got 'abc' \(str\)"),
    "a mapping": ({"a": 1}, TypeError, r"an array of shape \(n_rows, 3\), got {'a': 1} \(dict\)"),
    "NaN": (np.where(GOOD == 7, np.nan, GOOD), ValueError, "got nan in row 2, column 1 .*drop or"),
    "infinity": (np.where(GOOD == 5, -np.inf, GOOD), ValueError, "got -inf in row 1, column 2"),
    "sparse columns": (sparse.csr_array(GOOD[:, :2]), ValueError, r"\(n_rows, 3\), got \(4, 2\)"),
    "sparse complex": (sparse.csr_array(GOOD + 1j), TypeError, "real numbers, got dtype complex"),
    "sparse NaN": (
        sparse.csr_array(np.where(GOOD == 7, np.nan, GOOD)),
        ValueError,
        "x must be finite, got nan in row 2, column 1",
    ),
    "sparse index": (bad_csr(indices=[9] * 11), ValueError, "x is not a valid CSR matrix"),
    "sparse index below": (bad_csr(indices=[-1] * 11), ValueError, "x is not a valid CSR matrix"),
    "sparse rows": (bad_csr(indptr=[0, 5, 2, 9, 11]), ValueError, "x is not a valid CSR matrix"),
    "sparse end": (bad_csr(indptr=[0, 2, 5, 8, 99]), ValueError, "x is not a valid CSR matrix"),
}


@pytest.mark.parametrize("case", WRONG_X)
def test_a_wrong_x_is_refused_in_words(case):
    x, error, words = WRONG_X[case]
    with pytest.raises(error, match=words):
        check_x(x, 3, "float32")


def test_a_value_that_is_not_finite_is_found_in_any_row_of_a_long_x():
    x = np.zeros((3 * validation.data.CHECK_ROWS, 2), np.float32)
    x[-1, 1] = np.nan
    with pytest.raises(ValueError, match=f"got nan in row {len(x) - 1}, column 1"):
        check_x(x, 2, "float32")


def test_values_whose_sum_overflows_are_finite():
    x = np.full((4, 3), 3e38, np.float32)
    assert check_x(x, 3, "float32") is x


def test_infinities_that_cancel_are_found():
    with pytest.raises(ValueError, match="got inf in row 0, column 0"):
        check_x(np.array([[np.inf, -np.inf, 0.0]]), 3, "float32")


# -- y --------------------------------------------------------------------------------------------

WRONG_LABELS = {
    "None": (None, TypeError, r"y must be labels \(n_rows,\) or .*, got None \(NoneType\)"),
    "rows": ([0, 1], ValueError, "x has 4 rows, but y has 2"),
    "too large": ([0, 1, 3, 3], ValueError, r"0 to 2, got 3 in row 2 \(2 out of range\)"),
    "below zero": ([0, -1, 1, 2], ValueError, "indices 0 to 2, got -1 in row 1"),
    "fractions": ([0, 0.5, 1, 2], ValueError, 'for regression use output="identity"'),
    "NaN": ([0, np.nan, 1, 2], ValueError, "y must be finite, got nan in row 1"),
    "huge": ([0, 1e300, 1, 2], ValueError, r"class indices 0 to 2, got 1e\+300 in row 1"),
    "text": (["a"] * 4, TypeError, "got dtype <U1; for other labels pass class_labels="),
    "missing": ([None] * 4, ValueError, r"y has no value in row 0 \(4 missing in total\)"),
    "objects": ([0, 1j, 1, 2], TypeError, "got dtype complex128; for other labels"),
    "ragged": ([[1], [0, 1]], ValueError, "y must be an array with rows of equal length"),
    "cube": (np.zeros((4, 3, 1)), ValueError, r"one-hot rows of shape \(n_rows, 3\), got shape"),
    "one-hot width": (np.eye(4), ValueError, r"\(n_rows, 3\), got shape \(4, 4\)"),
    "two hot": ([[1, 1, 0]] * 4, ValueError, 'row 0 is .*; for several labels .*"sigmoid"'),
    "none hot": ([[0, 0, 0]] * 4, ValueError, "a single 1 among zeros, row 0 is"),
    "lukewarm": ([[0.5, 0.5, 0]] * 4, ValueError, "a single 1 among zeros, row 0 is"),
    "one-hot text": ([["a", "b", "c"]] * 4, TypeError, "one-hot rows of y must hold numbers"),
    "one-hot NaN": ([[np.nan, 0, 1]] * 4, ValueError, "a single 1 among zeros, row 0 is"),
}


@pytest.mark.parametrize("case", WRONG_LABELS)
def test_wrong_labels_are_refused_in_words(case):
    y, error, words = WRONG_LABELS[case]
    with pytest.raises(error, match=words):
        check_labels(y, 4, 3)


WRONG_NAMES = {
    "unknown": (["a", "b", "z", "a"], ValueError, "y holds 'z', which is not one of .*'a', 'b'"),
    "numbers": ([0, 1, 0, 1], ValueError, "y holds 0, which is not one of the network's class"),
    "mixed": (np.array(["a", 2.5, 1, "b"], object), TypeError, "one kind, got 'float', 'int', 's"),
    "missing": (np.array(["a", None, 1, "b"], object), ValueError, "no value in row 1"),
    "rows": (["a", "b"], ValueError, "x has 4 rows, but y has 2"),
}


@pytest.mark.parametrize("case", WRONG_NAMES)
def test_wrong_names_of_classes_are_refused_in_words(case):
    y, error, words = WRONG_NAMES[case]
    with pytest.raises(error, match=words):
        check_labels(y, 4, 2, ("a", "b"))


def test_labels_become_int64_indices():
    for y in ([2, 0], np.array([2, 0], ">u2"), [2.0, 0.0], [[2], [0]], [[0, 0, 1], [1, 0, 0]]):
        indices = check_labels(y, 2, 3)
        assert indices.dtype == np.int64
        assert indices.tolist() == [2, 0]
    assert check_labels(["b", "a"], 2, 2, ("a", "b")).tolist() == [1, 0]
    assert check_labels([2.0, 7.0], 2, 2, (7, 2)).tolist() == [1, 0]


def test_one_class_is_named():
    with pytest.raises(ValueError, match=r"only one class, 4: .* at least two .*partial_fit"):
        check_two_classes(np.array([4, 4, 4]))
    with pytest.raises(ValueError, match="only one class, 'b'"):
        check_two_classes(np.array([1, 1]), ("a", "b"))
    check_two_classes(np.array([4, 4, 3]))


WRONG_TARGETS = {
    "None": (None, "identity", TypeError, r"of shape \(n_rows, 2\), got None \(NoneType\)"),
    "rows": (np.zeros((3, 2)), "identity", ValueError, "x has 4 rows, but y has 3"),
    "columns": (np.zeros((4, 3)), "identity", ValueError, r"\(n_rows, 2\), got \(4, 3\)"),
    "flat": (np.zeros(4), "identity", ValueError, r"y must have shape \(n_rows, 2\), got \(4,\)"),
    "text": (np.full((4, 2), "a"), "identity", TypeError, "real numbers, got dtype <U1$"),
    "names": (np.full((4, 2), "a"), "sigmoid", TypeError, "class names need class_labels="),
    "NaN": (np.full((4, 2), np.nan), "identity", ValueError, "y must be finite, got nan in row 0"),
    "above one": (np.full((4, 2), 2), "sigmoid", ValueError, r"\[0, 1\] .* from 2.0 to 2.0"),
    "below zero": (np.full((4, 2), -1), "sigmoid", ValueError, r"\[0, 1\] .* from -1.0 to -1.0"),
    "counts": (np.full((4, 2), -1), "exp", ValueError, "not be negative for an exp output, got -1"),
}


@pytest.mark.parametrize("case", WRONG_TARGETS)
def test_wrong_targets_are_refused_in_words(case):
    y, output, error, words = WRONG_TARGETS[case]
    with pytest.raises(error, match=words):
        check_targets(y, 4, 2, output, "float32")


def test_one_target_a_row_has_no_column_in_words():
    for y, where in (([0, np.nan], r"row 1 \("), ([[0], [np.nan]], r"row 1, column 0 \(")):
        with pytest.raises(ValueError, match=f"y must be finite, got nan in {where}"):
            check_targets(y, 2, 1, "identity", "float32")


def test_targets_become_rows_of_the_networks_dtype():
    for y in ([1, 0], [[1], [0]], np.array([True, False])):
        targets = check_targets(y, 2, 1, "sigmoid", "float32")
        assert (targets.dtype, targets.shape) == (np.float32, (2, 1))
        assert targets.flags.c_contiguous


# -- sample weights -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (np.ones((4, 1)), ValueError, r"shape \(n_rows,\), got \(4, 1\)"),
        ("abc", TypeError, r"sample_weight must be an array of .*, got 'abc' \(str\)"),
        (2.0, ValueError, r"sample_weight must have shape \(n_rows,\), got \(\)"),
        (np.ones(3), ValueError, "x has 4 rows, but sample_weight has 3"),
        (["a"] * 4, TypeError, "sample_weight must hold real numbers, got dtype <U1"),
        ([1, -1, 1, 1], ValueError, "sample_weight must not be negative, got -1"),
        ([1, np.nan, 1, 1], ValueError, r"sample_weight must be finite, got nan in row 1 \("),
        ([1, np.inf, 1, 1], ValueError, "sample_weight must be finite, got inf in row 1"),
        (np.full(4, 1e308), ValueError, r"sum of sample_weight must be .* 1e\+280, got inf"),
        (np.full(4, 1e280), ValueError, r"must be from 1e-280 to 1e\+280, got 4e\+280: multiply"),
        (np.full(4, 1e-281), ValueError, r"must be from 1e-280 to 1e\+280, got 4e-281: multiply"),
        (np.zeros(4), ValueError, "zero for every row: at least one must be positive"),
    ],
)
def test_wrong_sample_weights_are_refused_in_words(weights, error, words):
    with pytest.raises(error, match=words):
        check_sample_weight(weights, 4)


def test_sample_weights_become_float64():
    for weights in ([1, 0], np.array([1, 0], np.float16), np.array([True, False])):
        checked = check_sample_weight(weights, 2)
        assert checked.dtype == np.float64
        assert checked.tolist() == [1, 0]


# -- single values --------------------------------------------------------------------------------


def test_one_value_serves_all_layers_and_a_sequence_serves_each():
    assert check_per_layer("dropout", 0.5, 2, check_number) == (0.5, 0.5)
    assert check_per_layer("dropout", [0.5, 0], 2, check_number) == (0.5, 0.0)
    assert check_per_layer("dropout", np.array([0.5, 0]), 2, check_number) == (0.5, 0.0)
    assert check_per_layer("dropout", 0.5, 0, check_number) == ()
    with pytest.raises(ValueError, match="one for each of the 2 hidden layers, got 1 values"):
        check_per_layer("dropout", [0.5], 2, check_number)
    with pytest.raises(TypeError, match=r"dropout\[1\] must be a number, got 'a'"):
        check_per_layer("dropout", [0.5, "a"], 2, check_number)


@pytest.mark.parametrize("value", [True, np.True_, "1", None, 1j, [1], np.ones(1)])
def test_a_number_is_a_real_number(value):
    with pytest.raises(TypeError, match="rate must be a number, got "):
        check_number("rate", value)


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_a_count_is_any_kind_of_integer(value):
    assert check_count("epochs", value) == 3
    assert type(check_count("epochs", value)) is int


def test_ranges_are_shown_as_they_are():
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\), got 1"):
        check_in_range("rate", 1, 0, 1, open_high=True)
    with pytest.raises(ValueError, match=r"rate must be in \(0, 1\], got 0"):
        check_in_range("rate", 0, 0, 1, open_low=True)
    with pytest.raises(ValueError, match=r"rate must be in \[0, inf\), got inf"):
        check_in_range("rate", np.inf, 0, np.inf)
    assert check_in_range("rate", 1, 0, 1) == 1.0


def test_a_long_value_is_shortened():
    with pytest.raises(TypeError) as caught:
        check_number("rate", "x" * 10**6)
    assert len(str(caught.value)) < 120


def test_masked_values_are_refused():
    x = np.ma.masked_array(np.ones((3, 2)), mask=[[0, 0], [0, 1], [0, 0]])
    with pytest.raises(ValueError, match=r"x is a masked array with 1 masked values"):
        check_x(x, 2, "float32")
    np.testing.assert_array_equal(check_x(x[:1], 2, "float32"), [[1, 1]])
