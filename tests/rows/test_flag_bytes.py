"""Flags whose bytes are not 0 and 1, as of a file or a view: True is 1, as NumPy says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from support.strategies import dense_layouts, lay_out

import fastnn

bytes_of_flags = st.lists(st.sampled_from([0, 0, 1, 2, 128, 165, 255]), min_size=12, max_size=12)


def network():
    return fastnn.Network((4, 3), seed=0, backend="numpy", output="identity")


@given(values=bytes_of_flags, layout=dense_layouts)
def test_a_flag_of_any_byte_is_predicted_as_one(values, layout):
    rng = np.random.default_rng(0)
    x = lay_out(rng, np.array(values, np.uint8).reshape(3, 4), layout)
    flags = x.view(np.bool_)
    expected = network().predict((np.asarray(x) != 0).astype(np.uint8))
    np.testing.assert_array_equal(network().predict(flags), expected)
    np.testing.assert_array_equal(network().predictor()(flags), expected)


@given(values=bytes_of_flags)
def test_a_matrix_of_flags_too(values):
    x = sparse.csr_array(np.array(values, np.uint8).reshape(3, 4))
    expected = network().predict(sparse.csr_array((x.toarray() != 0).astype(np.uint8)))
    x.data = x.data.view(np.bool_)
    np.testing.assert_array_equal(network().predict(x), expected)


@pytest.mark.parametrize("layout", ["C", "memory-mapped"])
def test_flags_of_zeros_and_ones_are_read_where_they_lie(layout):
    from fastnn.validation import check_x

    flags = lay_out(np.random.default_rng(0), np.eye(4, dtype=np.uint8), layout).view(np.bool_)
    assert np.may_share_memory(check_x(flags, 4, "float32"), flags)
