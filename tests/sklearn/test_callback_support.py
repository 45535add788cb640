"""scikit-learn's own callbacks (sklearn.callback) in fits of fastnn.sklearn's estimators."""

# ruff: noqa: N803  scikit-learn's X

import copy
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn.callback")

from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ESTIMATORS = [MLPClassifier, MLPRegressor, SoftmaxRegression]
SOLVERS = ["adam", "sgd", "lbfgs"]

X, Y = load_wine(return_X_y=True)
X = StandardScaler().fit_transform(X)


class Recording:
    """Remembers each call: which, of which task, and with what."""

    def __init__(self, raises_at=None, stops_after=None):
        self.calls, self.raises_at, self.stops_after = [], raises_at, stops_after

    def _remember(self, name, estimator, context, **given):
        self.calls.append((name, context, given))
        if name == self.raises_at:
            raise ZeroDivisionError(name)

    def setup(self, estimator, context):
        self._remember("setup", estimator, context)

    def on_fit_task_begin(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self._remember("begin", estimator, context, X=X, y=y, metadata=metadata,
                       fitted=fitted_estimator)  # fmt: skip

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self._remember("end", estimator, context, X=X, y=y, metadata=metadata,
                       fitted=fitted_estimator)  # fmt: skip
        return context.parent is not None and context.task_id + 1 == self.stops_after

    def teardown(self, estimator, context):
        self._remember("teardown", estimator, context)

    @property
    def names(self):
        return [name for name, *_ in self.calls]

    def of_iterations(self, name):
        """What was handed in with the calls of this name, of the tasks below the fit."""
        return [
            given for n, context, given in self.calls if n == name and context.parent is not None
        ]


def small(kind=MLPClassifier, **options):
    hidden = {} if kind is SoftmaxRegression else {"hidden_layer_sizes": (5,)}
    return kind(**{"max_iter": 4, "random_state": 0, **hidden, **options})


# -- the tasks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_each_epoch_or_iteration_is_a_task_of_the_fit(kind, solver):
    recording = Recording()
    model = small(kind, solver=solver).set_callbacks(recording).fit(X, Y)
    n, epoch = model.n_iter_, ["begin", "end"]
    assert n > 2
    assert recording.names == ["setup", "begin", *epoch * n, "end", "teardown"]
    contexts = [context for _, context, _ in recording.calls]
    fit = contexts[0]
    assert (fit.task_name, fit.max_subtasks, fit.parent) == ("fit", 4, None)
    assert fit.estimator_name == kind.__name__
    assert all(context is fit for context in (contexts[1], *contexts[-2:]))
    below = contexts[2:-2]
    assert {context.task_name for context in below} == {
        "lbfgs-iter" if solver == "lbfgs" else "epoch"
    }
    assert [context.task_id for context in below] == [i // 2 for i in range(2 * n)]
    assert all(context.parent is fit and context.max_subtasks == 0 for context in below)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_they_are_handed_what_the_fit_was(solver):
    recording, weight = Recording(), np.linspace(0.5, 1, len(Y))
    model = small(solver=solver).set_callbacks(recording)
    model.fit(X, Y, weight)
    for name, _, handed in recording.calls:
        if name in ("begin", "end"):
            assert handed["X"] is X
            assert handed["y"] is Y
            assert handed["metadata"] == {"sample_weight": weight}
    recording.calls.clear()
    model.fit(X, Y)
    assert all(handed["metadata"] is None for _, _, handed in recording.calls[1:-1])


def test_a_partial_fit_is_a_fit_of_one_epoch():
    recording = Recording()
    model = small().set_callbacks(recording)
    for _ in range(2):
        model.partial_fit(X, Y, classes=[0, 1, 2])
        assert recording.names == ["setup", *["begin"] * 2, *["end"] * 2, "teardown"]
        assert recording.calls[0][1].max_subtasks == 1
        fitted = recording.calls[-2][2]["fitted"]
        assert np.array_equal(fitted.predict_proba(X), model.predict_proba(X))
        recording.calls.clear()


def test_an_interrupted_fit_ends_its_task():
    def interrupt(network, epoch, record):
        raise KeyboardInterrupt

    recording = Recording()
    model = small(callbacks=interrupt).set_callbacks(recording)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, Y)
    assert recording.names == ["setup", "begin", "begin", "end", "teardown"]


# -- the fitted estimator, and stopping -----------------------------------------------------------


@st.composite
def fits(draw):
    """An estimator and an epoch of its fit."""
    kind, solver = draw(st.sampled_from(ESTIMATORS)), draw(st.sampled_from(SOLVERS))
    options = {"solver": solver, "max_iter": draw(st.integers(2, 6))}
    if solver == "sgd" and kind is not SoftmaxRegression:
        options["learning_rate"] = draw(st.sampled_from(["constant", "invscaling", "adaptive"]))
    if solver != "lbfgs":
        options["early_stopping"] = draw(st.booleans())
        options["learning_rate_init"] = draw(st.sampled_from([0.01, 0.3]))
    return small(kind, **options), draw(st.integers(1, options["max_iter"]))


def state(model):
    """What a fit leaves, but for what later fits alone need."""
    curves = [getattr(model, name, None)
              for name in ("loss_curve_", "validation_scores_", "n_iter_", "t_")]  # fmt: skip
    return model.network_.parameters.tobytes(), model.loss_, *curves


@settings(max_examples=60)
@given(fits())
def test_the_estimator_of_a_task_is_that_of_a_fit_that_stopped_there(drawn):
    model, epoch = drawn
    plain = clone(model).fit(X, Y)
    recording, stopping = Recording(), Recording(stops_after=epoch)
    model.set_callbacks(recording).fit(X, Y)
    assert state(model) == state(plain), "callbacks that only look change nothing"

    stopped = clone(plain).set_callbacks(stopping)
    with warnings.catch_warnings(action="error", category=ConvergenceWarning):
        stopped.fit(X, Y)
    assert stopped.n_iter_ == min(epoch, plain.n_iter_)
    ends, begins = recording.of_iterations("end"), recording.of_iterations("begin")
    assert state(ends[stopped.n_iter_ - 1]["fitted"]) == state(stopped)
    for end, begin in zip(ends, begins[1:], strict=False):
        assert state(end["fitted"]) == state(begin["fitted"])
    of_fit = recording.calls[-2][2]["fitted"]
    assert state(of_fit) == state(model)
    assert of_fit.score(X, Y) == model.score(X, Y)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_what_is_done_to_it_does_not_reach_the_fit(kind, solver):
    class Spoiling(Recording):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            fitted_estimator._skl_callbacks = []
            for array in (*fitted_estimator.network_.weights, *fitted_estimator.network_.biases):
                array[...] = 1e3
            if solver != "lbfgs":
                fitted_estimator.partial_fit(X, Y)
            fitted_estimator.fit(X[::-1], Y)

    plain = small(kind, solver=solver).fit(X, Y)
    model = small(kind, solver=solver).set_callbacks(Spoiling()).fit(X, Y)
    assert state(model) == state(plain)
    if solver != "lbfgs":
        assert state(model.partial_fit(X, Y)) == state(plain.partial_fit(X, Y))


def test_the_first_epoch_begins_with_the_initial_weights():
    recording = Recording()
    small(learning_rate_init=1e-12).set_callbacks(recording).fit(X, Y)
    first, *_ = recording.of_iterations("begin")
    last = recording.of_iterations("end")[-1]
    np.testing.assert_allclose(
        first["fitted"].predict_proba(X), last["fitted"].predict_proba(X), atol=1e-9
    )


def test_fastnn_callbacks_run_before_and_either_may_stop():
    order = []

    def count(network, epoch, record):
        order.append(("fastnn", epoch))

    class Counting(Recording):
        def on_fit_task_end(self, estimator, context):
            order.append(("sklearn", context.task_id + 1 if context.parent else "fit"))
            return context.task_id == 1

    model = small(callbacks=count, max_iter=9).set_callbacks(Counting()).fit(X, Y)
    assert model.n_iter_ == 2
    assert order == [("fastnn", 1), ("sklearn", 1), ("fastnn", 2), ("sklearn", 2),
                     ("sklearn", "fit")]  # fmt: skip


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("raises_at", ["setup", "begin", "end", "teardown"])
def test_an_error_in_a_callback_is_followed_by_its_teardown(raises_at, solver):
    recording = Recording(raises_at)
    model = small(solver=solver).set_callbacks(recording)
    with pytest.raises(ZeroDivisionError, match=raises_at):
        model.fit(X, Y)
    assert recording.names[0] == "setup"
    assert recording.names.count("teardown") == 1
    assert recording.names[-1] == "teardown"
    if raises_at != "teardown":
        with pytest.raises(NotFittedError):
            model.predict(X)
    recording.raises_at = None
    assert model.fit(X, Y).score(X, Y) > 0


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_refused_fit_tears_down_what_it_set_up(solver):
    recording = Recording()
    model = small(solver=solver).set_callbacks(recording)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan), Y)
    assert recording.names == ["setup", "begin", "teardown"]
    recording.calls.clear()
    with pytest.raises(ValueError, match="max_iter"):
        model.set_params(max_iter=0).fit(X, Y)
    assert recording.names == []


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_a_fit_stays_on_the_estimator(fails):
    model = small().set_callbacks(Recording("end" if fails else None))
    before = set(vars(model))
    try:
        model.fit(X, Y)
    except ZeroDivisionError:
        assert set(vars(model)) == before
    assert not [name for name in vars(model) if "ctx" in name or "teardown" in name]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_callback_must_not_fit_the_estimator_in_training(solver):
    class Refitting(Recording):
        def on_fit_task_end(self, estimator, context):
            estimator.set_callbacks().fit(X, Y)

    model = small(solver=solver).set_callbacks(Refitting())
    with pytest.raises(RuntimeError, match="fitted the estimator that is being fitted"):
        model.fit(X, Y)


def test_only_callbacks_are_taken():
    for wrong in (Recording, None, lambda *_: None):
        with pytest.raises(TypeError, match="FitCallback protocol"):
            small().set_callbacks(wrong)


# -- with the rest of scikit-learn ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_the_scores_of_each_epoch_are_monitored(kind):
    score = "r2" if kind is MLPRegressor else "accuracy"
    monitor = ScoringMonitor(scoring=score)
    model = small(kind, solver="adam").set_callbacks(monitor).fit(X, Y)
    rows = monitor.get_logs().data
    (of_fit,) = (row[score] for row in rows if row["task_name"] == "fit")
    of_epochs = [row[score] for row in rows if row["task_name"] == "epoch"]
    assert of_fit == of_epochs[-1] == pytest.approx(model.score(X, Y))
    assert len(of_epochs) == 4
    assert len(set(of_epochs)) > 1


def test_a_monitor_is_handed_the_sample_weights():
    weight = np.where(Y == 0, 0.0, 1.0)
    monitor = ScoringMonitor(scoring="accuracy")
    model = small().set_callbacks(monitor).fit(X, Y, weight)
    expected = accuracy_score(Y, model.predict(X), sample_weight=weight)
    (of_fit,) = (row for row in monitor.get_logs().data if row["task_name"] == "fit")
    assert of_fit["accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_progress_bar_shows_the_fit(kind, solver, capsys):
    pytest.importorskip("rich")
    small(kind, solver=solver).set_callbacks(ProgressBar()).fit(X, Y)
    shown = capsys.readouterr().out
    assert f"{kind.__name__} - fit" in shown
    assert "100%" in shown


def test_a_progress_bar_of_a_pipeline_shows_the_estimator_in_it(capsys):
    pytest.importorskip("rich")
    pipeline = make_pipeline(StandardScaler(), small()).set_callbacks(ProgressBar())
    pipeline.fit(X, Y)
    shown = capsys.readouterr().out
    assert "Pipeline - fit" in shown
    assert "MLPClassifier - fit" in shown


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_has_the_epochs_of_every_fit_in_its_tree(n_jobs, capsys):
    pytest.importorskip("rich")

    monitor = ScoringMonitor(scoring="accuracy")
    monitored = small().set_callbacks(monitor)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), monitored), {"mlpclassifier__alpha": [1e-4, 1.0]},
        cv=2, n_jobs=n_jobs, error_score="raise",
    )  # fmt: skip
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, Y)
    shown = capsys.readouterr().out
    assert "GridSearchCV - fit" in shown
    assert shown.count("MLPClassifier - fit") >= 5
    (log,) = monitor.get_logs("all")
    epochs = [row for row in log.data if row["task_name"] == "epoch"]
    assert log.estimator_name == "GridSearchCV"
    assert len(epochs) == (2 * 2 + 1) * 4
    assert len({row["parent_task_id_path"] for row in epochs}) == 5


def test_a_clone_shares_the_callbacks_and_a_pickle_brings_its_own():
    recording = Recording()
    model = small().set_callbacks(recording)
    assert clone(model)._skl_callbacks == [recording]
    model.fit(X, Y)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(twin.predict_proba(X), model.predict_proba(X))
        (own,) = twin._skl_callbacks
        n_calls = len(recording.calls)
        assert twin.fit(X, Y).n_iter_ == 4
        assert len(recording.calls) == n_calls < len(own.calls)


def test_an_estimator_without_callbacks_has_its_tasks_in_the_tree_of_others():
    recording = Recording()
    make_pipeline(StandardScaler(), small()).set_callbacks(recording).fit(X, Y)
    tree = [context.task_name for context in recording.calls[0][1]]
    assert tree.count("epoch") == 4


def test_without_scikit_learns_callbacks_estimators_work_and_have_none():
    code = """if True:
        import warnings
        import sklearn.pipeline, sklearn.model_selection
        from sklearn.datasets import load_wine
        del sklearn.callback.CallbackSupportMixin
        from fastnn.sklearn import MLPClassifier
        warnings.simplefilter("ignore")
        X, y = load_wine(return_X_y=True)
        for solver in ("adam", "lbfgs"):
            model = MLPClassifier((5,), solver=solver, max_iter=4, random_state=0).fit(X, y)
            assert not hasattr(model, "set_callbacks")
            assert model.n_iter_ == 4
        MLPClassifier((5,)).partial_fit(X, y, classes=[0, 1, 2])
    """
    subprocess.run([sys.executable, "-c", code], check=True)
