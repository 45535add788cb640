"""One picture of what a benchmark found, from its JSON.

Drawn are training and prediction, a panel a case with a bar for every candidate, and scaling, a
panel a sweep with a line for every candidate and number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BACKENDS = {"cython": "#0b4f8a", "numba": "#3f8fce", "numpy": "#9cc7ea"}
PEER = "#b9b9b9"
PEER_LINES = ("#555555", "#8a6d3b", "#7b4f94", "#3b7d5c", "#a05252", "#777722")
LIMIT = "#c0392b"
STYLES = ("-", "--", ":", "-.")  # of the numbers of threads
PANEL_WIDTH, PANEL_COLUMNS = 4.2, 3  # inches
BAR_HEIGHT, PANEL_HEIGHT = 0.24, 3.4
ROOM_FOR_LABELS = 1.3  # of the longest bar
AXES = {
    "batch": "rows in a batch",
    "width": "width of both layers",
    "density": "share of inputs that are not zero",
}
PROGRAMS = {"train": "training", "predict": "prediction"}


def draw(results: dict[str, Any], path: str | Path) -> None:
    """Write the picture of a benchmark's results; the file's ending says in which format."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    DRAWINGS[results["benchmark"]](figure, results["runs"])
    with rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):  # a fifth of the bytes
        figure.savefig(path, dpi=130)


def bars(figure: Figure, runs: list[dict[str, Any]]) -> None:
    """Draw a panel for each case and number of threads: time of one unit, fastnn's bars in blue."""
    panels = [(run, case) for run in runs for case in run["cases"]]
    n_columns = min(PANEL_COLUMNS, len(panels))
    n_rows = ceil(len(panels) / n_columns)
    most = max(len(case["results"]) for _, case in panels)
    height = n_rows * (1.1 + BAR_HEIGHT * most) + 0.6
    figure.set_size_inches(PANEL_WIDTH * n_columns, height)
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes, (run, case) in zip(grid, panels, strict=False):
        _bar_panel(axes, case, run["threads"])
    unit = panels[0][1]["unit"]
    _entitle(figure, runs, f"µs a {unit}, median: less is better; fastnn in blue")


def _bar_panel(axes: Axes, case: dict[str, Any], threads: int) -> None:
    timed = [result for result in case["results"] if result["status"] == "timed"][::-1]
    if not timed:
        axes.text(0.5, 0.5, "nothing was timed", ha="center", transform=axes.transAxes)
        return
    times = [1e6 * result["median"] for result in timed]
    names = [result["name"] for result in timed]
    axes.barh(names, times, color=[BACKENDS.get(_backend(name), PEER) for name in names])
    for place, time in enumerate(times):
        axes.text(time, place, f" {time:,.3g}" if time < 1000 else f" {time:,.0f}", va="center",
                  fontsize=8)  # fmt: skip
    limit = case["flops"] / case["peak_gflops"] / 1e3
    axes.axvline(limit, color=LIMIT, linewidth=1, linestyle=":")
    axes.text(limit, len(timed) - 0.45, " FMA limit if dense", color=LIMIT, fontsize=7, va="bottom")
    axes.set_xlim(0, ROOM_FOR_LABELS * max(times))
    axes.set_ylim(-0.6, len(timed) + 0.1)
    said = f", {threads} threads" if threads > 1 else ""
    axes.set_title(f"{case['case']}{said}\n{case['description']}", fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def lines(figure: Figure, runs: list[dict[str, Any]]) -> None:
    """Draw a panel for each sweep: time of an operation along it, a ring around each cliff."""
    sweeps = list(dict.fromkeys(case["sweep"] for case in runs[0]["cases"]))
    programs = [p for p in PROGRAMS if any(s.startswith(p) for s in sweeps)]
    by_program = [[s for s in sweeps if s.startswith(program)] for program in programs]
    n_columns = max(len(names) for names in by_program)
    figure.set_size_inches(PANEL_WIDTH * max(n_columns, 2), PANEL_HEIGHT * len(programs) + 0.9)
    grid = figure.subplots(len(programs), n_columns, squeeze=False, sharey="row")
    for row, names in zip(grid, by_program, strict=True):
        for axes in row[len(names) :]:
            axes.set_visible(False)
        for axes, name in zip(row, names, strict=False):
            _line_panel(axes, name, runs)
        row[0].set_ylabel("ps a floating-point operation")
    handles = {line.get_label(): line for axes in grid.flat for line in axes.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=8,
                  frameon=False)  # fmt: skip
    _entitle(figure, runs, "Time a floating-point operation, as if dense: less is better")


def _line_panel(axes: Axes, sweep: str, runs: list[dict[str, Any]]) -> None:
    limit = min(1e3 / case["peak_gflops"] for run in runs[:1] for case in run["cases"])
    axes.axhline(limit, color=LIMIT, linewidth=1, linestyle=":", label="FMA limit, one thread")
    for run, style in zip(runs, STYLES, strict=False):
        points = [case for case in run["cases"] if case["sweep"] == sweep]
        for name, color in _colors(run):
            found = [(p["value"], r) for p in points for r in p["results"] if r["name"] == name]
            found = [(value, r) for value, r in found if r["status"] == "timed"]
            times = [r["ps_per_flop"] for _, r in found]
            label = f"{name}, {run['threads']} thread{'s' if run['threads'] > 1 else ''}"
            axes.plot([v for v, _ in found], times, style, color=color, linewidth=1.4, marker=".",
                      markersize=4, label=label)  # fmt: skip
            cliffs = [(v, r["ps_per_flop"]) for v, r in found if "cliff" in r]
            if cliffs:
                axes.plot(*zip(*cliffs, strict=True), "o", markersize=9, markerfacecolor="none",
                          markeredgecolor=LIMIT, label="cliff")  # fmt: skip
    quantity = sweep.split("-")[1]
    if quantity != "density":
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.set_xlabel(AXES[quantity] + (", bytes" if sweep.endswith("bytes") else ""))
    axes.set_title(f"{PROGRAMS[sweep.split('-')[0]]} over {quantity}", fontsize=10, loc="left")
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _colors(run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every candidate of a run and its color, the same in all panels."""
    names = dict.fromkeys(result["name"] for case in run["cases"] for result in case["results"])
    peers = [name for name in names if _backend(name) not in BACKENDS]
    for name in names:
        if name in peers:
            yield name, PEER_LINES[peers.index(name) % len(PEER_LINES)]
        else:
            yield name, BACKENDS[_backend(name)]


def _backend(name: str) -> str:
    """Return the backend in "fastnn cython predictor", "" for a peer."""
    return name.split()[1] if name.startswith("fastnn ") else ""


def _entitle(figure: Figure, runs: list[dict[str, Any]], what: str) -> None:
    stamp = runs[0]["machine"]
    isa = (stamp["instruction_sets"] or ["?"])[-1]
    where = f"{stamp['cpu'].split(' (')[0]} · up to {isa} · {stamp['date'][:10]}"
    if stamp["load_average"]:
        where += f" · load average {stamp['load_average'][0]}"
    figure.suptitle(f"{what}\n{where}", fontsize=11)


DRAWINGS: dict[str, Callable[[Figure, list[dict[str, Any]]], None]] = {
    "train": bars,
    "predict": bars,
    "scaling": lines,
}
"""For each benchmark that is drawn."""
