"""What bench/tables.py prints of its results: errors by set, comparisons, times, machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.comparison import Folds, mean_and_error, measured, summarize
from harness.journal import Result, latest, name_of
from harness.report import aligned

Called = Callable[[str], str]
SCORES = {"error": "error", "log_loss": "log-loss", "auc": "AUC", "fit_seconds": "seconds to fit"}


def text(results: Sequence[Result], labels: dict[str, str], bases: Sequence[str]) -> str:
    """Return the report.

    Parameters
    ----------
    results : sequence of dict
        Of any number of runs; the last of a fold counts.
    labels : dict of str
        What peers are called, in the order of the columns.
    bases : sequence of str
        The peers to compare with all others.
    """
    results = latest(results)
    found = measured(results)
    order = list(labels)
    peers = sorted(
        {peer for of_set in found.values() for peer in of_set},
        key=lambda peer: (order.index(peer.split("@")[0]), peer),
    )

    def called(peer: str) -> str:
        name, at, tag = peer.partition("@")
        return labels[name] + at + tag

    parts = [_scores(found, peers, called, name) for name in SCORES]
    parts += [_comparison(found, base, called) for base in bases if base in peers]
    parts.append(_notes(results, called))
    return "\n\n".join(part for part in parts if part)


def _scores(
    found: dict[str, dict[str, Folds]], peers: Sequence[str], called: Called, name: str
) -> str:
    rows = []
    for of_set, by_peer in found.items():
        if not any(name in r for folds in by_peer.values() for r in folds.values()):
            continue
        most = max(len(folds) for folds in by_peer.values())
        cells = [_cell(by_peer[peer], name, most) if peer in by_peer else "" for peer in peers]
        rows.append([of_set, *cells])
    if not rows:
        return ""
    return "\n".join([f"{SCORES[name]}:", *aligned([["", *map(called, peers)], *rows])])


def _cell(folds: Folds, name: str, most: int) -> str:
    mean, error = mean_and_error(folds, name)
    figure = f"{mean:.1f}" if name == "fit_seconds" else f"{mean:.4f}"
    if name == "error":
        figure += f" ± {error:.4f}"
    return figure + (f" [{len(folds)}]" if len(folds) < most else "")


def _comparison(found: dict[str, dict[str, Folds]], base: str, called: Called) -> str:
    head = [
        "beside",
        "sets",
        "error",
        "wins",
        "ties",
        "losses",
        "log-loss",
        "seconds",
        "its",
        "speed",
    ]
    rows = []
    for s in summarize(found, base):
        log_loss = "" if s.log_loss_ratio is None else f"{s.log_loss_ratio:.3f}"
        sure = "" if s.n_interleaved == s.n_sets else "~"
        rows.append([
            called(s.other), str(s.n_sets), f"{s.error_ratio:.3f}", str(s.wins), str(s.ties),
            str(s.losses), log_loss, f"{s.seconds:.1f}", f"{s.other_seconds:.1f}",
            f"{sure}{s.time_ratio:.2f}×",
        ])  # fmt: skip
    title = (
        f"{called(base)}: geometric means of error and log-loss over those of each peer (below 1 is"
        " better), seconds of a fit on all sets, and how many times faster its fits are"
        " (~: not all measured in turns):"
    )
    return "\n".join([title, *aligned([head, *rows])]) if rows else ""


def _notes(results: Sequence[Result], called: Called) -> str:
    lines = []
    for status in ("skipped", "failed"):
        missing: dict[tuple[str, str], list[int]] = {}
        for r in results:
            if r["status"] == status:
                of = (f"{r['set']}, {called(name_of(r))}", r["reason"])
                missing.setdefault(of, []).append(r["fold"])
        lines += [
            f"{status}: {of}, fold{'s' * (len(folds) > 1)} {', '.join(map(str, sorted(folds)))}:"
            f" {reason}"
            for (of, reason), folds in missing.items()
        ]
    machines: dict[tuple[str, int], list[float]] = {}
    versions: dict[str, set[str]] = {}
    cut = {r["max_rows"] for r in results if r.get("max_rows")}
    for r in results:
        if r["status"] == "measured":
            machines.setdefault((r["machine"]["cpu"], r["threads"]), []).append(
                (r["load"] or [0])[0]
            )
            versions.setdefault(called(name_of(r)), set()).add(r["version"])
    lines += [
        f"{cpu}, {threads} threads: {len(loads)} fits, load {min(loads)} to {max(loads)}"
        for (cpu, threads), loads in machines.items()
    ]
    if versions:
        lines.append("; ".join(f"{name} {', '.join(sorted(v))}" for name, v in versions.items()))
    if cut:
        lines.append(f"sets were cut to {', '.join(map(str, sorted(cut)))} rows in some results")
    return "\n".join(lines)
