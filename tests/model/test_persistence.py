"""Saving and loading: everything comes back, and a failed save loses nothing."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
from safetensors import safe_open
from support.examples import blobs, same_bits, small_network

import fastnn
from fastnn.architecture import ACTIVATIONS, LOSSES
from fastnn.model.persistence import metadata_of
from fastnn.system.files import write_whole

X, Y = blobs()

# -- fields of networks that have them -----------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, set()),
        ({"label_smoothing": 0.1}, {"label_smoothing"}),
        ({"output": "identity", "loss": "quantile"}, {"quantiles"}),
    ],
)
def test_a_file_holds_the_optional_fields_where_they_say_something(options, more):
    fields = json.loads(metadata_of(small_network(**options))["architecture"])
    assert set(fields) - set(json.loads(metadata_of(small_network())["architecture"])) == more
    assert "huber_delta" in fields


# -- the round trip -------------------------------------------------------------------------------

ARCHITECTURES = {
    **{
        f"{output}, {loss}": ((4, 6, 3), {"output": output, "loss": loss})
        for output, losses in LOSSES.items()
        for loss in losses
    },
    **{name: ((4, 17, 3), {"activation": name}) for name in ACTIVATIONS},
    "one layer": ((4, 3), {}),
    "five layers": ((4, 7, 15, 16, 31, 3), {"activation": ACTIVATIONS[:4]}),
    "width one": ((4, 1, 1), {"output": "sigmoid"}),
    "no bias": ((4, 6, 3), {"bias": False}),
    "float32": ((4, 6, 3), {"dtype": "float32"}),
    "input_scale": ((4, 6, 3), {"input_scale": 1 / 3}),
    "huber_delta": ((4, 6, 3), {"output": "identity", "loss": "huber", "huber_delta": 0.1}),
    "quantile": ((4, 6, 3), {"output": "identity", "loss": "quantile", "quantiles": 0.1}),
    "quantiles": ((4, 2), {"output": "identity", "loss": "quantile", "quantiles": (0.1, 0.9)}),
    "label_smoothing": ((4, 6, 3), {"label_smoothing": 0.1}),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_kind_of_network_comes_back(name, tmp_path):
    sizes, options = ARCHITECTURES[name]
    net = small_network(sizes, **options)
    for bias in net.biases:
        if bias is not None:
            bias[...] = net.rng.normal(size=bias.shape)
    net.save(tmp_path / "a.safetensors")
    loaded = fastnn.load(tmp_path / "a.safetensors", backend="numpy")
    assert loaded.architecture == net.architecture
    assert same_bits(loaded.parameters, net.parameters)
    assert same_bits(loaded.predict(X), net.predict(X))


@pytest.mark.parametrize(
    "labels",
    [("a", "b", "ü ☃"), (3, -1, 2**60), (0.5, 1.5, -2.25), None],
    ids=["text", "whole numbers", "fractions", "none"],
)
def test_class_labels_come_back_as_they_were(labels, tmp_path):
    net = small_network(class_labels=labels)
    net.save(tmp_path / "a.safetensors")
    loaded = fastnn.load(tmp_path / "a.safetensors")
    assert loaded.class_labels == labels
    assert same_bits(loaded.predict(X), net.predict(X))


def test_a_loaded_network_learns_on(backend, tmp_path):
    small_network().save(tmp_path / "a.safetensors")
    loaded = fastnn.load(tmp_path / "a.safetensors", backend=backend.name)
    assert loaded.backend == backend.name
    assert loaded.parameters.ctypes.data % 64 == 0
    before = loaded.evaluate(X, Y)["loss"]
    loaded.fit(X, Y, epochs=5)
    assert loaded.evaluate(X, Y)["loss"] < before


def test_weights_that_are_not_finite_come_back_too(tmp_path):
    net = small_network()
    net.weights[0][0, :3] = np.nan, np.inf, -np.inf
    net.save(tmp_path / "a.safetensors")
    assert same_bits(fastnn.load(tmp_path / "a.safetensors").parameters, net.parameters)


def test_the_file_is_plain_safetensors_with_the_documented_metadata(tmp_path):
    net = small_network(class_labels=["a", "b", "c"])
    net.save(tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert metadata["format"] == "fastnn"
    assert metadata["format_version"] == "2"
    assert metadata["fastnn_version"] == fastnn.__version__
    assert json.loads(metadata["class_labels"]) == ["a", "b", "c"]
    assert json.loads(metadata["architecture"]) == {
        "sizes": [4, 6, 3],
        "activations": ["sigmoid"],
        "output": "softmax",
        "loss": "cross_entropy",
        "bias": True,
        "dtype": "float64",
        "input_scale": 1 / 255,
        "huber_delta": 1.0,
    }
    assert set(tensors) == {"weights.0", "weights.1", "biases.0", "biases.1"}
    assert same_bits(tensors["weights.0"], np.ascontiguousarray(net.weights[0]))
    assert same_bits(tensors["biases.1"], net.biases[1])


def test_one_network_is_one_file_byte_for_byte(tmp_path):
    for name in ("a", "b"):
        small_network().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_path_may_be_text(tmp_path):
    small_network().save(str(tmp_path / "a"))
    assert fastnn.load(str(tmp_path / "a")).architecture == small_network().architecture


def test_a_wrong_backend_is_not_the_files_fault(tmp_path):
    small_network().save(tmp_path / "a")
    with pytest.raises(ValueError, match=r"^the backend given by backend= .* got 'torch'"):
        fastnn.load(tmp_path / "a", backend="torch")


# -- saving that fails ----------------------------------------------------------------------------


@pytest.fixture
def old_file(tmp_path):
    """A saved network, and a check that it is still there, alone and as it was."""
    path = tmp_path / "net.safetensors"
    small_network(seed=1).save(path)
    before = path.read_bytes()
    yield path
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace", "os.chmod"])
def test_a_save_that_fails_at_any_step_leaves_the_old_file(old_file, step, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match=r"cannot write .*net\.safetensors: No space left") as caught:
        small_network(seed=2).save(old_file)
    assert caught.value.errno == errno.ENOSPC


def test_an_interrupted_save_leaves_the_old_file(old_file, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        small_network(seed=2).save(old_file)


FULL_DISK = """
import resource, signal, sys
import fastnn
net = fastnn.Network((500, 100), seed=0)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    net.save(sys.argv[1])
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_takes_no_more_leaves_the_old_file(old_file):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, old_file], capture_output=True, text=True, check=True
    )
    assert f"cannot write {old_file}: File too large" in done.stdout


def test_a_folder_that_takes_no_files_is_named(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    monkeypatch.setattr("fastnn.system.files.os.open", refuse)
    with pytest.raises(PermissionError, match=r"cannot write .*net: Permission denied"):
        small_network().save(tmp_path / "net")


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="Linux has files without a name")
@pytest.mark.parametrize("call", ["os.open", "os.link"])
def test_where_files_need_a_name_they_are_written_too(tmp_path, monkeypatch, call):
    real = os.open

    def refuse(path, flags=0, *arguments, **options):
        if call == "os.link" or (flags & os.O_TMPFILE) == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return real(path, flags, *arguments, **options)

    network = small_network()
    network.save(tmp_path / "expected")
    monkeypatch.setattr(call, refuse)
    network.save(tmp_path / "net")
    network.save(tmp_path / "net")
    assert (tmp_path / "net").read_bytes() == (tmp_path / "expected").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["expected", "net"]


def test_what_is_being_written_has_no_name_where_the_system_has_such_files(tmp_path):
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_WRONLY))
    except (AttributeError, OSError):
        pytest.skip("files without a name are Linux's, on most file systems")
    with write_whole(tmp_path / "net") as file:
        file.write(b"half")
        file.flush()
        assert os.listdir(tmp_path) == []
    assert os.listdir(tmp_path) == ["net"]


def test_a_path_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"cannot write .*file/net"):
        small_network().save(tmp_path / "file" / "net")
    with pytest.raises(FileNotFoundError, match=r"cannot write .*absent/net"):
        small_network().save(tmp_path / "absent" / "net")
    with pytest.raises(IsADirectoryError, match="it is a folder; give a file in it"):
        small_network().save(tmp_path)
    assert os.listdir(tmp_path) == ["file"]


def test_a_save_keeps_the_files_permissions(tmp_path):
    path = tmp_path / "net"
    path.touch()
    path.chmod(0o640)
    small_network().save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_device_is_written_to_not_replaced(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    small_network().save(pipe)
    reader.join(timeout=60)
    small_network().save(tmp_path / "file")
    assert read == [(tmp_path / "file").read_bytes()]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to("file")
    small_network().save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert fastnn.load(tmp_path / "file").architecture == small_network().architecture
