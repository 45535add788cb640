"""Workspaces that the Cython backend keeps from call to call are bounded together."""

import gc
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import same_bits

import fastnn

pytestmark = pytest.mark.usefixtures("cython")
MOST = 1 << 20


@pytest.fixture(scope="module")
def kernels():
    """The compiled module, which keeps at most `MOST` bytes."""
    from fastnn.kernels.cython import _kernels

    before = _kernels.set_most_spare(MOST)
    yield _kernels
    _kernels.set_most_spare(before)


def predictor(width, seed=0):
    return fastnn.Network((4, width, 3), backend="cython", seed=seed).predictor()


def test_by_default_all_programs_keep_64_megabytes():
    from fastnn.kernels.cython import _kernels

    most = _kernels.set_most_spare(1 << 26)
    _kernels.set_most_spare(most)
    assert most == 1 << 26


@given(data=st.data())
def test_whatever_the_order_of_calls_their_sum_is_bounded_and_results_are_the_same(kernels, data):
    x = np.random.default_rng(0).random((126, 4), np.float32)
    widths = data.draw(st.lists(st.sampled_from((3, 50, 300, 900, 3000)), min_size=1, max_size=9))
    predictors = [predictor(width, seed) for seed, width in enumerate(widths)]
    expected = [p(x).copy() for p in predictors]
    for i in data.draw(st.lists(st.integers(0, len(widths) - 1), max_size=30)):
        if data.draw(st.booleans()):
            assert same_bits(predictors[i](x), expected[i])
        else:
            predictors[i] = predictor(widths[i], i)
        assert kernels.spare_bytes() <= MOST


def test_what_a_program_keeps_is_given_back_with_it(kernels):
    gc.collect()
    before = kernels.spare_bytes()
    kept = predictor(100)
    kept(np.zeros((10, 4), np.float32))
    assert kernels.spare_bytes() > before
    del kept
    gc.collect()
    assert kernels.spare_bytes() <= before


def test_the_one_unused_for_longest_is_given_back_first(kernels):
    x = np.zeros((126, 4), np.float32)
    first, second, large = predictor(50), predictor(50), predictor(200)
    kernels.set_most_spare(0)
    first(x)
    assert kernels.spare_bytes() == 0
    kernels.set_most_spare(MOST)
    first(x)
    one = kernels.spare_bytes()
    second(x)
    first(x)
    assert kernels.spare_bytes() == 2 * one
    large(x)
    all_three = kernels.spare_bytes()
    kernels.set_most_spare(all_three - 1)
    large(x)
    assert kernels.spare_bytes() == all_three - one
    first(x)  # still has its own: nothing is added
    assert kernels.spare_bytes() == all_three - one
    kernels.set_most_spare(MOST)


def test_a_workspace_past_the_bound_is_not_kept(kernels):
    kernels.set_most_spare(0)
    predictor(50)(np.zeros((10, 4), np.float32))
    assert kernels.spare_bytes() == 0
    kernels.set_most_spare(MOST)


def test_threads_take_and_keep_at_the_same_time(kernels):
    x = np.random.default_rng(0).random((50, 4), np.float32)
    predictors = [predictor(width) for width in (20, 400, 900, 400)]
    expected = [p(x) for p in predictors]
    wrong = []

    def serve(first):
        for i in range(300):
            j = (first + i) % len(predictors)
            if not same_bits(predictors[j](x), expected[j]):
                wrong.append(j)

    threads = [threading.Thread(target=serve, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert kernels.spare_bytes() <= MOST


def test_networks_trained_and_deleted_leave_no_more_than_the_bound(kernels):
    x, y = np.random.default_rng(0).random((300, 20), np.float32), np.arange(300) % 10
    for i in range(20):
        net = fastnn.Network((20, 300 + i, 10), seed=0, backend="cython")
        net.fit(x, y, epochs=1, batch_size=150, progress=False)
        assert kernels.spare_bytes() <= MOST
