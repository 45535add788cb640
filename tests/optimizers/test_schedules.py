"""Each learning-rate schedule: its first values by hand, and what it refuses."""

import numpy as np
import pytest

from fastnn.schedules import Constant, Cosine, CosLog, FlatCosine, InverseScaling, StepDecay

HALF = 1 - np.cos(2 * np.pi * np.log2(3))


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
        (FlatCosine(1.0, n_steps=4), [1, 1, 1, 0.5, 0, 0]),
        (FlatCosine(2.0, n_steps=2, warmup=2), [1, 2, 2, 2, 0]),
        # cycles of 1, 2 and 4 steps; within one, from 2^c to 2^(c+1), its cosine is of log2
        (CosLog(1.0, n_steps=1, cycles=1), [0, 0, 0]),
        (
            CosLog(1.0, n_steps=7, cycles=3),
            [0, 0, *(0.5 - np.cos(2 * np.pi * np.log2([3, 4, 5, 6, 7, 8])) / 2), 0],
        ),
        (CosLog(2.0, n_steps=3, cycles=2, warmup=2), [1, 2, 0, 0, HALF, 0, 0]),
    ],
)
def test_rates_are_those_worked_out_on_paper(schedule, expected):
    rates = schedule(np.arange(len(expected)))
    assert rates.dtype == np.float64
    np.testing.assert_allclose(rates, expected, rtol=1e-15, atol=1e-15)


def test_the_cycles_of_coslog_reach_the_whole_rate_and_double_in_length():
    rates = CosLog(0.1, n_steps=15_000)(np.arange(15_001))
    peaks = [t for t in range(1, 15_000) if rates[t - 1] < rates[t] >= rates[t + 1]]
    expected = [1000 * (2 ** (cycle + 0.5) - 1) for cycle in range(4)]
    np.testing.assert_allclose(peaks, expected, atol=1)
    np.testing.assert_allclose(rates[peaks], 0.1, rtol=1e-4)
    assert rates[[0, 1000, 3000, 7000, 15_000]] == pytest.approx(0.0, abs=1e-15)


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
        (lambda: FlatCosine(0.1, n_steps=0), ValueError, "n_steps must be at least 1"),
        (lambda: FlatCosine(0.0, n_steps=5), ValueError, "learning_rate must be above 0"),
        (lambda: CosLog(0.0, n_steps=5), ValueError, "learning_rate must be above 0"),
        (lambda: CosLog(0.1, n_steps=0), ValueError, "n_steps must be at least 1"),
        (lambda: CosLog(0.1, n_steps=5, cycles=0), ValueError, "cycles must be at least 1"),
        (lambda: CosLog(0.1, n_steps=5, cycles=51), ValueError, r"cycles must be in \[1, 50\]"),
        (lambda: CosLog(0.1, n_steps=5, cycles=2.5), TypeError, "cycles must be an integer"),
    ],
)
def test_impossible_schedules_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
