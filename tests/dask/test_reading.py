"""Files as Dask collections: the rows that are in them, cut alike, or a refusal in words."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastnn

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

from fastnn.dask.collections import recipe  # noqa: E402
from fastnn.dask.files import Files, check_seen, sizes_here  # noqa: E402
from fastnn.dask.network import fit  # noqa: E402
from fastnn.dask.reading import read, read_table  # noqa: E402
from fastnn.dask.tables import n_partitions  # noqa: E402

# Dask, with the pandas that is newer than it
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")

COLUMNS = ["a", "b", "c"]


def rows(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 3)).astype(np.float32), rng.integers(0, 3, n_rows)


def framed(x, y):
    return pd.DataFrame(x.astype(np.float64), columns=COLUMNS).assign(label=y)


def write_parquet(folder, parts, row_group_size=None):
    for number, part in enumerate(parts):
        framed(*part).to_parquet(
            folder / f"{number}.parquet", index=False, row_group_size=row_group_size
        )
    return {"path": folder}


def write_csv(folder, parts):
    for number, part in enumerate(parts):
        framed(*part).to_csv(folder / f"{number}.csv", index=False)
    return {"path": f"{folder}/*.csv"}


def write_npy(folder, parts):
    for name, which in (("x", 0), ("y", 1)):
        (folder / name).mkdir()
        for number, part in enumerate(parts):
            np.save(folder / name / f"{number}.npy", part[which])
    return {"path": folder / "x", "targets": folder / "y"}


def write_stack(folder, parts):
    for name, which in (("x", 0), ("y", 1)):
        stacked = da.concatenate([da.from_array(part[which], chunks=-1) for part in parts])
        da.to_npy_stack(folder / name, stacked)
    return {"path": folder / "x", "targets": folder / "y"}


def write_zarr(folder, parts):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(folder / "rows.zarr"), mode="w")
    for name, which in (("x", 0), ("y", 1)):
        values = np.concatenate([part[which] for part in parts])
        array = group.create_array(
            name, shape=values.shape, chunks=(7, *values.shape[1:]), dtype=values.dtype
        )
        array[...] = values
    return {"path": folder / "rows.zarr"}


WRITERS = [write_parquet, write_csv, write_npy, write_stack, write_zarr]


def computed(table):
    """Return x and y of each partition."""
    parts = [node.compute(scheduler="sync") for node in table.nodes()]
    return [(np.asarray(x), np.asarray(y)) for x, y, _ in parts]


@pytest.mark.parametrize("write", WRITERS)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    partitions=st.none() | st.integers(1, 15),
)
def test_the_rows_are_those_of_the_files_in_natural_order(
    tmp_path_factory, write, sizes, partitions
):
    parts = [rows(size, seed) for seed, size in enumerate(sizes)]
    given_by = write(tmp_path_factory.mktemp("rows"), parts)
    found = computed(read_table(**given_by, partitions=partitions))
    for which in (0, 1):
        values = np.concatenate([part[which] for part in found])
        np.testing.assert_allclose(values, np.concatenate([part[which] for part in parts]), 1e-6)


@pytest.mark.parametrize("write", WRITERS)
def test_x_and_y_are_cut_alike_into_as_many_partitions_as_asked_for(tmp_path, write):
    parts = [rows(50, seed) for seed in range(3)]
    given_by = write(tmp_path, parts)
    x, y = read(**given_by, partitions=7)
    assert x.npartitions == y.npartitions >= 7
    x_blocks, y_blocks = (np.ravel(c.to_delayed()) for c in (x, y))  # as Dask optimizes each
    lengths = [
        [len(b.compute(scheduler="sync")) for b in blocks] for blocks in (x_blocks, y_blocks)
    ]
    assert lengths[0] == lengths[1]
    assert sum(lengths[0]) == 150


def test_the_file_of_a_partition_is_read_once_for_x_and_y(tmp_path):
    table = read_table(**write_parquet(tmp_path, [rows(50), rows(60)]))
    graphs = [dict(node.__dask_graph__()) for node in table.nodes()]
    assert [sum("read_parquet" in str(key) for key in graph) for graph in graphs] == [1, 1]


def test_row_groups_are_partitions_where_there_are_few_files(tmp_path):
    given_by = write_parquet(tmp_path, [rows(50)], row_group_size=10)
    assert [len(y) for _, y in computed(read_table(**given_by, partitions=5))] == [10] * 5
    assert [len(y) for _, y in computed(read_table(**given_by, partitions=2))] == [10] * 5
    assert len(computed(read_table(**given_by))) == 1  # too small to be cut


def test_the_partitions_depend_on_the_bytes_only():
    assert n_partitions(100, None) == 1
    assert n_partitions(3 << 20, None) == 3
    assert n_partitions(1 << 28, None) == 8
    assert n_partitions(1 << 32, None) == 32
    assert n_partitions(100, 5) == 5


def test_the_graph_of_a_large_file_holds_no_rows(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((50_000, 10)))
    np.save(tmp_path / "y.npy", np.ones(50_000))
    table = read_table(tmp_path / "x.npy", targets=tmp_path / "y.npy")
    assert len(table.nodes()) == 3
    assert all(len(recipe(node)) < 5_000 for node in table.nodes())


def test_rows_of_images_are_flattened(tmp_path):
    images = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
    np.save(tmp_path / "x.npy", images)
    x, y = read(tmp_path / "x.npy")
    assert (x.shape, x.dtype, y) == ((5, 6), np.uint8, None)
    np.testing.assert_array_equal(x.compute(scheduler="sync"), images.reshape(5, 6))


def test_an_array_with_chunks_is_cut_between_them():
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(store={}, shape=(100, 4), chunks=(30, 2), dtype="f4")
    x, _ = read(array, partitions=3)
    assert x.chunks == ((30, 30, 30, 10), (4,))


@pytest.mark.parametrize("header", [True, False])
def test_a_csv_file_may_have_semicolons_and_no_header(tmp_path, header):
    x, y = rows(30)
    framed(x, y).to_csv(tmp_path / "t.csv", sep=";", index=False, header=header)
    table = read_table(tmp_path / "t.csv")
    assert table.has_names is header
    assert table.feature_names == (
        ("a", "b", "c") if header else ("column 1", "column 2", "column 3")
    )
    np.testing.assert_array_equal(computed(table)[0][1], y)


def test_a_column_may_have_fractions_behind_the_first_lines(tmp_path):
    y = np.zeros(40_000, np.int64)
    x = np.repeat(np.arange(40_000.0)[:, None], 3, axis=1)
    x[-1] += 0.5
    text = "a,b,c,label\n" + "".join(
        ",".join(f"{v:g}" if v == v // 1 else f"{v}" for v in row) + ",0\n" for row in x.tolist()
    )
    (tmp_path / "t.csv").write_text(text)
    found = computed(read_table(tmp_path / "t.csv", partitions=4))
    assert found[-1][0][-1].tolist() == [39_999.5] * 3
    assert found[0][1].dtype == y.dtype


def test_the_index_that_pandas_wrote_is_left_out(tmp_path):
    framed(*rows(30)).to_csv(tmp_path / "t.csv")
    table = read_table(tmp_path / "t.csv")
    assert table.feature_names == ("a", "b", "c")
    assert table.notes == ("column 1 'Unnamed: 0' holds row numbers or names, and was left out",)


@pytest.mark.parametrize("pattern", ["", "/*.parquet", "/1.parquet"])
def test_a_url_is_read_by_its_file_system(pattern):
    fsspec = pytest.importorskip("fsspec")
    x, y = rows(30)
    for number in range(3):
        with fsspec.open(f"memory://clicks/{number}.parquet", "wb") as file:
            framed(x, y).to_parquet(file, index=False)
    found = computed(read_table(f"memory://clicks{pattern}"))
    assert len(found) == (1 if pattern == "/1.parquet" else 3)
    np.testing.assert_array_equal(found[0][1], y)


def test_without_labels_all_columns_are_features(tmp_path):
    x, y = read(**write_parquet(tmp_path, [rows(10)]), label=False)
    assert (list(x.columns), y) == ([*COLUMNS, "label"], None)


# -- what is refused ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with files of all kinds."""
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "mixed", "differing", "shapes"):
        (tmp_path / name).mkdir()
    x, y = rows(20)
    frame = framed(x, y)
    frame.to_parquet("t.parquet", index=False)
    frame.to_csv("t.csv", index=False)
    frame.assign(b="text").to_csv("text.csv", index=False)
    frame.assign(b=pd.Timestamp("2020-01-01")).to_parquet("times.parquet", index=False)
    pd.DataFrame({"a": [1.0] * 50, **{f"p{i}": [200.0] * 50 for i in range(70)}}).assign(
        a=np.arange(50) % 10
    ).to_parquet("images.parquet", index=False)
    frame.to_parquet("mixed/1.parquet", index=False)
    frame.to_csv("mixed/2.csv", index=False)
    frame.to_parquet("differing/1.parquet", index=False)
    frame.rename(columns={"b": "z"}).to_parquet("differing/2.parquet", index=False)
    np.save("x.npy", x)
    np.save("short.npy", y[:-1])
    np.save("shapes/1.npy", x)
    np.save("shapes/2.npy", x[:, :2])
    np.save("fortran.npy", np.asfortranarray(x))
    np.save("words.npy", np.array(["a", "b"]))
    np.savez("x.npz", x=x, y=y)
    Path("cut.npy").write_bytes(Path("x.npy").read_bytes()[:-3])
    Path("no.parquet").write_bytes(b"no")
    Path("nothing.csv").write_text("")
    da.to_npy_stack("columns", da.from_array(x, chunks=(20, 1)), axis=1)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("gone.parquet", {}, "there is no file gone.parquet on this machine"),
        ("gone*.csv", {}, "no file matches gone"),
        ("empty", {}, "the folder empty holds no files of data"),
        ("mixed", {}, "mixed holds files of several kinds"),
        ("x.npz", {}, "x.npz is .*, which workers cannot read in parts"),
        ("differing", {}, "2.parquet has other columns, it lacks 'b' and has also 'z', than"),
        ("t.parquet", {"label": "price"}, "t.parquet has no column 'price'"),
        ("t.parquet", {"targets": "x.npy"}, "targets= is for NPY files and Zarr"),
        ("t.parquet", {"header": True}, "header=True is for CSV files"),
        ("text.csv", {}, r"text.csv, column 2 \(b\): got .*, expected numbers; one-hot encode it"),
        ("times.parquet", {}, r"times.parquet, column 2 \(b\): got datetime64"),
        ("images.parquet", {}, "images.parquet: which column is the label"),
        ("no.parquet", {}, "no.parquet cannot be read as Parquet"),
        ("nothing.csv", {}, "nothing.csv has no lines"),
        ("x.npy", {"label": "a"}, "label='a' is for Parquet and CSV files"),
        ("x.npy", {"targets": "short.npy"}, "x.npy has 20 rows, but short.npy has 19"),
        ("x.npy", {"targets": "t.csv"}, "targets= must be NPY files or Zarr, got t.csv"),
        ("x.npy", {"partitions": 0}, "partitions must be"),
        ("shapes", {}, "all files need rows of one shape and dtype"),
        ("fortran.npy", {}, "fortran.npy is in Fortran order"),
        ("words.npy", {}, "words.npy has dtype <U1; expected numbers"),
        ("cut.npy", {}, "cut.npy: an NPY file of .* it is truncated"),
        ("columns", {}, "columns is a stack along axis 1"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(folder, path, options, words):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        read(path, **options)


def test_an_array_in_memory_is_refused():
    with pytest.raises(TypeError, match=r"expected a path, or an array with \.shape"):
        read(np.ones((3, 3)))


def test_nothing_is_unpickled_from_the_description_of_a_stack(folder):
    (folder / "shapes" / "2.npy").unlink()

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(folder / "trapped"),)

    (folder / "shapes" / "info").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="does not describe a stack"):
        read("shapes")
    assert not (folder / "trapped").exists()


def test_a_file_that_changes_or_vanishes_is_named_by_the_task_that_reads_it(folder):
    x, _ = read("x.npy")
    np.save("x.npy", np.ones((21, 3), np.float32))
    with pytest.raises(ValueError, match=r"x\.npy was changed since"):
        x.compute(scheduler="sync")
    (folder / "x.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"this worker cannot read .*x\.npy"):
        x.compute(scheduler="sync")


# -- on a cluster ---------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="a path that each process sees differently")
def test_a_file_that_workers_cannot_see_is_refused(folder, dask_client):
    assert Path("/proc/self/cwd/x.npy").exists()  # the workers' folder is another one
    with pytest.raises(FileNotFoundError, match=r"the worker tcp://\S+ cannot see /proc/self"):
        read("/proc/self/cwd/x.npy", client=dask_client)


def test_another_file_of_the_same_name_is_refused(folder):
    class Elsewhere:
        def run(self, function, paths):
            assert function is sizes_here
            return {"tcp://other:1": [size + 8 for size in function(paths)]}

    files = Files("x.npy", "npy", "x.npy", [str(folder / "x.npy")], _local())
    with pytest.raises(ValueError, match="the worker tcp://other:1 has another file"):
        check_seen(Elsewhere(), files)


def _local():
    import fsspec

    return fsspec.filesystem("file")


@pytest.mark.parametrize("write", [write_parquet, write_npy])
def test_a_network_is_trained_on_what_was_read(tmp_path, dask_client, write):
    parts = [rows(60, seed) for seed in range(3)]
    networks = [fastnn.Network((3, 4, 3), seed=0) for _ in range(2)]
    x = da.concatenate([da.from_array(part[0], chunks=-1) for part in parts])
    y = da.concatenate([da.from_array(part[1], chunks=-1) for part in parts])
    options = {"epochs": 2, "progress": False}
    with dask_client.as_current():
        fit(networks[0], x, y, **options)
        fit(networks[1], *read(**write(tmp_path, parts)), **options)
    assert networks[0].parameters.tobytes() == networks[1].parameters.tobytes()
