"""Trainer: a network's training step for callers in Python, checked once, in microseconds.

`Network.fit` runs passes; a `Trainer` does one update at a time, for streams, losses of the
caller's own, and minimizers. It holds the backend's `Steps` for the network as it is now, and makes
new ones when something that they stand on was replaced: the optimizer by a fit, the input scale by
the first rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from operator import methodcaller
from typing import Any, Literal

import numpy as np

from fastnn import validation
from fastnn.architecture import Architecture, Array
from fastnn.backends.base import Backend
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.steps import NO_FORWARD, NO_GRADIENT, Steps
from fastnn.model.model import Model
from fastnn.optimizers import SGD, Optimizer, RunningOptimizer
from fastnn.rows.checked import checked_rows
from fastnn.rows.one_row import as_minibatch, as_rows, of_one_row
from fastnn.rows.trained_on import TrainedOn
from fastnn.training.held_steps import HeldSteps, taken_by
from fastnn.training.sessions import alone, continued, training, training_rows, training_x

Of = Literal["logits", "outputs"]


class Trainer:
    """Training steps of one network, each a call; made by `Network.trainer`.

    The network is trained in place. Its optimizer's state is shared: `fit`, `partial_fit` and other
    trainers of the same network continue from what a trainer did, and a trainer from what they did.
    ``trainer(x, y)`` does, bit for bit, what ``partial_fit(x, y, batch_size=len(x),
    shuffle=False)`` does with the same options.

    Trainers with different kinds of optimizer, called in turn, restart the optimizer's state each
    time, as `partial_fit` does. `forward` already records what the rows are like
    (`Network.trained_on`), and `backward` uses the parameters as they are when it is called.

    One thread at a time may train a network: a call that begins during another one raises a
    RuntimeError and changes nothing. A trainer can be pickled and copied, with its network; what
    `forward` kept is left behind.

    Parameters
    ----------
    network : Network
    backend : Backend
    optimizer : Optimizer or None
        None for the one used last.
    options : TrainingOptions
        Checked; its `batch_size` is the most rows of a minibatch.
    arguments : mapping
        What `Network.trainer` was called with, to make an equal one.
    """

    def __init__(
        self,
        network: Model,
        backend: Backend,
        optimizer: Optimizer | None,
        options: TrainingOptions,
        arguments: Mapping[str, Any],
    ) -> None:
        self._model, self._backend, self._optimizer = network, backend, optimizer
        self._options, self._arguments = options, arguments
        self._held = HeldSteps(backend, optimizer, options, watch=True)
        self._measuring: tuple[tuple[Any, ...], Steps] | None = None

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items())
        return f"<Trainer of {self._model!r} with {told}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make an equal one: of the network, with the same arguments."""
        return methodcaller("trainer", **self._arguments), (self._model,)

    @property
    def network(self) -> Any:
        """The network that is trained."""
        return self._model

    # -- one update -------------------------------------------------------------------------------

    def __call__(self, x: Any, y: Any, sample_weight: Any = None) -> float:
        """Update the network once, from one minibatch.

        Parameters
        ----------
        x : array or CSR matrix of shape (n_rows, n_in), or array of shape (n_in,)
            As for `Network.fit`, at most `max_rows` rows; one row may be one-dimensional.
        y : array
            As for `Network.fit`; of a one-dimensional x a label, or targets (n_out,).
        sample_weight : array of shape (n_rows,), optional
            How much each row counts.

        Returns
        -------
        float
            The weighted mean of the rows' losses before the update, penalty excluded.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or has more rows than `max_rows`.
        RuntimeError
            If the network is being trained already: by another thread, or around a callback.
        """
        steps = self._held.steps
        if steps is not None:  # which see for themselves whether they may
            loss = steps.train(x, y, sample_weight)
            if loss is not None:
                return loss
        return self._train_checked(x, y, sample_weight)

    @alone
    def forward(self, x: Any, *, logits: bool = False) -> Array:
        """Return the outputs of a minibatch, and keep what `backward` needs.

        With dropout, hidden units are dropped as in the update that follows.

        Parameters
        ----------
        x : array or CSR matrix of shape (n_rows, n_in), or array of shape (n_in,)
            As for a call of the trainer.
        logits : bool, default False
            Whether to return the logits instead: what the last layer computes before the output's
            function, such as softmax.

        Returns
        -------
        ndarray of shape (n_rows, n_out) or (n_out,)
            A new array of the network's dtype.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As for a call of the trainer.
        """
        logits = validation.check_flag("logits", logits)
        steps = self._held.current(self._model)
        outputs = None if steps is None else steps.forward(x, logits)
        return self._forward_checked(x, logits) if outputs is None else outputs

    @alone
    def backward(
        self,
        delta: Any,
        *,
        of: Of = "logits",
        update: bool = True,
        input_gradient: bool = False,
    ) -> Array | None:
        """Update the network from the derivative of a loss of your own, after `forward`.

        Penalties and limits of the trainer apply. The derivative is that of the whole minibatch's
        loss: for a mean over rows, divide by their number (`reduction` is not applied).

        Parameters
        ----------
        delta : array of the shape that `forward` returned
            ∂loss/∂logits, finite; see `of`.
        of : {"logits", "outputs"}, default "logits"
            Whether delta is ∂loss/∂logits or ∂loss/∂outputs; the latter is multiplied by the
            derivative of the output's function.
        update : bool, default True
            False leaves the network as it is: for `gradient`, or for ∂loss/∂x. Then `backward` may
            be called again after the same `forward`.
        input_gradient : bool, default False
            Whether to return ∂loss/∂x.

        Returns
        -------
        ndarray of the shape of x, or None
            ∂loss/∂x, if asked for, at the parameters before the update; of bytes by each byte.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        RuntimeError
            If `forward` was not called before, or something else was called since, or the network
            is being trained already.
        """
        validation.check_choice("of", of, ("logits", "outputs"))
        update = validation.check_flag("update", update)
        input_gradient = validation.check_flag("input_gradient", input_gradient)
        delta = validation.check_floats("delta", delta)
        steps = self._held.current(self._model)
        if steps is None:
            raise RuntimeError(NO_FORWARD)
        by_x = steps.backward(delta, of == "outputs", update, input_gradient)
        if update:
            self._held.used(self._model)
        return by_x

    @alone
    def gradient(self) -> Array:
        """Return the gradient of the last update, or of the last `backward`.

        Returns
        -------
        ndarray of shape (architecture.n_slots,)
            In the layout of `Network.parameters`, as it was applied: reduced, with the penalty's,
            and clipped. ``network.architecture.weights(gradient)`` and ``biases(gradient)`` are its
            views by layer.

        Raises
        ------
        RuntimeError
            If there is none: before the first update, or after a `forward`; or if the network is
            being trained.
        """
        steps = self._held.current(self._model)
        if steps is None:
            raise RuntimeError(NO_GRADIENT)
        return steps.gradient()

    @alone
    def apply(self, gradient: Any) -> None:
        """Update the network once, from a gradient that was computed elsewhere.

        Limits of the trainer apply; no penalty is added.

        Parameters
        ----------
        gradient : array of shape (architecture.n_slots,)
            In the layout of `Network.parameters`, finite; its padding is not read.

        Raises
        ------
        TypeError, ValueError
            If the gradient is not as described.
        RuntimeError
            If the network is being trained already.
        """
        model = self._model
        a = model.architecture
        array = validation.check_gradient("gradient", gradient, a.n_slots)
        steps = self._held.current(model)
        if steps is not None:
            steps.apply(array)
            self._held.used(model)
            return
        with self._beginning(a, model.trained_on) as steps:
            steps.apply(array)

    # -- no update --------------------------------------------------------------------------------

    @alone
    def value_and_gradient(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        parameters: Any = None,
        out: Array | None = None,
    ) -> tuple[float, Array]:
        """Return the loss of all rows and its gradient, and leave the network as it is.

        For minimizers: ``scipy.optimize.minimize(lambda p: trainer.value_and_gradient(x, y,
        parameters=p), network.parameters, jac=True)``. There is no dropout.

        Parameters
        ----------
        x, y, sample_weight
            As for a call of the trainer, any number of rows.
        parameters : array of shape (architecture.n_slots,), optional
            Evaluate at these parameters instead of the network's. Their padding must be zero, as it
            is in those that minimizers derive from the network's.
        out : ndarray of shape (architecture.n_slots,), optional
            Of the network's dtype, C-contiguous and writable: where to write the gradient. By
            default a new array.

        Returns
        -------
        value : float
            The reduced loss plus the penalty.
        gradient : ndarray of shape (architecture.n_slots,)
            `out`, in the layout of `Network.parameters`; the padding is zero.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        """
        model = self._model
        a, own = model.architecture, model.parameters
        params = own
        if parameters is not None:
            params = validation.check_vector("parameters", parameters, own)
        if out is None:
            out = np.empty(a.n_slots, a.dtype)
        else:
            slots = None if model._running is None else model._running.state.slots
            kept = ("the network's parameters", own), ("the optimizer's state", slots)
            out = validation.check_vector_to_write("out", out, own, *kept)
        steps = self._steps_that_measure()
        value = steps.value_and_gradient(params, x, y, sample_weight, out)
        if value is None:
            x, y, is_row = as_minibatch(x, y, is_table=model.columns is not None)
            data = checked_rows(a, model.class_labels, model.trained_on, x, y, sample_weight)
            rows = of_one_row(data.x, is_row), data.y, data.sample_weight
            value = steps.value_and_gradient(params, *rows, out, is_checked=True)
        assert value is not None
        return value, out

    # -- inside -----------------------------------------------------------------------------------

    def _steps_that_measure(self) -> Steps:
        """Return steps for `value_and_gradient`, with an optimizer that has no state."""
        model = self._model
        key = (model.architecture, model.trained_on, model._parameters, model._class_labels)
        if self._measuring is not None:
            made_for, steps = self._measuring
            if all(one is other for one, other in zip(made_for, key, strict=True)):
                return steps
        without_state = RunningOptimizer.start(SGD(), model.architecture)
        steps = self._backend.steps(
            model.architecture,
            model.parameters,
            without_state.state,
            replace(self._options, optimizer=without_state.optimizer),
            taken_by(model, in_training=False),
        )
        self._measuring = key, steps
        return steps

    @contextmanager
    def _beginning(
        self, architecture: Architecture, trained_on: TrainedOn | None
    ) -> Iterator[Steps]:
        """Have the optimizer go on, or start, with rows of another kind than before, or none yet.

        If nothing was learned from them, the network is as it was before.
        """
        model = self._model
        running = continued(model, self._optimizer)
        with training(model, running, architecture, trained_on):
            yield self._held.new(model, running)

    @alone
    def _train_checked(self, x: Any, y: Any, sample_weight: Any) -> float:
        """Update from a minibatch of any kind."""
        x, y, is_row = as_minibatch(x, y, is_table=self._model.columns is not None)
        a, trained_on, data = training_rows(self._model, x, y, sample_weight)
        self._check_n_rows(len(data.y))
        rows = of_one_row(data.x, is_row), data.y, data.sample_weight
        with self._ready(a, trained_on) as steps:
            loss = steps.train(*rows, is_checked=True)
        assert loss is not None
        return loss

    def _forward_checked(self, x: Any, logits: bool) -> Array:
        x, is_row = as_rows(x, is_table=self._model.columns is not None)
        a, trained_on, x = training_x(self._model, x)
        self._check_n_rows(x.shape[0])
        with self._ready(a, trained_on) as steps:
            outputs = steps.forward(of_one_row(x, is_row), logits, is_checked=True)
        assert outputs is not None
        return outputs

    @contextmanager
    def _ready(self, architecture: Architecture, trained_on: TrainedOn) -> Iterator[Steps]:
        """Have steps for rows that were checked: those there are, if the rows are of their kind."""
        model = self._model
        steps = self._held.current(model)
        if (
            steps is not None
            and architecture == model.architecture
            and trained_on is model.trained_on
            and not model.chooses_scale
        ):
            yield steps
            self._held.used(model)
            return
        with self._beginning(architecture, trained_on) as steps:
            yield steps

    def _check_n_rows(self, n_rows: int) -> None:
        most = self._options.batch_size
        if n_rows > most:
            raise ValueError(
                f"x has {n_rows} rows, more than the trainer takes at a time: make it with "
                f"network.trainer(max_rows={n_rows})"
            )
