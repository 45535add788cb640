"""The benchmarks of kernels, scaling, accuracy and cost, and the pictures of what was found."""

import argparse
import json

import numpy as np
import pytest
from support.benchmarks import run


def smoke(script, *arguments):
    """Run a benchmark's smoke form on the numpy backend; return the cases it found."""
    code, stdout, stderr = run(script, "--smoke", "--backend", "numpy", "--json", "-", *arguments)
    assert code == 0, stderr
    results = json.loads(stdout)
    assert results["benchmark"] == script.removesuffix(".py")
    assert all("cpu" in outcome["machine"] for outcome in results["runs"])
    return [case for outcome in results["runs"] for case in outcome["cases"]]


# -- kernels ------------------------------------------------------------------------------------


def test_smoke_run_verifies_and_times_every_kernel():
    cases = smoke("kernels.py")
    kernels = {case["kernel"].removesuffix("-19%") for case in cases}
    assert len(kernels) == 8  # the seven, and update by two rules
    for case in cases:
        assert case["flops"] > 0
        assert [result["status"] for result in case["results"]] == ["timed"] * 2, case
        assert all(result["distance"] <= 1.0 for result in case["results"])
        assert "NumPy" in case["ratios"]["fastnn numpy"]


@pytest.mark.parametrize("wrong", [1e-3, np.nan])
@pytest.mark.parametrize("kernel", ["dense_forward", "weight_gradient", "softmax_cross_entropy",
                                    "elementwise_loss", "update-sgd", "update-adam"])  # fmt: skip
def test_a_kernel_wrong_in_one_element_is_refused(bench, kernel, wrong):
    kernels, peers = bench("kernels"), bench("peers")
    from peers import numpy_kernels

    case = next(c for c in kernels.CASES if c.name == f"small-{kernel}")
    method = kernel.split("-")[0]

    class OneElementOff(numpy_kernels.Kernels):
        pass

    def spoiled(self, *arguments):
        result = getattr(numpy_kernels.Kernels, method)(self, *arguments)
        # an update ends with params, grads, state; the others with what they write
        out = arguments[2] if method == "update" else arguments[-1]
        out.flat[-1] += wrong * max(1.0, abs(out.flat[-1]))
        return result

    setattr(OneElementOff, method, spoiled)
    contestants = [
        peers.Contestant("right", numpy_kernels.Kernels),
        peers.Contestant("wrong", OneElementOff),
    ]
    right, refused = kernels.run_case(case, contestants)["results"]
    assert (right["status"], refused["status"]) == ("timed", "wrong")
    assert "median" not in refused


def test_the_bound_of_a_kernel_lets_nothing_but_rounding_pass(bench):
    work = bench("kernel_work").work(bench("kernels").CASES[0])
    expected = [np.ones((2, 3))]
    one = bench("dataclasses").replace(work, sizes=(np.ones((2, 3)),), n_terms=100)
    eps = np.finfo(np.float32).eps
    assert one.distance([np.ones((2, 3)) + eps], expected) < 0.1
    assert one.distance([np.ones((2, 3)) + 100 * eps], expected) > 1.0


# -- scaling ------------------------------------------------------------------------------------


def test_smoke_run_verifies_and_times_every_step_of_the_sparse_product():
    pytest.importorskip("numba")
    (case,) = smoke("sparse_forward.py")
    names = "".join(result["name"][0] for result in case["results"])
    assert names in ("N123456", "N123456C")  # C where it is there
    for result in case["results"]:
        assert result["status"] == "timed", result


def test_smoke_run_goes_along_every_sweep():
    cases = smoke("scaling.py", "--threads", "1")
    sweeps = {case["sweep"] for case in cases}
    assert sweeps == {f"{program}-{quantity}" for program in ("train", "predict")
                      for quantity in ("batch", "width", "density", "density-bytes")}  # fmt: skip
    for case in cases:
        (result,) = case["results"]
        assert result["status"] == "timed", result
        assert 0 < result["least_ps_per_flop"] <= result["ps_per_flop"]


def sweep_of(quantity, points):
    """A sweep whose only candidate takes so many picoseconds at these values."""
    return [
        {"sweep": f"train-{quantity}", "quantity": quantity, "value": value, "case": "",
         "peak_gflops": 200.0,
         "results": [{"name": "fastnn cython", "status": "timed", "ps_per_flop": ps, "median": ps,
                      "minimum": ps, "least_ps_per_flop": ps}]}
        for value, ps in points
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "points", "cliffs"),
    [
        ("batch", [(1, 6.0), (2, 5.0), (4, 5.2)], []),
        ("batch", [(32, 5.0), (33, 8.0), (64, 5.0)], [33]),
        ("width", [(8, 90.0), (16, 20.0), (64, 6.0), (65, 5.0)], []),
        ("width", [(64, 5.0), (65, 8.0), (96, 6.0)], [65]),
        ("density", [(0.05, 1.0), (0.2, 3.0), (0.5, 5.0), (1.0, 5.0)], []),
        ("density", [(0.05, 1.0), (0.5, 6.0), (1.0, 5.0)], [0.5]),
    ],
)
def test_a_cliff_is_a_point_too_far_above_its_neighbours(bench, quantity, points, cliffs):
    scaling = bench("scaling")
    outcomes = sweep_of(quantity, points)
    scaling.mark_cliffs(outcomes)
    assert [o["value"] for o in outcomes if "cliff" in o["results"][0]] == cliffs
    said = scaling.conclusion([{"threads": 1, "cases": outcomes}])
    assert said.startswith("cliff: " if cliffs else "no cliffs")


def test_what_looks_like_a_cliff_is_measured_again_and_noise_goes_away(bench, monkeypatch):
    import argparse

    scaling = bench("scaling")
    measured = []

    def point(sweep, value, options):
        measured.append(value)
        # 33 is disturbed the first time, 128 is slow whenever it is measured
        slow = (value == 33 and measured.count(33) == 1) or value == 128
        seconds = 3.0 if slow else 1.0
        result = {"name": "fastnn cython", "status": "timed", "median": seconds}
        return {"flops": 1e12, "peak_gflops": 1.0, "results": [result | {"minimum": seconds}]}

    monkeypatch.setitem(scaling.PROGRAMS, "train", point)
    sweep = scaling.Sweep("train", "batch", (16, 32, 33, 64, 96, 128, 192))
    outcomes = scaling.run_sweep(sweep, argparse.Namespace(smoke=False))
    assert [o["value"] for o in outcomes if "cliff" in o["results"][0]] == [128]
    assert measured.count(16) == 1


def test_the_crossover_is_the_last_density_whose_zeros_save_time(bench):
    scaling = bench("scaling")
    (points,) = scaling.curves(
        sweep_of("density", [(0.1, 1.0), (0.3, 4.0), (0.5, 4.9), (1.0, 5.0)])
    ).values()
    assert scaling.crossover(points) == 0.3
    (points,) = scaling.curves(sweep_of("density", [(0.1, 5.0), (1.0, 5.0)])).values()
    assert scaling.crossover(points) is None


# -- accuracy -----------------------------------------------------------------------------------


def test_smoke_run_follows_the_accuracy_epoch_by_epoch():
    (case,) = smoke("accuracy.py")
    assert [r["name"] for r in case["results"]] == ["fastnn numpy", "NumPy, tuned"]
    for result in case["results"]:
        assert result["status"] == "timed", result
        (curve,) = result["curves"]
        times = [seconds for seconds, _ in curve]
        assert len(curve) == 2
        assert times == sorted(times)
        assert all(0.0 <= accuracy <= 1.0 for _, accuracy in curve)


def test_the_clock_stands_still_while_the_test_images_are_judged(bench, monkeypatch):
    accuracy = bench("accuracy")
    now = [0.0]
    monkeypatch.setattr(accuracy, "perf_counter", lambda: now[0])

    def judge():
        now[0] += 100.0
        return 0.5

    watch = accuracy.Stopwatch(judge)
    for _ in range(2):
        now[0] += 1.0  # an epoch
        watch.look()
    assert watch.curve == [(1.0, 0.5), (2.0, 0.5)]


def test_time_to_a_target_is_the_median_of_the_seeds_and_never_counts_as_infinite(bench):
    accuracy = bench("accuracy")
    quick, slow, never = ([(1.0, 0.99)], [(2.0, 0.5), (4.0, 0.99)], [(3.0, 0.5)])
    found = accuracy.summary([quick, slow, never], [0.98])["to_target"]["0.98"]
    assert found == {"seconds": 4.0, "least": 1.0, "epochs": [1, 2, None], "met": 2}
    found = accuracy.summary([quick, never, never], [0.98])["to_target"]["0.98"]
    assert (found["seconds"], found["met"]) == (None, 1)


def test_those_who_never_met_a_target_have_no_ratio(bench):
    accuracy = bench("accuracy")
    curves = {"fastnn": [[(1.0, 0.99)]], "peer": [[(3.0, 0.99)]], "lost": [[(1.0, 0.5)]]}
    results = [
        {"name": name, "ours": name == "fastnn"} | accuracy.summary(runs, [0.98])
        for name, runs in curves.items()
    ]
    assert accuracy.target_ratios(results, "0.98") == {"fastnn": {"peer": 3.0}}


def test_one_that_ends_at_another_accuracy_is_pointed_out(bench):
    ended = {"a": 0.980, "b": 0.981, "c": 0.9805, "another net": 0.97}
    results = [{"name": name, "final_accuracy": value} for name, value in ended.items()]
    suspects = [line.split(":")[0] for line in bench("accuracy").unlike(results)]
    assert suspects == ["another net"]


# -- cost ---------------------------------------------------------------------------------------


def test_smoke_run_measures_imports_over_numpy_and_sizes():
    imports, sizes = smoke("cost.py")
    by_name = {result["name"]: result for result in imports["results"]}
    assert {"python", "import numpy", "import fastnn", "first prediction, numpy"} == set(by_name)
    assert all(result["status"] == "timed" for result in by_name.values())
    assert by_name["import numpy"]["over_numpy"] == 0.0
    installed = {result["name"]: result for result in sizes["results"]}
    assert "numpy" in installed["fastnn"]["needs"]
    assert installed["numpy"]["alone"] > 1e6


def test_the_size_of_an_editable_install_is_that_of_its_wheel(bench, tmp_path):
    from zipfile import ZIP_DEFLATED, ZipFile

    wheel = tmp_path / "fastnn-0-py3-none-any.whl"
    with ZipFile(wheel, "w", ZIP_DEFLATED) as archive:
        archive.writestr("fastnn/__init__.py", "#" * 10_000)
    (fastnn, numpy) = bench("cost").sizes((), wheel)["results"]
    assert fastnn["alone"] == 10_000
    assert 0 < fastnn["wheel"] < 10_000
    assert fastnn["with_needs"] >= fastnn["alone"] + numpy["alone"]


def test_an_import_that_fails_is_reported_and_not_timed(bench):
    cost = bench("cost")
    todo = {cost.BASELINE: "pass", "broken": "raise RuntimeError('out of order')"}
    _, broken = cost.import_costs(todo, 0.0)["results"]
    assert (broken["status"], broken["reason"]) == ("failed", "RuntimeError: out of order")


# -- estimators ---------------------------------------------------------------------------------


def test_smoke_run_verifies_and_times_the_estimators():
    pytest.importorskip("sklearn.base")
    names = ("mnist-adam", "digits-adam", "digits-lbfgs")
    cases = smoke("estimators.py", "--cases", *names)
    assert tuple(case["case"] for case in cases) == names
    for case in cases:
        assert [result["status"] for result in case["results"]] == ["timed"] * 2, case
        assert all(result["distance"] <= result["bound"] for result in case["results"])
        assert case["ratios"]["fastnn numpy"]["scikit-learn"] > 0


def test_an_estimator_whose_losses_are_others_is_refused(bench):
    pytest.importorskip("sklearn.base")
    from argparse import Namespace

    estimators, peers = bench("estimators"), bench("peers")
    from peers import ours

    def faster(**parameters):
        return ours.estimator("numpy", **parameters | {"learning_rate_init": 0.00101})

    case = next(case for case in estimators.CASES if case.name == "digits-adam")
    case = bench("dataclasses").replace(case, epochs=2)
    options = Namespace(smoke=True, data_dir=None, threads=1, seconds=0.0)
    contestants = [
        peers.Contestant("right", bench("functools").partial(ours.estimator, "numpy"), ours=True),
        peers.Contestant("wrong", faster, ours=True),
    ]
    right, wrong = estimators.run_case(case, contestants, options)["results"]
    assert (right["status"], wrong["status"]) == ("timed", "wrong")
    assert wrong["distance"] > wrong["bound"]


# -- pictures -----------------------------------------------------------------------------------


def test_a_picture_is_drawn_of_bars_and_of_lines(bench, tmp_path):
    pytest.importorskip("matplotlib")
    picture = bench("harness.picture")
    machine = {"cpu": "a (b)", "instruction_sets": [], "date": "2026-01-01", "load_average": None}
    timed = {"status": "timed", "median": 1e-4}
    bars = {
        "case": "a", "description": "b", "unit": "step", "flops": 1e6, "peak_gflops": 100.0,
        "results": [{"name": "fastnn cython predictor"} | timed, {"name": "PyTorch eager"} | timed,
                    {"name": "wrong", "status": "wrong"}],
    }  # fmt: skip
    lines = sweep_of("batch", [(1, 5.0), (2, 9.0)]) + sweep_of("density", [(0.1, 1.0), (1.0, 2.0)])
    lines[1]["results"][0]["cliff"] = 1.8
    for name, cases in {"train": [bars] * 4, "predict": [bars], "scaling": lines}.items():
        runs = [{"threads": n, "machine": machine, "cases": cases} for n in (1, 2)]
        path = tmp_path / f"{name}.png"
        picture.draw({"benchmark": name, "runs": runs}, path)
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_option_picture_writes_the_file(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "train.svg"
    smoke("train.py", "--cases", "small-sgd", "--picture", str(path))
    assert "<svg" in path.read_text(encoding="utf-8")


# -- doors ----------------------------------------------------------------------------------------


def test_smoke_run_verifies_and_times_every_entry_point():
    cases = {case["case"]: case for case in smoke("doors.py")}
    assert len(cases) == 7
    for name, case in cases.items():
        assert {result["status"] for result in case["results"]} == {"timed"}, case
        assert ("scikit-learn" in case["ratios"]["fastnn numpy"]) == name.startswith("estimator")


# -- steps ----------------------------------------------------------------------------------------


def test_smoke_run_verifies_and_times_every_step():
    cases = {case["case"]: case for case in smoke("steps.py")}
    assert len(cases) == 7
    for name, case in cases.items():
        assert {result["status"] for result in case["results"]} == {"timed"}, case
        assert ("NumPy, tuned" in case["ratios"]["fastnn numpy"]) == name.startswith("stream")


@pytest.mark.parametrize("peer", ["torch", "sklearn", "jax"])
def test_every_peer_takes_the_same_steps(bench, peer):
    pytest.importorskip(peer)
    steps = bench("steps")
    for case in steps.CASES:
        entries, _ = case.make(argparse.Namespace(data_dir=None), 8)
        judge = next(entries(["numpy"], (), dtype="float64"))
        judge.run(8)
        for entry in entries([], [peer]):
            verdict = steps.verify(case, entry, 8, judge.found())
            assert verdict["status"] == "verified", (case.name, verdict)


def test_a_step_wrong_by_one_per_cent_is_refused(bench):
    steps = bench("steps")
    case = next(case for case in steps.CASES if case.name == "own-delta")
    entry = next(steps.own.policy_gradient(["numpy"], ()))
    judge = next(steps.own.policy_gradient(["numpy"], (), dtype="float64"))
    judge.run(8)
    expected = judge.found()
    wrong = entry._replace(found=lambda: [1.01 * array for array in entry.found()])
    assert steps.verify(case, entry, 8, expected)["status"] == "verified"
    assert steps.verify(case, wrong, 8, expected)["status"] == "wrong"
