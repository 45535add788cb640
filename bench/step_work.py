"""Who takes a training step with a built-in loss: fastnn's trainer and `fit`, and the peers.

An entry's `run(n)` restores the initial parameters and a fresh optimizer, then takes n steps in a
Python loop, the k-th on the k-th minibatch. Minibatches are prepared in advance: as tensors for
PyTorch, JAX arrays for JAX, with one-hot labels for NumPy. Bytes are scaled within the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import fastnn
import peers
from cases import PIXEL, Array, Data, Net, TrainCase
from fastnn.backends import get_backend
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import RunningOptimizer
from peers import ours


class Entry(NamedTuple):
    """A candidate: `run` takes n steps, `found` returns the arrays to compare after them."""

    name: str
    ours: bool
    run: Callable[[int], object]
    found: Callable[[], list[Array]]


def network(net: Net, backend: str, dtype: str, output: str = "softmax") -> fastnn.Network:
    """Return the network that all begin with."""
    made = fastnn.Network(
        net.sizes,
        activation=net.activation,
        output=output,  # type: ignore[arg-type]
        dtype=dtype,
        input_scale=PIXEL,
        backend=backend,  # type: ignore[arg-type]
        seed=0,
    )
    ours.set_parameters(made, net.initial_parameters())
    return made


def start_over(made: fastnn.Network, start: list[Array]) -> None:
    """Restore the initial parameters and a fresh optimizer state."""
    ours.set_parameters(made, start)
    made.optimizer_state.slots.fill(0)
    made.optimizer_state.step = 0


def parameters(made: fastnn.Network) -> Callable[[], list[Array]]:
    """Return a function that copies weights, then biases."""
    return lambda: [view.copy() for view in ours.views(made)]


def batches_of(case: TrainCase, data: Data) -> list[tuple[Any, Any]]:
    """Return the minibatches; a single row is one-dimensional, its label an int."""
    n = case.batch_size
    if n == 1:
        return list(zip(data.x, data.y.tolist(), strict=True))
    return [(data.x[i : i + n], data.y[i : i + n]) for i in range(0, len(data.y), n)]


def steps(
    case: TrainCase,
    data: Data,
    backends: Sequence[str],
    others: Sequence[str],
    dtype: str = "float32",
) -> Iterator[Entry]:
    """Yield who takes steps of this case; float64 is for the reference."""
    for backend in backends:
        yield _trainer(case, data, backend, dtype)
        if dtype == "float32":
            yield _in_fit(case, data, backend)
    makers = {"numpy": _numpy, "torch": _torch, "sklearn": _sklearn, "jax": _jax}
    for name in others:
        if name in makers and not (name == "sklearn" and case.optimizer == "adam"):
            run, found = makers[name](case, data)  # scikit-learn's Adam has another epsilon
            yield Entry(peers.LABELS[name], False, run, found)


def _trainer(case: TrainCase, data: Data, backend: str, dtype: str) -> Entry:
    made, batches = network(case.net, backend, dtype), batches_of(case, data)
    start = case.net.initial_parameters()
    trainer = made.trainer(optimizer=ours.optimizer(case), max_rows=case.batch_size)
    trainer(*batches[0])

    def run(n_steps: int) -> None:
        start_over(made, start)
        for x, y in batches[:n_steps]:
            trainer(x, y)

    return Entry(f"fastnn {backend}", True, run, parameters(made))


def _in_fit(case: TrainCase, data: Data, backend: str) -> Entry:
    """The program that `fit` runs: all steps in one call."""
    made, rule = network(case.net, backend, "float32"), ours.optimizer(case)
    options, compute = TrainingOptions(rule, case.batch_size), get_backend(backend)
    start = case.net.initial_parameters()

    def run(n_steps: int) -> None:
        ours.set_parameters(made, start)
        state = RunningOptimizer.start(rule, made.architecture).state
        order = np.arange(n_steps * case.batch_size)
        compute.train_epoch(
            made.architecture, made.parameters, state, data.x, data.y, order, options
        )

    return Entry(f"{backend}, inside fit", False, run, parameters(made))


Maker = tuple[Callable[[int], object], Callable[[], list[Array]]]


def _numpy(case: TrainCase, data: Data) -> Maker:
    from peers import tuned_numpy

    trainer = tuned_numpy.Trainer(case, data.x, data.y)
    n, is_sgd = case.batch_size, case.optimizer == "sgd"
    scale = np.float32((case.learning_rate if is_sgd else 1.0) / n)
    update = trainer._sgd if is_sgd else trainer._adam
    batches = [(data.x[i : i + n], trainer.one_hot[i : i + n]) for i in range(0, len(data.y), n)]
    floats = trainer.outputs[0]

    def run(n_steps: int) -> None:
        trainer.reset()
        for x, trainer.target in batches[:n_steps]:
            if x.dtype == np.uint8:
                np.multiply(x, np.float32(PIXEL), out=floats, dtype=np.float32)
            else:
                trainer.outputs[0] = x
            trainer._forward()
            trainer._backward(scale)
            update()

    return run, trainer.parameters


def _torch(case: TrainCase, data: Data) -> Maker:
    import torch

    from peers import pytorch

    trainer = pytorch.Trainer(case, data.x, data.y)
    n = case.batch_size
    batches = list(zip(trainer.x.split(n), trainer.labels.split(n), strict=True))

    def run(n_steps: int) -> None:
        trainer.reset()
        optimizer = trainer.optimizer
        for x, labels in batches[:n_steps]:
            if x.dtype == torch.uint8:
                x = x.to(torch.float32).mul_(PIXEL)
            optimizer.zero_grad(set_to_none=True)
            trainer.loss(x, labels).backward()
            optimizer.step()

    return run, trainer.parameters


def _sklearn(case: TrainCase, data: Data) -> Maker:
    from peers import scikit_learn

    trainer = scikit_learn.Trainer(case, data.x, data.y)
    classifier, n = trainer.classifier, case.batch_size
    classifier.set_params(shuffle=False, warm_start=False)  # a minibatch may lack classes
    batches = [(trainer.x[i : i + n], data.y[i : i + n]) for i in range(0, len(data.y), n)]

    def run(n_steps: int) -> None:
        trainer.reset()
        for x, y in batches[:n_steps]:
            classifier.partial_fit(x, y)

    return run, trainer.parameters


def _jax(case: TrainCase, data: Data) -> Maker:
    import jax
    import jax.numpy as jnp

    from peers import jax_jit

    trainer, n = jax_jit.Trainer(case, data.x, data.y), case.batch_size
    update = trainer._sgd if case.optimizer == "sgd" else trainer._adam
    batches = [
        (jnp.asarray(data.x[i : i + n]), jnp.asarray(data.y[i : i + n], jnp.int32))
        for i in range(0, len(data.y), n)
    ]

    def one_step(state: Any, x: Any, labels: Any) -> Any:
        if x.dtype == jnp.uint8:
            x = x.astype(jnp.float32) * PIXEL
        return update(state, jax.grad(trainer._loss)(state[0], x, labels))

    step = jax.jit(one_step, donate_argnums=0)

    def run(n_steps: int) -> None:
        trainer.reset()
        state = trainer.state
        for x, labels in batches[:n_steps]:
            state = step(state, x, labels)
        trainer.state = jax.block_until_ready(state)

    return run, trainer.parameters
