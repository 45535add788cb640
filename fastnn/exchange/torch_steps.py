"""PyTorch modules as steps of a chain (`fastnn.exchange.folding`), in evaluation mode.

After ``eval()`` there is no dropout, and running statistics are used. Containers are read as their
children in order. This is correct for nn.Sequential; for other classes
`fastnn.exchange.torch_forward` compares the result with their forward.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from fastnn.architecture import ACTIVATIONS, OUTPUTS, Array
from fastnn.exchange.assembly import Dense
from fastnn.exchange.folding import (
    Activation,
    Scaling,
    Step,
    batch_normalization,
    largest,
    leaky,
    smallest,
)
from fastnn.validation.values import describe, shortened

READ = (
    "Linear, BatchNorm1d, Sigmoid, Tanh, ReLU, ReLU6, LeakyReLU, PReLU, RReLU, ELU, CELU, SELU, "
    "GELU, SiLU, Mish, Softplus, LogSigmoid, Hardtanh, Hardsigmoid, Identity, Dropout, Flatten, "
    "and a last Softmax, LogSoftmax, Sigmoid or Exp"
)


class Chain(NamedTuple):
    """The steps of a model up to the output, and its last module.

    `end` is an output of fastnn, "log_softmax", or empty.
    `in_question` names a module whose forward may differ from its children; otherwise empty.
    """

    steps: list[Step]
    end: str
    in_question: str


def chain_of(torch: Any, model: Any) -> Chain:
    """Return the chain of a model.

    Raises
    ------
    TypeError, ValueError
        If it is not a chain; the message names the module.
    """
    _check_is_module(torch, model)
    steps: list[Step] = []
    in_question = ""
    for name, module, is_certain in _leaves(torch, "model", model):
        if not is_certain and not in_question:
            in_question = name
        steps += _steps(torch, name, module) if module is not None else []
    end = ""
    if steps and isinstance(steps[-1], Activation):
        _, kind = steps[-1]
        if kind in OUTPUTS or kind == "log_softmax":
            steps.pop()
            end = kind
    if not any(isinstance(step, Dense) for step in steps):
        raise ValueError("model has no Linear layer")
    for step in steps:
        if isinstance(step, Activation) and step.kind not in ACTIVATIONS:
            raise ValueError(f"{step.name} is {step.kind}, which only the last module may be")
    return Chain(steps, end, in_question)


def unwrapped(torch: Any, module: Any) -> Any:
    """Unwrap DataParallel and compiled modules."""
    while True:
        wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
        if isinstance(module, wrappers):
            module = module.module
        elif isinstance(module, torch.nn.Module) and type(module).__name__ == "OptimizedModule":
            module = module._orig_mod
        else:
            return module


def resting_copy(torch: Any, module: Any) -> Any:
    """Return a copy in evaluation mode, with detached weights."""
    graph = {
        id(value): value.detach().clone()  # copy.deepcopy refuses them
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    return copy.deepcopy(module, graph).eval()


def _check_is_module(torch: Any, model: Any) -> None:
    if isinstance(model, torch.nn.Module):
        return
    wanted = f"model must be a torch.nn.Sequential or another torch.nn.Module made of {READ}"
    if isinstance(model, Mapping):
        raise TypeError(
            f"model is of the kind of a state_dict ({type(model).__name__}), weights without the "
            "activations between them: create the model, call its load_state_dict() with these "
            "weights and give that model"
        )
    if isinstance(model, str | PurePath):
        raise TypeError(
            f"model is a path, {describe(model)}: create the model, call "
            "model.load_state_dict(torch.load(path)) and give that model"
        )
    raise TypeError(f"{wanted}, got {describe(model)}")


def _leaves(torch: Any, name: str, module: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield for each part its name in errors, its module, and whether its behaviour is certain.

    A container whose behaviour is uncertain is a separate part, without a module.
    """
    module = unwrapped(torch, module)
    label = f"{name} {shortened(' '.join(repr(module).split()))}"
    known = _known(torch, module)
    if known is not None:
        _check_has_weights(label, module)
        _check_hooks(label, module)
        yield label, module, known
        return
    children = [(key, child) for key, child in module._modules.items() if child is not None]
    kind = type(module)
    if isinstance(module, torch.jit.ScriptModule):
        raise TypeError(
            f"{name} is TorchScript ({kind.__name__}): give the nn.Module that it was made of"
        )
    if "quantized" in kind.__module__:
        raise TypeError(f"{label} is quantized: give the model as it was before quantization")
    if isinstance(module, torch.nn.modules.loss._Loss):
        yield f"{label} in it", None, False  # beside the layers, in Lightning's modules
        return
    containers = (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict)
    users_own = bool(children) and not kind.__module__.startswith("torch.nn.")
    if not users_own and not isinstance(module, containers):
        raise TypeError(f"{label} is none of {READ}")
    _check_hooks(name, module)
    if any(parameter is not None for parameter in module._parameters.values()):
        raise TypeError(
            f"{name} ({kind.__name__}) has parameters of its own, "
            f"{', '.join(module._parameters)}: a network has those of its layers only"
        )
    if kind is not torch.nn.Sequential:
        yield f"{name} ({kind.__name__})", None, False
    for key, child in children:
        yield from _leaves(torch, f"{name}[{key}]", child)


def _known(torch: Any, module: Any) -> bool | None:
    """Return whether a module is of a known class, False for its subclasses, None for others."""
    readers = _readers(torch)
    original = torch.nn.utils.parametrize.type_before_parametrizations(module)
    if original in readers:
        return True
    if "quantized" in original.__module__:
        return None
    return False if _class(readers, original) else None


def _class(readers: Mapping[type, Any], kind: type) -> Any:
    return next((c for c in kind.__mro__ if c in readers), None)


def _check_hooks(name: str, module: Any) -> None:
    hooks = [h for h in module._forward_pre_hooks.values() if not _sets_weight(h)]
    if module._forward_hooks or hooks:
        raise ValueError(f"{name} has forward hooks, which a network cannot run: remove them first")
    if "forward" in vars(module):
        raise ValueError(f"{name} has a forward of its own, which a network cannot run")


def _check_has_weights(name: str, module: Any) -> None:
    tensors = [*module._parameters.values(), *module._buffers.values()]
    if any(type(t).__name__.startswith("Uninitialized") for t in tensors):
        raise ValueError(f"{name} has no weights yet: run the model on a row first")
    if any(t is not None and t.is_meta for t in tensors):
        raise ValueError(f"{name} is on the device 'meta': it has no weights")


def _sets_weight(hook: Any) -> bool:
    """Return whether a hook is weight_norm, spectral_norm or pruning, which set the weight."""
    return type(hook).__module__.startswith("torch.nn.utils.")


def _steps(torch: Any, name: str, module: Any) -> list[Step]:
    hooks = [hook for hook in module._forward_pre_hooks.values() if _sets_weight(hook)]
    parametrize = torch.nn.utils.parametrize
    if hooks or parametrize.is_parametrized(module):
        with torch.no_grad():
            module = resting_copy(torch, module)
            for hook in hooks:
                hook(module, ())
    readers = _readers(torch)
    kind = _class(readers, parametrize.type_before_parametrizations(module))
    read: Callable[[Any, str, Any], list[Step]] = readers[kind]
    with torch.no_grad():
        return read(torch, name, module)


def _readers(torch: Any) -> dict[type, Callable[[Any, str, Any], list[Step]]]:
    """Return the reader of each class, called with torch, the name in errors, and the module."""
    from fastnn.exchange.torch_modules import Exp

    nn = torch.nn
    plain = {
        nn.Sigmoid: "sigmoid",
        nn.Tanh: "tanh",
        nn.ReLU: "relu",
        nn.SELU: "selu",
        nn.SiLU: "silu",
        nn.Mish: "mish",
        Exp: "exp",
    }
    nothing = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.AlphaDropout)
    return {
        **{kind: _plain(activation) for kind, activation in plain.items()},
        **dict.fromkeys(nothing, lambda *_: []),
        nn.Linear: _linear,
        nn.BatchNorm1d: _batch_norm,
        nn.Flatten: _flatten,
        nn.LeakyReLU: lambda _, name, m: [leaky(name, m.negative_slope)],
        nn.RReLU: lambda _, name, m: [leaky(name, (m.lower + m.upper) / 2)],
        nn.PReLU: _prelu,
        nn.ELU: _elu,
        nn.CELU: _celu,
        nn.GELU: _gelu,
        nn.Softplus: _softplus,
        nn.LogSigmoid: lambda _, name, m: [
            Scaling(name, -1.0),
            Activation(name, "softplus"),
            Scaling(name, -1.0),
        ],
        nn.Hardtanh: lambda _, name, m: [largest(name, m.min_val), smallest(name, m.max_val)],
        nn.ReLU6: lambda _, name, m: [largest(name, 0.0), smallest(name, 6.0)],
        nn.Hardsigmoid: lambda _, name, m: [
            Scaling(name, 1 / 6, 0.5),
            largest(name, 0.0),
            smallest(name, 1.0),
        ],
        nn.Softmax: _softmax("softmax"),
        nn.LogSoftmax: _softmax("log_softmax"),
    }


def _plain(kind: str) -> Callable[[Any, str, Any], list[Step]]:
    return lambda torch, name, module: [Activation(name, kind)]


def _linear(torch: Any, name: str, linear: Any) -> list[Step]:
    bias = None if linear.bias is None else _array(torch, name, linear.bias)
    return [Dense(name, _array(torch, name, linear.weight).T, bias)]


def _batch_norm(torch: Any, name: str, norm: Any) -> list[Step]:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(
            f"{name} has no running statistics (track_running_stats=False): what it computes "
            "depends on the other rows of a batch, which no network's output does"
        )
    mean, variance = (_array(torch, name, t) for t in (norm.running_mean, norm.running_var))
    gamma = 1.0 if norm.weight is None else _array(torch, name, norm.weight)
    beta = 0.0 if norm.bias is None else _array(torch, name, norm.bias)
    return [batch_normalization(name, gamma, beta, mean, variance, norm.eps)]


def _flatten(torch: Any, name: str, flatten: Any) -> list[Step]:
    if (flatten.start_dim, flatten.end_dim) != (1, -1):
        raise ValueError(f"{name} flattens other dimensions, expected those of each row")
    return []


def _prelu(torch: Any, name: str, prelu: Any) -> list[Step]:
    slopes = _array(torch, name, prelu.weight)
    return [leaky(name, slopes if slopes.size > 1 else slopes.item())]


def _elu(torch: Any, name: str, elu: Any) -> list[Step]:
    steps: list[Step] = [Activation(name, "elu")]
    return steps if elu.alpha == 1 else [*steps, leaky(name, elu.alpha)]


def _celu(torch: Any, name: str, celu: Any) -> list[Step]:
    """Return ``α · elu(z / α)``."""
    if celu.alpha == 1:
        return [Activation(name, "elu")]
    if not celu.alpha > 0:
        raise ValueError(f"{name} has alpha={celu.alpha}, expected above 0")
    return [Scaling(name, 1 / celu.alpha), Activation(name, "elu"), Scaling(name, celu.alpha)]


def _gelu(torch: Any, name: str, gelu: Any) -> list[Step]:
    if gelu.approximate != "none":
        raise ValueError(
            f"{name} has approximate={gelu.approximate!r}, but fastnn's gelu is exact, 'none'"
        )
    return [Activation(name, "gelu")]


def _softplus(torch: Any, name: str, softplus: Any) -> list[Step]:
    """Return ``softplus(β · z) / β``."""
    if softplus.threshold < 20:
        raise ValueError(f"{name} is cut off at {softplus.threshold}, expected 20 or more")
    beta = softplus.beta
    if beta == 1:
        return [Activation(name, "softplus")]
    if beta == 0:
        raise ValueError(f"{name} has beta=0, expected another number")
    return [Scaling(name, beta), Activation(name, "softplus"), Scaling(name, 1 / beta)]


def _softmax(kind: str) -> Callable[[Any, str, Any], list[Step]]:
    def read(torch: Any, name: str, softmax: Any) -> list[Step]:
        if softmax.dim not in (None, 1, -1):  # None is 1 for rows
            raise ValueError(f"{name} has dim={softmax.dim}, but a network's {kind} is of each row")
        return [Activation(name, kind)]

    return read


def _array(torch: Any, name: str, tensor: Any) -> Array:
    """Return a copy in float64 if the tensor is, else in float32."""
    if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        raise TypeError(f"{name} has weights of {tensor.dtype}, expected floating point")
    dtype = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    array: Array = np.array(tensor.detach().to("cpu", dtype).numpy())
    return array
