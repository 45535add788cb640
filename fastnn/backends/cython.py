"""The Cython backend: whole programs in one native call, kernels in C for each instruction set.

This adapter only converts arguments: names to the codes of ``kernels/cython/simd/vocabulary.h``, an
architecture to the layers of the compiled programs. The environment variable ``FASTNN_ISA``
(``baseline``, ``avx2``, ``avx512`` or ``neon``), read when the backend is first used, selects
an instruction set; the default is the widest that the processor supports.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from fastnn.architecture import FROM_PREACTIVATION, Architecture, Array
from fastnn.backends import cython_models, restored_predictor
from fastnn.backends.base import Backend, EpochResult, learning_rates
from fastnn.backends.dropout import dropout_threshold
from fastnn.backends.fits import Fits
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.predictor import Predictor, check_csr
from fastnn.backends.steps import Steps, Taken
from fastnn.backends.threads import show_to_threadpoolctl, usable_threads
from fastnn.backends.training_pass import MOST_ROWS
from fastnn.optimizers import Optimizer, OptimizerState

_EXTENSION = "fastnn.kernels.cython._kernels"

if importlib.util.find_spec(_EXTENSION) is None:
    raise ImportError(
        f"the compiled extension {_EXTENSION} is not built: install a C compiler and reinstall "
        "fastnn, or use a wheel; FASTNN_REQUIRE_EXT=1 shows the compiler's error"
    )
try:
    from fastnn.kernels.cython import _kernels
except ImportError as error:
    raise ImportError(
        f"the compiled extension {_EXTENSION} is built but cannot be loaded ({error}): "
        "reinstall fastnn for this Python and this machine"
    ) from error

show_to_threadpoolctl(_kernels.__file__)
Predictor.register(_kernels.Predictor)
Steps.register(_kernels.Steps)

instruction_sets = _kernels.instruction_sets

# The code of a name is its index in the list in kernels/cython/simd/vocabulary.h.
_ACTIVATION = {name: code for code, name in enumerate(_kernels.ACTIVATIONS)}
_LOSS = {name: code for code, name in enumerate(_kernels.LOSSES)}
_RULE = {name: code for code, name in enumerate(_kernels.RULES)}


class CythonBackend(Backend):
    """The kernels and programs in compiled code.

    Parameters
    ----------
    n_threads : callable, optional
        Returns the maximum number of threads for large operations.
    isa : str, optional
        The instruction set; by default that of ``FASTNN_ISA``, or the widest.

    Attributes
    ----------
    isa : str
        The instruction set that the kernels use: "baseline", "avx2", "avx512" or "neon".
    limitation : str or None
        What the compiler that built the kernels could not do, and the remedy.
    """

    name = "cython"
    uses_blas = False
    checks_arrays = checks_rows = True

    def __init__(
        self, n_threads: Callable[[], int] = usable_threads, isa: str | None = None
    ) -> None:
        self._n_threads = n_threads
        forced = isa or os.environ.get("FASTNN_ISA") or None
        self._kernels = {
            np.dtype(dtype): _kernels.Kernels(forced, dtype == "float64")
            for dtype in ("float32", "float64")
        }
        self.isa = self._kernels[np.dtype("float32")].isa
        self.limitation = _limitation(_kernels.compiler_without_vectors())
        self._program = lru_cache(maxsize=64)(self._compile)
        self._last: tuple[Any, Any] = (None, None)

    # -- kernels --------------------------------------------------------------------------------

    def dense_forward(
        self,
        x: Any,
        weight: Array,
        bias: Array | None,
        activation: str,
        out: Array,
        preactivation: Array | None = None,
    ) -> None:
        self._kernels[out.dtype].dense_forward(
            x, weight, bias, _ACTIVATION[activation], out, preactivation
        )

    def softmax(self, z: Array, out: Array) -> None:
        self._kernels[out.dtype].softmax(z, out)

    def softmax_cross_entropy(
        self,
        z: Array,
        labels: Array,
        sample_weight: Array | None,
        label_smoothing: float,
        delta: Array,
    ) -> float:
        loss: float = self._kernels[delta.dtype].softmax_cross_entropy(
            z,
            np.ascontiguousarray(labels, np.int64),
            _weights(sample_weight),
            label_smoothing,
            delta,
        )
        return loss

    def elementwise_loss(
        self,
        loss: str,
        activation: str,
        z: Array,
        target: Array,
        sample_weight: Array | None,
        constants: Array,
        delta: Array,
    ) -> float:
        total: float = self._kernels[delta.dtype].elementwise_loss(
            _LOSS[loss], _ACTIVATION[activation], z, target, _weights(sample_weight), constants,
            delta,
        )  # fmt: skip
        return total

    def weight_gradient(
        self, x: Any, delta: Array, weight_grad: Array, bias_grad: Array | None
    ) -> None:
        self._kernels[delta.dtype].weight_gradient(x, delta, weight_grad, bias_grad)

    def input_gradient(
        self, delta: Array, weight: Array, activation: str, y: Array, out: Array
    ) -> None:
        self._kernels[out.dtype].input_gradient(delta, weight, _ACTIVATION[activation], y, out)

    def update(
        self, optimizer: Optimizer, step: int, params: Array, grads: Array, state: Array
    ) -> None:
        self._kernels[params.dtype].update(
            _RULE[optimizer.rule],
            optimizer.coefficients,
            float(learning_rates(optimizer, step - 1, 1)[0]),
            step,
            params,
            grads,
            state,
        )

    # -- programs -------------------------------------------------------------------------------

    def predict(
        self,
        architecture: Architecture,
        params: Array,
        x: Any,
        out: Array,
        n_layers: int | None = None,
    ) -> None:
        """Forward through the first n_layers layers, or all of them; see `Backend.predict`."""
        n = len(architecture.layers) if n_layers is None else n_layers
        self._program_of(architecture).predict(params, x, out, n)

    def predictor(self, architecture: Architecture, params: Array, reader: Any = None) -> Predictor:
        """Return the network frozen for serving, as one compiled object."""
        copied = architecture.allocate()
        copied[...] = params
        dtype = np.dtype(architecture.dtype)
        predictor: Predictor = _kernels.Predictor(
            self._compile(architecture),
            copied,
            (np.empty, dtype),
            check_csr,
            (restored_predictor, (self.name, architecture, copied, reader)),
            reader,
        )
        return predictor

    def steps(
        self,
        architecture: Architecture,
        params: Array,
        state: OptimizerState,
        options: TrainingOptions,
        taken: Taken,
    ) -> Steps:
        """Return a training step, frozen, as one compiled object."""
        optimizer = options.optimizer
        steps: Steps = _kernels.Steps(
            self._program(architecture),
            (params, state.slots, state),
            (
                _RULE[optimizer.rule],
                optimizer.coefficients,
                partial(learning_rates, optimizer),
                _factors(architecture, optimizer),
                optimizer.scales_features,
            ),
            (
                options.reduction == "mean",
                options.l1,
                options.l2,
                options.max_norm,
                options.clip_norm,
                *_dropout_arrays(options.dropout),
                options.dropout_seed & 0xFFFFFFFFFFFFFFFF,
            ),
            min(options.batch_size, MOST_ROWS),
            tuple(taken),
            (np.empty, np.dtype(architecture.dtype)),
        )
        return steps

    def train_epoch(
        self,
        architecture: Architecture,
        params: Array,
        state: OptimizerState,
        x: Any,
        y: Array,
        order: Array,
        options: TrainingOptions,
        sample_weight: Array | None = None,
    ) -> EpochResult:
        """Train on the rows `order` in one native call; see `Backend.train_epoch`."""
        n_steps = -(-len(order) // options.batch_size)
        weight, loss, right, penalty = self._program_of(architecture).train_epoch(
            params,
            state.slots,
            state,
            x,
            y,
            np.ascontiguousarray(order, np.int64),
            _weights(sample_weight),
            learning_rates(options.optimizer, state.step, n_steps),
            _RULE[options.optimizer.rule],
            options.optimizer.coefficients,
            options.batch_size,
            options.reduction == "mean",
            options.l1,
            options.l2,
            options.max_norm,
            options.clip_norm,
            *_dropout_arrays(options.dropout),
            options.dropout_seed & 0xFFFFFFFFFFFFFFFF,
            _factors(architecture, options.optimizer),
            options.optimizer.scales_features,
        )
        if not weight:
            return EpochResult(np.nan, np.nan, np.nan)
        accuracy = right / weight if architecture.classifies else np.nan
        return EpochResult(loss / weight, accuracy, penalty / weight)

    def train_models(self, fits: Fits, progress: Callable[[int], object] | None = None) -> None:
        """Do whole fits in one native call; see `Backend.train_models`.

        A single model has all threads, where its minibatches are large enough for them.
        """
        if len(fits.models) > 1:
            program = self._program_of(fits.architecture)
            if cython_models.train_models(_kernels, program, _RULE, fits, progress):
                return
        super().train_models(fits, progress)

    def _program_of(self, architecture: Architecture) -> _kernels.Program:
        """Return an architecture's program; most often the one asked for last."""
        last, program = self._last
        if architecture is not last:
            program = self._program(architecture)
            self._last = architecture, program
        return program

    def _compile(self, architecture: Architecture) -> _kernels.Program:
        """Convert an architecture for the compiled programs."""
        return _kernels.Program(
            self._kernels[np.dtype(architecture.dtype)],
            [
                (
                    layer.n_in,
                    layer.n_out,
                    layer.stride,
                    layer.weight_offset,
                    -1 if layer.bias_offset is None else layer.bias_offset,
                    _ACTIVATION[layer.activation],
                    layer.activation in FROM_PREACTIVATION,
                )
                for layer in architecture.layers
            ],
            _LOSS[architecture.loss],
            _ACTIVATION[architecture.loss_activation],
            architecture.loss_constants,
            architecture.label_smoothing,
            architecture.n_slots,
            architecture.n_weight_slots,
            architecture.input_scale,
            self._n_threads,
        )


@lru_cache(maxsize=64)
def _dropout_arrays(rates: tuple[float, ...]) -> tuple[Array, Array]:
    """Return each hidden layer's rate, and its threshold."""
    thresholds = [dropout_threshold(rate) for rate in rates]
    return np.array(rates, np.float64), np.array(thresholds, np.uint32)


def _factors(architecture: Architecture, optimizer: Optimizer) -> Array | None:
    """Return the factors of groups of parameters, if there are any."""
    rates = optimizer.rate_factors
    return None if rates is None else rates.of(architecture)


def _limitation(compiler: str | None) -> str | None:
    if compiler is None:
        return None
    return (
        f"built by {compiler}, without vector types: the kernels compute number by number, more "
        "than ten times as slowly as with AVX2 or AVX-512; install clang-cl (in Visual Studio's "
        "installer: C++ Clang tools for Windows) and reinstall fastnn, or use a wheel"
    )


def _weights(sample_weight: Array | None) -> Array | None:
    return None if sample_weight is None else np.ascontiguousarray(sample_weight, np.float64)
