"""The candidates: fastnn's backends, and what a user would pick instead, each in its best setting.

A module here has a class `Trainer`, or `Predictor`, or both, after those of `peers.base`, or
`kernels`, which makes an object with the kernels of a backend, or `estimator`, which makes a
classifier of scikit-learn's kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

MODULES = {
    "numpy": "peers.tuned_numpy",
    "numpy-kernels": "peers.numpy_kernels",
    "torch": "peers.pytorch",
    "torch-compile": "peers.pytorch_compiled",
    "sklearn": "peers.scikit_learn",
    "jax": "peers.jax_jit",
    "onnxruntime": "peers.onnx_runtime",
    "onnxruntime-bound": "peers.onnx_bound",
    "openvino": "peers.openvino_bound",
    "litert": "peers.litert",
    "executorch": "peers.executorch_xnnpack",
    "tract": "peers.tract_onnx",
    "tinygrad": "peers.tinygrad_jit",
    "fann": "peers.fann",
}
LABELS = {
    "numpy": "NumPy, tuned",
    "numpy-kernels": "NumPy",
    "torch": "PyTorch eager",
    "torch-compile": "torch.compile",
    "sklearn": "scikit-learn",
    "jax": "JAX jit",
    "onnxruntime": "ONNX Runtime",
    "onnxruntime-bound": "ONNX, bound",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "executorch": "ExecuTorch",
    "tract": "tract",
    "tinygrad": "tinygrad",
    "fann": "FANN",
}
DEFAULT = ("numpy", "torch", "sklearn", "jax", "onnxruntime", "onnxruntime-bound")
"""The rest runs only when it is asked for: torch.compile takes a C++ compiler and half a minute a
case, and what follows ONNX Runtime has large packages of its own."""
BENCH = 'pip install ".[bench]" brings the peers'
RUNTIMES = 'pip install ".[bench,bench-runtimes]" brings it'
BROUGHT_BY = dict.fromkeys(("openvino", "litert", "executorch", "tract"), RUNTIMES) | {
    "tinygrad": f"{RUNTIMES}; it takes clang too",
    "fann": "Debian's package libfann2 brings it",
}


@dataclass(frozen=True)
class Contestant:
    """A named maker of trainers or predictors."""

    label: str
    make: Any
    ours: bool = False


def find(
    kind: str, backends: Sequence[str], peers: Sequence[str]
) -> tuple[list[Contestant], dict[str, str]]:
    """Return what can be measured here, and why the rest cannot.

    Parameters
    ----------
    kind : {"Trainer", "Predictor", "FrozenPredictor", "kernels", "estimator"}
    backends : sequence of str
        Of fastnn; empty for all that run here.
    peers : sequence of str
        Keys of `MODULES`; a peer that does not do `kind` is left out silently.
    """
    found, absent = _ours(kind, backends)
    for name in peers:
        try:
            maker = getattr(import_module(MODULES[name]), kind, None)
        except ImportError as error:
            absent[LABELS[name]] = f"{error}; {BROUGHT_BY.get(name, BENCH)}"
        else:
            if maker is not None:
                found.append(Contestant(LABELS[name], maker))
    return found, absent


def _ours(kind: str, backends: Sequence[str]) -> tuple[list[Contestant], dict[str, str]]:
    import fastnn
    from peers import ours

    available = fastnn.available_backends()
    found, absent = [], {}
    for name in backends or available:
        label = f"fastnn {name}"
        reason = available.get(name, "no such backend")
        if reason is None:
            found.append(Contestant(label, partial(getattr(ours, kind), backend=name), ours=True))
        else:
            absent[label] = reason
    return found, absent
