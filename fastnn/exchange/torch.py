"""Networks as PyTorch's ``nn.Sequential`` and back: copies of the weights, never views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import validation
from fastnn.architecture import OUTPUTS
from fastnn.backends import NAMES, get_backend
from fastnn.exchange.assembly import Dense, assemble
from fastnn.exchange.folding import Activation, Kink, Step, fold, folded_dtype
from fastnn.exchange.packages import imported
from fastnn.exchange.torch_steps import Chain, chain_of
from fastnn.validation.values import describe
from fastnn.vocabulary import BackendName, Output

if TYPE_CHECKING:
    from fastnn.network import Network

SOFTPLUS_THRESHOLD = 40.0
"""From where on softplus(z) = z in float64; PyTorch's 20 would cut off 2e-9."""


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

    What is read is what the model computes after ``eval()``: no dropout, and a BatchNorm1d's
    running statistics, which are folded into the layer beside it, in float64. What fastnn's
    activations can compute with is exact but for rounding: LeakyReLU and PReLU of any slope are
    relus of a layer twice as wide; Hardtanh, ReLU6 and Hardsigmoid two layers of relus; ELU of any
    alpha and SELU an elu and then relus; and behind an end in tanh, softplus, relu or another
    activation there is a layer of ones on the diagonal.

    Parameters
    ----------
    model : torch.nn.Module
        An nn.Sequential, nested as you like, of Linear, with or without bias, weight_norm and
        other parametrizations included; BatchNorm1d; Sigmoid, Tanh, ReLU, LeakyReLU, PReLU, ELU,
        SELU, exact GELU, SiLU, Softplus (PyTorch's ends at a threshold of 20 where fastnn's goes
        on, 2e-9 apart) and others; Dropout, Identity, Flatten; and a last Softmax, Sigmoid or what
        `Network.to_torch` appends for exp. Also a Module of another class whose children, in order,
        are such a chain: its forward is then run on random rows, on a copy, and compared. On any
        device; half precision is widened to float32. DataParallel and what torch.compile returns
        are seen through.
    output : {"softmax", "sigmoid", "identity", "exp"}, optional
        What turns the last Linear's numbers into predictions, where nothing follows it; by default
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
        Also float64 if the model first subtracts a mean of more than 256 spreads from a column, so
        that folding it loses nothing.

    Raises
    ------
    ImportError
        If PyTorch is not installed: ``pip install "fastnn[torch]"``.
    TypeError
        If `model` is not such a model, or holds a module of another kind: the error names it.
    ValueError
        If a module has other settings than fastnn's, or a place that no network has for it; or if
        a forward computes something else than the children in order.
    BackendUnavailableError
        If that backend cannot run here.

    Examples
    --------
    >>> from torch import nn  # doctest: +SKIP
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))  # doctest: +SKIP
    >>> net = fastnn.from_torch(model, output="softmax")  # doctest: +SKIP
    """
    torch = imported("torch", extra="torch")
    from fastnn.exchange.torch_forward import check_forward

    get_backend(validation.check_backend_name(backend, (*NAMES, "auto"), "backend="))
    if output is not None:
        validation.check_choice("output", output, OUTPUTS)
    chain = chain_of(torch, model)
    layers, activations = fold(chain.steps, n_in=_n_in(chain.steps))
    name = _output(chain, output)
    if chain.in_question:
        own = "softmax" if chain.end == "log_softmax" else chain.end or "identity"
        read = assemble(layers, activations, own, backend="numpy", dtype="float64")
        check_forward(torch, model, chain, read)
    return assemble(
        layers,
        activations,
        name,
        backend=backend,
        input_scale=input_scale,
        class_labels=class_labels,
        dtype=folded_dtype(chain.steps),
    )


def _n_in(steps: Sequence[Step]) -> int:
    """Return the width of the rows, which nothing before the first layer changes."""
    first = next(step for step in steps if isinstance(step, Dense))
    return len(first.weight)


def _output(chain: Chain, wanted: str | None) -> str:
    """Return the network's output from what follows the last layer."""
    if chain.end == "log_softmax":
        if wanted != "softmax":
            raise ValueError(
                "model ends in LogSoftmax, and fastnn gives probabilities: to read it as softmax "
                'say output="softmax"'
            )
        return "softmax"
    last = chain.steps[-1]
    end, words = chain.end, f"model ends in {chain.end}"
    if not end and isinstance(last, Activation | Kink):
        end, words = "identity", f"{last.name} ends the model"
    if not end:
        return wanted or "identity"
    if wanted not in (None, end):
        raise ValueError(f"{words}, but output={describe(wanted)} was asked for")
    return end
