"""Rounds on a cluster: bench/dask_rounds.py times and bench/dask_simulation.py simulates them."""

import math

import pytest
from support.benchmarks import run

pytest.importorskip("distributed")


def test_a_smoke_run_verifies_the_bits_and_prints_both_tables():
    code, stdout, stderr = run("dask_rounds.py", "--smoke")
    assert code == 0, stderr
    lines = [line.split() for line in stdout.splitlines()]
    assert ["784-100-10", "2"] in [line[:2] for line in lines]
    assert ["10-16-2", "9"] in [line[:2] for line in lines]


def test_a_simulation_prints_a_table_for_each_net_and_number_of_rounds():
    code, stdout, stderr = run("dask_simulation.py", "--smoke", "--nets", "24-16-2", "784-100-10")
    assert code == 0, stderr
    assert stdout.count("rounds_per_epoch='auto'") == stdout.count("rounds_per_epoch=1") == 2
    assert stdout.startswith("assumed: 0.5 ms latency")


NOTHING = {"latency": 0.0, "rate": math.inf, "task": 0.0, "submit": 0.0, "fixed": 0.0}


def simulated(bench, n_workers, training=0.0, n_bytes=8, add=0.0, **costs):
    simulation = bench("dask_simulation")
    net = simulation.Network(**NOTHING | costs)
    return simulation.Cluster(n_workers, net, training, n_bytes, add).round()


@pytest.mark.parametrize("n_workers", [1, 8, 9, 100])
def test_a_simulated_round_takes_the_training_if_nothing_else_costs(bench, n_workers):
    assert simulated(bench, n_workers, training=2.0) == (2.0, 0.0)


@pytest.mark.parametrize(("n_workers", "n_sums"), [(1, 1), (8, 1), (9, 3), (64, 9), (65, 12)])
def test_the_simulated_scheduler_handles_every_task_once(bench, n_workers, n_sums):
    found = simulated(bench, n_workers, task=1.0)
    assert found.scheduler == n_workers + n_sums
    assert found.seconds == found.scheduler  # nothing else is waited for


def test_a_simulated_round_of_two_waits_for_the_messages_it_sends(bench):
    # parameters to one worker, from there to the other, its result to a sum, that to the client
    found = simulated(bench, 2, n_bytes=10, rate=10.0)
    assert found.seconds == pytest.approx(1 + 1 + 1 + 2)


def test_a_simulated_round_is_the_same_each_time(bench):
    costs = {"latency": 0.3, "rate": 7.0, "task": 0.2, "submit": 0.1}
    twice = [simulated(bench, 77, training=1.0, add=0.1, **costs) for _ in range(2)]
    assert twice[0] == twice[1]
