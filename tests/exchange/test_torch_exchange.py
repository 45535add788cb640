"""Networks to PyTorch and back: the same bits there and back, the same predictions."""

import copy
import pickle
import sys

import numpy as np
import pytest
from support.examples import same_bits, small_network
from support.export_bounds import prediction
from support.random_networks import N_NETWORKS, random_network

import fastnn
from fastnn.architecture import ACTIVATIONS

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


def run(model, x):
    with torch.no_grad():
        return model(torch.from_numpy(x)).numpy()


@pytest.mark.parametrize("seed", range(N_NETWORKS))
def test_a_network_predicts_the_same_there_and_comes_back_to_the_bit(seed):
    network, x = random_network(seed)
    a = network.architecture
    if x.dtype == np.uint8:
        x = x.astype(a.dtype) * np.dtype(a.dtype).type(a.input_scale)
    model = network.to_torch()
    expected, found = network.predictor()(x), run(model, x)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert (np.abs(found.astype(np.float64) - expected) <= prediction(network, x)).all()
    if expected.dtype == np.float64:
        largest = np.abs(expected).max(axis=1, keepdims=True)
        assert (np.abs(found - expected) <= 1e-12 * largest).all()
    back = fastnn.from_torch(
        model, class_labels=network.class_labels, input_scale=a.input_scale, backend="numpy"
    ).architecture
    assert same_bits(fastnn.from_torch(model).parameters, network.parameters)
    kept = ("sizes", "activations", "output", "bias", "dtype", "input_scale")
    assert [getattr(back, k) for k in kept] == [getattr(a, k) for k in kept]


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity", "exp"])
def test_logits_leave_off_the_last_activation(output):
    network = small_network(output=output)
    logits, whole = network.to_torch(logits=True), network.to_torch()
    assert isinstance(logits[-1], nn.Linear)
    assert len(whole) - len(logits) == (output != "identity")
    back = fastnn.from_torch(logits, output=output)
    assert back.architecture.output == output
    assert same_bits(back.parameters, network.parameters)


@pytest.mark.parametrize("output", ["tanh", "relu"])
def test_outputs_that_are_trained_as_they_are_have_no_logits(output):
    network = small_network(output=output)
    assert len(network.to_torch(logits=True)) == len(network.to_torch())


def test_the_parameters_are_copies_that_can_be_trained():
    network = small_network()
    before = network.parameters.copy()
    model = network.to_torch(logits=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    z = model(torch.eye(4, dtype=torch.float64))
    nn.functional.cross_entropy(z, torch.arange(4) % 3).backward()
    optimizer.step()
    assert same_bits(network.parameters, before)
    back = fastnn.from_torch(model)
    assert not np.array_equal(back.parameters, before)
    with torch.no_grad():
        model[0].weight.zero_()
    assert back.weights[0].any()


def test_torchs_random_numbers_are_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    small_network().to_torch()
    assert torch.equal(torch.rand(3), expected)


def test_the_exp_output_can_be_pickled_and_copied():
    model = small_network(output="exp").to_torch()
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(run(other, np.eye(4)), run(model, np.eye(4)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_is_right_far_from_zero(activation, dtype):
    network = fastnn.Network((1, 1, 1), activation=activation, output="identity", dtype=dtype)
    for weight in network.weights:
        weight[...] = 1
    z = np.array([[-1000], [-50], [-21], [-1], [0], [1], [19], [21], [35], [50], [1000]], dtype)
    np.testing.assert_allclose(
        run(network.to_torch(), z),
        network.predictor()(z),
        rtol=8 * np.finfo(dtype).eps,
        atol=8 * np.finfo(dtype).eps,
    )


def test_nested_sequentials_dropout_flatten_and_identity_are_seen_through():
    model = nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Sequential(nn.Linear(4, 3), nn.Identity(), nn.Sequential(nn.GELU(), nn.Dropout())),
        nn.Linear(3, 2, bias=False),
        nn.Softmax(dim=1),
    )
    network = fastnn.from_torch(model.eval(), class_labels=["no", "yes"])
    a = network.architecture
    assert (a.sizes, a.activations, a.output, a.bias) == ((4, 3, 2), ("gelu",), "softmax", True)
    assert not network.biases[1].any()
    assert network.class_labels == ("no", "yes")
    x = np.eye(4, dtype=np.float32)
    np.testing.assert_allclose(network.predict_proba(x), run(model, x), rtol=1e-5)


def test_a_module_that_stands_in_two_places_is_read_twice():
    square, relu = nn.Linear(3, 3), nn.ReLU()
    network = fastnn.from_torch(nn.Sequential(square, relu, square, relu, nn.Linear(3, 1)))
    assert network.architecture.sizes == (3, 3, 3, 1)
    assert network.architecture.activations == ("relu", "relu")
    assert same_bits(network.weights[0].copy(), network.weights[1].copy())


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_widened(half):
    model = nn.Linear(4, 3).to(getattr(torch, half))
    network = fastnn.from_torch(model)
    assert network.architecture.dtype == "float32"
    assert same_bits(network.weights[0].copy(), model.weight.detach().float().numpy().T.copy())


def test_log_softmax_is_softmax_to_those_who_say_so():
    model = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=-1))
    with pytest.raises(ValueError, match='say output="softmax"'):
        fastnn.from_torch(model)
    assert fastnn.from_torch(model, output="softmax").architecture.output == "softmax"


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def hooked():
    linear = nn.Linear(2, 2)
    linear.register_forward_hook(lambda *_: None)
    return linear


def changed(module):
    module.forward = lambda x: -x
    return module


L = nn.Linear(2, 2)
REFUSED = {
    "a convolution": (nn.Conv1d(2, 2, 1), TypeError, "model Conv1d.* is none of Linear"),
    "a convolution inside": (nn.Sequential(L, nn.Conv1d(2, 2, 1)), TypeError, r"model\[1\] Conv1d"),
    "a subclass": (nn.Sequential(Doubled(2, 2)), ValueError, r"model\[0\] Doubled.* computes some"),
    "a class": (nn.Sequential, TypeError, "must be a torch.nn.Sequential"),
    "None": (None, TypeError, "got None"),
    "a hook": (nn.Sequential(hooked()), ValueError, "forward hooks"),
    "a forward of its own": (nn.Sequential(L, changed(nn.ReLU()), L), ValueError, "forward of its"),
    "another in a container": (changed(nn.Sequential(L)), ValueError, "model has a forward of its"),
    "tanh's gelu": (nn.Sequential(L, nn.GELU("tanh"), L), ValueError, "approximate='tanh'"),
    "a cut softplus": (nn.Sequential(L, nn.Softplus(1, 5), L), ValueError, "cut off at 5"),
    "softmax of the rows": (nn.Sequential(L, nn.Softmax(dim=0)), ValueError, "dim=0"),
    "a softmax inside": (nn.Sequential(L, nn.Softmax(1), L), ValueError, "is softmax, which only"),
    "no layer": (nn.Sequential(nn.Flatten()), ValueError, "no Linear"),
    "layers that do not fit": (
        nn.Sequential(L, nn.Linear(3, 1)), ValueError, "takes 3 numbers, but .* gives 2"
    ),
    "another flatten": (nn.Sequential(nn.Flatten(0), L), ValueError, "flattens other dimensions"),
    "no weights": (nn.Linear(2, 2, device="meta"), ValueError, "device 'meta'"),
    "not finite": (
        nn.Linear(2, 2).requires_grad_(False).apply(lambda m: m.weight.fill_(np.nan)),
        ValueError,
        "not finite",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_plain_mlp_is_refused_by_name(name):
    model, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        fastnn.from_torch(model)


def test_the_door_says_what_is_wrong(monkeypatch):
    with pytest.raises(ValueError, match="ends in softmax, but output='exp'"):
        fastnn.from_torch(nn.Sequential(L, nn.Softmax(1)), output="exp")
    with pytest.raises(ValueError, match="output must be one of"):
        fastnn.from_torch(L, output="soft")
    with pytest.raises(TypeError, match="logits must be True or False"):
        small_network().to_torch(logits=1)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r'pip install "fastnn\[torch\]"'):
        fastnn.from_torch(L)
    with pytest.raises(ImportError, match=r'pip install "fastnn\[torch\]"'):
        small_network().to_torch()
