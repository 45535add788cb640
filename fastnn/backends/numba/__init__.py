"""The Numba backend: the kernels and both programs, compiled from explicit loops in Python.

The compiled functions are in ``fastnn.kernels.numba``. `kernels` calls them individually,
`calls` prepares the arguments of whole programs, and `blas` uses NumPy for large dense products.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import EpochResult, learning_rates
from fastnn.backends.groups import begin_scaling
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD, OptimizerState
from fastnn.system.ctrl_c import ctrl_c_held
from fastnn.system.progress import is_progress_wanted

try:
    import numba
except ModuleNotFoundError as error:
    raise ImportError('numba is not installed; pip install "fastnn[numba]"') from error
except Exception as error:  # for an unknown NumPy, numba raises various types
    raise ImportError(f"numba cannot be imported: {error}") from error

try:
    from fastnn.kernels.numba import programs
except Exception as error:  # they use parts of Numba that other versions may not have
    raise ImportError(
        f"the kernels do not work with numba {numba.__version__} ({error!r}); "
        'pip install --upgrade "fastnn[numba]"'
    ) from error

from fastnn.backends.numba.blas import WithBlas, is_large
from fastnn.backends.numba.calls import (
    dropout_of,
    memory_for,
    pays_to_pack,
    pieces,
    plan_for,
    targets_of,
    training_of,
)
from fastnn.backends.numba.float_mode import flushing
from fastnn.backends.numba.kernels import Kernels
from fastnn.kernels.numba.arrays import NO_DROPOUT, plain
from fastnn.kernels.numba.layout import Model
from fastnn.kernels.numba.notice import give_notice

give_notice(is_progress_wanted)

ROWS_IN_WORKSPACE = 128
"""Number of rows in the workspace of ``predict``."""


class NumbaBackend(Kernels):
    """Kernels and programs of ``fastnn.kernels.numba``."""

    def __init__(self) -> None:
        self._with_blas = WithBlas()
        self._compiled: set[str] = set()  # dtypes that `train_epoch` is compiled for

    def warmup(self, dtypes: Sequence[str] = ("float32",)) -> None:
        for dtype in dtypes:
            x, labels = np.zeros((2, 2), dtype), np.zeros(2, np.int64)
            for output, y in (("softmax", labels), ("sigmoid", x)):  # to compile both loss kernels
                architecture = Architecture((2, 2, 2), ("relu",), output, dtype=dtype)
                params, optimizer = architecture.allocate(), SGD()
                options = TrainingOptions(optimizer, batch_size=2)
                state = OptimizerState(np.empty((optimizer.n_state, architecture.n_slots), dtype))
                out = np.empty((2, 2), dtype)
                for backend in (self, self._with_blas):
                    backend.train_epoch(architecture, params, state, x, y, labels, options)
                    backend.predict(architecture, params, x, out)

    # -- programs -------------------------------------------------------------------------------

    @flushing
    def predict(
        self,
        architecture: Architecture,
        params: Array,
        x: Any,
        out: Array,
        n_layers: int | None = None,
    ) -> None:
        if not len(out):
            return
        rows = np.arange(len(out))
        n_rows = min(len(rows), ROWS_IN_WORKSPACE)
        packed = pays_to_pack(x, rows)
        if is_large(architecture, n_rows, packed):
            return self._with_blas.predict(architecture, params, x, out, n_layers)
        memory = memory_for(architecture, x, rows, n_rows, packed)
        layers, _ = plan_for(architecture, n_rows, packed, False)
        model = Model(layers[:n_layers], plain(params))
        y = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        for piece, source, taken in pieces(architecture, x, rows, n_rows, in_turn=True):
            programs.predict(source, packed, taken, NO_DROPOUT, model, memory, y[piece])
        if y is not out:
            out[...] = y

    @flushing
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
        rows = np.array(order, np.int64)
        batch_size = min(options.batch_size, max(1, len(rows)))
        packed = pays_to_pack(x, rows)
        if is_large(architecture, batch_size, packed):
            return self._with_blas.train_epoch(
                architecture, params, state, x, y, order, options, sample_weight
            )
        begin_scaling(options.optimizer, architecture, params, state.slots)
        layers, _ = plan_for(architecture, batch_size, packed, bool(options.dropout))
        memory = memory_for(architecture, x, rows, batch_size, packed, options)
        model, training = Model(layers, params), training_of(architecture, options)
        done, totals = np.array([state.step]), np.zeros(4)
        for piece, source, taken in pieces(architecture, x, rows, batch_size):
            n_steps = -(-len(taken) // batch_size)
            rates = learning_rates(options.optimizer, state.step, n_steps)
            dropout = dropout_of(options, state.step, n_steps)
            targets = targets_of(architecture, y, sample_weight, rows[piece])
            train = partial(programs.train, source, packed, taken, targets, training)
            others = dropout, model, state.slots, memory, done, totals
            if architecture.dtype not in self._compiled:  # slow: keep it interruptible
                train(rates[:0], *others)
                self._compiled.add(architecture.dtype)
            with ctrl_c_held():
                train(rates, *others)
                state.step = int(done[0])
        weight, *sums = totals
        loss, right, penalty = (s / weight if weight else np.nan for s in sums)
        accuracy = right if architecture.classifies else np.nan
        return EpochResult(float(loss), float(accuracy), float(penalty))
