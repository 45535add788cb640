"""Ensembles against fits one after another: a thousand fits on iris, 32 networks on MNIST."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np

import cases
import fastnn
from cases import SEED, Array, Data
from fastnn.backends.threads import threads_limited
from harness import contest, timing, verification
from peers.ours import optimizer

IRIS_MODELS, IRIS_FITS, IRIS_EPOCHS = 1000, 10, 200
IRIS_NET = cases.Net((4, 8, 3), "relu")
IRIS_BOUND = 2e-2
"""Of the relative difference of the mean loss of `IRIS_FITS` fits from the same weights. The ε of
scikit-learn's Adam is another in the first steps: 25 of thirty losses agree to 2e-5, the others
differ by 0.1 to 8 %, in float64 too."""
PENALTY = 1e-4  # scikit-learn's alpha, which it divides by the number of rows
SMOKE_MODELS, SMOKE_EPOCHS, SMOKE_ROWS = 20, 20, 400

MNIST_MODELS = 32


def iris(options: argparse.Namespace, backends: list[str]) -> dict[str, Any]:
    """Compare whole fits, from making the estimator to its last epoch, with scikit-learn's."""
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    n_models = SMOKE_MODELS if options.smoke else IRIS_MODELS
    epochs = SMOKE_EPOCHS if options.smoke else IRIS_EPOCHS

    def made(n: int, backend: str) -> fastnn.Ensemble:
        return fastnn.Ensemble(IRIS_NET.sizes, n, activation="relu", backend=backend, seed=SEED)

    def train(n: int, backend: str) -> fastnn.Ensemble:
        ensemble = made(n, backend)
        ensemble.fit(
            x, y, epochs=epochs, batch_size=len(y), l2=PENALTY / len(y),
            optimizer=fastnn.Adam(1e-3), progress=False,
        )  # fmt: skip
        return ensemble

    expected = losses(train(IRIS_FITS, "numpy"), x, y)
    verdicts, candidates = [], []

    def enter(name: str, found: Array, candidate: timing.Candidate, ours: bool) -> None:
        apart = abs(float(found.mean() / expected.mean()) - 1.0)
        verdict = verification.judged(apart, IRIS_BOUND)
        verdicts.append({"name": name, "ours": ours} | verdict)
        candidates.extend([candidate] if verdict["status"] == "verified" else [])

    for backend in backends:
        name = f"fastnn {backend}"
        run = partial(train, n_models, backend)
        found = losses(train(IRIS_FITS, backend), x, y)
        enter(name, found, timing.Candidate(name, run, n_models), True)
    if "sklearn" in options.peers:
        from peers import sklearn_jobs

        parameters = {"hidden_layer_sizes": IRIS_NET.sizes[1:-1], "alpha": PENALTY, "tol": 0.0,
                      "max_iter": epochs, "n_iter_no_change": epochs}  # fmt: skip
        start = made(IRIS_FITS, "numpy")
        fits = sklearn_jobs.classifiers_from(parameters, list(start), x, y)
        found = losses(fits, x, y)
        jobs = {"scikit-learn": 1, "scikit-learn, joblib": options.threads}
        for name, n_jobs in jobs.items():
            pool = sklearn_jobs.Jobs(n_jobs)
            run = partial(sklearn_jobs.classify, pool, IRIS_FITS, parameters, x, y)
            candidate = timing.Candidate(name, run, IRIS_FITS, lambda p=pool: p.processor_seconds)  # type: ignore[misc]
            enter(name, found, candidate, False)
    first = IRIS_NET.sizes[0] * IRIS_NET.sizes[1]
    flops = 2.0 * len(y) * epochs * (3 * IRIS_NET.multiply_adds - first)
    return {
        "case": "iris",
        "description": f"{IRIS_NET}, adam, {epochs} epochs of a single minibatch of all rows; "
        f"fastnn trains {n_models:,} at once",
        "unit": "fit",
        "data": f"scikit-learn's iris, {len(y)} rows of float32",
    } | contest.time_beside_peak(
        verdicts, candidates, flops, threads=options.threads, seconds=options.seconds
    )


def losses(members: Any, x: Array, y: Array) -> Array:
    """Return the mean cross-entropy of each network or estimator."""
    return np.array([-np.log(one.predict_proba(x)[np.arange(len(y)), y]).mean() for one in members])


def mnist(
    train_case: str, name: str, options: argparse.Namespace, backends: list[str]
) -> dict[str, Any]:
    """Compare an ensemble's fit on all threads with one thread, and with fits in turn."""
    case = next(c for c in cases.TRAIN_CASES if c.name == train_case)
    n_rows = SMOKE_ROWS if options.smoke else case.steps * case.batch_size
    data = cases.load("mnist", case.net, n_rows, options.data_dir)
    settings = {"epochs": 1, "batch_size": case.batch_size, "optimizer": optimizer(case),
                "progress": False}  # fmt: skip
    verdicts, candidates = [], []
    for backend in backends:
        made = partial(
            fastnn.Ensemble, case.net.sizes, MNIST_MODELS, activation=case.net.activation,
            backend=backend, seed=SEED,
        )  # fmt: skip
        alone = InTurn(made(), data, settings)
        ways = {f"fastnn {backend}": Together(made(), data, settings, options.threads)}
        if options.threads > 1:
            ways[f"Ensemble, 1 thread, {backend}"] = Together(made(), data, settings, 1)
        expected = alone.run()
        for label, way in ways.items():
            verdict = same(way.run(), expected)
            verdicts.append({"name": label, "ours": label == f"fastnn {backend}"} | verdict)
            if verdict["status"] == "verified":
                candidates.append(timing.Candidate(label, way.run, MNIST_MODELS))
        label = f"{MNIST_MODELS} fits, 1 thread, {backend}"
        verdicts.append({"name": label, "ours": False, "status": "verified"})
        candidates.append(timing.Candidate(label, alone.run, MNIST_MODELS))
    return {
        "case": name,
        "description": f"{MNIST_MODELS} of {case.net}, {case.optimizer}, an epoch in batches of "
        f"{case.batch_size}",
        "unit": "fit",
        "data": str(data),
    } | contest.time_beside_peak(
        verdicts, candidates, case.flops * n_rows / case.batch_size,
        threads=options.threads, seconds=options.seconds,
    )  # fmt: skip


class Together:
    """A fit of an ensemble by some threads, from its initial weights."""

    def __init__(self, ensemble: fastnn.Ensemble, data: Data, settings: Any, threads: int) -> None:
        self.ensemble, self.data, self.settings = ensemble, data, settings
        self.start, self.threads = ensemble.parameters.copy(), threads

    def run(self) -> list[Array]:
        """Train, and return the parameters of each network."""
        self.ensemble.parameters[...] = self.start
        with threads_limited(self.threads):
            self.ensemble.fit(self.data.x, self.data.y, **self.settings)
        return list(self.ensemble.parameters)


class InTurn:
    """Fits of the same networks, each alone, one after another on one thread."""

    def __init__(self, ensemble: fastnn.Ensemble, data: Data, settings: Any) -> None:
        self.networks, self.data, self.settings = list(ensemble), data, settings
        self.start = ensemble.parameters.copy()

    def run(self) -> list[Array]:
        """Train, and return the parameters of each network."""
        with threads_limited(1):
            for network, start in zip(self.networks, self.start, strict=True):
                network.parameters[...] = start
                network.fit(self.data.x, self.data.y, **self.settings)
        return [network.parameters for network in self.networks]


def same(found: list[Array], expected: list[Array]) -> dict[str, Any]:
    """Return the verdict on parameters that must have the bits of networks trained alone."""
    if all(a.tobytes() == b.tobytes() for a, b in zip(found, expected, strict=True)):
        return {"status": "verified"}
    return {"status": "wrong", "reason": "its bits are not those of networks trained alone"}
