"""Metrics in Ray Tune, MLflow and Weights & Biases: real ones, if installed, and stand-ins."""

import copy
import json
import pickle
import subprocess
import sys
from types import ModuleType

import pytest
from support.examples import blobs, small_network

from fastnn import Checkpoint
from fastnn.callbacks import MlflowCallback, TuneReportCallback, WandbCallback

X, Y = blobs()


def fit(callback, epochs=3, **settings):
    return small_network().fit(
        X, Y, epochs=epochs, validation_data=(X, Y), callbacks=callback, progress=False, **settings
    )


def epochs_of(history):
    return [{name: values[i] for name, values in history.items()} for i in range(history.n_epochs)]


class Run:
    """A run of Weights & Biases that keeps what it is told."""

    def __init__(self):
        self.logged = []

    def log(self, metrics):
        self.logged.append(metrics)


@pytest.fixture
def stand_in(monkeypatch):
    """Modules with as much of the packages as the callbacks use; what they log is in a list."""
    logged = []
    tune = ModuleType("ray.tune")
    tune.report = logged.append
    ray = ModuleType("ray")
    ray.tune = tune
    mlflow = ModuleType("mlflow")
    mlflow.active_run = lambda: "a run"
    mlflow.log_metrics = lambda metrics, step: logged.append({"epoch": step, **metrics})
    wandb = ModuleType("wandb")
    wandb.run = Run()
    wandb.run.logged = logged
    for module in (ray, tune, mlflow, wandb):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return logged


ALL = [TuneReportCallback, MlflowCallback, WandbCallback]


@pytest.mark.parametrize("kind", ALL)
def test_every_metric_of_each_epoch_is_logged_as_a_float(kind, stand_in):
    def add(network, epoch, record):
        record["norm"] = abs(network.parameters).max()

    history = fit([add, kind()])
    assert [{k: v for k, v in line.items() if k not in ("epoch", "norm")}
            for line in stand_in] == epochs_of(history)  # fmt: skip
    assert [line["epoch"] for line in stand_in] == [1, 2, 3]
    assert {type(value) for line in stand_in for k, value in line.items() if k != "epoch"} == {
        float
    }


@pytest.mark.parametrize("kind", ALL)
def test_a_resumed_fit_logs_the_epochs_after_its_checkpoint(kind, stand_in, tmp_path):
    file = tmp_path / "run.checkpoint"
    fit(kind(), 2, checkpoint=Checkpoint(file))
    history = fit(kind(), 4, checkpoint=Checkpoint(file, resume=True))
    assert [line["epoch"] for line in stand_in] == [1, 2, 3, 4]
    assert [line["loss"] for line in stand_in] == history["loss"]


@pytest.mark.parametrize("kind", ALL)
def test_they_can_be_copied_and_pickled(kind, stand_in):
    for twin in (copy.deepcopy(kind()), pickle.loads(pickle.dumps(kind()))):
        fit(twin, 1)
    assert len(stand_in) == 2


@pytest.mark.parametrize(
    ("kind", "package", "extra"),
    [
        (TuneReportCallback, "ray.tune", "ray"),
        (MlflowCallback, "mlflow", "mlflow"),
        (WandbCallback, "wandb", "wandb"),
    ],
)
def test_without_its_package_each_names_the_extra(kind, package, extra, stand_in, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs {package}.*pip install \"fastnn\[{extra}\]\""):
        kind()


def test_without_a_run_they_say_how_to_start_one_before_the_first_epoch(stand_in, monkeypatch):
    monkeypatch.setattr(sys.modules["mlflow"], "active_run", lambda: None)
    monkeypatch.setattr(sys.modules["wandb"], "run", None)
    with pytest.raises(RuntimeError, match=r"with mlflow.start_run\(\)"):
        fit(MlflowCallback())
    with pytest.raises(RuntimeError, match=r"call wandb.init\(\)"):
        fit(WandbCallback())
    assert not stand_in


# -- the packages themselves ----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # the package's own
def test_mlflow_finds_every_epoch(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    try:
        with pytest.raises(RuntimeError, match="start_run"):
            fit(MlflowCallback())
        with mlflow.start_run() as run:
            history = fit(MlflowCallback())
        client = mlflow.MlflowClient()
        assert client.get_run(run.info.run_id).info.status == "FINISHED"
        for name, values in history.items():
            found = client.get_metric_history(run.info.run_id, name)
            assert [(metric.step, metric.value) for metric in found] == [*enumerate(values, 1)]
    finally:
        mlflow.set_tracking_uri(before)


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_finds_every_epoch(tmp_path):
    wandb = pytest.importorskip("wandb")
    with pytest.raises(RuntimeError, match=r"wandb\.init"):
        fit(WandbCallback())
    settings = wandb.Settings(silent=True, console="off", disable_git=True)
    with wandb.init(mode="offline", dir=tmp_path, settings=settings) as run:
        history = fit(WandbCallback())
        last = dict(run.summary)
    assert {name: last[name] for name in history} == epochs_of(history)[-1]
    assert last["epoch"] == 3
    assert last["_step"] == 2


TUNING = """
import json, sys
import numpy as np, ray
from ray import tune
import fastnn

rng = np.random.default_rng(0)
x, y = rng.normal(size=(60, 4)), np.arange(60) % 3
x[:, 0] += y

def trainable(config):
    net = fastnn.Network((4, 6, 3), dtype="float64", backend="numpy", seed=3)
    net.fit(x, y, epochs=8, optimizer=fastnn.SGD(config["rate"]), validation_data=(x, y),
            callbacks=fastnn.callbacks.TuneReportCallback(), progress=False)

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
scheduler = tune.schedulers.AsyncHyperBandScheduler(
    time_attr="epoch", max_t=8, grace_period=2, reduction_factor=2
)
config = tune.TuneConfig(metric="val_loss", mode="min", scheduler=scheduler,
                         max_concurrent_trials=1)
results = tune.Tuner(
    trainable, param_space={"rate": tune.grid_search([0.3, 1e-9])}, tune_config=config,
    run_config=tune.RunConfig(storage_path=sys.argv[1], verbose=0),
).fit()
frames = [result.metrics_dataframe for result in results]
best = results.get_best_result().config["rate"]
ray.shutdown()
print(json.dumps([[frame["epoch"].tolist() for frame in frames], best, len(results.errors)]))
"""


@pytest.mark.slow
def test_ray_tune_finds_every_epoch_and_may_end_a_trial(tmp_path):
    pytest.importorskip("ray.tune")
    done = subprocess.run(
        [sys.executable, "-c", TUNING, tmp_path], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    epochs, best, n_errors = json.loads(done.stdout.splitlines()[-1])
    assert epochs == [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2]], "the scheduler ends the second"
    assert (best, n_errors) == (0.3, 0)
