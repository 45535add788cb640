"""What workers are sent arrives as it was, its arrays where kernels can read them."""

import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

pytest.importorskip("distributed")

from fastnn.cluster.carried import Carried, value_of


def through(carried, offset):
    """Return it as it comes out of a message in which its arrays lie anywhere."""
    buffers = []
    text = pickle.dumps(carried, protocol=5, buffer_callback=buffers.append)
    moved = []
    for buffer in buffers:
        memory = np.empty(len(buffer.raw()) + 64 + offset, np.uint8)
        start = -memory.ctypes.data % 64 + offset
        part = memory[start : start + len(buffer.raw())]
        part[...] = np.frombuffer(buffer.raw(), np.uint8)
        part.flags.writeable = False
        moved.append(part)
    return pickle.loads(text, buffers=moved)


@given(offset=st.integers(1, 63), hops=st.integers(1, 3), packed=st.booleans())
def test_arrays_arrive_aligned(offset, hops, packed):
    rng = np.random.default_rng(offset)
    x = rng.normal(size=(7, 5))
    value = (x, np.asfortranarray(x), x[:, ::2], sparse.csr_matrix(x), np.arange(3), "text", None)
    carried = Carried.packed(value) if packed else Carried(value)
    for hop in range(hops):
        carried = through(carried, offset)
        if hop % 2:
            assert carried.value is carried.value
    assert carried.__sizeof__() >= x.nbytes
    for sent, got in zip(value, carried.value, strict=True):
        if isinstance(sent, np.ndarray):
            np.testing.assert_array_equal(got, sent)
            assert got.flags.aligned
            assert got.flags.writeable
        elif sparse.issparse(sent):
            assert (got != sent).nnz == 0
            assert got.data.flags.aligned
        else:
            assert got == sent


def test_values_are_found_in_lists():
    assert value_of([Carried(1), (Carried(2), 3)]) == [1, (2, 3)]


def test_what_cannot_be_pickled_is_refused_at_once():
    with pytest.raises(TypeError, match="what is to be sent to workers cannot be pickled"):
        Carried.packed(threading.Lock())


def test_a_class_that_is_not_known_is_named():
    carried = Carried(None, (b"cno_such_module\nThing\n.", []))
    with pytest.raises(RuntimeError, match=r"no_such_module.*upload_file"):
        carried.value  # noqa: B018
