"""Figures of a trained network, as `fastnn.plots` draws them: those of docs/pictures.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib

import fastnn
from fastnn.datasets import digits


def draw_trained(folder: Path) -> Iterator[Path]:
    """Train the network of docs/pictures.md; write what is drawn there, on white."""
    data = digits(6000, validation=1000)
    net = fastnn.Network((784, 64, 10), activation="relu", seed=0)
    history = net.fit(*data.train, epochs=8, validation_data=data.validation)
    figures = {
        "curves": history.plot(),
        "confusion": fastnn.plots.confusion_matrix(net, *data.test),
        "mistakes": fastnn.plots.mistakes(net, *data.test),
        "weights": fastnn.plots.weights(net),
    }
    for name, figure in figures.items():
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        yield folder / f"{name}.svg"
