"""Columns that a caller drops are not looked at, whatever they hold; the others are as ever."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.odd_tables import write

from fastnn.datasets import read_frame

HEADER = ["n", "t", "d", "odd", "odder"]
ROWS = [[f"{i},5", "ab"[i % 2], f"{i + 1}/2/2020", str(i), str(2 * i)] for i in range(20)]
ROWS[7][3:] = ["total", "sum"]  # text in several columns of numbers, which is refused

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)


@one_folder
@given(others=st.sets(st.sampled_from(HEADER[:3]), max_size=2), by_call=st.booleans())
def test_of_a_text_file(tmp_path, others, by_call):
    path = write(tmp_path / "t.csv", HEADER, ROWS, delimiter=";")
    with pytest.raises(ValueError, match="line 9: text in 2 columns"):
        read_frame(path)
    drop = {"odd", *others}
    frame = read_frame(path, drop=(lambda names: drop & {*names}) if by_call else drop)
    whole = read_frame(path, drop={"odd"})
    assert frame.names == tuple(HEADER)
    assert frame.lines.tolist() == list(range(2, 22))
    for column, same in zip(frame.columns, whole.columns, strict=True):
        if column.name in drop:
            assert (column.kind, set(column.values), column.note) == ("text", {None}, None)
        else:
            assert (column.kind, column.note) == (same.kind, same.note)
            np.testing.assert_array_equal(column.values, same.values)


def test_of_arff(tmp_path):
    path = tmp_path / "t.arff"
    path.write_text("@relation r\n@attribute a numeric\n@attribute b {u,v}\n@data\n1,w\n2,u\n")
    with pytest.raises(ValueError, match="expected one of the categories"):
        read_frame(path)
    frame = read_frame(path, drop=["b"])
    assert [column.values.tolist() for column in frame.columns] == [[1.0, 2.0], [None, None]]


def test_of_parquet(tmp_path):
    polars = pytest.importorskip("polars")
    path = tmp_path / "t.parquet"
    polars.DataFrame({"l": [[1], [2, 3]], "a": [1.5, None]}).write_parquet(path)
    with pytest.raises(TypeError, match=r"t\.parquet must hold .* column 'l' .* with drop='l'"):
        read_frame(path)
    frame = read_frame(path, drop=["l"], kinds={"a": "number"})
    assert (frame.names, frame.n_rows) == (("l", "a"), 2)
    assert read_frame(path, drop=["l", "a"]).n_rows == 2
    with pytest.raises(TypeError, match=r"t\.parquet must hold times in its column 'a'"):
        read_frame(path, drop=["l"], kinds={"a": "time"})
