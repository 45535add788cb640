"""µs an epoch: fastnn.sklearn's MLPClassifier and scikit-learn's, with the same parameters.

    python bench/estimators.py [--cases mnist-* digits-lbfgs] [--backend cython numba] [--threads 1]
                               [--seconds 10] [--json results.json] [--smoke]

Both begin with the same weights and see the same minibatches, so before they are timed the losses
of each epoch must agree. What is timed is a whole fit: checks, shuffles and all. See README.md
beside this file.
"""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.datasets import load_digits

import cases
import peers
from harness import contest, launch, report, timing

# Of the relative difference of a loss: rounding, grown by training. The line searches of L-BFGS
# come to decide otherwise, in float32 after some ten iterations.
BOUNDS = {"float64": 1e-6, "float32": 1e-2}
LBFGS_BOUNDS = {"float64": 1e-6, "float32": 3e-2}
N_CLASSES = 10
SMOKE_ROWS, SMOKE_EPOCHS = 400, 2


@dataclass(frozen=True)
class Case:
    """A classifier's parameters, and on what it is fitted."""

    name: str
    data: str
    dtype: str
    epochs: int
    hidden: int = 100
    parameters: dict[str, Any] = field(default_factory=dict)
    default: bool = True

    @property
    def uses_lbfgs(self) -> bool:
        return self.parameters.get("solver") == "lbfgs"


CASES = [
    Case("mnist-adam", "mnist", "float32", 10),
    Case("mnist-adam-float64", "mnist", "float64", 10),
    Case("digits-adam", "digits", "float64", 30),
    Case("digits-adam-float32", "digits", "float32", 30),
    Case("digits-adam-batch-32", "digits", "float64", 10, parameters={"batch_size": 32}),
    Case("digits-sgd", "digits", "float64", 30, parameters={"solver": "sgd"}),
    Case("digits-lbfgs", "digits", "float64", 40, parameters={"solver": "lbfgs"}),
    Case("digits-lbfgs-float32", "digits", "float32", 40, parameters={"solver": "lbfgs"}),
]


def load(case: Case, folder: str | None, n_rows: int | None) -> tuple[Any, Any, str]:
    """Return inputs in [0, 1], labels, and where they are from."""
    if case.data == "digits":
        x, y = load_digits(return_X_y=True)
        x, source = x / 16, "scikit-learn's digits"
    else:
        net = next(c.net for c in cases.TRAIN_CASES if c.name == "mnist-adam")
        data = cases.load("mnist", net, n_rows or 60_000, folder)
        x, y, source = data.x.astype(np.float32) / 255, data.y, data.source
    return x[:n_rows].astype(case.dtype), y[:n_rows], source


def fit(estimator: Any, x: Any, y: Any) -> Any:
    """Fit without the warning that so few epochs do not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(x, y)


def run_case(
    case: Case, contestants: Sequence[peers.Contestant], options: argparse.Namespace
) -> dict[str, Any]:
    """Compare the losses with scikit-learn's, then time whoever agrees."""
    n_rows = SMOKE_ROWS if options.smoke else None
    x, y, source = load(case, options.data_dir, n_rows)
    chosen = {
        "hidden_layer_sizes": (case.hidden,),
        "max_iter": case.epochs,
        "n_iter_no_change": case.epochs,
        "random_state": 0,
        **case.parameters,
    }
    reference = fit(neural_network.MLPClassifier(**chosen), x, y)
    expected = np.array(losses(reference))
    bound = (LBFGS_BOUNDS if case.uses_lbfgs else BOUNDS)[case.dtype]
    verdicts, candidates = [], []
    for contestant in contestants:
        classifier = contestant.make(**chosen)
        apart = float(np.abs(np.array(losses(fit(classifier, x, y))) / expected - 1).max())
        verdict = {"name": contestant.label, "ours": contestant.ours, "distance": apart}
        if apart <= bound:
            verdict |= {"status": "verified"}
            run = partial(fit, classifier, x, y)
            candidates.append(timing.Candidate(contestant.label, run, reference.n_iter_))
        else:
            reason = f"its losses are {apart:.2g} apart from scikit-learn's"
            verdict |= {"status": "wrong", "reason": reason}
        verdicts.append(verdict | {"bound": bound})
    n_in = x.shape[1]
    flops = 2.0 * len(y) * (2 * n_in * case.hidden + 3 * case.hidden * N_CLASSES)
    unit = "iteration" if case.uses_lbfgs else "epoch"
    parameters = ", ".join(f"{k}={v}" for k, v in ({"solver": "adam"} | case.parameters).items())
    return {
        "case": case.name,
        "description": f"{n_in}-{case.hidden}-{N_CLASSES} relu, {parameters}, "
        f"{reference.n_iter_} {unit}s",
        "unit": unit,
        "data": f"{source}, {len(y)} rows of {case.dtype}",
    } | contest.time_beside_peak(
        verdicts, candidates, flops, threads=options.threads, seconds=options.seconds
    )


def losses(estimator: Any) -> list[float]:
    """Return the loss of each epoch, or, where there are none, the last."""
    return getattr(estimator, "loss_curve_", None) or [estimator.loss_]


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the cases that were asked for, and print each as it is done."""
    contestants, absent = peers.find("estimator", options.backend, options.peers)
    if absent:
        print(report.absent_lines(absent) + "\n")
    results = []
    for case in cases.select(CASES, options.cases):
        if options.smoke:
            case = dataclasses.replace(case, epochs=SMOKE_EPOCHS)
        results.append(run_case(case, contestants, options))
        print(report.case_table(results[-1]), flush=True)
    return results


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "estimators",
            __doc__.split("\n")[0],
            [case.name for case in CASES],
            measure,
            default_peers=("sklearn",),
            smoke_peers=("sklearn",),
        )
    )
