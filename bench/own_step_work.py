"""Who takes a step whose loss or update is the caller's own: fastnn, and PyTorch and JAX.

Entries are those of `step_work`: `run(n)` goes back to the start and does n steps, calls or epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import fastnn
import peers
from cases import SEED, Array, Net
from peers import ours
from step_work import Entry, network, parameters, start_over

N_BATCHES = 60
"""Different minibatches, so that branches cannot be memorized."""

POLICY, POLICY_ROWS, POLICY_RATE = Net((64, 32, 10), "relu"), 32, 0.1
MINIMIZED, MINIMIZED_ROWS = Net((24, 8, 2), "tanh"), 200
FULL, FULL_ROWS, FULL_RATE = Net((4, 32, 16, 4), "tanh"), 10_000, 1e-3
REGRESSION, REGRESSION_ROWS, REGRESSION_RATE = Net((64, 32, 10), "relu"), 32, 0.01


def trained_in_torch(
    net: Net,
    made: fastnn.Network,
    optimizer_of: Callable[[Any], Any],
    batches: Sequence[tuple[Any, ...]],
    loss: Callable[..., Any],
) -> Entry:
    """Return PyTorch's loop: ``loss(model, *minibatch)``, which may use all its operations."""
    from peers import pytorch

    model, start = made.to_torch(logits=True), net.initial_parameters()

    def run(n_steps: int) -> None:
        pytorch.set_parameters(model, start)
        optimizer = optimizer_of(model.parameters())
        for k in range(n_steps):
            optimizer.zero_grad(set_to_none=True)
            loss(model, *batches[k % len(batches)]).backward()
            optimizer.step()

    return Entry(peers.LABELS["torch"], False, run, lambda: torch_arrays(model.parameters()))


def torch_arrays(tensors: Any) -> list[Array]:
    """Return weights (n_in, n_out), then biases, of what PyTorch has transposed and in turn."""
    arrays = [tensor.detach().numpy().T.copy() for tensor in tensors]
    return arrays[::2] + arrays[1::2]


# -- the caller's derivative ----------------------------------------------------------------------


def policy_gradient(
    backends: Sequence[str], others: Sequence[str], dtype: str = "float32"
) -> Iterator[Entry]:
    """Yield who takes steps on ``mean(−advantage · log p(action))``."""
    rng, n, net = np.random.default_rng(SEED), POLICY_ROWS, POLICY
    batches = [
        (
            rng.standard_normal((n, net.sizes[0]), dtype=np.float32),
            rng.integers(0, net.sizes[-1], n),
            rng.standard_normal((n, 1), dtype=np.float32),
        )
        for _ in range(N_BATCHES)
    ]
    start, rows = net.initial_parameters(), np.arange(n)
    for backend in backends:
        made = network(net, backend, dtype)
        trainer = made.trainer(optimizer=fastnn.SGD(POLICY_RATE), max_rows=n)

        def run(n_steps: int, trainer: fastnn.Trainer = trainer) -> None:
            start_over(trainer.network, start)
            for x, actions, advantage in batches[:n_steps]:
                delta = trainer.forward(x)
                delta[rows, actions] -= 1.0
                delta *= advantage
                delta /= n
                trainer.backward(delta)

        trainer(batches[0][0], batches[0][1])
        yield Entry(f"fastnn {backend}", True, run, parameters(made))
    if "torch" in others:
        yield _policy_in_torch(batches)
    if "jax" in others:
        yield _policy_in_jax(batches)


def _policy_in_torch(batches: Sequence[tuple[Array, ...]]) -> Entry:
    import torch

    def loss(model: Any, x: Any, actions: Any, advantage: Any) -> Any:
        losses = torch.nn.functional.cross_entropy(model(x), actions, reduction="none")
        return (losses * advantage).mean()

    tensors = [
        (torch.from_numpy(x), torch.from_numpy(actions), torch.from_numpy(advantage[:, 0]))
        for x, actions, advantage in batches
    ]
    made = network(POLICY, "numpy", "float32")
    return trained_in_torch(
        POLICY, made, lambda p: torch.optim.SGD(p, lr=POLICY_RATE, foreach=False), tensors, loss
    )


def _policy_in_jax(batches: Sequence[tuple[Array, ...]]) -> Entry:
    import jax
    import jax.numpy as jnp

    from peers import jax_jit

    def loss(params: Any, x: Any, actions: Any, advantage: Any) -> Any:
        log_p = jax.nn.log_softmax(jax_jit.logits(POLICY.activation, params, x))
        return -(advantage * jnp.take_along_axis(log_p, actions[:, None], axis=1)).mean()

    def one_step(params: Any, *batch: Any) -> Any:
        gradient = jax.grad(loss)(params, *batch)
        return [p - POLICY_RATE * g for p, g in zip(params, gradient, strict=True)]

    step = jax.jit(one_step, donate_argnums=0)
    start, end = POLICY.initial_parameters(), []
    arrays = [(jnp.asarray(x), jnp.asarray(a, jnp.int32), jnp.asarray(w)) for x, a, w in batches]

    def run(n_steps: int) -> None:
        params = [jnp.array(p) for p in start]
        for batch in arrays[:n_steps]:
            params = step(params, *batch)
        end[:] = jax.block_until_ready(params)

    return Entry(peers.LABELS["jax"], False, run, lambda: [np.array(p) for p in end])


# -- for a minimizer ------------------------------------------------------------------------------


def value_and_gradient(
    backends: Sequence[str], others: Sequence[str], dtype: str = "float64"
) -> Iterator[Entry]:
    """Yield who returns the cross-entropy of all rows and its gradient, in float64."""
    rng, net = np.random.default_rng(SEED), MINIMIZED
    x = rng.standard_normal((MINIMIZED_ROWS, net.sizes[0]))
    y = rng.integers(0, net.sizes[-1], MINIMIZED_ROWS)
    for backend in backends:
        made = network(net, backend, "float64")
        trainer, at = made.trainer(), made.parameters.copy()
        out, value = np.empty_like(at), np.empty(1)

        def run(
            n_calls: int,
            trainer: fastnn.Trainer = trainer,
            at: Array = at,
            out: Array = out,
            value: Array = value,
        ) -> None:
            for _ in range(n_calls):
                value[0], _ = trainer.value_and_gradient(x, y, parameters=at, out=out)

        def found(a: Any = made.architecture, out: Array = out, value: Array = value) -> Any:
            return [value, *a.weights(out), *a.biases(out)]

        yield Entry(f"fastnn {backend}", True, run, found)
    if "torch" in others:
        yield _value_in_torch(x, y)
    if "jax" in others:
        yield _value_in_jax(x, y)


def _value_in_torch(x: Array, y: Array) -> Entry:
    """Parameters and gradients stay where they are: a minimizer's vector would be copied."""
    import torch

    model = network(MINIMIZED, "numpy", "float64").to_torch(logits=True)
    rows, labels = torch.from_numpy(x), torch.from_numpy(y)
    value = np.empty(1)

    def run(n_calls: int) -> None:
        for _ in range(n_calls):
            model.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(model(rows), labels)
            loss.backward()
            value[0] = loss.item()

    def found() -> list[Array]:
        return [value, *torch_arrays([p.grad for p in model.parameters()])]

    return Entry(peers.LABELS["torch"], False, run, found)


def _value_in_jax(x: Array, y: Array) -> Entry:
    """Likewise: parameters and gradients are arrays of JAX's."""
    import jax
    import jax.numpy as jnp

    from peers import jax_jit

    def loss(params: Any, x: Any, labels: Any) -> Any:
        log_p = jax.nn.log_softmax(jax_jit.logits(MINIMIZED.activation, params, x))
        return -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()

    with jax.enable_x64(True):
        both = jax.jit(jax.value_and_grad(loss))
        params = [jnp.asarray(p, jnp.float64) for p in MINIMIZED.initial_parameters()]
        rows, labels = jnp.asarray(x), jnp.asarray(y, jnp.int32)
    end: list[Array] = []

    def run(n_calls: int) -> None:
        with jax.enable_x64(True):
            for _ in range(n_calls):
                value, gradient = jax.block_until_ready(both(params, rows, labels))
        end[:] = [np.array([value]), *map(np.array, gradient)]

    return Entry(peers.LABELS["jax"], False, run, lambda: end)


# -- inside fit -----------------------------------------------------------------------------------


def regression(net: Net, n_rows: int) -> tuple[Array, Array]:
    """Return normal rows, and targets that a random linear map makes of them."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((n_rows, net.sizes[0]), dtype=np.float32)
    teacher = rng.standard_normal((net.sizes[0], net.sizes[-1]), dtype=np.float32)
    return x, np.tanh(x @ teacher)


def fits(
    net: Net,
    optimizer: fastnn.optimizers.Optimizer,
    x: Array,
    y: Array,
    batch_size: int,
    backend: str,
    dtype: str,
    **options: Any,
) -> Entry:
    """Return `Network.fit` on rows in order: n steps, as passes over all minibatches if more."""
    made, start = network(net, backend, dtype, "identity"), net.initial_parameters()
    n_batches = len(x) // batch_size

    def run(n_steps: int) -> None:
        ours.set_parameters(made, start)
        rows, epochs = min(n_steps, n_batches) * batch_size, max(n_steps // n_batches, 1)
        made.fit(
            x[:rows], y[:rows], epochs=epochs, batch_size=batch_size, optimizer=optimizer,
            shuffle=False, progress=False, **options,
        )  # fmt: skip

    return Entry(f"fastnn {backend}", True, run, parameters(made))


def full_batch(
    backends: Sequence[str], others: Sequence[str], dtype: str = "float32"
) -> Iterator[Entry]:
    """Yield who takes epochs of a single minibatch of all rows, on half the squared error."""
    x, y = regression(FULL, FULL_ROWS)
    for backend in backends:
        yield fits(FULL, fastnn.Adam(FULL_RATE), x, y, FULL_ROWS, backend, dtype)
    if "torch" in others:
        import torch

        tensors = [(torch.from_numpy(x), torch.from_numpy(y))]
        made = network(FULL, "numpy", "float32", "identity")
        yield trained_in_torch(
            FULL, made, lambda p: torch.optim.Adam(p, lr=FULL_RATE, fused=True), tensors,
            lambda model, x, y: torch.nn.functional.mse_loss(model(x), y) * (y.shape[1] / 2),
        )  # fmt: skip


def half_squared_error(outputs: Array, targets: Array, sample_weight: Any) -> tuple[Array, Array]:
    """A user's own loss, the same as the built-in one."""
    apart = outputs - targets
    return 0.5 * (apart * apart).sum(axis=1), apart


def own_loss(
    backends: Sequence[str], others: Sequence[str], dtype: str = "float32"
) -> Iterator[Entry]:
    """Yield who trains on a loss that is a function, and beside each `fit` on its own loss."""
    n, net, sgd = REGRESSION_ROWS, REGRESSION, fastnn.SGD(REGRESSION_RATE)
    x, y = regression(net, N_BATCHES * n)
    for backend in backends:
        yield fits(net, sgd, x, y, n, backend, dtype, loss=half_squared_error)
        built_in = fits(net, sgd, x, y, n, backend, dtype)
        yield built_in._replace(name=f"{backend}, built-in loss", ours=False)
    if "torch" in others:
        import torch

        tensors = list(zip(torch.from_numpy(x).split(n), torch.from_numpy(y).split(n), strict=True))
        made = network(net, "numpy", "float32", "identity")
        yield trained_in_torch(
            net, made, lambda p: torch.optim.SGD(p, lr=REGRESSION_RATE, foreach=False), tensors,
            lambda model, x, y: (0.5 * (model(x) - y).square().sum(dim=1)).mean(),
        )  # fmt: skip
