"""MNIST from a folder, from the cache, and over (local) HTTP; nothing here needs the network."""

import hashlib
import http.server
import importlib
import socket
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fastnn.datasets import cache_folder, mnist, write_idx

module = importlib.import_module("fastnn.datasets.mnist")  # the name mnist is the function's

NAMES = tuple(module.SHA256)
N_TRAIN, N_TEST = 60, 20


@pytest.fixture(autouse=True)
def no_folder_named(monkeypatch):
    """Whoever runs the tests may have MNIST."""
    monkeypatch.delenv("FASTNN_MNIST_DIR", raising=False)


def write_files(folder, suffix=".gz", **replaced):
    """Write four files like MNIST's, with fewer images; a keyword replaces an array."""
    generator = np.random.default_rng(0)
    arrays = {
        "train_images": generator.integers(0, 256, (N_TRAIN, 28, 28)).astype(np.uint8),
        "train_labels": (np.arange(N_TRAIN) % 10).astype(np.uint8),
        "test_images": generator.integers(0, 256, (N_TEST, 28, 28)).astype(np.uint8),
        "test_labels": (np.arange(N_TEST) % 10).astype(np.uint8),
        **replaced,
    }
    folder.mkdir(exist_ok=True)
    for name, array in zip(NAMES, arrays.values(), strict=True):
        write_idx(folder / f"{name}{suffix}", array)
    return arrays


def test_the_real_files_are_read_as_the_usual_split(mnist_folder):
    data = mnist(mnist_folder)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [55000, 5000, 10000]
    assert data.train.x.dtype == np.uint8
    assert data.train.x.shape[1] == 784
    np.testing.assert_array_equal(data.validation.y[:5], [5, 0, 4, 1, 9])
    np.testing.assert_array_equal(data.test.y[:5], [7, 2, 1, 0, 4])
    assert (data.train.x > 0).mean() == pytest.approx(0.191, abs=0.001)


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_a_named_folder_is_read_whatever_its_checksums(tmp_path, suffix):
    arrays = write_files(tmp_path, suffix)
    data = mnist(tmp_path, validation=10)
    assert data.name == "mnist"
    np.testing.assert_array_equal(data.class_labels, np.arange(10))
    np.testing.assert_array_equal(data.validation.x, arrays["train_images"][:10].reshape(10, 784))
    np.testing.assert_array_equal(data.train.x, arrays["train_images"][10:].reshape(50, 784))
    np.testing.assert_array_equal(data.train.y, arrays["train_labels"][10:])
    np.testing.assert_array_equal(data.test.x, arrays["test_images"].reshape(20, 784))
    assert data.train.y.dtype == np.int64
    assert np.shares_memory(data.train.x.base, data.validation.x.base)


def test_without_validation_all_images_are_for_training(tmp_path):
    write_files(tmp_path)
    data = mnist(str(tmp_path), validation=0)
    assert (len(data.train), len(data.validation)) == (N_TRAIN, 0)


def test_images_can_stay_square_and_labels_become_one_hot(tmp_path):
    write_files(tmp_path)
    data = mnist(tmp_path, validation=0.5, flatten=False, one_hot=True)
    assert data.train.x.shape == (30, 28, 28)
    assert data.train.y.dtype == np.float32
    assert data.test.y.shape == (N_TEST, 10)
    np.testing.assert_array_equal(data.test.y.argmax(axis=1), np.arange(N_TEST) % 10)
    np.testing.assert_array_equal(data.test.y.sum(axis=1), 1)


def test_validation_must_leave_images_for_training(tmp_path):
    write_files(tmp_path)
    with pytest.raises(ValueError, match="validation=5000 rows do not fit: there are 60"):
        mnist(tmp_path)


@pytest.mark.parametrize("missing", NAMES)
def test_a_missing_file_is_named_with_the_names_looked_for(tmp_path, missing):
    write_files(tmp_path)
    (tmp_path / f"{missing}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f"neither {missing} nor {missing}.gz"):
        mnist(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        mnist(tmp_path / "nowhere")


def test_the_environment_names_a_folder_and_an_argument_is_stronger(tmp_path, monkeypatch):
    write_files(tmp_path / "named")
    write_files(tmp_path / "argument", test_labels=np.full(N_TEST, 7, np.uint8))
    monkeypatch.setenv("FASTNN_MNIST_DIR", str(tmp_path / "named"))
    np.testing.assert_array_equal(mnist(validation=0).test.y, np.arange(N_TEST) % 10)
    np.testing.assert_array_equal(mnist(tmp_path / "argument", validation=0).test.y, 7)


def test_a_missing_folder_in_the_environment_is_named_with_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNN_MNIST_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"FASTNN_MNIST_DIR is .*nowhere"):
        mnist()


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"train_labels": np.full(N_TRAIN, 10, np.uint8)}, "labels-idx1.*label 0 is 10"),
        ({"train_labels": np.zeros(59, np.uint8)}, "each of the 60 images"),
        ({"train_labels": np.zeros(N_TRAIN, np.int32)}, "uint8 label.*got int32"),
        ({"test_labels": np.zeros((N_TEST, 1), np.uint8)}, r"got uint8 \(20, 1\)"),
        ({"test_images": np.zeros((N_TEST, 32, 32), np.uint8)}, r"got uint8 \(20, 32, 32\)"),
        ({"test_images": np.zeros((N_TEST, 28, 28), np.float32)}, "uint8 images.*got float32"),
        ({"test_images": np.zeros((N_TEST, 784), np.uint8)}, r"got uint8 \(20, 784\)"),
    ],
)
def test_files_that_do_not_fit_mnist_say_what_came(tmp_path, replaced, message):
    write_files(tmp_path, **replaced)
    with pytest.raises(ValueError, match=message):
        mnist(tmp_path, validation=0)


# The cache


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/fastnn"),
        ("linux", {"XDG_CACHE_HOME": "xdg"}, "xdg/fastnn"),
        ("darwin", {}, "home/Library/Caches/fastnn"),
        ("win32", {}, "home/AppData/Local/fastnn"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/fastnn"),
        ("linux", {"FASTNN_DATA_DIR": "mine"}, "mine"),
        ("win32", {"FASTNN_DATA_DIR": "mine"}, "mine"),
    ],
)
def test_the_cache_is_where_the_system_keeps_caches(monkeypatch, platform, variables, expected):
    for name in ("FASTNN_DATA_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    assert cache_folder() == Path(expected)


class CountingHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word, and writes down what was asked for."""

    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror on this machine with files of its own, whose checksums are the expected ones.

    Gives the folder it serves and the list of what was asked for; the cache is a new folder.
    """
    folder = tmp_path / "mirror"
    write_files(folder)
    handler = type("Handler", (CountingHandler,), {"asked": []})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    base = f"http://127.0.0.1:{server.server_address[1]}/"
    sums = {
        name: hashlib.sha256((folder / f"{name}.gz").read_bytes()).hexdigest() for name in NAMES
    }
    monkeypatch.setattr(module, "SHA256", sums)
    monkeypatch.setattr(module, "MIRRORS", (base + "not-here/", base))
    monkeypatch.setenv("FASTNN_DATA_DIR", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield folder, handler.asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_second_mirror_is_asked_where_the_first_fails(mirror, tmp_path):
    pytest.importorskip("pooch")
    _, asked = mirror
    data = mnist(validation=0)
    assert len(data.train) == N_TRAIN
    assert asked[:2] == [f"/not-here/{NAMES[0]}.gz", f"/{NAMES[0]}.gz"]
    cached = sorted(path.name for path in (tmp_path / "cache" / "mnist").iterdir())
    assert cached == sorted(f"{name}.gz" for name in NAMES)


def test_a_cached_file_is_not_downloaded_again_and_needs_no_pooch(mirror, monkeypatch):
    pytest.importorskip("pooch")
    _, asked = mirror
    mnist(validation=0)
    asked.clear()
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert len(mnist(validation=0).test) == N_TEST
    assert asked == []


def test_a_damaged_cached_file_is_downloaded_again(mirror, tmp_path):
    pytest.importorskip("pooch")
    _, asked = mirror
    mnist(validation=0)
    asked.clear()
    (tmp_path / "cache" / "mnist" / f"{NAMES[1]}.gz").write_bytes(b"damaged")
    assert len(mnist(validation=0).train) == N_TRAIN
    assert asked[-1] == f"/{NAMES[1]}.gz"


def test_other_bytes_than_the_public_ones_are_refused(mirror, tmp_path):
    pytest.importorskip("pooch")
    folder, _ = mirror
    write_idx(folder / f"{NAMES[0]}.gz", np.zeros((N_TRAIN, 28, 28), np.uint8))
    with pytest.raises(OSError, match="could not be downloaded") as raised:
        mnist(validation=0)
    first, *mirrors = str(raised.value).splitlines()
    assert first.endswith("folder='DIR'")
    assert ["404" in line and "not-here" in line for line in mirrors] == [True, False]
    assert "does not match" in mirrors[1]
    assert all(len(line) < 150 for line in mirrors)
    assert not (tmp_path / "cache" / "mnist" / f"{NAMES[0]}.gz").exists()


def test_a_mirror_that_cannot_be_reached_takes_one_short_line(mirror, monkeypatch):
    pytest.importorskip("pooch")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        monkeypatch.setattr(module, "MIRRORS", (base,))
        with pytest.raises(OSError, match="could not be downloaded") as raised:
            mnist()
    _, line = str(raised.value).splitlines()
    assert line.startswith(f"  {base}: Failed to establish a new connection")
    assert len(line) < 150


def test_without_pooch_the_error_names_the_extra_and_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNN_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'pip install "fastnn\[mnist\]".*folder='):
        mnist()
