"""Training from files larger than memory: same results, and a resident set that stays small."""

import json
import mmap
import subprocess
import sys

import numpy as np
import pytest
from support.backends import backends_under_test
from support.benchmarks import run
from support.examples import same_bits, small_network

import fastnn
from fastnn.rows import order as row_order
from fastnn.rows import passes
from fastnn.rows.calls import calls
from fastnn.system import memory_maps
from fastnn.system.memory_maps import check_whole, file_map, read_ahead, release, walk

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
WINDOW = 1 << 14


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of 16 KB of 32 blocks, so that small data have many."""
    for module in (memory_maps, row_order):
        monkeypatch.setattr(module, "WINDOW_BYTES", WINDOW)
    monkeypatch.setattr(row_order, "BLOCK_BYTES", WINDOW // 32)


def rows_of_bytes(n_rows=5000, n_in=16, seed=0):
    """Rows (n_rows, n_in) uint8 sorted by their 3 classes, and these."""
    rng = np.random.default_rng(seed)
    y = np.sort(rng.integers(0, 3, n_rows))
    centres = rng.integers(0, 200, (3, n_in))
    return (centres[y] + rng.integers(0, 50, (n_rows, n_in))).astype(np.uint8), y


def mapped(path, x, mode="r"):
    np.save(path / "x.npy", x)
    return np.load(path / "x.npy", mmap_mode=mode)


# -- which arrays are maps ------------------------------------------------------------------------

VIEWS = {
    "itself": lambda x: x,
    "array": np.asarray,
    "slice": lambda x: x[100:-1000],
    "slice of a slice": lambda x: np.asarray(x[100:])[:-7],
    "flat rows": lambda x: x.reshape(-1, 4, 4).reshape(-1, 16),
    "columns": lambda x: x[:, ::2],
    "other dtype": lambda x: x.view(np.float32),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_a_map_is_known_as_one(tmp_path, view):
    x = mapped(tmp_path, rows_of_bytes()[0])
    assert file_map(VIEWS[view](x)) is x._mmap


def test_a_buffer_of_a_map_is_known_as_one(tmp_path):
    (tmp_path / "x").write_bytes(bytes(100))
    with (tmp_path / "x").open("rb") as file:
        file_bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    assert file_map(np.frombuffer(file_bytes, np.uint8)) is file_bytes


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_what_was_written_into_a_map_is_not_given_back(tmp_path, mode, small_windows):
    x = mapped(tmp_path, rows_of_bytes()[0], mode)
    x[...] = 7
    release(x)
    assert file_map(x) is None
    assert (x == 7).all()


@pytest.mark.parametrize("x", [np.zeros((9, 9)), np.zeros((9, 9))[1:], [[1.0]], None])
def test_what_is_no_map_is_left_alone(x):
    release(x)
    assert file_map(x) is None


def test_a_copy_of_rows_is_no_map(tmp_path):
    assert file_map(mapped(tmp_path, rows_of_bytes()[0])[[1, 2]]) is None


# -- the order ------------------------------------------------------------------------------------

SHAPES = [(1, 16), (31, 16), (1024, 16), (5000, 16), (5003, 7), (77, 400), (40, WINDOW), (9, 10**6)]


def order_of(n_rows, n_in, shuffle="blocks", seed=0):
    x = np.broadcast_to(np.uint8(0), (n_rows, n_in))
    return row_order.row_order(np.random.default_rng(seed), x, n_rows, shuffle), x


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shuffle", [True, False, "blocks"])
def test_an_order_has_each_row_once(small_windows, shape, shuffle):
    order, _ = order_of(*shape, shuffle)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(shape[0]))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_window_lies_in_few_blocks(small_windows, shape):
    order, x = order_of(*shape)
    block = max(1, row_order.BLOCK_BYTES // shape[1])
    window = row_order.window_rows(x, "blocks")
    for start in range(0, len(order), window):
        blocks = np.unique(order[start : start + window] // block)
        assert len(blocks) <= -(-window // block) + 1  # a short last block shifts the others


def test_windows_and_rows_within_them_are_mixed(small_windows):
    order, x = order_of(5000, 16)
    window = row_order.window_rows(x, "blocks")
    first = order[:window]
    assert first.max() - first.min() > 4000  # from all over the file
    assert (np.abs(np.diff(first)) > 32).mean() > 0.9  # and neighbours go different ways


def test_the_seed_says_the_order(small_windows):
    same, other = order_of(5000, 16)[0], order_of(5000, 16, seed=1)[0]
    np.testing.assert_array_equal(same, order_of(5000, 16)[0])
    assert (same != other).mean() > 0.9


def test_a_file_sorted_by_class_gives_each_window_its_share_of_each():
    n_rows = 1_000_000
    order, x = order_of(n_rows, 784)
    window = row_order.window_rows(x, "blocks")
    for start in range(0, n_rows - window, window):
        rows = order[start : start + window]
        share = np.bincount(rows // (n_rows // 4), minlength=4) / window
        assert np.abs(share - 0.25).max() < 0.3  # 64 blocks: 5.5 deviations of a quarter


@pytest.mark.parametrize("batch_size", [1, 7, 100, 3000, 10**6])
@pytest.mark.parametrize("window", [1, 50, 1024, 5000, 10**6])
def test_calls_are_whole_batches_and_end_with_the_windows(batch_size, window):
    parts = calls(fastnn.Architecture((4, 3)), 5000, batch_size, window)
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert parts[-1].stop == 5000
    assert all(part.start % batch_size == 0 for part in parts)
    assert all(part.stop - part.start < window + batch_size for part in parts)


# -- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False, "blocks"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_a_map_and_an_array_train_to_the_same_bits(
    backend, shuffle, dtype, tmp_path, small_windows
):
    x, y = rows_of_bytes()
    if dtype != "uint8":
        x = x.astype(dtype) + 0.25  # whole numbers would be asked about
    on_disk = mapped(tmp_path, x)
    weight = np.random.default_rng(1).random(len(y))
    results = []
    for rows in (x, on_disk):
        net = small_network((16, 5, 3), backend=backend.name, input_scale=0.01)
        options = {"shuffle": shuffle, "sample_weight": weight, "batch_size": 70}
        history = net.fit(rows, y, epochs=2, validation_data=(rows, y), progress=False, **options)
        history = {k: v for k, v in history.items() if k != "time"}
        more = net.partial_fit(rows, y, **options)["loss"]
        results.append((net.parameters, net.predict_proba(rows), history, more))
    (a, a_out, *a_more), (b, b_out, *b_more) = results
    assert same_bits(a, b)
    assert same_bits(a_out, b_out)
    assert a_more == b_more


def test_windows_do_not_change_the_batches(monkeypatch):
    x, y = rows_of_bytes()
    one = small_network((16, 5, 3))
    one.fit(x, y, epochs=2, batch_size=70, shuffle=False)
    for module in (memory_maps, row_order):
        monkeypatch.setattr(module, "WINDOW_BYTES", 1000)
    many = small_network((16, 5, 3))
    many.fit(x, y, epochs=2, batch_size=70, shuffle=False)
    assert same_bits(one.parameters, many.parameters)


def test_blocks_learn_what_a_full_shuffle_does(small_windows):
    x, y = rows_of_bytes()
    net = fastnn.Network((16, 8, 3), seed=0)
    net.fit(x, y, epochs=5, shuffle="blocks")
    assert net.evaluate(x, y)["accuracy"] > 0.99


def test_blocks_order_sparse_rows_too(small_windows):
    sparse = pytest.importorskip("scipy.sparse")
    x, y = rows_of_bytes()
    x[np.random.default_rng(0).random(x.shape) < 0.7] = 0
    rows = sparse.csr_matrix(x)
    order = row_order.row_order(np.random.default_rng(0), rows, len(y), "blocks")
    np.testing.assert_array_equal(np.sort(order), np.arange(len(y)))
    assert row_order.window_rows(rows, "blocks") < len(y) / 4
    history = small_network((16, 8, 3)).fit(rows, y, epochs=5, shuffle="blocks")
    assert history["loss"][-1] < history["loss"][0]


def test_the_row_that_is_not_finite_is_named_in_a_map(tmp_path, small_windows):
    x = rows_of_bytes()[0].astype(np.float32)
    x[4321, 5] = np.nan
    with pytest.raises(ValueError, match="got nan in row 4321, column 5"):
        small_network((16, 3)).predict(mapped(tmp_path, x))


@pytest.mark.parametrize(("first", "last"), [(0, 1), (0, 5000), (4999, 5000), (1234, 3456)])
@pytest.mark.parametrize("view", VIEWS)
def test_reading_ahead_changes_nothing(tmp_path, small_windows, view, first, last):
    x, _ = rows_of_bytes()
    on_disk = VIEWS[view](mapped(tmp_path, x))
    read_ahead(on_disk, min(first, len(on_disk) - 1), min(last, len(on_disk)))
    assert same_bits(np.array(on_disk), np.array(VIEWS[view](x)))


@linux
def test_what_is_read_ahead_begins_at_a_page_and_holds_the_rows(tmp_path, monkeypatch):
    import mmap

    rows = np.zeros((3, mmap.PAGESIZE + 100), np.uint8)
    np.save(tmp_path / "x.npy", rows)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    monkeypatch.setattr("fastnn.system.memory_maps.WINDOW_BYTES", 0)
    asked, mapped = [], file_map(x)

    class Listening(mmap.mmap):
        def madvise(self, *arguments):
            asked.append(arguments)

    with (tmp_path / "x.npy").open("rb") as file:
        listening = Listening(file.fileno(), 0, access=mmap.ACCESS_READ)
    header = len(mapped) - rows.nbytes
    x = np.frombuffer(listening, np.uint8, offset=header).reshape(rows.shape)
    read_ahead(x, 1, 3)
    ((advice, begin, length),) = asked
    assert advice == mmap.MADV_WILLNEED
    assert begin == mmap.PAGESIZE  # the first row's end lies on the second page
    assert begin + length == header + rows.nbytes


def test_the_blocks_of_these_rows_are_read_ahead_and_no_others(small_windows, monkeypatch):
    asked = []
    monkeypatch.setattr(row_order, "read_ahead", lambda x, *rows: asked.append(rows))
    row_order.read_blocks_ahead(rows_of_bytes(n_rows=5000)[0], np.array([4000, 1, 4999, 0]))
    assert asked == [(0, 32), (4000, 4032), (4992, 5000)]


@pytest.mark.parametrize("batch_size", [7, 70])
def test_each_window_is_read_ahead_once_and_given_back_once(
    tmp_path, small_windows, monkeypatch, batch_size
):
    x, y = rows_of_bytes()
    x = mapped(tmp_path, x)
    ahead, released = [], []
    monkeypatch.setattr(passes, "read_blocks_ahead", lambda x, rows: ahead.append(len(rows)))
    monkeypatch.setattr(passes, "release", released.append)
    net = small_network((16, 3))
    net.fit(x, y, epochs=1, batch_size=batch_size, shuffle="blocks")
    assert ahead == [1024, 1024, 1024, 904, 0]
    assert len(released) == 2 * 5  # x and y
    ahead.clear()
    net.fit(x, y, epochs=1, batch_size=batch_size, shuffle=True)
    assert ahead == [0]


def test_a_walk_sees_each_row_once(tmp_path, small_windows):
    x = mapped(tmp_path, rows_of_bytes()[0])
    for step in (1, 999, 10**6):
        np.testing.assert_array_equal(np.concatenate([x[rows] for rows in walk(x, step)]), x)


# -- memory ---------------------------------------------------------------------------------------

SAMPLED = """
import json, sys, threading, time
import numpy as np
import fastnn
from fastnn.rows import order, strides
from fastnn.system import memory_maps
from fastnn.system.memory_maps import release

for module in (memory_maps, order):  # half of what they are, and so the file may be
    module.WINDOW_BYTES //= 2
order.BLOCK_BYTES //= 2
strides.LARGEST_COPY //= 2

def resident(line):
    with open("/proc/self/status") as file:
        return next(int(l.split()[1]) for l in file if l.startswith(line)) / 1024  # MB

def peaks(work):
    before = {k: resident(k) for k in ("RssAnon", "RssFile")}
    most, done = dict(before), threading.Event()
    def watch():
        while not done.wait(0.001):
            for k in most:
                most[k] = max(most[k], resident(k))
    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set(), watcher.join()
    return {k: max(most[k], resident(k)) - before[k] for k in most}

x = np.load(sys.argv[2] + "/x.npy", mmap_mode="r")
y = np.load(sys.argv[2] + "/y.npy")
fastnn.set_num_threads(1)
net = fastnn.Network((784, 16, 10), backend=sys.argv[1], seed=0)
few = np.array(x[:1000])
options = {"batch_size": 256, "progress": False}
net.fit(few, y[:1000], epochs=1, shuffle="blocks", **options), net.predict(few)
net.evaluate(few, y[:1000])
found = {
    "read": peaks(lambda: x.max()), "release": -resident("RssFile"),
}
release(x[:-1].reshape(-1, 28, 28))
found["release"] += resident("RssFile")
found |= {
    "blocks": peaks(lambda: net.fit(x, y, epochs=2, shuffle="blocks", **options)),
    "in turn": peaks(lambda: net.fit(x, y, epochs=1, shuffle=False, **options)),
    "evaluate": peaks(lambda: net.evaluate(x, y)),
    "predict": peaks(lambda: net.predict(x)),
    "check": peaks(lambda: fastnn.validation.check_x(x.view("f4"), 196, "float32")),
}
before = resident("RssFile")
shuffled = peaks(lambda: net.fit(x, y, epochs=1, shuffle=True, **options))
found["shuffle"] = {"RssAnon": shuffled["RssAnon"], "after": resident("RssFile") - before}
print(json.dumps(found))
"""


@linux
@pytest.mark.slow
def test_a_pass_over_a_large_file_holds_a_part_of_it(backend, tmp_path):
    n_rows = 200_000  # 150 MB
    rng = np.random.default_rng(0)
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (n_rows, 784))
    x[:2000] = rng.integers(0, 2, (2000, 784))  # as float32 too, all numbers are finite
    for start in range(2000, n_rows, 2000):
        x[start : start + 2000] = x[:2000]
    x.flush()
    np.save(tmp_path / "y.npy", rng.integers(0, 10, n_rows))
    del x
    done = subprocess.run(
        [sys.executable, "-c", SAMPLED, backend.name, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["read"]["RssFile"] > 125  # the measure measures
    assert found["release"] < -125
    for work in ("blocks", "in turn", "evaluate", "predict", "check"):
        assert found[work]["RssFile"] < 115, work  # a window, and what lies around its blocks
        assert found[work]["RssAnon"] < 80, work  # a copy would be 150
    assert found["shuffle"]["RssAnon"] < 80
    assert found["shuffle"]["after"] < 20


@linux
@pytest.mark.slow
def test_the_benchmark_of_memory_runs_and_finds_little(tmp_path):
    out = tmp_path / "results.json"
    backend = "cython" if "cython" in backends_under_test() else "numpy"  # the first is quicker
    code, _, stderr = run("out_of_core.py", "--smoke", "--folder", tmp_path, "--json", out,
                          "--backend", backend)  # fmt: skip
    assert code == 0, stderr
    results = json.loads(out.read_text())["results"]
    array = results["array"]["RssAnon"]
    assert all(found["RssAnon"] < array - 80e6 for way, found in results.items() if way != "array")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


# -- files that are cut short ---------------------------------------------------------------------

WORK_ON_MAPS = {
    "fit": lambda net, x, y: net.fit(x, y, epochs=2, shuffle="blocks", progress=False),
    "fit in turn": lambda net, x, y: net.fit(x, y, epochs=2, shuffle=False, progress=False),
    "predict": lambda net, x, y: net.predict(x),
    "evaluate": lambda net, x, y: net.evaluate(x, y),
}


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut short there")
@pytest.mark.parametrize("work", WORK_ON_MAPS)
@pytest.mark.parametrize("left", [0, 1, 4096, 70_000])
def test_a_map_of_a_file_that_was_cut_short_is_an_error(tmp_path, small_windows, work, left):
    x, y = rows_of_bytes()
    on_disk = mapped(tmp_path, x)
    with (tmp_path / "x.npy").open("r+b") as file:
        file.truncate(left)
    net = small_network((16, 3), input_scale=0.01)
    with pytest.raises(OSError, match=rf"x\.npy was truncated .* {left} bytes are left of the 80"):
        WORK_ON_MAPS[work](net, on_disk, y)


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut short there")
@pytest.mark.parametrize("part", ["y", "weight"])
@pytest.mark.parametrize("work", ["fit", "evaluate"])
@pytest.mark.parametrize("left", [0, 1, 4096])
def test_targets_and_weights_of_a_file_that_was_cut_short_are_an_error(tmp_path, part, work, left):
    x = np.random.default_rng(0).random((5000, 4))
    np.save(tmp_path / "cut.npy", x.sum(axis=1))
    on_disk = np.load(tmp_path / "cut.npy", mmap_mode="r")
    y, *weight = (on_disk,) if part == "y" else (x.sum(axis=1), on_disk)
    with (tmp_path / "cut.npy").open("r+b") as file:
        file.truncate(left)
    net = small_network((4, 3, 1), output="identity")
    with pytest.raises(
        OSError, match=rf"cut\.npy was truncated .* {left} bytes are left of the 40"
    ):
        getattr(net, work)(x, y, **({"sample_weight": weight[0]} if weight else {}))


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut short there")
@pytest.mark.parametrize("shuffle", [True, False, "blocks"])
def test_targets_that_are_cut_short_between_two_passes_are_an_error(
    tmp_path, small_windows, shuffle
):
    x = np.random.default_rng(0).random((5000, 4))
    np.save(tmp_path / "y.npy", x.sum(axis=1, keepdims=True))
    y = np.load(tmp_path / "y.npy", mmap_mode="r")

    def cut(*_):
        with (tmp_path / "y.npy").open("r+b") as file:
            file.truncate(4096)

    net = small_network((4, 3, 1), output="identity")
    with pytest.raises(OSError, match=r"y\.npy was truncated"):
        net.fit(x, y, epochs=2, shuffle=shuffle, progress=False, callbacks=cut)


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut short there")
def test_zeros_that_take_the_place_of_rows_are_no_rows(tmp_path, small_windows):
    x, _ = rows_of_bytes(n_rows=1100)  # a window, and the beginning of another page
    on_disk = mapped(tmp_path, x)
    seen = []
    with pytest.raises(OSError, match="truncated"):  # noqa: PT012
        for rows in walk(on_disk, 1024):
            if rows.start:
                with (tmp_path / "x.npy").open("r+b") as file:
                    file.truncate(128 + 16 * 1050)
            seen.append(np.array(on_disk[rows]))
    assert not seen[-1][-1].any()


def test_a_whole_file_is_no_error_whatever_maps_it(tmp_path):
    x = rows_of_bytes()[0]
    for mode in ("r", "r+", "c"):
        check_whole(mapped(tmp_path, x, mode)[3:, ::2])
    check_whole(x)
    check_whole([1.0])
    check_whole(np.memmap(tmp_path / "x.npy", np.uint8, "r", offset=70_000))
    check_whole(np.frombuffer(mmap.mmap(-1, 100), np.uint8))
