"""PyTorch's models of many kinds of modules: the network predicts what the model does after eval().

Bound: 1e-9 of the largest output in float64. PyTorch's softplus ends at a threshold, which is set
out of reach here.
"""

import collections
import copy
import warnings

import numpy as np
import pytest
from support.examples import small_network
from support.random_networks import THOROUGH

import fastnn

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, prune  # noqa: E402

from fastnn.exchange.torch_modules import Exp  # noqa: E402


def run(model, x):
    model = model.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a softmax without dim
        return model(torch.from_numpy(x)).numpy()


def same(model, **options):
    """Return the network, after comparing it with the model, which stays as it was."""
    state = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    random_numbers = torch.random.get_rng_state()
    network = fastnn.from_torch(model, **options)
    assert torch.equal(torch.random.get_rng_state(), random_numbers)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    dtype = network.architecture.dtype
    x = np.random.default_rng(0).normal(size=(20, network.architecture.n_in)).astype(dtype) * 3
    expected, found = run(model, x), network.predictor()(x)
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()
    return network


def drawn(rng, n):
    """Return one module that keeps the width n."""
    slope = float(rng.choice([0.0, 0.01, 0.2, -0.5, 1.0, 1.5]))
    alpha = float(rng.choice([1.0, 0.3, 2.0]))
    low = float(rng.normal())
    norm = nn.BatchNorm1d(n, affine=bool(rng.random() < 0.7))
    norm.running_mean.copy_(torch.from_numpy(rng.normal(size=n)))
    norm.running_var.copy_(torch.from_numpy(rng.uniform(0.1, 4, n)))
    prelu = nn.PReLU(n if rng.random() < 0.5 else 1)
    learned = [p for p in (norm.weight, norm.bias, prelu.weight) if p is not None]
    for parameter in learned:
        parameter.data.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
    modules = [
        norm,
        prelu,
        nn.LeakyReLU(slope),
        nn.ELU(alpha),
        nn.CELU(alpha),
        nn.SELU(),
        nn.RReLU(),
        nn.ReLU6(),
        nn.Hardtanh(low, low + 1),
        nn.Hardsigmoid(),
        nn.Softplus(alpha, threshold=60),
        nn.Tanh(),
        nn.Sigmoid(),
        nn.ReLU(),
        nn.GELU(),
        nn.SiLU(),
        nn.Mish(),
        nn.Dropout(),
        nn.Identity(),
        nn.Flatten(),
    ]
    return modules[rng.integers(len(modules))]


@pytest.mark.parametrize("seed", range(400 if THOROUGH else 40))
def test_random_chains_of_modules_are_read(seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    modules = [drawn(rng, n) for _ in range(rng.integers(0, 3))]
    for _ in range(rng.integers(1, 4)):
        n_out = int(rng.integers(1, 9))
        modules.append(nn.Linear(n, n_out, bias=bool(rng.random() < 0.5)))
        n = n_out
        modules += [drawn(rng, n) for _ in range(rng.integers(0, 3))]
    ends = ([], [], [nn.Softmax()], [nn.Softmax(-1)], [nn.Sigmoid()])
    modules += ends[rng.integers(len(ends))]
    cut = int(rng.integers(len(modules) + 1))
    nested = nn.Sequential(nn.Sequential(*modules[:cut]), *modules[cut:])
    network = same(nested.double().train(bool(rng.random() < 0.5)))
    within = fastnn.from_torch(Wrapper(nested))  # whose forward is compared
    assert np.array_equal(within.parameters, network.parameters)


class MLP(nn.Sequential):
    def __init__(self, n_in, n_hidden, n_out):
        super().__init__(nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_out))


class Wrapper(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net
        self.loss = nn.CrossEntropyLoss()
        self.nothing = None

    def forward(self, x):
        return self.net(x)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.fc1, self.act = nn.BatchNorm1d(4), nn.Linear(4, 8), nn.LeakyReLU(0.3)
        self.drop, self.fc2 = nn.Dropout(0.5), nn.Linear(8, 1)

    def forward(self, x):
        x = x.view(x.size(0), -1)
        return self.fc2(self.drop(self.act(self.fc1(self.norm(x)))))


class Squeezed(Named):
    def forward(self, x):
        return super().forward(x).squeeze(-1)


class Float32(Named):
    def forward(self, x):
        return super().forward(x.float())


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Initialised(nn.Linear):
    def reset_parameters(self):
        nn.init.orthogonal_(self.weight)
        nn.init.zeros_(self.bias)


MADE = {
    "a subclass of Sequential": lambda: MLP(4, 8, 3),
    "one in a Sequential": lambda: nn.Sequential(MLP(4, 8, 3), nn.Softmax(-1)),
    "a Module around a Sequential": lambda: Wrapper(nn.Sequential(MLP(4, 8, 3), nn.Tanh())),
    "a Module around a Module": lambda: Wrapper(Wrapper(nn.Linear(4, 2))),
    "layers by name": Named,
    "a list of layers": Listed,
    "a subclass of Linear": lambda: nn.Sequential(Initialised(4, 4), nn.ReLU(), nn.Linear(4, 1)),
    "an end in exp": lambda: Wrapper(small_network(output="exp").to_torch()),
    "an OrderedDict": lambda: nn.Sequential(
        collections.OrderedDict(a=nn.Linear(4, 8), b=nn.ReLU(), c=nn.Linear(8, 3))
    ),
    "weight_norm": lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 3)), nn.ReLU()),
    "spectral_norm": lambda: parametrizations.spectral_norm(nn.Linear(4, 3)),
    "orthogonal in a Module": lambda: Wrapper(parametrizations.orthogonal(nn.Linear(4, 4))),
    "pruned": lambda: Wrapper(prune.random_unstructured(nn.Linear(4, 3), "weight", 0.5)),
    "in DataParallel": lambda: nn.DataParallel(MLP(4, 8, 3)),
    "compiled": lambda: torch.compile(Wrapper(torch.compile(MLP(4, 8, 3)))),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within torch.compile
def test_models_of_this_kind_are_read(name, dtype):
    torch.manual_seed(0)
    model = MADE[name]().to(getattr(torch, dtype))
    if name in ("in DataParallel", "compiled"):
        network = same(getattr(model, "module", None) or model._orig_mod)
        found = fastnn.from_torch(model)
        assert np.array_equal(found.parameters, network.parameters)
    else:
        assert same(model).architecture.dtype == dtype


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
def test_the_older_weight_norm_is_read_as_it_is_now():
    linear = nn.utils.weight_norm(nn.Linear(4, 3)).double()
    with torch.no_grad():
        linear.weight_g.mul_(2)  # linear.weight knows when it is run
    for model in (nn.Sequential(linear, nn.ReLU()), Wrapper(linear)):
        found = fastnn.from_torch(model).weights[0]
        assert not np.allclose(found, linear.weight.detach().numpy().T, rtol=0.1)
    same(nn.Sequential(linear, nn.ReLU()))


def test_a_forward_of_one_column_or_of_another_precision_is_compared_too():
    for model in (Squeezed(), Squeezed().double(), Float32()):
        network = fastnn.from_torch(model)
        x = np.random.default_rng(0).normal(size=(9, 4))
        expected = run(model, x.astype(network.architecture.dtype))
        found = network.predictor()(x.astype(network.architecture.dtype))
        np.testing.assert_allclose(found[:, 0], expected.reshape(-1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_folded_as_the_numbers_it_is(half):
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3), nn.PReLU(3)).to(getattr(torch, half))
    wide = copy.deepcopy(model).float()
    assert fastnn.from_torch(model).architecture.dtype == "float32"
    assert np.array_equal(fastnn.from_torch(model).parameters, same(wide).parameters)


def test_a_mean_far_from_zero_makes_a_float64_network():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    model[0].running_mean.fill_(101325)
    model[0].running_var.fill_(25)
    network = fastnn.from_torch(model)
    assert network.architecture.dtype == "float64"
    x = 101325 + 5 * np.random.default_rng(0).normal(size=(9, 2))
    expected = run(copy.deepcopy(model).double(), x)
    assert np.abs(network.predictor()(x) - expected).max() <= 1e-9


class Functional(nn.Module):
    """Layers whose forward is a function of them."""

    def __init__(self, function, *layers):
        super().__init__()
        for i, layer in enumerate(layers or (nn.Linear(4, 8), nn.Linear(8, 3))):
            self.add_module(f"fc{i}", layer)
        self.function = function

    def forward(self, x):
        return self.function(x, *self.children())


class Shifted(nn.Linear):
    def forward(self, x):
        return super().forward(x) + 1e-4


class Clipped(nn.Linear):
    def forward(self, x):
        return super().forward(x).clamp(-100, 100)


class Units(nn.BatchNorm1d):
    """Outputs of very different size."""

    def __init__(self):
        super().__init__(2)
        self.weight.data[1] = 1e9


SHIFT = torch.tensor([0.1, 0.0])


def refuses(x, *_):
    raise RuntimeError("not today")


def with_parameter():
    model = Functional(lambda x, a, b: b(a(x)))
    model.gain = nn.Parameter(torch.ones(1))
    return model


def quantized():
    linear = torch.nn.quantized.dynamic.Linear(4, 3)
    return nn.Sequential(linear)


DIFFER = "computes something else than its children in order.*build an nn.Sequential"
REFUSED = {
    "a functional relu": (lambda: Functional(lambda x, a, b: b(a(x).relu())), ValueError, DIFFER),
    "a functional softmax": (
        lambda: Functional(lambda x, a, b: b(a(x)).softmax(1)), ValueError, DIFFER
    ),
    "another exp": (
        lambda: Functional(lambda x, a, b: 2 * b(a(x)), nn.Linear(4, 2), Exp()), ValueError, DIFFER
    ),
    "noise": (
        lambda: Functional(lambda x, a, b: b(nn.functional.dropout(a(x)))), ValueError, DIFFER
    ),
    "a skip": (
        lambda: Functional(lambda x, a: x + a(x), nn.Linear(3, 3)), ValueError, DIFFER
    ),
    "another order": (
        lambda: Functional(lambda x, a, b: a(b(x)), nn.Linear(3, 3), nn.Linear(3, 3)),
        ValueError,
        DIFFER,
    ),
    "a small shift": (lambda: Shifted(4, 3), ValueError, "computes something else"),
    "a clip": (lambda: nn.Sequential(Clipped(4, 3)), ValueError, r"model\[0\] Clipped.* else"),
    "a shift of a small output": (
        lambda: Functional(lambda x, a, b: b(a(x)) + SHIFT, nn.Linear(4, 2), Units()),
        ValueError,
        DIFFER,
    ),
    "two results": (lambda: Functional(lambda x, a, b: (x, b(a(x)))), ValueError, "gives a tuple"),
    "another shape": (
        lambda: Functional(lambda x, a, b: a(x)), ValueError, r"shape \(32, 8\) .* give \(32, 3\)"
    ),
    "an error": (lambda: Functional(refuses), ValueError, "RuntimeError: not today"),
    "a list": (
        lambda: nn.ModuleList([nn.Linear(2, 2)]), ValueError, "cannot be compared on rows of 2"
    ),
    "a parameter": (with_parameter, TypeError, "has parameters of its own, gain"),
    "two heads": (
        lambda: Functional(None, nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(8, 2)),
        ValueError,
        "takes 8 numbers, but what is before it gives 3",
    ),
    "statistics of a batch": (
        lambda: nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 1)),
        ValueError,
        "no running statistics",
    ),
    "a batch norm of another width": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(4)), ValueError, r"expected \(3,\)"
    ),
    "a layer norm": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)), TypeError, r"\[1\] LayerNorm.*none"
    ),
    "a lazy layer": (lambda: nn.Sequential(nn.LazyLinear(3)), ValueError, "run the model on a row"),
    "a state_dict": (lambda: MLP(4, 8, 3).state_dict(), TypeError, "call its load_state_dict"),
    "a checkpoint": (lambda: {"epoch": 3, "model": {}}, TypeError, "call its load_state_dict"),
    "a path": (lambda: "model.pt", TypeError, r"load_state_dict\(torch.load\(path\)\)"),
    "quantized": (quantized, TypeError, "as it was before quantization"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*quantized:UserWarning")
def test_what_cannot_be_read_is_refused_with_what_to_do(name):
    make, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        fastnn.from_torch(make())


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_torchscript_is_refused_with_what_to_do():
    with pytest.raises(TypeError, match=r"TorchScript.*give the nn.Module"):
        fastnn.from_torch(torch.jit.trace(MLP(4, 8, 3), torch.zeros(1, 4)))


def test_an_activation_at_the_end_leaves_no_choice_of_output():
    for module, name in ((nn.SELU(), "selu"), (nn.Mish(), "mish")):
        model = nn.Sequential(nn.Linear(4, 3), module)
        assert fastnn.from_torch(model).architecture.activations == (name,)
    model = nn.Sequential(nn.Linear(4, 3), nn.ELU())
    assert fastnn.from_torch(model, output="identity").architecture.activations == ("elu",)
    with pytest.raises(ValueError, match=r"model\[1\] ELU.* ends the model, but output='softmax'"):
        fastnn.from_torch(model, output="softmax")


@pytest.mark.parametrize(("end", "output"), [(nn.Tanh, "tanh"), (nn.ReLU, "relu")])
def test_an_activation_that_is_an_output_is_the_output(end, output):
    model = nn.Sequential(nn.Linear(4, 3), end())
    a = fastnn.from_torch(model).architecture
    assert (a.sizes, a.activations, a.output) == ((4, 3), (), output)
    with pytest.raises(ValueError, match=f"ends in {output}, but output='identity'"):
        fastnn.from_torch(model, output="identity")
