"""Writing the page: whole or not at all, and what is refused."""

import os
from dataclasses import replace

import numpy as np
import pytest
from support.report_pages import X, Y, dataset, trained

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from fastnn import report


def test_write_replaces_a_file_and_never_writes_into_it(tmp_path):
    path, other = tmp_path / "report.html", tmp_path / "other.html"
    path.write_text("before")
    os.link(path, other)
    report.write(path, *trained())
    assert other.read_text() == "before"


def test_write_leaves_what_was_there_if_it_fails(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("before")
    network, history, data = trained()
    with pytest.raises(ValueError, match="x has 3 columns"):
        report.write(path, network, history, dataset(x=X[:, :3]))
    assert path.read_text() == "before"
    report.write(path, network, history, data)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_history_or_data_set_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network, history, data = trained()
    with pytest.raises(TypeError, match=r"history must be what Network\.fit returns"):
        report.write("r", network, None, data)
    with pytest.raises(TypeError, match=r"data must be a fastnn\.datasets\.Dataset"):
        report.write("r", network, history, (X, Y))
    with pytest.raises(TypeError, match="optimizer must be"):
        report.write("r", network, history, data, optimizer="sgd")
    with pytest.raises(ValueError, match="image_shape must be"):
        report.write("r", network, history, data, image_shape=(3, 3))
    with pytest.raises(ValueError, match="x has no rows"):
        report.write("r", network, history, replace(data, train_weight=np.zeros(len(data.train))))
    assert not list(tmp_path.iterdir())
