"""bench/tables.py: its results file, its comparisons, its sets, and the process with a cap."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.benchmarks import BENCH, run
from support.capped_tasks import work

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn.base")


def result(of="iris", peer="a", fold=0, error=0.1, status="measured", **more):
    made = {"set": of, "peer": peer, "fold": fold, "max_rows": None, "status": status}
    if status != "measured":
        return made | {"reason": "more than 1 s"} | more
    return made | {
        "error": error, "standard_error": 0.01, "log_loss": 2 * error + 0.1, "auc": 0.9,
        "n_test": 50, "fit_seconds": 1.0, "predict_seconds": 0.1, "version": "1.0", "threads": 1,
        "load": [0.5, 0.5, 0.5], "machine": {"cpu": "a processor", "processors": 2},
        "run": "1", "interleaved": False,
    } | more  # fmt: skip


def folds_of(errors, **more):
    return {fold: result(fold=fold, error=error, **more) for fold, error in enumerate(errors)}


# -- comparisons ----------------------------------------------------------------------------------


@pytest.fixture
def comparison(bench):
    return bench("harness.comparison")


errors = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5)


@given(a=errors, b=errors)
def test_the_other_way_round_a_comparison_is_its_inverse(a, b):
    sys.path.insert(0, str(BENCH))
    try:
        from harness.comparison import compare
    finally:
        sys.path.remove(str(BENCH))
    there, back = (compare("iris", *map(folds_of, pair)) for pair in ((a, b), (b, a)))
    assert there.error_ratio == pytest.approx(1 / back.error_ratio)
    assert there.log_loss_ratio == pytest.approx(1 / back.log_loss_ratio)
    assert {there.verdict, back.verdict} in ({"win", "loss"}, {"tie"})
    n = min(len(a), len(b))
    if there.verdict != "tie":
        assert (there.verdict == "win") == (np.mean(a[:n]) < np.mean(b[:n]))


def test_a_difference_below_its_standard_error_over_the_folds_is_a_tie(comparison):
    base = folds_of([0.2] * 5)
    # d = 0.01 ± 0.02: the standard error is std / √5
    differences = np.array([0.01, 0.03, -0.01, 0.02, 0.0])
    limit = differences.std(ddof=1) / math.sqrt(5)
    for mean, verdict in ((0.99 * limit, "tie"), (1.01 * limit, "loss"), (-1.01 * limit, "win")):
        ours = folds_of(0.2 + differences - differences.mean() + mean)
        assert comparison.compare("iris", ours, base).verdict == verdict


def test_with_few_folds_a_tie_is_judged_by_the_rows(comparison):
    limit = math.sqrt(2 * 0.01**2)  # of one fold, from both peers' standard errors
    for difference, verdict in ((0.9 * limit, "tie"), (1.1 * limit, "loss"), (0.0, "tie")):
        ours, other = folds_of([0.2 + difference]), folds_of([0.2] * 5)
        assert comparison.compare("iris", ours, other).verdict == verdict


def test_only_common_folds_are_compared(comparison):
    ours = {fold: result(fold=fold, error=0.1) for fold in (0, 1)}
    other = {0: result(fold=0, error=0.2), 4: result(fold=4, error=100.0)}
    assert comparison.compare("iris", ours, other).error_ratio == pytest.approx(0.5)
    assert comparison.compare("iris", ours, {4: other[4]}) is None


def test_no_errors_count_as_half_a_mistake(comparison):
    outcome = comparison.compare("iris", folds_of([0.0, 0.0]), folds_of([0.02, 0.02]))
    assert outcome.error_ratio == pytest.approx(0.5 / 100 / 0.02)
    assert comparison.compare("iris", folds_of([0.0]), folds_of([0.0])).error_ratio == 1.0


def test_a_summary_has_geometric_means_and_counts(comparison):
    results = [
        result(of, peer, fold, error, fit_seconds=seconds)
        for of, peer, error, seconds in [
            ("one", "ours", 0.1, 1.0), ("one", "other", 0.2, 4.0),
            ("two", "ours", 0.4, 2.0), ("two", "other", 0.1, 2.0),
            ("three", "other", 0.1, 9.0),
        ]
        for fold in range(3)
    ]  # fmt: skip
    (summary,) = comparison.summarize(comparison.measured(results), "ours")
    assert (summary.n_sets, summary.wins, summary.ties, summary.losses) == (2, 1, 0, 1)
    assert summary.error_ratio == pytest.approx(math.sqrt(0.5 * 4.0))
    assert (summary.seconds, summary.other_seconds) == (3.0, 6.0)
    assert summary.time_ratio == pytest.approx(math.sqrt(4.0 * 1.0))
    assert summary.n_interleaved == 0


def test_times_of_folds_that_took_turns_are_preferred(comparison):
    turns = {"run": "2", "interleaved": True}
    ours = folds_of([0.1], **turns, fit_seconds=1.0) | {1: result(fold=1, fit_seconds=50.0)}
    other = folds_of([0.1], **turns, fit_seconds=2.0) | {1: result(fold=1, fit_seconds=50.0)}
    outcome = comparison.compare("iris", ours, other)
    assert (outcome.seconds, outcome.other_seconds, outcome.interleaved) == (1.0, 2.0, True)
    # turns of different runs were not taken with each other
    outcome = comparison.compare("iris", ours, {0: other[0] | {"run": "3"}})
    assert not outcome.interleaved


def test_a_report_names_what_is_missing(bench):
    text = bench("harness.table_report").text(
        [
            *(result(fold=f, peer="a") for f in range(5)),
            result(peer="b", fold=0, tag="new"),
            *(result("two", "b", f, status="skipped") for f in range(2)),
        ],
        {"a": "Peer A", "b": "Peer B"},
        ["a"],
    )
    assert "Peer B@new" in text
    assert "0.1000 ± 0.0100 [1]" in text  # one fold of five
    assert "skipped: two, Peer B, folds 0, 1: more than 1 s" in text
    assert "a processor, 1 threads: 6 fits, load 0.5 to 0.5" in text


# -- the file of results --------------------------------------------------------------------------


def test_what_was_cut_off_is_measured_again_and_spoils_nothing(bench, tmp_path):
    journal = bench("harness.journal").Journal(tmp_path / "new" / "results.jsonl")
    assert journal.done() == set()
    journal.append(result(fold=0))
    journal.append(result(fold=1))
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-20])
    assert journal.done() == {("iris", "a", 0, None)}
    journal.append(result(fold=2))
    assert journal.done() == {("iris", "a", 0, None), ("iris", "a", 2, None)}


def test_only_retry_repeats_what_was_not_measured(bench, tmp_path):
    journal = bench("harness.journal").Journal(tmp_path / "results.jsonl")
    journal.append(result(fold=0, status="skipped"))
    journal.append(result(fold=1, status="failed"))
    journal.append(result(fold=2, tag="new"))
    assert {fold for _, _, fold, _ in journal.done()} == {0, 1, 2}
    assert journal.done(retry=True) == {("iris", "a@new", 2, None)}


def test_of_several_results_the_last_that_was_measured_counts(bench):
    latest = bench("harness.journal").latest
    results = [result(error=0.3), result(error=0.2), result(status="skipped")]
    assert [r.get("error") for r in latest(results)] == [0.2]
    assert [r["status"] for r in latest(reversed(results))] == ["measured"]


# -- the process with a cap -----------------------------------------------------------------------


def test_a_process_stays_until_a_task_is_over_its_time_or_ends_it(bench):
    capped = bench("harness.capped")
    with capped.CappedProcess(work, {"FASTNN_CAPPED_TEST": "set"}) as process:
        first = process.run("first", 60.0)
        assert first["variable"] == "set"
        assert "FASTNN_CAPPED_TEST" not in os.environ
        assert process.run("nap", 0.3)["pid"] == first["pid"]  # asleep, it used no time
        with pytest.raises(capped.WorkFailedError, match="ValueError: no rows"):
            process.run("raise", 60.0)
        assert process.run("second", None)["pid"] == first["pid"]
        with pytest.raises(capped.OverTheCapError, match="more than 0 s of processor time"):
            process.run("spin", 0.4)
        third = process.run("third", 60.0)
        assert third["pid"] != first["pid"]
        with pytest.raises(capped.WorkFailedError, match="ended with code 3"):
            process.run("exit", 60.0)
        assert process.run("fourth", 60.0)["task"] == "fourth"


# -- scores, sets, columns ------------------------------------------------------------------------


def test_scores_are_scikit_learns(bench):
    from sklearn import metrics

    folds, rng = bench("harness.folds"), np.random.default_rng(0)
    y, p = rng.integers(0, 3, 200), rng.dirichlet([1.0] * 3, 200)
    scores = folds.classification_scores(y, p, 3)
    assert scores["error"] == pytest.approx(1 - metrics.accuracy_score(y, p.argmax(1)))
    assert scores["log_loss"] == pytest.approx(metrics.log_loss(y, p))
    assert scores["auc"] == pytest.approx(metrics.roc_auc_score(y, p, multi_class="ovr"))
    right = np.eye(3)[y]
    assert folds.classification_scores(y, right, 3)["error"] == 0.0
    assert folds.classification_scores(y, right, 3)["standard_error"] > 0.0
    t, outputs = rng.standard_normal((2, 200))
    scores = folds.regression_scores(t, outputs, 2.0)
    assert scores["error"] == pytest.approx(metrics.root_mean_squared_error(t, outputs) / 2)
    resampled = [
        np.sqrt(np.mean((t[rows] - outputs[rows]) ** 2)) / 2
        for rows in rng.integers(0, 200, (2000, 200))
    ]
    assert scores["standard_error"] == pytest.approx(np.std(resampled), rel=0.1)


@pytest.mark.parametrize("spoil", ["shape", "nan"])
def test_outputs_that_are_none_are_refused(bench, spoil):
    folds = bench("harness.folds")
    y, p = np.array([0, 1, 0, 1]), np.full((4, 2), 0.5)
    p = p[:, :1] if spoil == "shape" else p * np.nan
    with pytest.raises(ValueError, match="probabilities"):
        folds.classification_scores(y, p, 2)
    with pytest.raises(ValueError, match="outputs"):
        folds.regression_scores(y.astype(float), p[:, 0] if spoil == "nan" else p, 1.0)


def test_a_set_is_loaded_as_it_says_or_not_at_all(bench):
    table_sets = bench("table_sets")
    (wine,) = table_sets.select(["wine"])
    table = wine.table()
    assert table.x.shape == (wine.n_rows, wine.n_columns)
    assert table.classes == ("0", "1", "2")
    few = wine.table(max_rows=100)
    assert len(few.y) == len(few.x) == 100
    other = table_sets.Set("wine", wine.task, 179, 13, wine.load)
    with pytest.raises(ValueError, match=r"loaded 178 rows of 13 columns, expected 179"):
        other.table()
    with pytest.raises(SystemExit, match="no set matches 'vine'; there are: ames"):
        table_sets.select(["vine"])


def test_a_sample_leaves_out_classes_that_are_rare_there(bench):
    table_sets = bench("table_sets")
    x, y = pd.DataFrame({"v": np.arange(200.0)}), np.repeat(["a", "b", "rare"], [95, 100, 5])
    table = table_sets.Set("made", "multiclass", 200, 1, lambda: (x, y)).table(max_rows=150)
    assert table.classes == ("a", "b")
    assert len(table.x) == len(table.y) == np.sum(x["v"].isin(table.x["v"]) & (y != "rare"))


def test_names_of_sets_are_theirs_alone_and_the_smallest_come_first(bench):
    sets = bench("table_sets").SETS
    assert len({of.name for of in sets}) == len(sets) >= 28
    cells = [of.n_rows * of.n_columns for of in sets]
    assert cells == sorted(cells)


def test_categories_are_those_of_the_training_rows(bench):
    columns = bench("peers.columns")
    frame = pd.DataFrame({"kind": ["a"] * 5 + ["b"] * 3 + ["c", "d", None], "x": np.arange(11.0)})
    new = pd.DataFrame({"kind": ["a", "new", "d", None], "x": [1.0] * 4})
    given = columns.Categories(["kind"]).fit(frame).transform(new)
    assert given["kind"].cat.categories.tolist() == ["a", "b", "c", "d"]
    assert given["kind"].isna().tolist() == [False, True, False, True]
    cut = columns.Categories(["kind"], most=3).fit(frame).transform(new)
    assert cut["kind"].tolist()[:3] == ["a", columns.OTHERS, columns.OTHERS]
    assert len(cut["kind"].cat.categories) == 3
    assert pd.isna(cut["kind"][3])


def test_gaps_in_numbers_are_filled_and_marked(bench):
    columns = bench("peers.columns")
    frame = pd.DataFrame({"kind": ["a", "b", "c"], "x": [1.0, np.nan, 4.0], "z": [1.0, 2.0, 3.0]})
    filled = columns.FilledNumbers(["kind"]).fit(frame)
    new = filled.transform(frame.assign(z=[np.nan, 1.0, 1.0]))
    assert new["x"].tolist() == [1.0, 2.5, 4.0]
    assert new["x is missing"].tolist() == [0.0, 1.0, 0.0]
    assert new["z"].tolist() == [2.0, 1.0, 1.0]
    assert "z is missing" not in new


# -- the script -----------------------------------------------------------------------------------


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    path = tmp_path / "results.jsonl"
    options = ["--sets", "wine", "diabetes", "--peers", "fastnn-mlp", "hist-gb", "--threads", "1"]
    options += ["--max-rows", "80", "--results", str(path)]
    code, _, stderr = run("tables.py", *options, "--folds", "1")
    assert code == 0, stderr
    first = [json.loads(line) for line in path.read_text().splitlines()]
    assert {r["status"] for r in first} == {"measured"}
    assert len(first) == 4
    code, stdout, stderr = run("tables.py", *options, "--folds", "2", "--interleave")
    assert code == 0, stderr
    results = [json.loads(line) for line in path.read_text().splitlines()]
    assert results[:4] == first
    assert [r["fold"] for r in results[4:]] == [1] * 4
    assert all(r["interleaved"] for r in results[4:])
    code, stdout, stderr = run("tables.py", "--report", "--results", str(path))
    assert code == 0, stderr
    assert "fastnn MLP: geometric means" in stdout
    assert "sets were cut to 80 rows" in stdout


def test_the_sets_are_listed():
    done = subprocess.run(
        [sys.executable, BENCH / "tables.py", "--list", "--sets", "dia*"],
        capture_output=True, text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "diabetes              442 × 10  regression",
        "diamonds           53,940 ×  9  regression",
    ]
