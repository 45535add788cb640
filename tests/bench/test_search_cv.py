"""Searches side by side, as bench/search_cv.py times them."""

import pytest

pytest.importorskip("sklearn.base")

from sklearn.base import clone

SMALL = ["--candidates", "2", "--folds", "2", "--epochs", "2", "--rounds", "1", "--rows", "200",
         "--jobs", "1"]  # fmt: skip


@pytest.fixture
def search_cv(bench):
    """The module bench/search_cv.py."""
    return bench("search_cv")


def test_a_smoke_run_prints_a_row_for_each_search(search_cv, capsys):
    assert search_cv.main(["--smoke"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 candidates × 2 folds, digits as float64")
    assert [line.split()[0] for line in lines[2:]] == [
        search_cv.TOGETHER, search_cv.IN_PROCESSES, search_cv.THEIRS,
    ]  # fmt: skip


def test_scores_that_differ_are_wrong(search_cv, monkeypatch, capsys):
    searches = search_cv.searches

    def other(options, n_candidates):
        found = searches(options, n_candidates)
        of_another_seed = clone(found[search_cv.TOGETHER].estimator).set_params(random_state=1)
        found[search_cv.TOGETHER].estimator = of_another_seed
        return found

    monkeypatch.setattr(search_cv, "searches", other)
    assert search_cv.main(SMALL) == 1
    assert "WRONG: the scores of estimators trained together" in capsys.readouterr().err
