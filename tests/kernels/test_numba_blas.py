"""Large networks, whose products the Numba backend leaves to BLAS: from when on, and parity."""

import numpy as np
import pytest
from support.backends import under_test
from support.option_parity import assert_parity
from support.programs import parameters

import fastnn
from fastnn.architecture import ACTIVATIONS, LOSSES, Architecture
from fastnn.optimizers import SGD, Adam

PAIRS = [(output, loss) for output, losses in LOSSES.items() for loss in losses]


@pytest.fixture
def with_blas(monkeypatch):
    """The backend, for which all networks are large."""
    backend = under_test("numba")
    monkeypatch.setattr("fastnn.backends.numba.blas.BLAS_FROM", 0.0)
    calls, real = [], backend._inside._with_blas.dense_forward

    def dense_forward(*arguments):
        calls.append(1)
        real(*arguments)

    monkeypatch.setattr(backend._inside._with_blas, "dense_forward", dense_forward)
    yield backend
    assert calls, "not by BLAS"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(with_blas, dtype, activation):
    assert_parity(with_blas, dtype, activation=activation, dropout=(0.5, 0.2), dropout_seed=5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_losses(with_blas, dtype, output, loss):
    assert_parity(with_blas, dtype, output=output, loss=loss, reduction="sum", weighted=True)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "layout", ["C", "negative", "every other column", "CSR int32", "CSR int64"]
)
@pytest.mark.parametrize("x_dtype", ["float32", "float64", "uint8"])
def test_inputs(with_blas, dtype, x_dtype, layout):
    # so many hidden units that the first layer is the smaller part, if its zeros are left out
    sizes = (12, 17, 16, 7)
    assert_parity(with_blas, dtype, x_dtype=x_dtype, layout=layout, sizes=sizes, l2=0.01)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_optimizers_and_limits(with_blas, dtype):
    limits = {"l1": 1e-3, "l2": 1e-2, "max_norm": 0.5, "clip_norm": 0.05}
    for optimizer in (SGD(0.05, momentum=0.9, nesterov=True), Adam(epsilon=1e-3)):
        assert_parity(with_blas, dtype, optimizer=optimizer, **limits)


@pytest.mark.parametrize("output", LOSSES)
def test_predictions(with_blas, output):
    rng = np.random.default_rng(0)
    architecture = Architecture((12, 31, 7), ("gelu",), output, dtype="float64")
    params, x = parameters(rng, architecture), rng.normal(size=(600, 12))
    expected, out = np.empty((600, 7)), np.empty((600, 7))
    fastnn.get_backend("numpy").predict(architecture, params, x, expected)
    with_blas.predict(architecture, params, x, out)
    # two sums of up to 31 products of order 1, √31 eps each, and functions to a few eps
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-13)


def test_it_begins_with_the_multiplications_of_a_minibatch():
    under_test("numba")
    from fastnn.backends.numba.blas import is_large

    net = Architecture((784, 512, 512, 10), ("relu", "relu"))
    assert is_large(net, 128, packed=False)
    assert not is_large(net, 8, packed=False)
    assert not is_large(net, 128, packed=True)  # three products of five are with zeros
    assert is_large(Architecture((100, 512, 512, 10), ("relu", "relu")), 128, packed=True)
