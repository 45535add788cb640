"""Each learning-rate schedule: its first values by hand, and what it refuses."""

import numpy as np
import pytest

from fastnn.schedules import Constant, Cosine, InverseScaling, StepDecay


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(0.5), [0.5, 0.5, 0.5]),
        (Constant(0.6, warmup=3), [0.2, 0.4, 0.6, 0.6, 0.6]),
        (InverseScaling(1.0), [1, 1 / np.sqrt(2), 1 / np.sqrt(3), 0.5]),
        (InverseScaling(1.0, power=1.0, warmup=2), [0.5, 1, 1, 1 / 2, 1 / 3]),
        (StepDecay(1.0, every=2), [1, 1, 0.1, 0.1, 0.01]),
        (StepDecay(8.0, every=1, factor=0.5, warmup=1), [8, 8, 4, 2, 1]),
        (Cosine(1.0, n_steps=4), [1, 0.5 + np.sqrt(0.125), 0.5, 0.5 - np.sqrt(0.125), 0, 0, 0]),
        (Cosine(1.0, n_steps=2, final=0.5, warmup=2), [0.5, 1, 1, 0.75, 0.5, 0.5]),
    ],
)
def test_rates_are_those_worked_out_on_paper(schedule, expected):
    rates = schedule(np.arange(len(expected)))
    assert rates.dtype == np.float64
    np.testing.assert_allclose(rates, expected, rtol=1e-15, atol=1e-16)


def test_rates_depend_on_the_step_alone():
    """A fit that is resumed asks for steps 10 to 19, and gets what one in one piece gets."""
    schedule = Cosine(0.1, n_steps=15, warmup=5)
    np.testing.assert_array_equal(schedule(np.arange(20))[10:], schedule(np.arange(10, 20)))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Constant(0.0), ValueError, "learning_rate must be above 0"),
        (lambda: Constant("0.1"), TypeError, "learning_rate must be a number"),
        (lambda: Constant(0.1, warmup=-1), ValueError, "warmup must be at least 0"),
        (lambda: Constant(0.1, warmup=1.5), TypeError, "warmup must be an integer"),
        (lambda: InverseScaling(0.1, power=0), ValueError, "power must be above 0"),
        (lambda: StepDecay(0.1, every=0), ValueError, "every must be at least 1"),
        (lambda: StepDecay(0.1, every=5, factor=0.0), ValueError, r"factor must be in \(0, 1\]"),
        (lambda: StepDecay(0.1, every=5, factor=1.5), ValueError, r"factor must be in \(0, 1\]"),
        (lambda: Cosine(0.1, n_steps=0), ValueError, "n_steps must be at least 1"),
        (lambda: Cosine(0.1, n_steps=5, final=-0.1), ValueError, r"final must be in \[0, 0.1\]"),
        (lambda: Cosine(0.1, n_steps=5, final=0.2), ValueError, r"final must be in \[0, 0.1\]"),
    ],
)
def test_impossible_schedules_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
