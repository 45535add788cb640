"""Vectors like the parameters, and other floats: which are used, converted or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support.examples import same_bits

from fastnn.validation import check_floats, check_gradient, check_vector, check_vector_to_write

N = 6
FORMS = {
    "plain": lambda v: v,
    "every other": lambda v: np.repeat(v, 2)[::2],
    "backwards": lambda v: v[::-1].copy()[::-1],
    "unaligned": lambda v: np.frombuffer(b" " + v.tobytes(), v.dtype, len(v), 1),
    "swapped": lambda v: v.astype(v.dtype.newbyteorder()),
    "list": lambda v: v.tolist(),
    "objects": lambda v: v.astype(object),
    "subclass": lambda v: v.view(np.recarray),
    "whole masked array": lambda v: np.ma.masked_array(v, np.zeros(len(v), bool)),
}
NO_NUMBERS = {
    "text": lambda v: v.astype(str),
    "complex": lambda v: v.astype(complex),
    "dates": lambda v: np.zeros(len(v), "M8[s]"),
    "bool": lambda v: v > 0,
    "nothing": lambda v: np.zeros(len(v), "V4"),
}
forms = st.sampled_from(sorted(FORMS))
dtypes = st.sampled_from(["float32", "float64"])
odd_shapes = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=2 * N).filter(
    lambda shape: shape != (N,)
)


def vector(seed, dtype):
    return np.random.default_rng(seed).normal(size=N).astype(dtype)


def lies_side_by_side(array):
    return array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative


@given(form=forms, dtype=dtypes, seed=st.integers(0, 99))
def test_floats_keep_their_values(form, dtype, seed):
    v = vector(seed, dtype)
    taken = check_floats("delta", FORMS[form](v))
    assert type(taken) is np.ndarray
    assert taken.dtype == (np.float64 if form in ("list", "objects", "swapped") else dtype)
    assert taken.tolist() == v.tolist()


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "int8", "uint64"])
def test_other_numbers_become_float64(dtype):
    taken = check_floats("delta", np.arange(3).astype(dtype))
    assert taken.dtype == np.float64
    assert taken.tolist() == [0, 1, 2]


def test_floats_that_can_be_used_are_not_copied():
    v = vector(0, "float32")
    assert check_floats("delta", v) is v
    assert check_vector("parameters", v, v) is v
    assert check_gradient("gradient", v, N) is v


@given(form=forms.filter("objects".__ne__), dtype=dtypes, own=dtypes, seed=st.integers(0, 99))
def test_vectors_become_those_of_the_network(form, dtype, own, seed):
    v = vector(seed, dtype)
    taken = check_vector("parameters", FORMS[form](v), np.zeros(N, own))
    assert lies_side_by_side(taken)
    assert same_bits(taken, v.astype(own))


@given(form=forms, dtype=dtypes, seed=st.integers(0, 99))
def test_gradients_keep_their_values_and_lie_side_by_side(form, dtype, seed):
    v = vector(seed, dtype)
    taken = check_gradient("gradient", FORMS[form](v), N)
    assert lies_side_by_side(taken)
    assert taken.tolist() == v.tolist()


@pytest.mark.parametrize("form", NO_NUMBERS)
def test_what_is_no_number_is_refused(form):
    wrong = NO_NUMBERS[form](np.ones(N))
    with pytest.raises(TypeError, match="gradient must be numbers, got"):
        check_floats("gradient", wrong)
    with pytest.raises(TypeError, match="gradient must be numbers, got"):
        check_gradient("gradient", wrong, N)
    with pytest.raises(ValueError, match=r"parameters must be numbers of shape \(6,\), got"):
        check_vector("parameters", wrong, np.zeros(N))


def test_parameters_of_objects_are_refused():
    """As when they are assigned to a network."""
    with pytest.raises(ValueError, match="parameters must be numbers"):
        check_vector("parameters", np.ones(N, object), np.zeros(N))


@given(shape=odd_shapes)
def test_another_shape_is_refused(shape):
    wrong, like = np.ones(shape), np.zeros(N)
    with pytest.raises(ValueError, match=r"gradient must have the shape of the parameters, \(6,\)"):
        check_gradient("gradient", wrong, N)
    with pytest.raises(ValueError, match=r"parameters must be numbers of shape \(6,\), got"):
        check_vector("parameters", wrong, like)
    with pytest.raises(ValueError, match=r"out must be .* of float64 and shape \(6,\), got"):
        check_vector_to_write("out", wrong, like)


def test_masked_values_are_no_numbers():
    masked = np.ma.masked_array(np.ones(N), np.arange(N) == 1)
    for check in (
        lambda: check_floats("delta", masked),
        lambda: check_gradient("delta", masked, N),
        lambda: check_vector("delta", masked, np.zeros(N)),
    ):
        with pytest.raises(ValueError, match="delta is a masked array with 1 masked values"):
            check()


@pytest.mark.parametrize("form", [*FORMS, "read-only", "other dtype"])
def test_only_what_can_be_written_as_one_piece_is_written(form):
    like = np.zeros(N, np.float32)
    out = np.zeros(N, np.float32)
    if form == "read-only":
        out.flags.writeable = False
    else:
        out = out.astype(np.float64) if form == "other dtype" else FORMS[form](out)
    if form in ("plain", "subclass", "whole masked array"):
        assert check_vector_to_write("out", out, like) is out
    else:
        with pytest.raises(ValueError, match="out must be a writable, contiguous array of float32"):
            check_vector_to_write("out", out, like)


@given(start=st.integers(0, 3 * N), of_bytes=st.booleans())
def test_what_is_written_shares_no_memory_with_what_is_kept(start, of_bytes):
    memory = np.zeros(5 * N)
    kept, out = memory[2 * N : 3 * N], memory[start : start + N]
    other = kept.view(np.uint8) if of_bytes else kept
    if start in range(N + 1, 3 * N):
        with pytest.raises(ValueError, match="out and the optimizer's state must not share memory"):
            check_vector_to_write("out", out, kept, ("x", None), ("the optimizer's state", other))
    else:
        assert check_vector_to_write("out", out, kept, ("x", None), ("the state", other)) is out
