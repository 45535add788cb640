"""The peers that only predict: those installed here agree with the reference, others are named."""

import pytest

RUNTIMES = ("openvino", "litert", "executorch", "tract", "tinygrad", "fann")


@pytest.fixture
def bench(bench, monkeypatch):
    """The module bench/predict.py, its peers held to one thread."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return bench("predict")


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("case", ["small-random-1", "medium-random-32"])
def test_a_runtime_that_is_here_predicts_what_the_reference_does(bench, name, case):
    found, absent = bench.peers.find("Predictor", ["numpy"], [name])
    if absent:
        pytest.skip(str(absent))
    (case,) = (c for c in bench.cases.PREDICT_CASES if c.name == case)
    data = bench.cases.load("random", case.net, 2 * case.n_rows, None)
    for result in bench.run_case(case, data, found)["results"]:
        assert result["status"] == "timed", result


def test_a_runtime_that_is_absent_is_named_with_what_brings_it(bench, monkeypatch):
    monkeypatch.setitem(bench.peers.MODULES, "openvino", "peers.nowhere")
    monkeypatch.setitem(bench.peers.MODULES, "fann", "peers.nowhere")
    found, absent = bench.peers.find("Predictor", ["numpy"], ["openvino", "fann"])
    assert [contestant.label for contestant in found] == ["fastnn numpy"]
    assert "bench-runtimes" in absent["OpenVINO"]
    assert "libfann2" in absent["FANN"]
