"""Networks as PyTorch's ``nn.Sequential`` and back: copies of the weights, never views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn import validation
from fastnn.architecture import OUTPUTS
from fastnn.exchange.assembly import Dense, assemble
from fastnn.exchange.columns import check_no_columns
from fastnn.exchange.folding import Activation, Kink, Step, fold, folded_dtype
from fastnn.exchange.torch_steps import Chain, chain_of
from fastnn.model.model import Model
from fastnn.system.packages import imported
from fastnn.validation.values import describe
from fastnn.vocabulary import Output

SOFTPLUS_THRESHOLD = 40.0
"""Above this, softplus(z) = z in float64; PyTorch's threshold of 20 has an error of 2e-9."""


def to_torch(network: Model, *, logits: bool = False) -> Any:
    """Return `network` as an ``nn.Sequential``; see `Network.to_torch`."""
    logits = validation.check_flag("logits", logits)
    check_no_columns(network, "a PyTorch model")
    torch = imported("torch", extra="torch")
    from fastnn.exchange.torch_modules import Exp

    nn = torch.nn
    made = {
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "elu": nn.ELU,
        "selu": nn.SELU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "mish": nn.Mish,
        "softplus": lambda: nn.Softplus(threshold=SOFTPLUS_THRESHOLD),
        "softmax": lambda: nn.Softmax(dim=-1),
        "exp": Exp,
    }
    architecture = network.architecture
    modules = []
    for layer, weight, bias in architecture.views(network.parameters):
        linear = nn.utils.skip_init(  # without drawing from PyTorch's random generator
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
        left_off = is_last and logits and layer.activation in ("softmax", "sigmoid", "exp")
        if layer.activation != "identity" and not left_off:
            modules.append(made[layer.activation]())
    return nn.Sequential(*modules)


def from_torch(
    model: Any,
    *,
    output: Output | None = None,
    class_labels: Sequence[Any] | None = None,
    input_scale: float = 1.0 / 255.0,
) -> Model:
    """Return a copy of a PyTorch model; see `fastnn.from_torch`."""
    torch = imported("torch", extra="torch")
    from fastnn.exchange.torch_forward import check_forward

    if output is not None:
        validation.check_choice("output", output, OUTPUTS)
    chain = chain_of(torch, model)
    layers, activations = fold(chain.steps, n_in=_n_in(chain.steps))
    name = _output(chain, output)
    if chain.in_question:
        own = "softmax" if chain.end == "log_softmax" else chain.end or "identity"
        read = assemble(layers, activations, own, dtype="float64")
        check_forward(torch, model, chain, read)
    return assemble(
        layers,
        activations,
        name,
        input_scale=input_scale,
        class_labels=class_labels,
        dtype=folded_dtype(chain.steps),
    )


def _n_in(steps: Sequence[Step]) -> int:
    """Return the width of the rows, which steps before the first layer do not change."""
    first = next(step for step in steps if isinstance(step, Dense))
    return len(first.weight)


def _output(chain: Chain, wanted: str | None) -> str:
    """Return the output of the network from the modules after the last layer."""
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
