"""Peers compared set by set: ratios of errors, who is better, and when that is a tie.

Two peers are compared on the folds that both have of a set. With d the difference of their errors
in each of the n folds, they are tied if |mean d| < std(d) / √n, the standard error over the folds.
With fewer than three folds that says little: there the limit is √(s_a² + s_b²) / √n, from the
standard errors over the rows of a fold.

Ratios are of means over the folds; their geometric mean is over the sets. An error of 0 counts as
half a mistake in all rows that were tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.journal import Result, name_of

Folds = dict[int, Result]
FEWEST_FOLDS = 3  # whose differences give a standard error


def measured(results: Iterable[Result]) -> dict[str, dict[str, Folds]]:
    """Return the measured results by set, peer and fold, in the order they came."""
    found: dict[str, dict[str, Folds]] = {}
    for result in results:
        if result["status"] == "measured":
            of_set = found.setdefault(result["set"], {})
            of_set.setdefault(name_of(result), {})[result["fold"]] = result
    return found


@dataclass(frozen=True)
class Outcome:
    """How a peer does on a set, beside another.

    Attributes
    ----------
    error_ratio : float
        Below 1 where ours is the better one.
    verdict : {"win", "tie", "loss"}
        Of ours.
    log_loss_ratio : float or None
        None for a regression.
    seconds, other_seconds : float
        To fit, per fold.
    interleaved : bool
        Whether the times are of folds where both took turns in one run.
    """

    set: str
    error_ratio: float
    verdict: Literal["win", "tie", "loss"]
    log_loss_ratio: float | None
    seconds: float
    other_seconds: float
    interleaved: bool


def compare(name: str, ours: Folds, other: Folds) -> Outcome | None:
    """Return the outcome on a set; None without a fold in common."""
    common = sorted(set(ours) & set(other))
    if not common:
        return None
    a, b = _column(ours, common, "error"), _column(other, common, "error")
    log_loss_ratio = None
    floor = np.finfo(np.float64).tiny
    if "log_loss" in ours[common[0]]:
        mean_a, mean_b = (_column(x, common, "log_loss").mean() for x in (ours, other))
        log_loss_ratio = float(mean_a / mean_b)
        floor = 0.5 / _column(ours, common, "n_test").sum()
    turns = [f for f in common if _took_turns(ours[f], other[f])]
    timed = turns or common
    return Outcome(
        name,
        float(max(a.mean(), floor) / max(b.mean(), floor)),
        _verdict(a - b, *(_column(x, common, "standard_error") for x in (ours, other))),
        log_loss_ratio,
        float(_column(ours, timed, "fit_seconds").mean()),
        float(_column(other, timed, "fit_seconds").mean()),
        bool(turns),
    )


def _verdict(
    differences: np.ndarray, of_rows: np.ndarray, of_other_rows: np.ndarray
) -> Literal["win", "tie", "loss"]:
    n = len(differences)
    if n >= FEWEST_FOLDS:
        limit = differences.std(ddof=1) / np.sqrt(n)
    else:
        limit = np.sqrt(np.mean(of_rows**2 + of_other_rows**2) / n)
    mean = differences.mean()
    if abs(mean) < limit or mean == 0:
        return "tie"
    return "win" if mean < 0 else "loss"


def _took_turns(a: Result, b: Result) -> bool:
    return bool(a.get("interleaved")) and a.get("run") == b.get("run")


def _column(folds: Folds, which: Sequence[int], name: str) -> np.ndarray:
    return np.array([folds[f][name] for f in which], np.float64)


@dataclass(frozen=True)
class Summary:
    """Outcomes of ours beside one other peer, over all sets both have.

    Attributes
    ----------
    error_ratio, log_loss_ratio : float or None
        Geometric means.
    seconds, other_seconds : float
        Sums of the fit times per fold.
    time_ratio : float
        Geometric mean of other over ours: above 1 where ours is faster.
    """

    other: str
    n_sets: int
    error_ratio: float
    wins: int
    ties: int
    losses: int
    log_loss_ratio: float | None
    seconds: float
    other_seconds: float
    time_ratio: float
    n_interleaved: int


def summarize(found: dict[str, dict[str, Folds]], ours: str) -> list[Summary]:
    """Compare a peer with each of the others."""
    others = sorted({peer for peers in found.values() for peer in peers} - {ours})
    summaries = []
    for other in others:
        outcomes = [
            outcome
            for name, peers in found.items()
            if ours in peers and other in peers
            if (outcome := compare(name, peers[ours], peers[other])) is not None
        ]
        if not outcomes:
            continue
        verdicts = [outcome.verdict for outcome in outcomes]
        log_losses = [o.log_loss_ratio for o in outcomes if o.log_loss_ratio is not None]
        summaries.append(Summary(
            other, len(outcomes), geometric_mean([o.error_ratio for o in outcomes]),
            verdicts.count("win"), verdicts.count("tie"), verdicts.count("loss"),
            geometric_mean(log_losses) if log_losses else None,
            sum(o.seconds for o in outcomes), sum(o.other_seconds for o in outcomes),
            geometric_mean([o.other_seconds / o.seconds for o in outcomes]),
            sum(o.interleaved for o in outcomes),
        ))  # fmt: skip
    return summaries


def geometric_mean(values: Sequence[float]) -> float:
    """Return exp(mean(log(values)))."""
    return float(np.exp(np.mean(np.log(values))))


def mean_and_error(folds: Folds, name: str) -> tuple[float, float]:
    """Return a score's mean over folds and its standard error; of one fold that over its rows."""
    values = _column(folds, sorted(folds), name)
    if len(values) >= FEWEST_FOLDS:
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    of_rows: Any = _column(folds, sorted(folds), "standard_error") if name == "error" else np.nan
    return float(values.mean()), float(np.sqrt(np.mean(of_rows**2) / len(values)))
