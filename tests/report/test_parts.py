"""The parts of the data on the page: which rows count, and files larger than memory."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from support.examples import blobs, small_network
from support.report_pages import Page, dataset, rendered, trained

from fastnn.datasets import Dataset, Split
from fastnn.datasets.tables import Table
from fastnn.training.history import History

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from fastnn.report import parts

NOTHING = Split(np.empty((0, 4)), np.empty(0, int))


def held_out(task="classification"):
    """1,000 rows of which 700 train, with a network that knows some of their classes."""
    x, y = blobs(1000)
    names = ("a", "b", "c", "d")
    data = Table("held out", x, y, names, "y").hold_out(task=task)
    output = "softmax" if task == "classification" else "identity"
    network = small_network((4, 3 if task == "classification" else 1), output=output)
    history = network.fit(*data.train, epochs=1, sample_weight=data.train_weight, progress=False)
    return network, history, data


# -- rows that count ------------------------------------------------------------------------------


def test_rows_held_out_are_no_training_rows():
    network, history, data = held_out()
    page = Page(rendered(network, history, data))
    result = network.evaluate(*data.train, data.train_weight)
    accuracy = f"{result['accuracy']:.2%}".replace("%", " %")
    assert result["accuracy"] != network.evaluate(*data.train)["accuracy"]
    assert page.says("training rows 700 validation rows 100 test rows 200")
    assert page.says(f"training 700 {result['loss']:.4f} {accuracy}")
    trains = data.train_weight > 0
    of_each = np.array([np.bincount(y) for y in (data.train.y[trains], *(
        part.y for part in (data.validation, data.test)
    ))]).T  # fmt: skip
    for label, counts in enumerate(of_each):
        assert page.says(" ".join(map(str, (label, *counts))))


def test_the_rate_is_that_of_the_rows_that_trained():
    network, _, data = held_out()
    history = History()
    history.append({"loss": 1.0, "accuracy": 0.5, "time": 2.0})
    assert Page(rendered(network, history, data)).says("350 rows a second")


def test_targets_are_described_as_the_training_rows_have_them():
    network, history, data = held_out("regression")
    data.train.y[data.train_weight == 0] = 9.0
    assert Page(rendered(network, history, data)).says(
        f"1 {data.train.y[data.train_weight > 0].mean():.4g} 0.8"
    )


def test_training_rows_that_weigh_nothing_are_no_mistakes_where_there_are_no_others():
    network, history, _ = trained()
    x, y = blobs()
    weight = np.resize([0.0, 1.0], len(x))
    data = Dataset("d", Split(x, y), NOTHING, NOTHING, np.arange(3), train_weight=weight)
    network.parameters[...] *= -1
    wrong = (network.predict(x) != y) & (weight > 0)
    page = Page(rendered(network, history, data))
    assert page.says(f"{wrong.sum()} of 60 training rows were given a wrong class")
    found = network.predict_proba(x).max(axis=1)
    surest = np.flatnonzero(wrong)[np.argmax(found[wrong])]
    assert page.says(f"row true predicted probability x 1 x 2 x 3 x 4 {surest} {y[surest]} ")


# -- files larger than memory ---------------------------------------------------------------------


def test_deviations_are_those_of_the_training_rows_window_by_window(monkeypatch):
    x = np.random.default_rng(0).normal(size=(1000, 7)) * 10.0 ** np.arange(7) + 1e6
    data = replace(dataset(), train=Split(x, np.zeros(1000)))
    weight = np.where(np.arange(1000) % 90 < 30, 0.0, 1.0)  # whole windows weigh nothing
    for n in (7, 7 * 30, 10**6):
        monkeypatch.setattr(parts, "NUMBERS_AT_A_TIME", n)
        np.testing.assert_allclose(parts.deviation(data), x.std(axis=0), rtol=1e-9)
        np.testing.assert_allclose(
            parts.deviation(replace(data, train_weight=weight)), x[weight > 0].std(axis=0), 1e-9
        )


@pytest.mark.parametrize("value", [-0.5, 255.5])
def test_one_value_that_is_no_pixel_makes_rows_no_images(monkeypatch, value):
    monkeypatch.setattr(parts, "NUMBERS_AT_A_TIME", 640)
    network = small_network((64, 3))
    x = np.random.default_rng(0).uniform(0, 255, (120, 64))
    data = replace(dataset(), train=Split(x, np.zeros(120)))
    assert parts.image_shape(network, data) == (8, 8)
    x[-1, -1] = value
    assert parts.image_shape(network, data) is None


@pytest.mark.parametrize(
    ("dtype", "n_in", "n_test"), [(np.uint8, 324, 0), (np.float32, 324, 30), (np.float32, 300, 0)]
)
def test_the_page_of_rows_in_a_large_file_makes_no_copy_of_them(tmp_path, dtype, n_in, n_test):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", dtype, (60_000, n_in))
    x[...] = np.arange(n_in)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = np.arange(60_000) % 3
    few = Split(np.array(x[:30]), y[:30])
    network = small_network((n_in, 3), dtype="float32")
    history = network.fit(*few, epochs=1, progress=False)
    test = Split(few.x[:n_test], few.y[:n_test])  # without one the training rows are looked at
    data = Dataset("file", Split(x, y), Split(few.x[:0], few.y[:0]), test, np.arange(3))
    rendered(network, history, replace(data, train=few))  # what stays is not counted
    tracemalloc.start()
    rendered(network, history, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000 * n_in  # of bytes, one copy; of float64 it would be eight times that
