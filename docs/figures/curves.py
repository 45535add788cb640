"""Figures of functions: activations, losses and their deltas, optimizers, schedules, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastnn
from fastnn import schedules
from fastnn.architecture import ACTIVATIONS, FROM_PREACTIVATION
from fastnn.backends.dropout import dropout_mask
from fastnn.backends.reference import DERIVATIVE, ELEMENTWISE_LOSS, FORWARD
from ink import Ink


def activations(figure: Any, ink: Ink) -> None:
    """Draw each activation and its derivative."""
    names = (name for name in ACTIVATIONS if name != "identity")
    grid = figure.subplots(2, 5, sharex=True, sharey=True)
    z = np.linspace(-4, 4, 161)
    for axes, name in zip(grid.flat, names, strict=True):
        y = FORWARD[name](z)
        source = z if name in FROM_PREACTIVATION else y
        axes.axhline(0, color=ink.soft, linewidth=0.5)
        axes.plot(z, y, color=ink.blue, linewidth=1.8, label="f(z)")
        axes.plot(z, DERIVATIVE[name](source), "--", color=ink.orange, linewidth=1.3, label="f′(z)")
        axes.set_title(name, fontsize=9.5, loc="left")
        axes.set_ylim(-1.9, 2.5)
    grid[0, 0].legend(fontsize=8.5, loc="upper left")


def losses(figure: Any, ink: Ink) -> None:
    """Draw the losses of one output over z, and below them their δ."""
    cases = (
        ("binary_cross_entropy", "sigmoid: cross-entropy", 1.0),
        ("squared_error", "identity: squared error", 1.0),
        ("poisson", "exp: Poisson", 2.0),
        ("huber", "identity: Huber", 1.0),
        ("absolute_error", "identity: absolute error", 1.0),
    )
    z = np.linspace(-2.5, 3.0, 221)
    grid = figure.subplots(2, len(cases), sharex=True, sharey="row")
    for (above, below), (name, title, target) in zip(grid.T, cases, strict=True):
        loss, delta = ELEMENTWISE_LOSS[name](z, np.full_like(z, target), np.ones(1))
        above.plot(z, loss, color=ink.blue, linewidth=1.8)
        above.set_title(f"{title}\ntarget {target:g}", fontsize=8.5, loc="left")
        below.axhline(0, color=ink.soft, linewidth=0.5)
        below.plot(z, delta, color=ink.orange, linewidth=1.8)
        below.set_xlabel("z")
        above.set_ylim(-0.5, 6)
        below.set_ylim(-3, 3)
    grid[0, 0].set_ylabel("loss")
    grid[1, 0].set_ylabel("δ = ∂loss/∂z")


def optimizers(figure: Any, ink: Ink) -> None:
    """Draw the paths of the optimizers down a narrow valley."""
    curvature = np.array([0.08, 1.0])
    kinds = {
        "SGD": fastnn.SGD(0.9),
        "momentum 0.8": fastnn.SGD(0.25, momentum=0.8),
        "RMSprop": fastnn.RMSprop(0.12, rho=0.9),
        "Adam": fastnn.Adam(0.35),
    }
    grid = figure.subplots(1, len(kinds), sharey=True)
    a, b = np.meshgrid(np.linspace(-5.5, 1.5, 141), np.linspace(-2.5, 2.5, 101))
    height = 0.5 * (curvature[0] * a**2 + curvature[1] * b**2)
    for axes, (name, optimizer) in zip(grid, kinds.items(), strict=True):
        axes.contour(a, b, np.sqrt(height), 9, colors=ink.soft, linewidths=0.5)
        points = _path(optimizer, np.array([-5.0, 2.0]), curvature, 30)
        axes.plot(*points.T, ".-", color=ink.blue, linewidth=1.1, markersize=4)
        axes.plot(0, 0, "x", color=ink.red, markersize=7)
        axes.set_title(f"{name}, 30 steps", fontsize=9.5, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])


def _path(optimizer: Any, start: Any, curvature: Any, n_steps: int) -> Any:
    backend = fastnn.get_backend("numpy")
    p, state = start.copy(), np.zeros((optimizer.n_state, 2))
    points = [p.copy()]
    for step in range(1, n_steps + 1):
        backend.update(optimizer, step, p, curvature * p, state)
        points.append(p.copy())
    return np.array(points)


def learning_rates(figure: Any, ink: Ink) -> None:
    """Draw the schedules, each with and without a warm-up."""
    steps = np.arange(1000)
    kinds = {
        "Constant": lambda w: schedules.Constant(1.0, warmup=w),
        "InverseScaling": lambda w: schedules.InverseScaling(1.0, power=0.25, warmup=w),
        "StepDecay": lambda w: schedules.StepDecay(1.0, every=300, factor=0.5, warmup=w),
        "Cosine": lambda w: schedules.Cosine(1.0, n_steps=900, warmup=w),
    }
    grid = figure.subplots(1, len(kinds), sharey=True)
    for axes, (name, make) in zip(grid, kinds.items(), strict=True):
        axes.plot(steps, make(0)(steps), color=ink.blue, linewidth=1.6)
        axes.plot(steps, make(100)(steps), "--", color=ink.orange, linewidth=1.3)
        axes.set_title(name, fontsize=9.5, loc="left")
        axes.set_xlabel("step")
        axes.set_ylim(0, 1.05)
    grid[0].set_ylabel("rate / first rate")


def dropout(figure: Any, ink: Ink) -> None:
    """Draw the masks of three steps, as the kernels make them."""
    grid = figure.subplots(1, 3)
    for step, axes in enumerate(grid):
        kept = dropout_mask(777, step, 0, 0.3, 16, 32)
        colours = np.where(kept[..., None], _rgb(ink.blue), _rgb(ink.fill))
        axes.imshow(colours, interpolation="nearest", aspect="equal")
        axes.set_title(f"step {step}: {kept.mean():.0%} kept".replace("%", " %"), fontsize=9.5,
                       loc="left")  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel("units")
        axes.spines[:].set_visible(False)
    grid[0].set_ylabel("rows of the batch")


def initial_weights(figure: Any, ink: Ink) -> None:
    """Draw how large the outputs of a deep network's layers are under three initialisations."""
    axes = figure.subplots()
    x = np.random.default_rng(0).standard_normal((200, 256)).astype(np.float32)
    for (init, said), colour in zip(
        ((0.01, "uniform in [−0.01, 0.01]"), ("glorot", "glorot"), ("he", "he")),
        ink.lines, strict=False,
    ):  # fmt: skip
        sizes = (256,) * 11
        net = fastnn.Network(sizes, activation="relu", output="identity", init=init, seed=0)
        h, spread = x, []
        for weight in net.weights:
            h = np.maximum(h @ weight, 0)
            spread.append(float(h.std()))
        axes.plot(range(1, 11), spread, ".-", color=colour, label=said)
    axes.set_yscale("log")
    axes.set_xlabel("layer of 256 relu units")
    axes.set_ylabel("standard deviation of its outputs")
    axes.legend(fontsize=8.5)


def _rgb(colour: str) -> Any:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
