"""The trainer against `partial_fit`, byte for byte."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trainer_calls import (
    BACKENDS,
    assert_same,
    call,
    halves,
    network,
    networks,
    optimizers,
    options,
)

import fastnn


def pieces(draw_rows, n):
    """Return the slices of minibatches of these sizes, as far as they fit."""
    start = 0
    for n_rows in draw_rows:
        if start + n_rows <= n:
            yield slice(start, start + n_rows)
            start += n_rows


def twin(trainer, how):
    return copy.deepcopy(trainer) if how == "copy" else pickle.loads(pickle.dumps(trainer))


@pytest.mark.filterwarnings("ignore:x is uint8", "ignore:the loss became")
@pytest.mark.parametrize("backend", BACKENDS)
@given(
    network=networks(),
    optimizer=optimizers,
    told=options,
    sizes=st.lists(st.integers(1, 33), min_size=3, max_size=8),
    weighs=st.booleans(),
    turns=st.lists(st.sampled_from(["trainer", "partial_fit", "copy", "pickle"]), min_size=8),
)
def test_a_trainer_does_what_partial_fit_does(
    backend, network, optimizer, told, sizes, weighs, turns
):
    """Bit for bit, with every option, each kind of rows, in turns, and copied in the middle."""
    (shape, described), x, y = network
    one, other = (fastnn.Network(shape, backend=backend, **described) for _ in range(2))
    trainer = one.trainer(optimizer=optimizer, **told)
    weights = np.random.default_rng(0).random(96) + 0.1 if weighs else None
    for rows, turn in zip(pieces(sizes, 96), turns, strict=False):
        w = None if weights is None else weights[rows]
        alike = {"optimizer": optimizer, "batch_size": 99, "shuffle": False, "sample_weight": w}
        history = other.partial_fit(x[rows], y[rows], **alike, **told)
        if turn == "partial_fit":
            one.partial_fit(x[rows], y[rows], **alike, **told)
            continue
        if turn != "trainer":
            trainer = twin(trainer, turn)
            one = trainer.network
        loss = trainer(x[rows], y[rows], w)
        assert loss == pytest.approx(history["loss"][0], rel=1e-15)  # a mean of one pass
        assert_same(one, other)


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_quantiles_share_one_target(backend):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 4)), rng.normal(size=40)
    nets = [
        fastnn.Network((4, 6, 3), output="identity", loss="quantile", quantiles=(0.1, 0.5, 0.9),
                       seed=0, backend=backend)
        for _ in range(2)
    ]  # fmt: skip
    trainer = nets[0].trainer(optimizer=fastnn.SGD(0.1))
    for _ in range(3):
        trainer(x, y)
        nets[1].partial_fit(x, y, batch_size=40, optimizer=fastnn.SGD(0.1), shuffle=False)
    assert_same(*nets)
    with pytest.raises(ValueError, match="y must have shape"):
        trainer(x, rng.normal(size=(40, 3)))


def test_any_number_of_rows_may_be_the_most(backend):
    trainer = network(backend.name).trainer(max_rows=2**80)
    call(trainer)
    halves(trainer)
