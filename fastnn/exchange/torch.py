"""Networks as PyTorch's ``nn.Sequential`` and back: copies of the weights, never views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import validation
from fastnn.architecture import OUTPUTS
from fastnn.backends import NAMES, get_backend
from fastnn.exchange.assembly import Dense, assemble
from fastnn.exchange.packages import imported
from fastnn.validation.values import describe, shortened
from fastnn.vocabulary import BackendName, Output

if TYPE_CHECKING:
    from fastnn.network import Network

SOFTPLUS_THRESHOLD = 40.0
"""From where on softplus(z) = z in float64; PyTorch's 20 would cut off 2e-9."""

READ = (
    "Linear, Identity, Sigmoid, Tanh, ReLU, LeakyReLU, ELU, GELU, SiLU, Softplus, Dropout, Flatten "
    "and a last Softmax, Sigmoid or Exp"
)


def to_torch(network: Network, *, logits: bool = False) -> Any:
    """Return `network` as an ``nn.Sequential``; see `Network.to_torch`."""
    logits = validation.check_flag("logits", logits)
    torch = imported("torch", extra="torch")
    from fastnn.exchange.torch_modules import Exp

    nn = torch.nn
    made = {
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "softplus": lambda: nn.Softplus(threshold=SOFTPLUS_THRESHOLD),
        "softmax": lambda: nn.Softmax(dim=-1),
        "exp": Exp,
    }
    architecture = network.architecture
    modules = []
    for layer, weight, bias in architecture.views(network.parameters):
        linear = nn.utils.skip_init(  # PyTorch's random numbers stay where they are
            nn.Linear,
            layer.n_in,
            layer.n_out,
            bias=bias is not None,
            device="cpu",
            dtype=getattr(torch, architecture.dtype),
        )
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.array(weight.T, order="C")))
            if bias is not None:
                linear.bias.copy_(torch.from_numpy(bias.copy()))
        modules.append(linear)
        is_last = layer is architecture.layers[-1]
        if layer.activation != "identity" and not (is_last and logits):
            modules.append(made[layer.activation]())
    return nn.Sequential(*modules)


def from_torch(
    model: Any,
    *,
    output: Output | None = None,
    class_labels: Sequence[Any] | None = None,
    input_scale: float = 1.0 / 255.0,
    backend: BackendName = "auto",
) -> Network:
    """Return a copy of a PyTorch model made of Linear layers and activations.

    Parameters
    ----------
    model : torch.nn.Sequential or torch.nn.Linear
        Of Linear; Sigmoid, Tanh, ReLU, LeakyReLU (slope 0.01), ELU (α = 1), exact GELU, SiLU and
        Softplus (β = 1; PyTorch's ends at a threshold of 20 where fastnn's goes on, 2e-9 apart);
        Dropout, Identity, Flatten, nested Sequentials; and a last Softmax, Sigmoid or what
        `Network.to_torch` appends for exp. On any device; half precision is widened to float32.
    output : {"softmax", "sigmoid", "identity", "exp"}, optional
        What turns the last Linear's numbers into predictions, where nothing follows it: by default
        identity. "softmax" also reads a model that ends in LogSoftmax.
    class_labels : sequence of str or numbers, optional
        Names of the classes, as for `Network`.
    input_scale : float, default 1/255
        What uint8 inputs are multiplied by, as for `Network`.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        Who computes.

    Returns
    -------
    Network
        float64 if a weight is, else float32; with biases if a layer has one, the others' zero.

    Raises
    ------
    ImportError
        If PyTorch is not installed: ``pip install "fastnn[torch]"``.
    TypeError
        If `model` is not such a model, or holds a module of another kind: the error names it.
    ValueError
        If a module has other settings than fastnn's, or a place that no network has for it.
    BackendUnavailableError
        If that backend cannot run here.

    Examples
    --------
    >>> from torch import nn  # doctest: +SKIP
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))  # doctest: +SKIP
    >>> net = fastnn.from_torch(model, output="softmax")  # doctest: +SKIP
    """
    torch = imported("torch", extra="torch")
    get_backend(validation.check_backend_name(backend, (*NAMES, "auto"), "backend="))
    if output is not None:
        validation.check_choice("output", output, OUTPUTS)
    if not isinstance(model, torch.nn.Sequential | torch.nn.Linear):
        raise TypeError(
            f"model must be a torch.nn.Sequential of {READ}, got {type(model).__name__}"
        )
    layers: list[Dense] = []
    followers: list[str] = []  # of each layer
    for name, module in _flat(torch, "model", model):
        kind = _kind(torch, name, module)
        if kind == "linear":
            layers.append(_dense(torch, name, module))
            followers.append("")
        elif kind != "nothing":
            if not layers:
                raise ValueError(f"{name} stands before the first Linear, expected after one")
            if followers[-1]:
                raise ValueError(f"{name} follows another activation, expected a Linear before it")
            followers[-1] = kind
        elif isinstance(module, torch.nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
            raise ValueError(f"{name} flattens other dimensions, expected those of each row")
    if not layers:
        raise ValueError("model has no Linear layer")
    *hidden, last = followers
    for layer, follower in zip(layers, hidden, strict=False):
        if follower in ("softmax", "log_softmax", "exp"):
            raise ValueError(
                f"{layer.name} is followed by {follower}, which only the last layer may be"
            )
    return assemble(
        layers,
        [follower or "identity" for follower in hidden],
        _output(last, output),
        backend=backend,
        input_scale=input_scale,
        class_labels=class_labels,
    )


def _flat(torch: Any, name: str, module: Any) -> Iterator[tuple[str, Any]]:
    """Yield each module within nested Sequentials, and what errors call it."""
    if type(module) is torch.nn.Sequential:
        _check_runs_as_its_class_says(name, module)
        for key, child in module._modules.items():  # named_children gives a shared one only once
            yield from _flat(torch, f"{name}[{key}]", child)
    else:
        yield f"{name} {shortened(repr(module))}", module


def _check_runs_as_its_class_says(name: str, module: Any) -> None:
    if module._forward_hooks or module._forward_pre_hooks:
        raise ValueError(f"{name} has forward hooks, which a network cannot run")
    if "forward" in vars(module):
        raise ValueError(f"{name} has a forward of its own, which a network cannot run")


def _kind(torch: Any, name: str, module: Any) -> str:
    """Return what a module is: linear, nothing, an activation or an output."""
    from fastnn.exchange.torch_modules import Exp

    nn = torch.nn
    kinds = {
        nn.Linear: "linear",
        nn.Identity: "nothing",
        nn.Dropout: "nothing",
        nn.AlphaDropout: "nothing",
        nn.Flatten: "nothing",
        nn.Sigmoid: "sigmoid",
        nn.Tanh: "tanh",
        nn.ReLU: "relu",
        nn.LeakyReLU: "leaky_relu",
        nn.ELU: "elu",
        nn.GELU: "gelu",
        nn.SiLU: "silu",
        nn.Softplus: "softplus",
        nn.Softmax: "softmax",
        nn.LogSoftmax: "log_softmax",
        Exp: "exp",
    }
    kind = kinds.get(type(module))  # a subclass may compute something else
    if kind is None:
        raise TypeError(f"{name} is none of {READ}")
    _check_runs_as_its_class_says(name, module)
    expected = {
        "leaky_relu": ("negative_slope", (0.01,)),
        "elu": ("alpha", (1.0,)),
        "gelu": ("approximate", ("none",)),
        "softplus": ("beta", (1.0,)),
        "softmax": ("dim", (1, -1)),
        "log_softmax": ("dim", (1, -1)),
    }
    if kind in expected:
        setting, values = expected[kind]
        if getattr(module, setting) not in values:
            raise ValueError(
                f"{name} has {setting}={getattr(module, setting)!r}, but fastnn's {kind} has "
                f"{' or '.join(map(repr, values))}"
            )
    if kind == "softplus" and module.threshold < 20:
        raise ValueError(f"{name} is cut off at {module.threshold}, expected 20 or more")
    return kind


def _dense(torch: Any, name: str, linear: Any) -> Dense:
    arrays: list[Any] = []
    for tensor in (linear.weight, linear.bias):
        if tensor is None:
            arrays.append(None)
            continue
        if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            raise TypeError(f"{name} has weights of {tensor.dtype}, expected floating point")
        if tensor.is_meta:
            raise ValueError(f"{name} is on the device 'meta': it has no weights")
        dtype = torch.float64 if tensor.dtype == torch.float64 else torch.float32
        arrays.append(tensor.detach().to("cpu", dtype).numpy())
    return Dense(name, arrays[0].T, arrays[1])


def _output(last: str, wanted: str | None) -> str:
    """Return the network's output from what follows the last Linear."""
    if last == "log_softmax":
        if wanted != "softmax":
            raise ValueError(
                "model ends in LogSoftmax, and fastnn gives probabilities: to read it as softmax "
                'say output="softmax"'
            )
        return "softmax"
    if not last:
        return wanted or "identity"
    if last not in OUTPUTS:
        raise ValueError(f"model ends in {last}, but a network ends in {', '.join(OUTPUTS)}")
    if wanted not in (None, last):
        raise ValueError(f"model ends in {last}, but output={describe(wanted)} was asked for")
    return last
