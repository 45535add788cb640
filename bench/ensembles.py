"""µs per fit of many networks at once: fastnn's Ensemble, vmap, fits one after another.

    python bench/ensembles.py [--cases crowd iris mnist-32 memory] [--models 10000] [--threads 2]
                              [--backend cython] [--peers torch jax sklearn] [--seconds 10]
                              [--json results.json] [--smoke]

Before they are timed, all must take the same steps and end at the same loss, or have the same bits.
See README.md beside this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import cases
import crowds
import ensemble_fits
import ensemble_memory
import fastnn
from crowds import Crowd
from harness import contest, launch, report, timing, verification
from peers import crowd as fastnn_crowd

N_MODELS = 10_000
VERIFIED_MODELS, MOST_COMPARED = 8, 200
"""Models that take the same steps; models, at most, whose mean loss is compared."""
SMOKE_MODELS, SMOKE_ROWS, SMOKE_EPOCHS = 24, 100, 2

PEERS = {
    "torch": [("torch.func vmap", "peers.torch_vmap", "Trainer")],
    "jax": [
        ("JAX vmap", "peers.jax_vmap", "Trainer"),
        ("JAX vmap, one order", "peers.jax_vmap", "OneOrder"),
    ],
    "sklearn": [("scikit-learn, joblib", "peers.sklearn_jobs", "Trainer")],
}


class Case(NamedTuple):
    """A question, and what answers it for some backends."""

    name: str
    run: Callable[[argparse.Namespace, list[str]], dict[str, Any]]
    show: Callable[[dict[str, Any]], str] = report.case_table
    default: bool = True


class Contestant(NamedTuple):
    """Who trains a crowd: ``make(crowd, threads)``, on how many models, for how many epochs."""

    name: str
    make: Callable[[Crowd, int], fastnn_crowd.Trainer]
    n_models: int
    epochs: int
    bound: float
    ours: bool = False


def contestants(options: argparse.Namespace, backends: list[str]) -> list[Contestant]:
    """Return fastnn's backends and the peers that are installed; say which are not."""
    found, absent = [], {}
    n_models, epochs = options.models, crowds.EPOCHS
    if options.smoke:
        n_models, epochs = SMOKE_MODELS, SMOKE_EPOCHS
    for name in backends:
        make = partial(fastnn_crowd.Ensemble, backend=name)
        found.append(Contestant(f"fastnn {name}", make, n_models, epochs, crowds.BOUND, ours=True))
    for label, module, kind in (one for name in options.peers for one in PEERS.get(name, ())):
        try:
            maker = getattr(import_module(module), kind)
        except ImportError as error:
            absent[label] = f'{error}; pip install ".[bench]" brings the peers'
            continue
        several, passes = min(maker.n_models, n_models), min(maker.epochs, epochs)
        found.append(Contestant(label, maker, several, passes, maker.bound))
    if absent:
        print(report.absent_lines(absent) + "\n")
    return found


def crowd(options: argparse.Namespace, backends: list[str]) -> dict[str, Any]:
    """Verify all who train a crowd, then time those that take the same steps to the same loss."""
    entered = contestants(options, backends)
    most = max(one.n_models for one in entered)
    made = crowds.made(most, SMOKE_ROWS if options.smoke else crowds.N_ROWS)
    few = made.part(slice(VERIFIED_MODELS))
    judge = fastnn_crowd.Ensemble(few, 1, "numpy", "float64")
    judge.follow()
    expected = judge.parameters()
    losses: dict[int, float] = {}

    def our_loss(n_models: int) -> float:
        if n_models not in losses:
            losses[n_models] = loss_of(entered[0].make, made, n_models, options)
        return losses[n_models]

    verdicts, candidates, timed = [], [], {}
    for one in entered:
        verdict = verified(one, few, expected)
        if verdict["status"] == "verified":
            n_models = min(one.n_models, MOST_COMPARED)
            ours = our_loss(n_models)
            found = ours if one is entered[0] else loss_of(one.make, made, n_models, options)
            verdict |= compared(found, ours)
        verdicts.append({"name": one.name, "ours": one.ours} | verdict)
        if verdict["status"] == "verified":
            trainer = one.make(made.part(slice(one.n_models)), options.threads)
            minibatches = one.n_models * one.epochs * made.steps
            run = partial(trainer.train, one.epochs)
            candidates.append(
                timing.Candidate(one.name, run, minibatches, trainer.processor_seconds)
            )
            timed[one.name] = one
    measured = contest.time_beside_peak(
        verdicts, candidates, crowds.flops(), threads=options.threads, seconds=options.seconds
    )
    for result in measured["results"]:
        if result["status"] == "timed":
            whole = result["median"] * N_MODELS * crowds.EPOCHS * made.steps
            each = 1e6 * result["median"] * options.threads
            one = timed[result["name"]]
            result |= {"seconds_for_all": whole, "n_models": one.n_models, "epochs": one.epochs}
            result["note"] = (
                f"{whole:.4g} s for {N_MODELS:,} models, {each:.3g} µs per minibatch and thread "
                f"(timed: {one.n_models:,} models, {one.epochs} epochs); "
                f"loss {result['loss']:.4g}, fastnn's {result['our_loss']:.4g}"
            )
    return {
        "case": "crowd",
        "description": f"{crowds.NET}, identity, a model each for {most:,} groups of "
        f"{made.y.shape[1]:,} rows, batches of {crowds.BATCH_SIZE}, adam",
        "unit": "minibatch",
        "data": "random numbers",
    } | measured


def loss_of(make: Any, made: Crowd, n_models: int, options: argparse.Namespace) -> float:
    """Return the mean loss of the first models after a fit."""
    part = made.part(slice(n_models))
    trainer = make(part, options.threads)
    trainer.train(SMOKE_EPOCHS if options.smoke else crowds.EPOCHS)
    return part.loss(trainer.parameters())


def verified(one: Contestant, few: Crowd, expected: list[Any]) -> dict[str, Any]:
    """Return the verdict on the parameters after an epoch on rows in their order."""
    try:
        trainer = one.make(few, 1)
        trainer.follow()
        found = trainer.parameters()
    except Exception as error:  # one candidate that breaks does not cost the others' figures
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return verification.judged(verification.distance(found, expected, few.start), one.bound)


def compared(loss: float, ours: float) -> dict[str, Any]:
    """Return the verdict on a mean loss after a whole fit."""
    verdict = {"loss": loss, "our_loss": ours}
    if abs(loss / ours - 1.0) <= crowds.LOSS_BOUND:
        return verdict
    reason = f"its mean loss after a fit is {loss:.4g}, fastnn's {ours:.4g}"
    return verdict | {"status": "wrong", "reason": reason}


CASES = [
    Case("crowd", crowd),
    Case("iris", ensemble_fits.iris),
    Case("mnist-32", partial(ensemble_fits.mnist, "mnist-sgd", "mnist-32")),
    Case(
        "mnist-32-adam", partial(ensemble_fits.mnist, "mnist-adam", "mnist-32-adam"), default=False
    ),
    Case("memory", ensemble_memory.memory, ensemble_memory.table),
]


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the cases that were asked for, and print each as it is done."""
    available = fastnn.available_backends()
    wanted = options.backend or [next(name for name, why in available.items() if why is None)]
    absent = {
        f"fastnn {name}": available.get(name, "no such backend") or ""
        for name in wanted
        if available.get(name, "no such backend") is not None
    }
    if absent:
        print(report.absent_lines(absent) + "\n")
    backends = [name for name in wanted if f"fastnn {name}" not in absent]
    results = []
    for case in cases.select(CASES, options.cases) if backends else ():
        results.append(case.run(options, backends))
        print(case.show(results[-1]), flush=True)
    return results


def more_options(parser: argparse.ArgumentParser) -> None:
    """Add the number of models of a crowd."""
    parser.add_argument(
        "--models", type=int, default=N_MODELS, metavar="N",
        help="of fastnn's fit in the case crowd (default %(default)s)",
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "ensembles",
            __doc__.split("\n")[0],
            [case.name for case in CASES],
            measure,
            default_peers=tuple(PEERS),
            smoke_peers=("sklearn",),
            threads=(2,),
            more_options=more_options,
        )
    )
