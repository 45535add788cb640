"""The rounds of a fit on a cluster, as epochs for `fastnn.training.loop`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.backends.base import EpochResult
from fastnn.backends.minibatch import penalty
from fastnn.cluster import Cluster, LostError, Shared, TaskError
from fastnn.dask.held import Partitions
from fastnn.dask.reduction import over
from fastnn.dask.rounds import (
    Plan,
    State,
    Sum,
    add,
    add_totals,
    averaged,
    measure,
    train,
)
from fastnn.model.evaluation import Totals
from fastnn.optimizers import SGD, OptimizerState
from fastnn.rows.checked import Rows


class Outer:
    """The outer optimizer: steps from the parameters θ of a round to the mean θ̄ of its results.

    With the gradient g = θ − θ̄ it is one of `fastnn.SGD`; plain averaging is a learning rate of 1
    without momentum. Arithmetic is in float64.

    Parameters
    ----------
    optimizer : SGD or None
        None for plain averaging.
    """

    def __init__(self, optimizer: SGD | None) -> None:
        self._optimizer = optimizer
        self._velocity: Array | None = None

    def step(self, before: Array, mean: Array, n_steps: int) -> Array:
        """Return the parameters after the round, of the dtype of `before`."""
        optimizer = self._optimizer
        if optimizer is None:
            return mean.astype(before.dtype)
        gradient = before.astype(np.float64) - mean
        (rate,) = optimizer.learning_rates(n_steps, 1)
        if optimizer.momentum:
            velocity = gradient if self._velocity is None else self._velocity
            if self._velocity is not None:
                velocity = optimizer.momentum * self._velocity + gradient
            self._velocity = velocity
            gradient = gradient + optimizer.momentum * velocity if optimizer.nesterov else velocity
        after: Array = (before - rate * gradient).astype(before.dtype)
        return after

    # as a callback, so that checkpoints hold the velocity

    def on_fit_start(self, network: Any) -> None:
        """Begin without velocity."""
        self._velocity, self._shape = None, network.parameters.shape

    def on_epoch_end(self, network: Any, epoch: int, record: Any) -> None:
        """Do nothing."""

    def on_fit_end(self, network: Any) -> None:
        """Do nothing."""

    def settings(self) -> dict[str, Any]:
        """Return none: `constants` are compared by themselves."""
        return {}

    def constants(self) -> dict[str, Any] | None:
        """Return the optimizer's parameters, None if there is none."""
        o = self._optimizer
        if o is None:
            return None
        return {"learning_rate": repr(o.learning_rate), "momentum": o.momentum,
                "nesterov": o.nesterov}  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Return the velocity."""
        return {} if self._velocity is None else {"velocity": self._velocity}

    def load_state_dict(self, state: Any) -> None:
        """Restore the velocity."""
        velocity = state.get("velocity")
        if velocity is not None and velocity.shape != self._shape:
            raise ValueError(f"velocity has shape {velocity.shape}, not {self._shape}")
        self._velocity = velocity


class Part:
    """The only part of a round, whose rows are counted as they are done."""

    def __len__(self) -> int:
        return 0


class Rounds:
    """Rounds over partitions, in the place of a backend's passes over rows.

    Parameters
    ----------
    cluster : Cluster
    partitions : Partitions
        Checked.
    watched : Partitions or None
        Validation data, checked.
    plan : Plan
    outer : Outer
    first : int
        Number of the first round, counted from 0.
    seed : int, optional
        Of the rounds; by default the one of the optimizer's state.
    """

    weight = 0.0
    """Of the rows of the last round."""

    data = Rows(None, None, None)  # type: ignore[arg-type]
    """Empty: the rows are on the workers."""

    def __init__(
        self,
        cluster: Cluster,
        partitions: Partitions,
        watched: Partitions | None,
        plan: Plan,
        outer: Outer,
        first: int = 0,
        seed: int | None = None,
    ) -> None:
        self._cluster, self._partitions, self._watched = cluster, partitions, watched
        self._plan, self._outer, self._round, self._seed = cluster.share(plan), outer, first, seed
        self._state: tuple[State, Shared] | None = None
        self._running: OptimizerState | None = None
        self._say: Callable[[int], None] = lambda n_rows: None
        self._rounds_per_epoch = plan.rounds_per_epoch
        self._architecture, self._options = plan.architecture, plan.options

    @property
    def n_rows(self) -> int:
        """Rows of a round."""
        return self._partitions.n_rows // self._rounds_per_epoch

    def one(self, rng: Any, say: Callable[[int], None]) -> Iterable[Any]:
        """Return the only part of a round; `say` is told of rows that are done before it ends."""
        self._say = say
        return [Part()]

    def train_epoch(
        self,
        architecture: Any,
        params: Array,
        state: OptimizerState,
        x: Any,
        y: Any,
        order: Any,
        options: Any,
        sample_weight: Any = None,
    ) -> EpochResult:
        """Do a round: change `params` and `state`, and return the means over all rows.

        Raises
        ------
        LostError
            If the scheduler or all workers are lost; `params` and `state` are then unchanged.
        """
        held, self._running = self._partitions, state

        def done(leaves: Sequence[int]) -> None:
            n_rows = sum(held.facts[held.numbers[i]].n_rows for i in leaves)
            self._say(n_rows // self._rounds_per_epoch)

        shared = self._shared(params)
        total: Sum = over(self._cluster, held, add, train, shared, self._plan, done=done)
        self.weight = total.weight
        if not total.weight:  # all rows of this round have weight 0: nothing is learned
            self._round += 1
            return self._measured(params)
        vectors = averaged(total)
        if np.isfinite(vectors[0]).all():  # else the loss is not, and the fit ends
            params[...] = self._outer.step(params, vectors[0], self._round)
        else:
            params[...] = vectors[0]
        state.slots[...], state.step = vectors[1:], total.step
        self._round += 1
        return EpochResult(*(total.metrics / total.weight).tolist())

    def evaluate(
        self,
        backend: Any,
        architecture: Any,
        params: Array,
        x: Any,
        y: Any,
        sample_weight: Any,
        *,
        progress: bool,
    ) -> dict[str, float]:
        """Return what is measured on the validation data."""
        assert self._watched is not None
        return self._totals(self._watched, params).measures(architecture)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Say in errors of a lost cluster what was done until then."""
        try:
            yield
        except (LostError, TaskError) as error:
            raise type(error)(
                f"{error}, in round {self._round + 1}; the network keeps what {self._round} rounds "
                "have taught it, and a checkpoint, if there is one, resumes the fit"
            ) from error

    # -- inside ---------------------------------------------------------------------------------

    def _totals(self, held: Partitions, params: Array) -> Totals:
        """Return the sums of what is measured on partitions."""
        shared, plan = self._shared(params), self._plan
        totals: Totals = over(self._cluster, held, add_totals, measure, shared, plan)
        return totals

    def _measured(self, params: Array) -> EpochResult:
        """Return the means over all rows, of a round in which none of them counted."""
        a, options = self._architecture, self._options
        totals = self._totals(self._partitions, params)
        accuracy = totals.right / totals.weight if a.classifies else np.nan
        of_weights = penalty(params[: a.n_weight_slots], options)
        return EpochResult(totals.loss / totals.weight, accuracy, of_weights)

    def _shared(self, params: Array) -> Shared:
        """Return the state of the next round, sent to the workers once, unless it was already."""
        slots, step, seed = np.empty((0, len(params)), params.dtype), 0, 0
        if self._running is not None:  # else nothing is trained, only measured
            slots, step = self._running.slots, self._running.step
            seed = self._running.dropout_seed if self._seed is None else self._seed
        if self._state is not None:
            sent, shared = self._state
            vectors = (sent.parameters, params), (sent.slots, slots)
            same = sent[2:] == (step, seed, self._round)
            if same and all(np.array_equal(*pair) for pair in vectors):
                return shared
        sent = State(params.copy(), slots.copy(), step, seed, self._round)
        shared = self._cluster.share(sent)
        self._state = sent, shared
        return shared
