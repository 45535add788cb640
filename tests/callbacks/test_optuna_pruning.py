"""OptunaPruning: what Optuna is told of a fit, and what a pruned trial leaves behind."""

import math
import sys

import numpy as np
import pytest
from support.checkpointed_fits import fit
from support.examples import blobs, same_bits, small_network

import fastnn
from fastnn import Checkpoint
from fastnn.callbacks import OptunaPruning

optuna = pytest.importorskip("optuna")

from hypothesis import assume, given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.WARNING)

X, Y = blobs()


class After(optuna.pruners.BasePruner):
    """Prunes a trial at the n-th value it reports."""

    def __init__(self, n):
        self.n = n

    def prune(self, study, trial):
        return len(trial.intermediate_values) >= self.n


@pytest.fixture(params=["in memory", "in a database"])
def storage(request, tmp_path):
    if request.param == "in memory":
        yield None
        return
    kept = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/study.db")
    yield kept
    kept.remove_session()
    kept.engine.dispose()


def new_study(storage=None, pruner=None, direction="minimize"):
    return optuna.create_study(
        storage=storage, pruner=pruner, direction=direction,
        sampler=optuna.samplers.RandomSampler(seed=0),
    )  # fmt: skip


def reported(study):
    """The values of each trial, in the order of their steps."""
    return [
        [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
        for trial in study.get_trials(deepcopy=False)
    ]


def test_each_epoch_is_reported_as_a_step_from_0(storage):
    study, histories = new_study(storage), []

    def objective(trial):
        pruning = OptunaPruning(trial, "val_loss")
        history = small_network().fit(
            X, Y, epochs=4, validation_data=(X, Y), callbacks=pruning, progress=False
        )
        histories.append(history)
        return history["val_loss"][-1]

    study.optimize(objective, n_trials=2)
    assert reported(study) == [history["val_loss"] for history in histories]
    assert list(study.trials[0].intermediate_values) == [0, 1, 2, 3]
    assert study.best_value == histories[0]["val_loss"][-1]


@pytest.mark.parametrize("n", [1, 3])
def test_a_pruned_trial_ends_after_its_epoch_and_leaves_a_usable_network(storage, n, backend):
    study, nets, weights = new_study(storage, After(n)), [], []

    def objective(trial):
        nets.append(small_network(backend=backend.name))
        keep = lambda network, *_: weights.append(network.parameters.copy())  # noqa: E731
        nets[-1].fit(X, Y, epochs=9, callbacks=[keep, OptunaPruning(trial, "loss")])

    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == list(range(n))
    (net,) = nets
    assert same_bits(net.parameters, weights[-1])
    assert len(weights) == n
    twin = small_network(backend=backend.name)
    twin.fit(X, Y, epochs=n)
    assert same_bits(net.parameters, twin.parameters)
    assert net.partial_fit(X, Y)["loss"][0] < 2
    assert net.fit(X, Y, epochs=2).n_epochs == 2


def test_the_error_says_where_the_trial_was_pruned():
    trial = new_study(pruner=After(2)).ask()
    with pytest.raises(optuna.TrialPruned, match=r"pruned after epoch 2, with loss = \d"):
        small_network().fit(X, Y, epochs=9, callbacks=OptunaPruning(trial, "loss"))


def test_early_stopping_beside_it_restores_the_best_weights():
    trial, net = new_study(pruner=After(3)).ask(), small_network()
    stopping = fastnn.EarlyStopping("loss", min_delta=100)  # nothing beats the first epoch
    with pytest.raises(optuna.TrialPruned):
        net.fit(X, Y, epochs=9, callbacks=[stopping, OptunaPruning(trial, "loss")])
    twin = small_network()
    twin.fit(X, Y, epochs=1)
    assert same_bits(net.parameters, twin.parameters)


def test_a_bad_trial_is_pruned_by_the_median_of_the_good_ones(storage):
    study = new_study(storage, optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=2))

    def objective(trial):
        rate = 1e-9 if trial.number == 3 else 0.3
        history = small_network().fit(
            X, Y, epochs=6, optimizer=fastnn.SGD(rate), callbacks=OptunaPruning(trial, "loss")
        )
        return history["loss"][-1]

    study.optimize(objective, n_trials=4)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3 + ["PRUNED"]
    assert len(study.trials[3].intermediate_values) == 3, "the first two steps are warm-up"


def test_a_fixed_trial_is_never_pruned():
    trial = optuna.trial.FixedTrial({})
    history = small_network().fit(X, Y, epochs=3, callbacks=OptunaPruning(trial, "loss"))
    assert history.n_epochs == 3


def test_a_value_that_is_no_number_is_pruned_as_optuna_does():
    trial = new_study(pruner=optuna.pruners.ThresholdPruner(upper=1e9)).ask()
    pruning = OptunaPruning(trial, "val_r2")
    with pytest.raises(optuna.TrialPruned):
        pruning.on_epoch_end(small_network(), 1, {"val_r2": math.nan})


# -- what is monitored ----------------------------------------------------------------------------


def test_a_name_that_is_not_recorded_is_an_error_before_the_first_epoch():
    trial, seen = new_study().ask(), []
    pruning = OptunaPruning(trial, "val_loss")
    message = "OptunaPruning monitors 'val_loss', but this fit records only 'loss', 'accuracy'; "
    with pytest.raises(ValueError, match=message + "pass validation data"):
        small_network().fit(X, Y, callbacks=[pruning, lambda *_: seen.append(1)])
    assert not seen


@pytest.mark.parametrize("trial", [None, 3, "trial", optuna.create_study])
def test_what_is_no_trial_is_refused(trial):
    with pytest.raises(TypeError, match=r"trial must be an Optuna trial, .*, got"):
        OptunaPruning(trial, "loss")


def test_the_metric_must_be_a_name():
    with pytest.raises(TypeError, match="monitor must be the name of a metric"):
        OptunaPruning(new_study().ask(), 3)


def test_optuna_says_that_several_objectives_cannot_be_pruned():
    trial = optuna.create_study(directions=["minimize", "maximize"]).ask()
    with pytest.raises(NotImplementedError, match="multi-objective"):
        small_network().fit(X, Y, callbacks=OptunaPruning(trial, "loss"))


def test_without_optuna_it_names_the_extra(monkeypatch):
    trial = new_study().ask()
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"needs optuna.*pip install \"fastnn\[optuna\]\""):
        OptunaPruning(trial, "loss")


# -- estimators -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_clones_of_an_estimator_report_to_the_same_trial(storage):
    base = pytest.importorskip("sklearn.base")
    from fastnn.sklearn import MLPClassifier

    study = new_study(storage, After(3))

    def objective(trial):
        pruning = OptunaPruning(trial, "val_loss")
        model = base.clone(MLPClassifier((4,), max_iter=9, callbacks=pruning, random_state=0))
        try:
            model.fit(X, Y, eval_set=(X, Y))
        except optuna.TrialPruned:
            assert not hasattr(model, "network_")
            model.set_params(callbacks=(), solver="lbfgs").fit(X, Y)
            raise

    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert len(trial.intermediate_values) == 3


def test_an_estimator_says_what_it_records_before_the_first_epoch():
    sklearn_estimators = pytest.importorskip("fastnn.sklearn")
    seen = []
    pruning = OptunaPruning(new_study().ask(), "val_score")
    model = sklearn_estimators.MLPClassifier((4,), callbacks=[pruning, lambda *_: seen.append(1)])
    with pytest.raises(ValueError, match="monitors 'val_score', but this fit records only 'loss'"):
        model.fit(X, Y)
    assert not seen


# -- checkpoints ----------------------------------------------------------------------------------


class KilledError(Exception):
    pass


def killed_in(epoch):
    def kill(network, now, record):
        if now == epoch:
            raise KilledError

    return kill


@given(
    killed=st.integers(2, 6), every=st.integers(1, 3), same_trial=st.booleans(), n=st.integers(1, 7)
)
def test_a_resumed_fit_tells_its_trial_what_an_uninterrupted_one_does(
    tmp_path_factory, killed, every, same_trial, n
):
    """Whether the trial is a new one, as a retry has, or the one that knows the first epochs."""
    assume(killed > every)  # a checkpoint is there
    path = tmp_path_factory.mktemp("fits") / "run.checkpoint"

    def run(trial, *callbacks):
        checkpoint = Checkpoint(path, every=every, resume=True)
        return fit(6, checkpoint, callbacks=[OptunaPruning(trial, "loss"), *callbacks])

    unpruned, pruned = new_study(pruner=After(99)), new_study(pruner=After(n))
    first = unpruned.ask()
    with pytest.raises(KilledError):
        run(first, killed_in(killed))
    second, study = (first, unpruned) if same_trial else (pruned.ask(), pruned)
    _, whole = fit(6)
    if same_trial or n > 6:
        run(second, lambda *_: None)
        assert reported(study) == [whole["loss"]]
        return
    with pytest.raises(optuna.TrialPruned):
        run(second, lambda *_: None)
    resumed_at = (killed - 1) // every * every
    assert reported(study) == [whole["loss"][: max(n, resumed_at + 1)]]


def test_a_checkpoint_of_another_metric_is_refused(tmp_path):
    path = tmp_path / "run.checkpoint"
    fit(1, Checkpoint(path), callbacks=OptunaPruning(new_study().ask(), "loss"))
    with pytest.raises(ValueError, match=r"monitor"):
        fit(2, Checkpoint(path, resume=True),
            callbacks=OptunaPruning(new_study().ask(), "accuracy"))  # fmt: skip


def test_a_second_fit_of_a_trial_is_not_ignored_in_silence():
    trial = new_study().ask()
    pruning = OptunaPruning(trial, "loss")
    small_network().fit(X, Y, epochs=2, callbacks=pruning)
    with pytest.warns(UserWarning, match="already reported"):
        small_network().fit(X, Y, epochs=2, callbacks=pruning)


def test_the_trial_is_not_copied_with_the_callback():
    import copy

    trial = new_study().ask()
    pruning = OptunaPruning(trial, "loss")
    for twin in (copy.copy(pruning), copy.deepcopy(pruning), copy.deepcopy([pruning])[0]):
        assert twin.trial is trial
    assert np.isfinite(small_network().fit(X, Y, epochs=1, callbacks=twin)["loss"]).all()
