"""All backends are one contract: `Backend`'s names, argument order, defaults and annotations."""

import inspect

import numpy as np
import pytest

from fastnn.architecture import Architecture
from fastnn.backends.base import Backend
from fastnn.backends.checked import Checked

KERNELS = (
    "dense_forward",
    "softmax",
    "softmax_cross_entropy",
    "elementwise_loss",
    "weight_gradient",
    "input_gradient",
    "update",
)
PROGRAMS = ("predict", "train_epoch")


def test_the_contract_is_seven_kernels_and_two_programs():
    assert Backend.__abstractmethods__ == set(KERNELS)
    public = {name for name, _ in inspect.getmembers(Backend, callable) if name[0] != "_"}
    assert set(KERNELS) | set(PROGRAMS) <= public


@pytest.mark.parametrize("method", [*KERNELS, *PROGRAMS, "warmup"])
def test_backends_have_the_contracts_signature(backend, method):
    contract = inspect.signature(getattr(Backend, method), eval_str=True)
    for door in (backend, backend._inside):
        ours = inspect.signature(getattr(type(door), method), eval_str=True)
        for mine, theirs in zip(
            ours.parameters.values(), contract.parameters.values(), strict=True
        ):
            assert mine == theirs
        assert ours.return_annotation == contract.return_annotation


def test_backends_offer_nothing_beyond_the_contract(backend):
    for door in (backend, backend._inside):
        public = {name for name in dir(door) if not name.startswith("_")}
        assert public <= set(dir(Backend)) | {"name"}


def test_backends_carry_their_name(backend, request):
    assert backend.name == request.node.callspec.params["backend"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_compiled_backends_override_the_programs(compiled, program):
    assert getattr(type(compiled._inside), program) is not getattr(Backend, program)


@pytest.mark.parametrize("method", [*KERNELS, *PROGRAMS, "predictor", "warmup"])
def test_whatever_is_called_from_outside_goes_through_the_checks(backend, method):
    assert type(backend) is Checked
    assert method in vars(Checked)
    assert not isinstance(backend._inside, Checked)


def test_kernels_return_none_and_losses_return_floats(backend):
    ones, out = np.ones((2, 3)), np.empty((2, 3))
    weight, weight_grad = np.ones((3, 3)), np.empty((3, 3))
    labels = np.array([0, 2])
    assert backend.dense_forward(ones, weight, None, "relu", out) is None
    assert backend.softmax(ones, out) is None
    assert backend.weight_gradient(ones, ones, weight_grad, None) is None
    assert backend.input_gradient(ones, weight, "relu", ones, out) is None
    assert type(backend.softmax_cross_entropy(ones, labels, None, 0.0, out)) is float
    assert type(backend.elementwise_loss("huber", "tanh", ones, ones, None, ones[0], out)) is float
    architecture = Architecture((3, 3))
    assert backend.predict(architecture, architecture.allocate(), ones, out.astype("f4")) is None
