"""The benchmarks: they run, their results have a known shape, and what is wrong is not timed."""

import json
import re

import numpy as np
import pytest
from support.benchmarks import BENCH, run

COMMANDS = sorted(
    path.name for path in BENCH.glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8")
)
"""Every benchmark that can be started, also those that others start as processes of their own."""


@pytest.fixture
def bench(bench):
    """The module bench/train.py."""
    return bench("train")


@pytest.mark.parametrize("script", ["train.py", "predict.py"])
def test_smoke_run_succeeds_and_prints_json_of_the_known_shape(script):
    code, stdout, stderr = run(script, "--smoke", "--backend", "numpy", "--json", "-")
    assert code == 0, stderr
    results = json.loads(stdout)
    assert results["benchmark"] == script.removesuffix(".py")
    (outcome,) = results["runs"]
    assert outcome["threads"] == 1
    assert {"cpu", "packages", "thread_pools", "load_average", "environment"} <= set(
        outcome["machine"]
    )
    assert outcome["cases"]
    for case in outcome["cases"]:
        assert case["peak_gflops"] > 0
        assert [r["name"] for r in case["results"] if r["ours"]][-1].startswith("fastnn numpy")
        assert "NumPy, tuned" in case["ratios"]["fastnn numpy"]
        for result in case["results"]:
            assert result["status"] == "timed", result
            assert result["distance"] <= result["bound"]
            assert 0 < result["minimum"] <= result["quartiles"][0] <= result["median"]
            assert result["rounds"] >= 5


def test_every_number_of_threads_gets_a_process_of_its_own():
    code, stdout, stderr = run(
        "train.py", "--smoke", "--backend", "numpy", "--cases", "small-sgd", "--threads", "1", "2",
        "--json", "-",
    )  # fmt: skip
    assert code == 0, stderr
    runs = json.loads(stdout)["runs"]
    assert [r["threads"] for r in runs] == [1, 2]
    assert [r["machine"]["environment"]["OMP_NUM_THREADS"] for r in runs] == ["1", "2"]


def test_an_absent_backend_is_named_with_the_reason_and_is_no_failure():
    code, stdout, stderr = run(
        "train.py", "--smoke", "--backend", "numpy", "nonsense", "--cases", "small-sgd"
    )
    assert code == 0, stderr
    assert "not measured: fastnn nonsense: no such backend" in stdout


def test_a_wrong_trainer_is_refused_and_not_timed(bench):
    import peers
    from peers import tuned_numpy

    class OnePerCentTooFast(tuned_numpy.Trainer):
        def one_pass(self, order):
            super().one_pass(order)
            for weight, _ in self.layers:
                weight *= 1.01

        def train(self, epochs):
            raise AssertionError("it was timed")

    case = next(case for case in bench.cases.TRAIN_CASES if case.name == "small-sgd")
    data = bench.cases.load("random", case.net, 2 * case.batch_size, None)
    contestants = [
        peers.Contestant("wrong", OnePerCentTooFast),
        peers.Contestant("right", tuned_numpy.Trainer),
    ]
    outcome = bench.run_case(bench.smoke(case), data, contestants)
    wrong, right = outcome["results"]
    assert (wrong["status"], right["status"]) == ("wrong", "timed")
    assert wrong["distance"] > wrong["bound"]
    assert "median" not in wrong
    assert "wrong: WRONG, not timed" in bench.report.case_table(outcome)


def test_a_trainer_without_biases_is_wrong_and_one_that_raises_is_reported(bench):
    import peers
    from peers import tuned_numpy

    class NoBiases(tuned_numpy.Trainer):
        def _sgd(self):
            for _, bias_gradient in self.gradients:
                bias_gradient[:] = 0.0
            super()._sgd()

    class Broken(tuned_numpy.Trainer):
        def reset(self):
            raise RuntimeError("out of order")

    case = next(case for case in bench.cases.TRAIN_CASES if case.name == "small-sgd")
    data = bench.cases.load("random", case.net, 2 * case.batch_size, None)
    contestants = [peers.Contestant("unbiased", NoBiases), peers.Contestant("broken", Broken)]
    unbiased, broken = bench.run_case(bench.smoke(case), data, contestants)["results"]
    assert unbiased["status"] == "wrong"
    assert broken["status"] == "failed"
    assert broken["reason"] == "RuntimeError: out of order"


def test_a_wrong_predictor_is_refused_and_not_timed(bench):
    import peers
    import predict
    from peers import tuned_numpy

    class OneProbabilityOff(tuned_numpy.Predictor):
        @property
        def call(self):
            def call(x):
                out = super(OneProbabilityOff, self).call(x)
                out[-1, -1] += 1e-4
                return out

            return call

    case = next(c for c in bench.cases.PREDICT_CASES if c.name == "small-random-32")
    data = bench.cases.load("random", case.net, 64, None)
    (result,) = predict.run_case(case, data, [peers.Contestant("wrong", OneProbabilityOff)])[
        "results"
    ]
    assert result["status"] == "wrong"
    assert "median" not in result


def test_every_trained_peer_here_agrees_with_the_reference_on_sgd_and_adam(bench):
    import peers

    contestants, _ = peers.find("Trainer", ["numpy"], ["numpy"])
    for name in ("small-sgd", "small-adam", "mnist-sgd"):
        case = next(case for case in bench.cases.TRAIN_CASES if case.name == name)
        data = bench.cases.load("random", case.net, 2 * case.batch_size, None)
        results = bench.run_case(bench.smoke(case), data, contestants)["results"]
        assert [result["status"] for result in results] == ["timed"] * len(contestants)


def test_candidates_take_turns_and_every_one_is_first_equally_often(bench):
    calls = []
    candidates = [
        bench.timing.Candidate(name, lambda name=name: calls.append(name)) for name in "abc"
    ]
    timings = bench.timing.measure(candidates, 0.0, min_rounds=3, min_sample=0.0)
    assert calls[6:] == [*"abc", *"bca", *"cab"]  # after two runs each to warm up
    assert [len(timing.seconds) for timing in timings.values()] == [3, 3, 3]


def test_a_ratio_is_the_speed_of_fastnn_over_the_speed_of_the_peer(bench):
    results = [
        {"name": "fastnn", "ours": True, "status": "timed", "median": 2.0},
        {"name": "peer", "ours": False, "status": "timed", "median": 5.0},
        {"name": "refused", "ours": False, "status": "wrong"},
    ]
    assert bench.report.ratios(results) == {"fastnn": {"peer": 2.5}}


def test_one_loss_unlike_the_others_is_pointed_out(bench):
    losses = {"a": 0.30, "b": 0.31, "c": 0.33, "diverged": np.nan, "shuffled wrongly": 1.9}
    results = [{"name": k, "status": "timed", "loss": v} for k, v in losses.items()]
    suspects = [line.split(":")[0] for line in bench.report.loss_warnings(results)]
    assert suspects == ["diverged", "shuffled wrongly"]


def test_the_command_names_the_peers_that_there_are(bench):
    import peers  # of bench/, whose folder the fixture puts on the path
    from fastnn.cli.bench import PEERS

    assert tuple(peers.MODULES) == PEERS


@pytest.mark.parametrize("script", ["train.py", "kernels.py"])  # some kernels' names have a %
def test_every_name_of_a_case_can_be_read_in_the_help(script):
    code, stdout, stderr = run(script, "--help")
    assert code == 0, stderr
    assert "--cases" in stdout
    assert "%%" not in stdout


@pytest.mark.parametrize("script", COMMANDS)
def test_every_benchmark_that_can_be_started_describes_its_arguments(script):
    code, stdout, stderr = run(script, "--help")
    missing = re.search(r"No module named '(\w+)", stderr)
    if missing and not (BENCH / f"{missing[1]}.py").exists():
        pytest.skip(f"needs {missing[1]}")
    assert code == 0, stderr
    assert stdout.startswith(f"usage: {script}")
