"""The picture of README.md: its ratios are those of medians, and it is drawn for both themes."""

import pytest

MACHINE = {"cpu": "A processor (made up)", "vector_bits": 256, "date": "2026-01-01T00:00:00"}


@pytest.fixture
def headline(bench):
    return bench("headline")


def results(headline, medians):
    """Results as train.py and predict.py write them, the same medians in every case."""
    found = [{"name": name, "status": "timed", "median": m} for name, m in medians.items()]
    found.append({"name": "JAX jit", "status": "absent"})
    cases = [{"case": name, "results": found} for name in headline.CASES]
    return [{"runs": [{"machine": MACHINE, "cases": part}]} for part in (cases[:3], cases[3:])]


def test_ratios_are_of_the_peers_over_fastnn(headline):
    medians = {"fastnn cython": 2e-6, "PyTorch eager": 8e-6, "NumPy, tuned": 1e-6}
    for ours, peers in headline.ratios(results(headline, medians)).values():
        assert ours == 2e-6
        assert peers == {"PyTorch eager": 4.0, "NumPy, tuned": 0.5}


def test_where_rows_are_predicted_fastnn_is_its_predictor(headline):
    medians = {"fastnn cython": 9e-6, "fastnn cython predictor": 1e-6, "ONNX Runtime": 3e-6}
    for ours, peers in headline.ratios(results(headline, medians)).values():
        assert ours == 1e-6
        assert peers == {"ONNX Runtime": 3.0}


def test_it_is_drawn_for_light_and_for_dark_pages(headline, tmp_path):
    pytest.importorskip("matplotlib")
    medians = {"fastnn cython": 2e-6, "PyTorch eager": 8e-6}
    headline.draw(results(headline, medians), tmp_path / "h.svg")
    light, dark = ((tmp_path / name).read_text() for name in ("h.svg", "h-dark.svg"))
    for picture in (light, dark):
        assert "PyTorch eager" in picture
        assert "2 µs" in picture
    assert light != dark
