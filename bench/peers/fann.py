"""FANN: the C library, called once a row on the row's own memory; the softmax is NumPy's.

It has no relu, but a ramp from 0 to 1: of z / `CEILING` it is relu, as long as z stays below
`CEILING`, a power of two that the next layer's weights multiply back without rounding.
"""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import numpy as np

from cases import Array, Net
from peers import base

LINEAR, SIGMOID, RAMP = 0, 3, 12  # of enum fann_activationfunc_enum
CEILING = 4096.0
CONNECTIONS = "connections (connected_to_neuron, weight)="  # before the weights in its files

_name = find_library("floatfann")
if _name is None:
    raise ImportError("no library floatfann")
library = ctypes.CDLL(_name)
for _function in ("fann_create_standard_array", "fann_create_from_file"):
    getattr(library, _function).restype = ctypes.c_void_p
library.fann_run.restype = ctypes.POINTER(ctypes.c_float)
library.fann_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
for _layer in ("hidden", "output"):
    _setter = getattr(library, f"fann_set_activation_steepness_{_layer}")
    _setter.argtypes = [ctypes.c_void_p, ctypes.c_float]


class Predictor(base.Predictor):
    """`fann_run` for each row; one thread, whatever is allowed."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        self.ann = ctypes.c_void_p(self._created())
        self.out = np.empty((n_rows, net.sizes[-1]), np.float32)

    def _created(self) -> int:
        """Return a handle, of a file in which the weights of a new one are replaced.

        The library sets one weight in time proportional to their number.
        """
        relu = self.net.activation == "relu"
        sizes = (ctypes.c_uint * len(self.net.sizes))(*self.net.sizes)
        ann = ctypes.c_void_p(library.fann_create_standard_array(len(sizes), sizes))
        library.fann_set_activation_function_hidden(ann, RAMP if relu else SIGMOID)
        library.fann_set_activation_steepness_hidden(ann, 1.0 / CEILING if relu else 0.5)
        library.fann_set_activation_function_output(ann, LINEAR)
        library.fann_set_activation_steepness_output(ann, 1.0)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "net.fann")
            library.fann_save(ann, str(path).encode())
            library.fann_destroy(ann)
            head, found, _ = path.read_text().partition(CONNECTIONS)
            if not found:
                raise RuntimeError("FANN's file has no connections")
            path.write_text(head + CONNECTIONS + self._connections() + "\n")
            handle: int | None = library.fann_create_from_file(str(path).encode())
        if handle is None:
            raise RuntimeError("FANN does not read the file")
        return handle

    def _connections(self) -> str:
        """Return ``(source, weight)`` for each unit of each layer: its inputs, then the bias."""
        first, words = 0, []
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            scale = CEILING if i > 0 and self.net.activation == "relu" else 1.0
            columns = np.vstack([scale * weight, bias]).T.astype(np.float64)
            for column in columns.tolist():
                words += [f"({first + j}, {w:.9e})" for j, w in enumerate(column)]
            first += len(weight) + 1
        return " ".join(words) + " "

    @property
    def call(self) -> Callable[[Any], Any]:
        run, ann, out = library.fann_run, self.ann, self.out
        stride = 4 * self.net.sizes[0]

        def call(x: Array) -> Array:
            start = x.ctypes.data
            for i in range(len(out)):
                out[i] = run(ann, start + i * stride)[: out.shape[1]]
            np.subtract(out, out.max(axis=1, keepdims=True), out=out)
            np.exp(out, out=out)
            out[:] /= out.sum(axis=1, keepdims=True)
            return out

        return call
