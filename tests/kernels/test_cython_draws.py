"""Compiled code draws orders of rows as NumPy does, and leaves its generators where NumPy would."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.backends.cython_models import draws_as_numpy
from fastnn.rows.generators import Generators

kernels = pytest.importorskip("fastnn.kernels.cython._kernels")
lengths = st.lists(st.integers(0, 3000) | st.sampled_from([1, 2, 4, 65536, 65537]), max_size=4)


@given(seed=st.integers(0, 2**64), lengths=lengths, half=st.booleans())
def test_permutations(seed, lengths, half):
    rng = np.random.default_rng(seed)
    if half:
        rng.integers(2**32, dtype=np.uint32)  # half a number is kept for the next draw
    generators = Generators.empty(2)
    generators.put(1, rng)
    ours = kernels.Generators(generators.states)
    for n in lengths:
        assert ours.shuffle(1, n) == rng.permutation(n).tolist()
    twin = generators.restore(1, np.random.default_rng(0))
    assert twin.random(3).tolist() == rng.random(3).tolist()
    assert twin.integers(9, size=5).tolist() == rng.integers(9, size=5).tolist()


@given(seed=st.integers(0, 2**32 - 1), lengths=lengths)
def test_shuffles_of_the_older_generator(seed, lengths):
    theirs, ours = np.random.RandomState(seed), np.random.RandomState(seed)
    compiled = kernels.Generators([ours._bit_generator])
    for n in lengths:
        order = np.arange(n)
        theirs.shuffle(order)
        assert compiled.shuffle(0, n) == order.tolist()
    assert theirs.randint(2**31) == ours.randint(2**31)


def test_this_numpy_is_followed():
    assert draws_as_numpy(kernels)


def test_another_numpy_is_not(monkeypatch):
    """Where NumPy draws otherwise, models are trained epoch by epoch, with its draws."""
    import fastnn

    monkeypatch.setattr("fastnn.backends.cython_models.draws_as_numpy", lambda _: False)
    x = np.random.default_rng(0).normal(size=(30, 2))
    ensemble = fastnn.Ensemble((2, 1), 3, output="identity", seed=0, backend="cython")
    network = fastnn.Network((2, 1), output="identity", seed=int(ensemble.seeds[2]))
    ensemble.fit(x, x[:, 0], epochs=2, progress=False)
    network.fit(x, x[:, 0], epochs=2, progress=False)
    assert ensemble.parameters[2].tobytes() == network.parameters.tobytes()
