"""Reading a file takes no more memory than its budget, whatever the file unpacks or turns into."""

import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command_line import CommandLine

import fastnn
from fastnn.datasets import read_array, read_arrays, read_idx, read_table, write_idx
from fastnn.system import memory_budget, tensor_files, whole_files
from fastnn.system.memory_budget import SETTING, Budget

BESIDES = 6 << 20
"""Bytes that are not counted: pieces that are read or looked at, modules that are imported."""
BUDGETS = (1 << 20, 4 << 20, 16 << 20)
SIZES = (10, 3000, 50_000, 2_000_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for one file at a time; hypothesis wants it to outlive an example."""
    return tmp_path_factory.mktemp("budget")


@pytest.fixture
def set_budget(monkeypatch):
    """A function that sets what a file may take."""
    return lambda n_bytes: monkeypatch.setenv(SETTING, str(n_bytes))


def write_npz(folder, x, y, packed):
    (np.savez_compressed if packed else np.savez)(folder / "t.npz", x=x, y=y)
    return (folder / "t.npz",)


def write_npy(folder, x, y, packed):
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    return folder / "x.npy", folder / "y.npy"


def write_csv(folder, x, y, packed):
    labels = [value.decode() if isinstance(value, bytes) else value for value in y.tolist()]
    names = [f"a{i}" for i in range(x.shape[1])]
    lines = [",".join([*names, "label"])]
    lines += [",".join(map(str, [*row, label])) for row, label in zip(x.tolist(), labels)]  # noqa: B905
    content = "\n".join(lines).encode()
    (folder / "t.csv").write_bytes(gzip.compress(content, 1) if packed else content)
    return (folder / "t.csv",)


def write_parquet(folder, x, y, packed):
    pl = pytest.importorskip("polars")
    labels = np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y
    columns = {f"a{i}": x[:, i] for i in range(x.shape[1])} | {"label": labels}
    options = {} if packed else {"compression": "uncompressed"}
    pl.DataFrame(columns).write_parquet(folder / "t.parquet", **options)
    return (folder / "t.parquet",)


def write_idx_pair(folder, x, y, packed):
    paths = folder / f"x.idx{'.gz' * packed}", folder / f"y.idx{'.gz' * packed}"
    for path, array in zip(paths, (x, y), strict=True):
        write_idx(path, array if array.dtype.kind in "uif" else np.arange(len(array), dtype="i2"))
    return paths


def labels_of(kind, n_rows):
    """Labels (n_rows,), small in a file, of which some kinds become large."""
    if kind == "one long text":
        y = np.full(n_rows, b"k", f"S{10_000 if n_rows <= 3000 else 40}")
        y[-1] = b"k" * y.itemsize
        return y
    return (np.arange(n_rows) % 3).astype(kind)


def peak_of(read, paths):
    """Return the most memory that reading takes at a time, and the error, or None."""
    tracemalloc.start()
    try:
        read(*paths)
        error = None
    except ValueError as refusal:
        error = str(refusal)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak, error


WRITERS = (write_npz, write_npy, write_csv, write_parquet, write_idx_pair)


@given(data=st.data())
def test_no_file_takes_more_than_its_budget(folder, data):
    write = data.draw(st.sampled_from(WRITERS))
    as_text = write in (write_csv, write_parquet)
    n_numbers = data.draw(st.sampled_from(SIZES[: 3 if as_text else 4]))
    n_columns = data.draw(st.sampled_from((1, 7, 100)))
    n_rows = max(2, n_numbers // n_columns)
    x = np.zeros((n_rows, n_columns), data.draw(st.sampled_from(("u1", "i1", "f4", "f8", "i4"))))
    x[::2] = 1
    y = labels_of(data.draw(st.sampled_from(("u1", "i1", "f4", "S2", "one long text"))), n_rows)
    paths = write(folder, x, y, data.draw(st.booleans()))
    read = read_table if len(paths) == 1 else read_arrays
    budget = data.draw(st.sampled_from(BUDGETS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTING, str(budget))
        peak, error = peak_of(read, paths)
    files = len(paths)  # each has the budget for itself
    assert peak < files * budget + BESIDES, error
    if error is not None:
        assert error.startswith(str(folder))
        assert "bytes of memory; reading this file may take" in error
        assert f"{budget:,}" in error
        assert SETTING in error
        largest = 8 * x.size + max(8, 4 * y.itemsize) * n_rows
        assert budget < 12 * largest + 200 * n_rows, "it would have fitted"


@pytest.mark.parametrize("kind", ["x", "y", "s"])
def test_a_small_file_that_asks_for_a_gigabyte_is_refused_by_default(tmp_path, kind):
    n = 1 << 27
    arrays = {
        "x": lambda: {"x": np.zeros((1024, n // 1024), "i1"), "y": np.arange(1024) % 2},
        "y": lambda: {"x": np.zeros((n, 1), "u1"), "y": np.zeros(n, "i1")},
        "s": lambda: {"x": np.zeros((1024, 1), "u1"), "y": np.full(1024, b"a" * (n // 1024 - 1))},
    }[kind]()
    np.savez_compressed(tmp_path / "t.npz", **arrays)
    assert (tmp_path / "t.npz").stat().st_size < 1 << 19
    with pytest.raises(ValueError, match=f"bytes of memory; .*268,435,456.*{SETTING}"):
        read_table(tmp_path / "t.npz")


def test_a_large_file_may_take_a_multiple_of_its_size(monkeypatch):
    monkeypatch.setattr(memory_budget, "machine_memory", lambda: 1 << 40)
    n_bytes = 5_000_000_000
    assert Budget("t.csv", n_bytes).limit == 100 * n_bytes
    monkeypatch.setattr(memory_budget, "machine_memory", lambda: 1 << 34)
    assert Budget("t.csv", n_bytes).limit == 1 << 33
    monkeypatch.setattr(memory_budget, "machine_memory", lambda: None)
    assert Budget("t.csv", 10).limit == memory_budget.BASE


SETTINGS = {"1": 1, "4000": 4000, "8G": 1 << 33, "2 kB": 2048, "1TiB": 1 << 40}


@pytest.mark.parametrize(("text", "n_bytes"), SETTINGS.items())
def test_the_setting_is_a_number_of_bytes(set_budget, text, n_bytes):
    set_budget(text)
    assert Budget("t.csv", 10**12).limit == n_bytes


@pytest.mark.parametrize("text", ["much", "-1", "0", "1.5G", "1e9", "8X"])
def test_a_setting_that_is_none_is_an_error_in_words(set_budget, tmp_path, text):
    set_budget(text)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=f"{SETTING} must be a number of bytes, .*got '{text}'"):
        read_table(tmp_path / "t.csv")


def test_a_budget_that_is_raised_lets_the_file_in(set_budget, tmp_path):
    np.savez_compressed(tmp_path / "t.npz", x=np.zeros((1000, 1000), "i1"), y=np.arange(1000) % 2)
    set_budget("3M")
    with pytest.raises(ValueError, match=r"turned into float32 \(1000, 1000\)"):
        read_table(tmp_path / "t.npz")
    set_budget("6M")
    assert read_table(tmp_path / "t.npz").x.dtype == np.float32


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_promises_more_than_the_budget_is_refused(set_budget, tmp_path, packed):
    path = tmp_path / f"x.idx{'.gz' * packed}"
    write_idx(path, np.zeros((3000, 1000), np.uint8))
    set_budget("1M")
    with pytest.raises(ValueError, match=r"its header states uint8 \(3000, 1000\)"):
        read_idx(path)


def lines_without_end(n_bytes):
    return b"1" * n_bytes


def cells_of_one_row(n_bytes):
    return b'"\n",' * (n_bytes // 4)


def cells_of_two_bytes(n_bytes):
    return ("\u0451," * (n_bytes // 3)).encode()


def one_long_label(n_bytes):
    rows = b"1,a\n" * (n_bytes // 80)
    return b"x,y\n" + rows + b"1," + b"b" * 100_000 + b"\n"


def nothing_but_nan(n_bytes):
    return b"x,y\n" + b"nan,1\n" * (n_bytes // 60)


@pytest.mark.parametrize(
    "content",
    [lines_without_end, cells_of_one_row, cells_of_two_bytes, one_long_label, nothing_but_nan],
    ids=lambda make: make.__name__,
)
def test_text_that_grows_in_memory_stays_within_the_budget(set_budget, tmp_path, content):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(content(4_000_000), 1))
    set_budget(12 << 20)
    peak, error = peak_of(lambda p: read_table(p, header=True), [path])
    assert error is not None
    assert peak < (12 << 20) + BESIDES, error


# -- networks -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network_file(folder):
    """A network's file of 2.5 MB."""
    fastnn.Network((784, 800, 10), seed=0, backend="numpy").save(folder / "net")
    return folder / "net"


def test_a_network_larger_than_the_budget_is_refused(set_budget, network_file):
    set_budget("4M")
    with pytest.raises(ValueError, match=r"net: it has \d+ bytes, which makes .* 4,194,304"):
        fastnn.load(network_file)
    set_budget("16M")
    peak, error = peak_of(fastnn.load, [network_file])
    assert error is None
    assert peak < (16 << 20) + BESIDES


def test_a_checkpoint_larger_than_the_budget_is_refused(set_budget, tmp_path):
    x, y = np.random.default_rng(0).random((20, 784)), np.arange(20) % 10

    def fit(epochs):
        net = fastnn.Network((784, 300, 10), seed=0, backend="numpy")
        run = fastnn.Checkpoint(tmp_path / "run", resume=True)
        net.fit(x, y, epochs=epochs, checkpoint=run, progress=False)

    fit(1)
    set_budget("1M")
    with pytest.raises(ValueError, match=f"run: it has .* bytes of memory.*{SETTING}"):
        fit(2)


def test_a_model_larger_than_the_budget_is_refused(set_budget, tmp_path):
    pytest.importorskip("onnx")
    fastnn.Network((784, 100, 10), seed=0, backend="numpy").to_onnx(tmp_path / "net.onnx")
    set_budget("512K")
    with pytest.raises(ValueError, match=f"takes far more memory .* 524,288.*{SETTING}"):
        fastnn.from_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("cut", [1, 1000, 100_000, 2_000_000])
def test_a_network_cut_short_while_it_is_read_is_an_error(network_file, tmp_path, monkeypatch, cut):
    path = tmp_path / "net"
    content = network_file.read_bytes()
    path.write_bytes(content)
    size = whole_files.file_size

    def cut_after(file):
        n_bytes = size(file)
        os.truncate(path, len(content) - cut)
        return n_bytes

    monkeypatch.setattr(tensor_files, "HEAD_BYTES", 9)
    monkeypatch.setattr(whole_files, "file_size", cut_after)
    monkeypatch.setattr("fastnn.model.persistence.budget_of", lambda file: Budget(str(path), 10**8))
    with pytest.raises(OSError, match="cut short while it was read"):
        fastnn.load(path)


# -- memory that runs out, and files without an end -----------------------------------------------

READERS = {
    "csv": (read_table, "fastnn.datasets.readers.csv.read_csv"),
    "npz": (read_table, "fastnn.datasets.readers.npz.features_of"),
    "npy": (read_array, "fastnn.datasets.readers.npy.read_npy_header"),
    "idx": (read_idx, "fastnn.datasets.readers.idx._read_array"),
    "net": (fastnn.load, "fastnn.model.persistence.parsed"),
}


@pytest.fixture
def files(tmp_path):
    """A good file of each kind."""
    x = np.eye(3)
    np.savez(tmp_path / "t.npz", x=x, y=np.arange(3))
    np.save(tmp_path / "t.npy", x)
    write_idx(tmp_path / "t.idx", x)
    (tmp_path / "t.csv").write_text("a,label\n1,x\n2,y\n")
    fastnn.Network((3, 3), backend="numpy").save(tmp_path / "t.net")
    return tmp_path


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("words", ["", "Unable to allocate 9 TiB"])
def test_memory_that_runs_out_is_an_error_about_the_file(files, monkeypatch, kind, words):
    read, inner = READERS[kind]

    def full(*_, **__):
        raise MemoryError(*[words] * bool(words))

    monkeypatch.setattr(inner, full)
    with pytest.raises(ValueError, match=f"t.{kind}: .*more memory than is free here.*{words}"):
        read(files / f"t.{kind}")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such devices here")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
@pytest.mark.parametrize("command", ["train {}", "predict {} x.csv", "predict net {}"])
def test_devices_without_an_end_are_errors_of_the_command_line(
    tmp_path, monkeypatch, capsys, set_budget, device, command
):
    monkeypatch.chdir(tmp_path)
    set_budget("8M")
    fastnn.Network((3, 3), backend="numpy").save("net")
    (tmp_path / "x.csv").write_text("1,2,3\n")
    cli = CommandLine(tmp_path, capsys)
    assert cli(*command.format(device).split()) == 2
    assert cli.err.count("\n") == 1
    assert device in cli.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("kind", ["npy", "idx", "net"])
def test_a_pipe_is_read_as_the_file_is(files, kind):
    pipe = files / f"pipe.{kind}"
    os.mkfifo(pipe)
    command = f"import shutil; shutil.copyfileobj(open({str(files / f't.{kind}')!r}, 'rb'), open({str(pipe)!r}, 'wb'))"  # noqa: E501
    with subprocess.Popen([sys.executable, "-c", command]) as writer:
        found = {"npy": read_array, "idx": read_array, "net": fastnn.load}[kind](pipe)
        assert writer.wait(60) == 0
    if kind == "net":
        assert found.architecture.sizes == (3, 3)
    else:
        np.testing.assert_array_equal(found, np.eye(3))


ENDLESS = """
import json, resource, sys, threading
from fastnn.datasets import read_table

def write(path):
    with open(path, "wb", buffering=0) as pipe:
        try:
            while True:
                pipe.write(b"1,2\\n" * 10000)
        except BrokenPipeError:
            pass

threading.Thread(target=write, args=sys.argv[1:], daemon=True).start()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_table(sys.argv[1])
except ValueError as error:
    print(json.dumps([str(error), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_a_pipe_without_an_end_stops_at_the_budget(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    done = subprocess.run(
        [sys.executable, "-c", ENDLESS, tmp_path / "pipe"], capture_output=True, text=True,
        env=os.environ | {SETTING: "32M"}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    error, kilobytes = json.loads(done.stdout)
    assert f"holds more than {32 << 20:,} bytes" in error
    assert SETTING in error
    assert kilobytes < 100_000


def test_a_zip_file_in_a_packed_file_counts_what_it_unpacks(set_budget, tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("t.csv", b"1,2\n" * 1_000_000)
    (tmp_path / "t.zip.gz").write_bytes(gzip.compress(stream.getvalue()))
    set_budget("2M")
    with pytest.raises(ValueError, match="holds more than 2,097,152 bytes"):
        read_table(tmp_path / "t.zip.gz")
