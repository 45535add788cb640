"""The one picture of README.md, from the JSON of train.py and predict.py.

    python bench/headline.py train.json predict.json docs/images/headline.svg

A row a case, a mark a peer: its time as a multiple of that of fastnn's fastest backend, on a
logarithmic axis. Cases in which a peer is as fast belong to it too. Beside the picture its twin for
dark pages is written, ``headline-dark.svg``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CASES = {
    "mnist-sgd": "Training step, MNIST images\n784-100-10, 100 rows, SGD",
    "small-adam": "Training step, small network\n64-32-10, 32 rows, Adam",
    "dense-512": "Training step, larger network\n784-512-512-10, 128 rows, SGD",
    "small-random-1": "One row served\n64-32-10",
    "medium-random-1": "One row served\n784-100-10",
    "wide-random-10000": "10,000 rows predicted\n784-1024-10",
}
"""The cases that are shown, and their words."""

OURS = ("fastnn cython predictor", "fastnn cython")
"""What fastnn's time is: the first of them that was timed."""

PEERS = {
    "scikit-learn": ("s", 0), "PyTorch eager": ("D", 1), "JAX jit": ("^", 2),
    "ONNX Runtime": ("v", 3), "ONNX, bound": ("P", 3), "NumPy, tuned": ("o", 4),
}  # fmt: skip
"""Mark and colour of each peer."""

LIGHT = ("#b35900", "#c62f39", "#1a7f37", "#7a3fb0", "#6e7781")
DARK = ("#f0a050", "#ff8080", "#5fcf80", "#c8a2f0", "#9aa4b1")
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100)
FARTHEST = 130  # a multiple that no peer reaches


def ratios(results: list[dict[str, Any]]) -> dict[str, tuple[float, dict[str, float]]]:
    """Return for each case fastnn's seconds, and the multiples of them that the peers take."""
    cases = {case["case"]: case for found in results for case in found["runs"][0]["cases"]}
    table = {}
    for name in CASES:
        timed = {r["name"]: r["median"] for r in cases[name]["results"] if r["status"] == "timed"}
        ours = next(timed[candidate] for candidate in OURS if candidate in timed)
        table[name] = (ours, {peer: timed[peer] / ours for peer in PEERS if peer in timed})
    return table


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Write the picture to `path`, and its dark twin beside it."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for colors, ink, blue, to in (
        (LIGHT, "#24292f", "#0b5cad", path),
        (DARK, "#e6e9ee", "#6cb2ff", path.with_name(f"{path.stem}-dark{path.suffix}")),
    ):
        style = {
            "svg.fonttype": "none", "svg.hashsalt": "headline", "font.family": "sans-serif",
            "font.size": 9.5, "text.color": ink, "axes.labelcolor": ink, "xtick.color": ink,
            "ytick.color": ink, "axes.edgecolor": ink,
        }  # fmt: skip
        with matplotlib.rc_context(style):
            figure = Figure(figsize=(8.2, 4.3), layout="constrained")
            FigureCanvasAgg(figure)
            _fill(figure, results, colors, blue)
            figure.savefig(to, transparent=True, metadata={"Date": None})


def _fill(
    figure: Figure, results: list[dict[str, Any]], colors: tuple[str, ...], blue: str
) -> None:
    axes = figure.subplots()
    table = ratios(results)
    axes.axvline(1, color=blue, linewidth=2)
    for place, (ours, peers) in enumerate(reversed(table.values())):
        axes.plot([1, FARTHEST], [place, place], color=colors[-1], linewidth=0.4)
        micro = 1e6 * ours
        said = f"{micro:.3g} µs" if micro < 1000 else f"{micro / 1000:.3g} ms"
        axes.text(0.9, place, said, ha="right", va="center", color=blue)
        for peer, ratio in peers.items():
            mark, color = PEERS[peer]
            axes.plot(ratio, place, mark, color=colors[color], markersize=7, label=peer)
    axes.set_yticks(range(len(table)), [CASES[name] for name in reversed(table)], fontsize=9)
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [f"{tick:g} ×" for tick in TICKS])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.45, FARTHEST)
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    machine = results[0]["runs"][0]["machine"]
    axes.set_xlabel(
        "time as a multiple of fastnn's, logarithmic: to the right fastnn is faster\n"
        f"one thread, float32 · {machine['cpu'].split(' (')[0]}, {machine['vector_bits']}-bit "
        f"vectors · {machine['date'][:10]}"
    )
    marks = {line.get_label(): line for line in axes.get_lines() if line.get_marker() != "None"}
    ordered = {peer: marks[peer] for peer in PEERS if peer in marks}
    axes.text(1, len(table) - 0.45, "fastnn", ha="center", va="bottom", color=blue, weight="bold")
    figure.legend(ordered.values(), ordered.keys(), loc="outside upper center", ncols=6,
                  fontsize=8.5, frameon=False, handletextpad=0.2, columnspacing=1.2)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("train", help="what train.py --json wrote")
    parser.add_argument("predict", help="what predict.py --json wrote")
    parser.add_argument("picture", type=Path, help="SVG; its dark twin is written beside it")
    named = parser.parse_args()
    draw([json.loads(Path(p).read_text()) for p in (named.train, named.predict)], named.picture)
