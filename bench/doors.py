"""µs a call of Python's entry points on little work, where a call costs more than its arithmetic.

    python bench/doors.py [--cases partial_fit-32 estimator-*] [--backend cython] [--threads 1]
                          [--peers torch sklearn] [--seconds 10] [--json FILE] [--smoke]

The network is 64-32-10, relu, float32. Before a candidate is timed it must return what fastnn's
NumPy backend does. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import cases
import fastnn
import peers
from fastnn.backends import get_backend
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import RunningOptimizer
from harness import contest, launch, report, timing, verification

SIZES, ACTIVATION, RATE = (64, 32, 10), "relu", 0.1
STEP, EPOCH = 32, 1792
"""Rows of a step, and of an epoch of 56 of them."""

BOUND = 1e-5
"""Of a parameter's or a loss's difference after a step: sums of 64 float32 round by 1e-6."""

Result = dict[str, Any]


class Entry(NamedTuple):
    """A candidate: what it returns on fresh parameters, as one array, and what is timed."""

    name: str
    ours: bool
    result: Callable[[], Any]
    run: Callable[[], object]


class Case(NamedTuple):
    """An entry point, and who has one like it."""

    name: str
    description: str
    n_rows: int
    passes: int  # over the weights, of each row
    entries: Callable[[Sequence[str], Sequence[str]], Iterator[Entry]]
    bound: float = BOUND
    default: bool = True


RNG = np.random.default_rng(0)
X = RNG.random((EPOCH, SIZES[0]), dtype=np.float32)
Y = RNG.integers(0, SIZES[-1], EPOCH)
ROW, ROWS, LABELS = X[:1].copy(), X[:STEP].copy(), Y[:STEP].copy()


def network(backend: str) -> fastnn.Network:
    """Return the network that all begin with; rows came before, so that no choice is left."""
    net = fastnn.Network(
        SIZES,
        activation=ACTIVATION,
        seed=0,
        backend=backend,
        input_scale=1.0,  # type: ignore[arg-type]
    )
    net.partial_fit(X[-STEP:], Y[-STEP:], optimizer=fastnn.SGD(RATE))
    return net


def module(softmax: bool) -> Any:
    """Return the same network in PyTorch."""
    return network("numpy").to_torch(logits=not softmax)


def flat(arrays: Sequence[Any]) -> Any:
    """Return weights and biases as one vector."""
    return np.concatenate([np.asarray(array).ravel() for array in arrays])


# -- the network's own ----------------------------------------------------------------------------


def of_network(call: Callable[[fastnn.Network], Any], backends: Sequence[str]) -> Iterator[Entry]:
    """Yield an entry for each backend; the result of a call that trains is the parameters."""

    def result(backend: str) -> Any:
        net = network(backend)
        returned = call(net)
        trains = isinstance(returned, fastnn.History)
        return flat([*net.weights, *net.biases]) if trains else returned

    for backend in backends:
        net = network(backend)
        yield Entry(f"fastnn {backend}", True, lambda b=backend: result(b), lambda n=net: call(n))


def predict_proba(backends: Sequence[str], others: Sequence[str]) -> Iterator[Entry]:
    """Yield who predicts one row."""
    yield from of_network(lambda net: net.predict_proba(ROW), backends)
    if "torch" in others:
        import torch

        model, row = module(softmax=True).eval(), torch.from_numpy(ROW)

        def run() -> Any:
            with torch.inference_mode():
                return model(row)

        yield Entry(peers.LABELS["torch"], False, lambda: run().numpy(), run)


def evaluate(backends: Sequence[str], others: Sequence[str]) -> Iterator[Entry]:
    """Yield who measures loss and accuracy."""
    yield from of_network(lambda net: [*net.evaluate(ROWS, LABELS).values()], backends)
    if "torch" in others:
        import torch

        model = module(softmax=False).eval()
        rows, labels = torch.from_numpy(ROWS), torch.from_numpy(LABELS)

        def run() -> list[float]:
            with torch.inference_mode():
                z = model(rows)
                loss = torch.nn.functional.cross_entropy(z, labels)
                return [loss.item(), (z.argmax(1) == labels).float().mean().item()]

        yield Entry(peers.LABELS["torch"], False, run, run)


def partial_fit(backends: Sequence[str], others: Sequence[str]) -> Iterator[Entry]:
    """Yield who takes a step of SGD."""
    sgd = fastnn.SGD(RATE)
    yield from of_network(lambda net: net.partial_fit(ROWS, LABELS, optimizer=sgd), backends)
    if "torch" in others:
        import torch

        rows, labels = torch.from_numpy(ROWS), torch.from_numpy(LABELS)

        def stepper() -> tuple[Any, Callable[[], None]]:
            model = module(softmax=False)
            optimizer = torch.optim.SGD(model.parameters(), lr=RATE, foreach=False)

            def step() -> None:
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(model(rows), labels).backward()
                optimizer.step()

            return model, step

        def result() -> Any:
            model, step = stepper()
            step()
            arrays = [p.detach().numpy().T for p in model.parameters()]
            return flat([*arrays[::2], *arrays[1::2]])

        yield Entry(peers.LABELS["torch"], False, result, stepper()[1])


def fit(backends: Sequence[str], others: Sequence[str]) -> Iterator[Entry]:
    """Yield a fit of one epoch, and beside each the backend's program alone, on rows in order."""
    sgd = fastnn.SGD(RATE)
    for backend in backends:

        def whole(net: fastnn.Network) -> fastnn.History:
            return net.fit(X, Y, epochs=1, batch_size=STEP, optimizer=sgd, shuffle=False)

        yield from of_network(whole, [backend])
        yield from program(backend, sgd)


def program(backend: str, sgd: fastnn.SGD) -> Iterator[Entry]:
    """Yield the backend's program `train_epoch` on its own."""
    options, order = TrainingOptions(sgd, STEP), np.arange(EPOCH)

    def trained(net: fastnn.Network) -> None:
        state = RunningOptimizer.start(sgd, net.architecture).state
        compute = get_backend(backend)
        compute.train_epoch(net.architecture, net.parameters, state, X, Y, order, options)

    def result() -> Any:
        net = network(backend)
        trained(net)
        return flat([*net.weights, *net.biases])

    net = network(backend)
    yield Entry(f"{backend}'s program alone", False, result, lambda: trained(net))


def construction(backends: Sequence[str], others: Sequence[str]) -> Iterator[Entry]:
    """Yield who makes a network."""

    def make(backend: str) -> fastnn.Network:
        return fastnn.Network(SIZES, activation=ACTIVATION, seed=0, backend=backend)  # type: ignore[arg-type]

    for backend in backends:
        run = partial(make, backend)
        yield Entry(f"fastnn {backend}", True, lambda run=run: run().parameters, run)


# -- scikit-learn's -------------------------------------------------------------------------------


def estimators(
    call: Callable[[Any], Any], backends: Sequence[str], others: Sequence[str]
) -> Iterator[Entry]:
    """Yield fastnn's MLPClassifier and scikit-learn's, fitted alike."""
    from sklearn import neural_network

    from fastnn import sklearn

    options: dict[str, Any] = {"solver": "sgd", "max_iter": 1, "random_state": 0}

    def fitted(kind: Any, **more: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one epoch does not converge
            return kind(SIZES[1:-1], **options, **more).fit(X, Y)

    def result(estimator: Any) -> Any:
        returned = call(estimator)
        return returned if returned is not estimator else flat(estimator.coefs_)

    for backend in backends:

        def ours(backend: str = backend) -> Any:
            return fitted(sklearn.MLPClassifier, backend=backend)

        model = ours()
        yield Entry(
            f"fastnn {backend}", True, lambda make=ours: result(make()), lambda m=model: call(m)
        )
    if "sklearn" in others:
        theirs = fitted(neural_network.MLPClassifier)
        yield Entry(
            peers.LABELS["sklearn"],
            False,
            lambda: result(fitted(neural_network.MLPClassifier)),
            lambda: call(theirs),
        )


CASES = [
    Case("predict_proba-1", "Network.predict_proba", 1, 1, predict_proba, 5e-6),
    Case("evaluate-32", "Network.evaluate", STEP, 1, evaluate),
    Case("partial_fit-32", "Network.partial_fit, SGD", STEP, 3, partial_fit),
    Case("fit-1792", f"Network.fit, an epoch in batches of {STEP}, SGD", EPOCH, 3, fit, 1e-4),
    Case("construction", "Network(...)", 0, 0, construction),
    Case(
        "estimator-predict_proba-1", "MLPClassifier.predict_proba", 1, 1,
        lambda b, o: estimators(lambda m: m.predict_proba(ROW), b, o), 5e-5,
    ),
    Case(
        "estimator-partial_fit-32", "MLPClassifier.partial_fit, SGD with momentum", STEP, 3,
        lambda b, o: estimators(lambda m: m.partial_fit(ROWS, LABELS), b, o), 5e-5,
    ),
]  # fmt: skip


def run_case(case: Case, options: argparse.Namespace) -> Result:
    """Compare all entries with the NumPy backend's, then time those that agree."""
    backends = options.backend or [
        name for name, reason in fastnn.available_backends().items() if reason is None
    ]
    expected = np.asarray(next(case.entries(["numpy"], ())).result(), np.float64)
    verdicts, candidates = [], []
    for entry in case.entries(backends, options.peers):
        apart = float(np.abs(np.asarray(entry.result(), np.float64) - expected).max())
        verdict = verification.judged(apart, case.bound)
        verdicts.append({"name": entry.name, "ours": entry.ours} | verdict)
        if verdict["status"] == "verified":
            candidates.append(timing.Candidate(entry.name, entry.run))
    n_weights = sum(n_in * n_out for n_in, n_out in pairwise(SIZES))
    return {
        "case": case.name,
        "description": f"{case.description}, {case.n_rows} row{'s' * (case.n_rows != 1)}",
        "unit": "call",
        "data": "random numbers in [0, 1), float32",
    } | contest.time_beside_peak(
        verdicts,
        candidates,
        2.0 * case.passes * case.n_rows * n_weights,
        threads=options.threads,
        seconds=options.seconds,
    )


def measure(options: argparse.Namespace) -> list[Result]:
    """Run the cases that were asked for, and print each as it is done."""
    results = []
    for case in cases.select(CASES, options.cases):
        results.append(run_case(case, options))
        print(report.case_table(results[-1]), flush=True)
    return results


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "doors",
            __doc__.split("\n")[0],
            [case.name for case in CASES],
            measure,
            default_peers=("torch", "sklearn"),
            smoke_peers=("sklearn",),
        )
    )
