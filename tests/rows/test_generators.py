"""The generators of many models draw what NumPy's draw, and are left where those would be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.rows import generators as module
from fastnn.rows.generators import Generators

seeds = st.lists(st.integers(0, 2**64), min_size=1, max_size=6)


@pytest.fixture(params=["at once", "one by one"])
def way(request, monkeypatch):
    """Both ways, of which the second is for a NumPy that draws otherwise."""
    if request.param == "one by one":
        monkeypatch.setattr(module, "draws_as_numpy", lambda: False)


@pytest.mark.usefixtures("way")
def test_seeds_are_those_of_numpy():
    @given(seeds=seeds, data=st.data())
    def check(seeds, data):
        theirs = [np.random.default_rng(seed) for seed in seeds]
        for rng in theirs:
            if data.draw(st.booleans()):
                rng.integers(2**32, dtype=np.uint32)  # half a number is kept for the next draw
        ours = Generators.empty(len(seeds))
        for i, rng in enumerate(theirs):
            ours.put(i, rng)
        which = data.draw(st.lists(st.sampled_from(range(len(seeds))), unique=True))
        drawn = ours.draw_seeds(np.array(which, np.int64))
        assert drawn == [int(theirs[i].integers(2**63)) for i in which]
        for i, rng in enumerate(theirs):
            twin = ours.restore(i, np.random.default_rng(0))
            assert twin.bit_generator.state == rng.bit_generator.state

    check()


def test_this_numpy_is_followed():
    assert module.draws_as_numpy()
