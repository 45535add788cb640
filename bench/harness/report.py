"""What the benchmarks print: a table a case, and the machine."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import median
from typing import Any

ALONE = 0.95  # processor time over wall time of a candidate that had its core to itself
LOSS_TOLERANCE = 0.25  # of the middle loss: shuffles differ, learning does not


def results_of(
    timings: dict[str, Any], flops: float, peak_flops: float
) -> dict[str, dict[str, Any]]:
    """Return the measured part of each candidate's result; `peak_flops` in operations a second."""
    return {
        name: {
            "status": "timed",
            "median": timing.median,
            "minimum": timing.minimum,
            "quartiles": list(timing.quartiles),
            "processor_median": timing.processor_median,
            "rounds": len(timing.seconds),
            "cores": timing.cores,
            "percent_of_peak": 100.0 * flops / timing.median / peak_flops,
        }
        for name, timing in timings.items()
    }


def ratios(
    results: Sequence[dict[str, Any]], statistic: str = "median"
) -> dict[str, dict[str, float]]:
    """Return, for each fastnn candidate, its speed over the speed of every peer."""
    timed = [result for result in results if result["status"] == "timed"]
    return {
        ours["name"]: {
            peer["name"]: peer[statistic] / ours[statistic] for peer in timed if not peer["ours"]
        }
        for ours in timed
        if ours["ours"]
    }


def case_table(case: dict[str, Any]) -> str:
    """Return a case as text: times in µs, and how many times faster fastnn is."""
    ours = list(case["ratios"])
    upper = ["", f"µs/{case['unit']}", "min", "q1", "q3", "% peak", "cores"]
    lower = [""] * len(upper)
    for name in ours:  # "fastnn cython predictor" stands on two lines
        backend, _, kind = name.removeprefix("fastnn ").partition(" ")
        upper.append(f"÷ {backend}")
        lower.append(kind)
    rows, notes = [], []
    for result in case["results"]:
        name = result["name"]
        if result["status"] != "timed":
            notes.append(f"  {name}: {result['status'].upper()}, not timed: {result['reason']}")
            continue
        times = [result["median"], result["minimum"], *result["quartiles"]]
        row = [name, *(f"{1e6 * t:.4g}" for t in times)]
        row += [f"{result['percent_of_peak']:.3g}", f"{result['cores']:.2f}"]
        row += ["" if result["ours"] else f"{case['ratios'][mine][name]:.2f}×" for mine in ours]
        rows.append(row)
        if result.get("note"):
            notes.append(f"  {name}: {result['note']}")
    notes += [f"  {line}" for line in loss_warnings(case["results"])]
    notes += [f"  {line}" for line in shared_lines(case)]
    head = [
        f"{case['case']}: {case['description']}",
        f"  data: {case['data']}; FMA peak {case['peak_gflops']:.0f} GFLOP/s ({case['peak']})",
    ]
    table = [upper, lower, *rows] if any(lower) else [upper, *rows]
    return "\n".join([*head, *aligned(table), *notes, ""])


def shared_lines(case: dict[str, Any]) -> list[str]:
    """Say by how much fastnn is faster by processor time, if the machine was busy.

    With one thread that is the time a candidate takes where nothing takes the core from it.
    """
    cores = [r["cores"] for r in case["results"] if r["status"] == "timed"]
    if not cores or min(cores) >= ALONE:
        return []
    lines = [f"the processor was shared, down to {min(cores):.2f} of it; by processor time:"]
    for name, by_peer in case["ratios_of_processor_time"].items():
        figures = ", ".join(f"{ratio:.2f}× {peer}" for peer, ratio in by_peer.items())
        lines += [f"  {name}: {figures}"] if figures else []
    return lines


def loss_warnings(results: Sequence[dict[str, Any]]) -> list[str]:
    """Say whose loss after the timed fits is not like the others': it did something else."""
    losses = {r["name"]: r["loss"] for r in results if r["status"] == "timed" and "loss" in r}
    if not losses:
        return []
    middle = median([loss for loss in losses.values() if isfinite(loss)] or [0.0])
    return [
        f"{name}: SUSPECT: its loss after training is {loss:.4g}, the others' about {middle:.4g}"
        for name, loss in losses.items()
        if not abs(loss - middle) <= LOSS_TOLERANCE * middle
    ]


def absent_lines(absent: dict[str, str]) -> str:
    """Say what is not measured, and why."""
    return "\n".join(f"not measured: {name}: {reason}" for name, reason in absent.items())


def machine_lines(stamp: dict[str, Any], threads: int) -> str:
    """Return the machine stamp as text."""
    pools = stamp["thread_pools"]
    packages = ", ".join(f"{name} {version}" for name, version in stamp["packages"].items())
    lines = [
        f"{threads} thread{'s' if threads > 1 else ''} · {stamp['cpu']}"
        f" · {stamp['processors_allowed']} of {stamp['processors']} processors"
        + (f", quota {stamp['control_group_quota']}" if stamp["control_group_quota"] else ""),
        " ".join(stamp["instruction_sets"]),
        f"{stamp['system']} · Python {stamp['python']} · {packages}",
        "threadpoolctl is not installed: BLAS unknown" if pools is None else "; ".join(
            f"{pool['library']} {pool.get('version') or ''} {pool.get('architecture') or ''} "
            f"{pool['num_threads']} threads" for pool in pools
        ),
        f"load average {stamp['load_average_before']} before, {stamp['load_average']} after"
        f" · {stamp['date']}",
    ]  # fmt: skip
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines, the first column to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + row[0].ljust(widths[0]) + "".join(
            "  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)
        )
        for row in rows
    ]  # fmt: skip
