"""Fits here and on a cluster, as bench/spread.py times them."""

import pytest
from support.clusters import quiet

pytest.importorskip("distributed")


def test_a_smoke_run_prints_a_row_for_each_way(bench, capsys):
    with quiet():
        assert bench("spread").main(["--smoke"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "20 networks 24-16-1, 50 rows, 2 epochs"
    assert [line.split()[:2] for line in lines[2:]] == [
        ["1", "thread"], ["2", "threads"], ["2", "workers"],
    ]  # fmt: skip
