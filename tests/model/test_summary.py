"""Networks and histories shown: summary, notebooks, frames."""

import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import blobs, small_network
from support.random_networks import random_network

import fastnn
from fastnn.training.history import History

X, Y = blobs()


def test_a_summary_says_what_is_in_the_loss():
    quantiles = small_network((4, 2), output="identity", loss="quantile", quantiles=(0.1, 0.9))
    assert "loss        quantile 0.1, 0.9\n" in quantiles.summary()
    smoothed = small_network(label_smoothing=0.1)
    assert "loss        cross_entropy, labels smoothed by 0.1\n" in smoothed.summary()


class Cells(HTMLParser):
    """The cells of a page's tables, and whether its tags are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.cells, self._open = [], []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1] in ("td", "th"):
            self.cells[-1] += data


@pytest.mark.parametrize("seed", range(20))
def test_a_summary_counts_the_parameters_of_each_layer(seed):
    net, _ = random_network(seed)
    a = net.architecture
    head, *lines = net.summary().splitlines()
    layers = lines[: lines.index("")]
    assert head.split() == ["layer", "shape", "activation", "parameters"]
    counts = [int(line.split()[-1].replace(",", "")) for line in layers]
    biases = [0 if b is None else b.size for b in net.biases]
    assert counts == [w.size + b for w, b in zip(net.weights, biases, strict=True)]
    assert [line.split()[-2] for line in layers] == [*a.activations, a.output]
    assert f"parameters  {a.n_parameters:,}, {a.dtype}" in net.summary()
    assert all(len(line) == len(head) for line in layers)


def test_a_summary_says_what_the_network_was_trained_on():
    net = small_network()
    assert "not trained yet" in net.summary()
    frame = pd.DataFrame(X, columns=["one", "two", "three", "four"])
    net.fit(frame, pd.Series(Y, name="kind"), epochs=1)
    text = net.summary()
    for words in ("trained on numbers", "one, two, three, four", "kind"):
        assert words in text
    net = fastnn.Network((4, 2), class_labels=["<ant>", "bee"], seed=0)
    net.fit(np.full((8, 4), 200, np.uint8), np.array(["<ant>", "bee"] * 4), epochs=1)
    assert "trained on bytes, multiplied by 0.003922" in net.summary()
    assert "<ant>, bee" in net.summary()


def test_a_notebook_shows_the_same_as_the_summary_escaped():
    net = fastnn.Network((4, 300, 2), class_labels=["<ant>", "bee"], seed=0)
    cells = Cells(net._repr_html_()).cells
    assert "<ant>, bee" in cells
    text = net.summary()
    assert all(cell in text for cell in cells)


@pytest.mark.parametrize("epochs", [0, 1, 7, 40])
def test_a_notebook_shows_the_last_epochs_of_a_history(epochs):
    history = small_network().fit(X, Y, epochs=epochs, validation_data=(X, Y), progress=False)
    html = history._repr_html_()
    cells = Cells(html).cells
    names = ["epoch", *history]
    assert cells[: len(names)] == names
    rows = [cells[i : i + len(names)] for i in range(len(names), len(cells), len(names))]
    assert [int(row[0]) for row in rows] == [*range(max(1, epochs - 9), epochs + 1)]
    if epochs:
        best = int(np.argmin(history["val_loss"])) + 1
        assert f"in epoch {best}" in html
        assert rows[-1][1] == f"{history['loss'][-1]:.4g}"


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=30))
def test_a_history_as_a_frame_has_a_row_an_epoch(losses):
    history = History()
    for i, loss in enumerate(losses):
        history.append({"loss": loss, "time": float(i)})
    frame = history.to_frame()
    assert [*frame.columns] == [*history]
    assert frame.index.name == "epoch"
    assert frame.index.tolist() == [*range(1, len(losses) + 1)]
    np.testing.assert_array_equal(frame["loss"], losses)
    Cells(history._repr_html_())


def test_an_empty_history_is_an_empty_frame():
    assert len(History().to_frame()) == 0


def test_without_pandas_a_frame_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        History().to_frame()
