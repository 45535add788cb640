"""A time limit, by a clock of the test's own."""

import pytest

from fastnn.bagging.time_limit import LEAST_EPOCHS, within
from fastnn.training.history import History


class Clock:
    def __init__(self, *seconds):
        self.time, self.seconds, self.n_trials = 100.0, list(seconds), 0

    def __call__(self):
        return self.time

    def trial(self):
        self.n_trials += 1
        self.time += self.seconds.pop(0)
        return [History()]


@pytest.mark.parametrize(
    ("trials", "limit", "expected"),
    [
        ((3.0, 1.0), 44.0, (40, 6)),  # the second is without compilation
        ((30.0,), 115.0, (4, 4)),  # a long first one is the only one
        ((1.0, 1.0), 1000.0, (50, 6)),
        ((1.0, 1.0), 4.0, (4, 3)),  # two epochs of six networks are four of three
        ((5.0,), 4.0, (4, 1)),
    ],
)
def test_what_can_be_done_by_then(trials, limit, expected):
    clock = Clock(*trials)
    assert within(100.0 + limit, 50, 6, clock.trial, clock) == expected
    assert clock.n_trials == len(trials)
    assert expected[0] >= LEAST_EPOCHS


def test_an_interrupt_of_a_trial_is_one_of_the_fit():
    clock = Clock(1.0)

    def interrupted():
        clock.trial()
        history = History()
        history.stopped = "interrupted"
        return [History(), history]

    with pytest.raises(KeyboardInterrupt):
        within(200.0, 50, 6, interrupted, clock)
