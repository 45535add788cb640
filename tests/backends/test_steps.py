"""Steps of training: no call of one object leaves anything behind for the next."""

import numpy as np
import pytest
from support.backends import under_test

from fastnn import SGD
from fastnn.architecture import Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.steps import Taken
from fastnn.optimizers import RunningOptimizer

NOTHING = Taken(floats=0, uint8=False, y=False, low=0.0, high=0.0)
RNG = np.random.default_rng(0)
X, Y, WEIGHT = RNG.normal(size=(700, 4)), RNG.integers(0, 3, 700), RNG.random(700) + 0.1
FEW = X[:20], Y[:20], WEIGHT[:20]


def steps_of(backend, l2):
    """Steps of a small network, its parameters, and an array for gradients."""
    a = Architecture((4, 6, 3), ("tanh",), dtype="float64")
    params = a.allocate()
    a.copy_parameters(np.random.default_rng(1).normal(size=a.n_slots), params)
    optimizer = SGD(0.1)
    options = TrainingOptions(optimizer, batch_size=50, l2=l2)
    state = RunningOptimizer.start(optimizer, a).state
    return backend.steps(a, params, state, options, NOTHING), params, np.empty_like(params)


BETWEEN = {
    "value": lambda steps, p, out: steps.value_and_gradient(p, *FEW, out, is_checked=True),
    "value of many rows": lambda steps, p, out: steps.value_and_gradient(
        p, X, Y, WEIGHT, out, is_checked=True
    ),
    "value elsewhere": lambda steps, p, out: steps.value_and_gradient(
        p * 2, X, Y, None, out, is_checked=True
    ),
    "forward": lambda steps, p, out: steps.forward(X[:50], is_checked=True),
    "backward": lambda steps, p, out: (
        steps.forward(X[:50], is_checked=True),
        steps.backward(np.ones((50, 3)), True, False, True),
    ),
}


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("name", ["numpy", "numba", "cython"])
def test_what_makes_no_update_leaves_the_next_call_as_it_is(name, between, l2):
    found = []
    for call in (lambda *_: None, BETWEEN[between]):
        steps, params, out = steps_of(under_test(name), l2)
        steps.train(*FEW, is_checked=True)
        call(steps, params, out)
        loss = steps.train(*FEW, is_checked=True)
        gradient = steps.gradient()
        call(steps, params, out)
        value = steps.value_and_gradient(params, *FEW, out, is_checked=True)
        found.append((loss, value, params.tobytes(), gradient.tobytes(), out.tobytes()))
    assert found[0] == found[1]
