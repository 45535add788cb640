"""Models that are trained side by side, one in each lane, have the bits that each has alone."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import strategies as draw
from support.backends import OTHER_SETS, under_test, with_instruction_set
from support.problems import inputs
from support.programs import parameters, targets
from support.strategies import freeze

from fastnn.architecture import ACTIVATIONS, LOSSES, Architecture
from fastnn.backends.base import learning_rates
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import Optimizer, OptimizerState

kernels = pytest.importorskip("fastnn.kernels.cython._kernels")

N_ROWS = 75
WIDTHS = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 10, 16, 17, 31])


@pytest.fixture(scope="module", params=["", *OTHER_SETS], ids=lambda name: name or "widest")
def backend(request):
    """The Cython backend with each instruction set that this processor runs."""
    found = under_test("cython")
    found = with_instruction_set(found, request.param) if request.param else found
    if hasattr(found, "_inside"):
        found = found._inside
    return found


@st.composite
def networks(draw_from):
    """Architectures of narrow layers."""
    output = draw_from(st.sampled_from(sorted(LOSSES)))
    loss = draw_from(st.sampled_from(LOSSES[output]))
    sizes = [
        draw_from(st.sampled_from([1, 2, 3, 4, 5, 8, 13, 24, 64, 130])),
        *draw_from(st.lists(WIDTHS, max_size=4)),
        draw_from(WIDTHS),
    ]
    quantiles = (0.25, 0.75) if loss == "quantile" and draw_from(st.booleans()) else ()
    if quantiles:
        sizes[-1] = len(quantiles)
    return Architecture(
        tuple(sizes),
        tuple(draw_from(st.sampled_from(ACTIVATIONS)) for _ in sizes[2:]),
        output,
        loss,
        bias=draw_from(st.booleans()),
        dtype=draw_from(st.sampled_from(["float32", "float64"])),
        input_scale=1 / 64,
        huber_delta=0.2,
        quantiles=quantiles,
        label_smoothing=draw_from(st.sampled_from([0.0, 0.1])) if output == "softmax" else 0.0,
    )


@st.composite
def own_options(draw_from, rule):
    """What differs from model to model: the numbers of its rule, its penalties, its first step."""
    optimizer = draw.OPTIMIZERS[rule](draw_from(st.sampled_from([0.001, 0.01, 0.05])))
    decays = {
        name: draw_from(st.sampled_from([0.5, 0.9, 0.99]))
        for name in ("momentum", "beta_1", "beta_2", "rho")
    }
    own = {field.name for field in fields(optimizer)}
    if rule == "sgd":
        own.discard("momentum")
    optimizer = replace(optimizer, **{name: decays[name] for name in own & set(decays)})
    penalty = st.sampled_from([0.0, 0.0, 0.01])
    return optimizer, draw_from(penalty), draw_from(penalty), draw_from(st.sampled_from([0, 7]))


def bits(array):
    """The bytes of an array, with one NaN for all that there are."""
    array = np.array(array)
    array[np.isnan(array)] = np.nan
    return array.tobytes()


@given(
    data=st.data(),
    architecture=networks(),
    rule=st.sampled_from(Optimizer.RULES),
    seed=draw.seeds,
    batch_size=st.sampled_from([1, 2, 3, 5, 16, 32, 100, 290]),
    reduction=st.sampled_from(["mean", "sum"]),
    x_dtype=st.sampled_from(["float32", "float64", "uint8"]),
    layout=draw.dense_layouts,
    weighted=st.booleans(),
)
def test_models_in_lanes_have_the_bits_that_each_has_alone(
    backend, data, architecture, rule, seed, batch_size, reduction, x_dtype, layout, weighted
):
    rng = np.random.default_rng(seed)
    n_lanes = backend._kernels[np.dtype(architecture.dtype)].lanes
    n_models = data.draw(st.integers(1, n_lanes))
    drawn = [data.draw(own_options(rule)) for _ in range(n_models)]
    x = inputs(rng, N_ROWS, architecture.n_in, x_dtype, layout, 1.0)
    y = targets(rng, architecture, N_ROWS)
    weight = rng.choice([0.0, 1.0, 0.3, 2.5], N_ROWS) if weighted else None
    orders = np.array([rng.integers(0, N_ROWS, max(70, batch_size + 3)) for _ in range(n_models)])
    freeze(x, y, weight, orders)
    alone, together, models = [], [], []
    for (optimizer, l1, l2, t), order in zip(drawn, orders, strict=True):
        params = parameters(rng, architecture)
        states = [
            OptimizerState(np.zeros((optimizer.n_state, architecture.n_slots), params.dtype), t)
            for _ in range(2)
        ]
        mine = params.copy()
        rates = learning_rates(optimizer, t, -(-len(order) // batch_size))
        models.append((mine, states[1].slots, t, rates, optimizer.coefficients, l1, l2))
        together.append((mine, states[1].slots))
        options = TrainingOptions(optimizer, batch_size, reduction, l1, l2)
        sums = alone_sums(backend, architecture, params, states[0], x, y, order, options, weight)
        alone.append((params, states[0].slots, sums))
    result = in_lanes(
        backend, architecture, models, x, y, orders, weight, rule, batch_size, reduction
    )
    assume(result is not None)
    for (params, slots, sums), (own, own_slots), own_sums in zip(
        alone, together, result, strict=True
    ):
        assert bits(own) == bits(params)
        assert [bits(slot) for slot in own_slots] == [bits(slot) for slot in slots]
        assert bits(own_sums) == bits(sums)


def in_lanes(
    backend, architecture, models, x, y, orders, weight, rule, batch_size, reduction="mean"
):
    """Train models side by side, and return the sums of each; None if lanes do not take them."""
    return kernels.train_epoch_in_lanes(
        backend._program_of(architecture), models, x, y, orders, weight,
        kernels.RULES.index(rule), batch_size, reduction == "mean",
    )  # fmt: skip


def alone_sums(backend, architecture, params, state, x, y, order, options, weight):
    """Train one model, and return the sums of weight, loss, right rows and penalty."""
    n_steps = -(-len(order) // options.batch_size)
    return backend._program_of(architecture).train_epoch(
        params, state.slots, state, x, y, order, weight,
        learning_rates(options.optimizer, state.step, n_steps),
        kernels.RULES.index(options.optimizer.rule), options.optimizer.coefficients,
        options.batch_size, options.reduction == "mean", options.l1, options.l2, 0.0, 0.0,
        np.empty(0), np.empty(0, np.uint32), 0,
    )  # fmt: skip


def one_model(architecture, n_steps, l2=0.0):
    params = architecture.allocate()
    return (params, np.empty((0, len(params))), 0, np.full(n_steps, 0.1), (0.0,) * 4, 0.0, l2)


@pytest.mark.parametrize(
    ("sizes", "n_rows", "l2", "taken"),
    [
        ((4, 8, 3), 32, 0.0, True),
        ((1, 1, 2), 800, 0.0, False),
        ((1, 1, 2), 300, 0.1, True),
        ((256, 256, 3), 32, 0.0, False),
    ],
    ids=["small", "sums that are cut", "sums that are not", "more than fits the cache"],
)
def test_lanes_take_what_they_train_with_the_same_bits_and_faster(
    backend, sizes, n_rows, l2, taken
):
    architecture = Architecture(sizes, ("relu",))
    x, y = np.ones((n_rows, sizes[0]), np.float32), np.zeros(n_rows, np.int64)
    models, orders = [one_model(architecture, 1, l2)], np.arange(n_rows)[None]
    found = in_lanes(backend, architecture, models, x, y, orders, None, "sgd", n_rows)
    assert (found is not None) == taken


def test_labels_and_rows_outside_are_refused(backend):
    architecture = Architecture((4, 8, 3), ("relu",))
    x, models = np.ones((5, 4), np.float32), [one_model(architecture, 1)]
    for y, order, said in (([0, 0, 3, 0, 0], [0, 1, 2], "classes"), ([0] * 5, [0, 5], "row")):
        with pytest.raises(ValueError, match=said):
            in_lanes(
                backend, architecture, models, x, np.array(y), np.array([order]), None, "sgd", 8
            )
