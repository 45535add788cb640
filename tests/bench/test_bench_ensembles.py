"""The benchmark of ensembles: it runs, all train the same, and what is wrong is not timed."""

import argparse
import json

import numpy as np
import pytest
from support.benchmarks import run


@pytest.fixture
def crowd(bench):
    """A few small models, and the parameters after an epoch on rows in their order."""
    bench("ensembles")
    import crowds
    from peers import crowd

    made = crowds.made(3, 70)  # two whole minibatches, and one that is not
    judge = crowd.Ensemble(made, 1, "numpy", "float64")
    judge.follow()
    return made, judge.parameters()


def test_smoke_run_verifies_and_times_every_case():
    pytest.importorskip("sklearn.base")
    code, stdout, stderr = run("ensembles.py", "--smoke", "--backend", "numpy", "--json", "-")
    assert code == 0, stderr
    results = json.loads(stdout)
    assert results["benchmark"] == "ensembles"
    (outcome,) = results["runs"]
    assert outcome["threads"] == 2
    found = {case["case"]: case for case in outcome["cases"]}
    assert set(found) == {"crowd", "iris", "mnist-32", "memory"}
    for case in found.values():
        assert {result["status"] for result in case["results"]} == {"timed"}, case
    peers = {name: set(found[name]["ratios"]["fastnn numpy"]) for name in ("crowd", "iris")}
    assert peers["crowd"] == {"scikit-learn, joblib"}
    assert peers["iris"] == {"scikit-learn", "scikit-learn, joblib"}
    jobs = next(r for r in found["crowd"]["results"] if r["name"] == "scikit-learn, joblib")
    assert jobs["cores"] > 0.1  # the time of the processes it runs in counts
    assert len(found["mnist-32"]["ratios"]["fastnn numpy"]) == 2
    (memory,) = found["memory"]["results"]
    assert set(memory["steps"]) == {"make", "save", "load", "fit"}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("peer", ["torch", "jax", "sklearn"])
def test_every_peer_takes_the_same_steps_and_ends_at_the_same_loss(bench, crowd, peer, threads):
    pytest.importorskip(peer)
    if peer == "sklearn" and threads > 1:
        pytest.skip("its processes are started by the smoke run")
    ensembles, (made, expected) = bench("ensembles"), crowd
    options = argparse.Namespace(models=3, peers=[peer], smoke=True, threads=threads)
    for one in ensembles.contestants(options, ["numpy"]):
        make = one.make
        one = one._replace(make=lambda crowd, _, make=make: make(crowd, threads))
        assert ensembles.verified(one, made, expected)["status"] == "verified", one.name
        loss = ensembles.loss_of(one.make, made, 3, options)
        ours = ensembles.loss_of(
            ensembles.contestants(options, ["numpy"])[0].make, made, 3, options
        )
        assert "status" not in ensembles.compared(loss, ours), one.name


def test_one_model_wrong_by_one_per_cent_is_refused(bench, crowd):
    ensembles, (made, expected) = bench("ensembles"), crowd
    from peers import crowd as trainers

    class OneOff(trainers.Ensemble):
        def parameters(self):
            found = super().parameters()
            found[0][1] *= 1.01
            return found

    def make(kind):
        return ensembles.Contestant("", lambda *a: kind(*a, "numpy"), 3, 1, 5e-3)

    assert ensembles.verified(make(trainers.Ensemble), made, expected)["status"] == "verified"
    assert ensembles.verified(make(OneOff), made, expected)["status"] == "wrong"


def test_one_that_does_not_learn_as_well_is_refused(bench):
    ensembles = bench("ensembles")
    assert "status" not in ensembles.compared(0.102, 0.1)
    for loss in (0.2, 0.09, np.nan):
        assert ensembles.compared(loss, 0.1)["status"] == "wrong"


def test_other_bits_than_those_of_networks_alone_are_refused(bench):
    same = bench("ensemble_fits").same
    found = [np.ones(3, np.float32), np.zeros(3, np.float32)]
    assert same(found, [array.copy() for array in found])["status"] == "verified"
    assert same(found, [found[0], np.array([0, 0, -0.0], np.float32)])["status"] == "wrong"


def test_processor_time_of_other_processes_counts(bench):
    spent = []
    timing = bench("harness.timing")
    candidate = timing.Candidate("", lambda: spent.append(1), 1.0, lambda: 5.0 * len(spent))
    (found,) = timing.measure([candidate], 0.0, min_sample=0.0).values()
    assert found.processor_median == pytest.approx(5.0, abs=0.1)
