"""One row, or one vector, in any form that people hand in: what a trainer makes of it."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import same_bits
from support.minibatches import N_IN, N_OUT
from support.trainer_calls import (
    BACKENDS,
    OPTIMIZER,
    begun_network,
    begun_networks,
    checked_partial_fit,
    error_of,
    everything,
)

import fastnn

pytestmark = pytest.mark.filterwarnings("ignore")


def test_one_row_may_be_one_dimensional(backend):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)).astype(np.float32), rng.integers(0, 3, 20)
    nets = [fastnn.Network((4, 5, 3), seed=1, backend=backend.name) for _ in range(3)]
    trainers = [net.trainer(optimizer=fastnn.SGD(0.1)) for net in nets]
    for i in range(20):
        losses = {
            trainers[0](x[i : i + 1], y[i : i + 1]),
            trainers[1](x[i], y[i]),
            trainers[2](list(map(float, x[i])), int(y[i])),
        }
        assert len(losses) == 1
    assert same_bits(nets[0].parameters, nets[1].parameters)
    assert trainers[1].forward(x[0]).shape == (3,)
    assert trainers[1].backward(np.zeros(3), input_gradient=True).shape == (4,)


ROWS = {
    "array": lambda x: x,
    "list": lambda x: x.tolist(),
    "tuple": lambda x: tuple(x.tolist()),
    "strided": lambda x: np.repeat(x, 2)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "unaligned": lambda x: np.frombuffer(b" " + x.tobytes(), x.dtype, len(x), 1),
    "swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "objects": lambda x: x.astype(object),
    "masked": lambda x: np.ma.masked_array(x, [True] + [False] * (len(x) - 1)),
    "short": lambda x: x[1:],
    "complex": lambda x: x.astype(complex),
    "empty": lambda x: x[:0],
}


class Index:
    """What only counts as an integer where one indexes."""

    def __index__(self):
        return 1


ONE_LABEL = {
    "int": lambda y: int(y), "int64": lambda y: y, "uint8": lambda y: np.uint8(y),
    "bool": lambda y: bool(y), "float": lambda y: float(y), "half": lambda y: y + 0.5,
    "array": lambda y: np.array(y), "list": lambda y: [int(y)],
    "array of one": lambda y: np.array([y]), "deep": lambda y: np.array([[y]]),
    "text": lambda y: str(y), "none": lambda y: None, "huge": lambda y: 2**70,
    "negative": lambda y: -1, "complex": lambda y: complex(y), "many": lambda y: np.arange(3),
    "an index": lambda y: Index(),
}  # fmt: skip
ONE_TARGET = {
    "array": lambda y: y, "list": lambda y: y.tolist(), "float64": lambda y: y.astype("f8"),
    "first": lambda y: float(y[0]), "int": lambda y: int(y[0]), "huge": lambda y: 10**400,
    "matrix": lambda y: y[None], "none": lambda y: None, "NaN": lambda y: float("nan"),
    "zero": lambda y: np.array(y[0]), "complex": lambda y: y.astype(complex),
    "strided": lambda y: np.repeat(y, 2)[::2], "swapped": lambda y: y.astype(">f4"),
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    network=begun_networks,
    seed=st.integers(0, 99),
    dtype=st.sampled_from(["float32", "float64", "uint8", "int64", "float16", "bool"]),
    form=st.sampled_from(sorted(ROWS)) | st.just("array"),
    label=st.sampled_from(sorted(ONE_LABEL)),
    target=st.sampled_from(sorted(ONE_TARGET)),
)
def test_one_row_in_any_form_is_a_minibatch_of_one(
    backend, network, seed, dtype, form, label, target
):
    net = begun_network(backend, **network)
    other, before, rng = copy.deepcopy(net), everything(net), np.random.default_rng(seed)
    x = ROWS[form]((rng.random(N_IN) * rng.choice([1, 200])).astype(dtype))
    if net.architecture.output == "softmax":
        y = ONE_LABEL[label](rng.integers(0, N_OUT))
        if net.class_labels and seed % 3:
            y = "b"
    else:
        y = ONE_TARGET[target]((rng.random(net.architecture.n_out) < 0.5).astype(np.float32))
    trainer = net.trainer(optimizer=OPTIMIZER)
    wrong = error_of(lambda: trainer(x, y))
    rows = x[None] if isinstance(x, np.ndarray) else [x]
    expected = error_of(lambda: checked_partial_fit(other, rows, None if y is None else [y], None))
    assert type(wrong) is type(expected), (wrong, expected)
    assert everything(net) == (everything(other) if wrong is None else before), (wrong, expected)
