"""Networks as ONNX models: ONNX Runtime predicts what fastnn does."""

import json
import sys

import numpy as np
import pytest
from support.examples import small_network
from support.export_bounds import prediction, same_classes
from support.random_networks import N_NETWORKS, random_network

import fastnn
from fastnn.architecture import ACTIVATIONS, OUTPUTS
from fastnn.backends.reference import FORWARD

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def runtime(path, x):
    """What ONNX Runtime computes of x, by the outputs' names."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"x": x}), strict=True))


def numbers(network, x):
    """What the network computes of x: probabilities or numbers, (n_rows, n_out)."""
    if network.architecture.classifies:
        return network.predict_proba(x)
    return network.predict(x).reshape(len(x), -1)


def exported(network, folder, x):
    path = folder / "net.onnx"
    network.to_onnx(path, input_dtype=x.dtype)
    return runtime(path, x)


@pytest.mark.parametrize("seed", range(N_NETWORKS))
def test_the_runtime_predicts_what_fastnn_does(seed, tmp_path):
    network, x = random_network(seed)
    found = exported(network, tmp_path, x)
    classifies = network.architecture.classifies
    expected, bound = numbers(network, x), prediction(network, x)
    values = found["probabilities" if classifies else "prediction"]
    assert values.dtype == expected.dtype
    assert values.shape == expected.shape
    assert (np.abs(values.astype(np.float64) - expected) <= bound).all()
    if expected.dtype == np.float64:
        largest = np.abs(expected).max(axis=1, keepdims=True)
        assert (np.abs(values - expected) <= 1e-12 * largest).all()
    if classifies:
        labels = network.predict(x)
        assert found["label"].shape == labels.shape
        assert found["label"].dtype == (object if labels.dtype.kind == "U" else labels.dtype)
        assert same_classes(network, expected, bound, labels, found["label"])
    else:
        assert list(found) == ["prediction"]


def test_the_bound_shows_one_wrong_weight():
    shown = []
    for seed in range(N_NETWORKS):
        network, x = random_network(seed)
        before, rng = numbers(network, x), np.random.default_rng(seed)
        weight = network.weights[rng.integers(len(network.weights))]
        weight[rng.integers(weight.shape[0]), rng.integers(weight.shape[1])] += 0.1
        shown.append((np.abs(numbers(network, x) - before) > prediction(network, x)).any())
    assert np.mean(shown) > 0.85  # the rest lead to units or outputs that are off or saturated


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_is_right_for_any_z(activation, dtype, tmp_path):
    network = fastnn.Network((1, 1, 1), activation=activation, output="identity", dtype=dtype)
    for weight, bias in zip(network.weights, network.biases, strict=True):
        weight[...], bias[...] = 1, 0
    far = [1e30, 1e5, 1000, 100, 40, 20, 9, 8.5, 8, 5, 3, 2, 1, 0.5, 0.1, 1e-3, 1e-6, 1e-30]
    z = np.array([[sign * size] for size in (*far, 0) for sign in (1, -1)], dtype)
    expected = FORWARD[activation](z.astype(np.float64))
    found = exported(network, tmp_path, z)["prediction"]
    eps = np.finfo(dtype).eps
    bound = 4 * eps * (1 + np.maximum(np.abs(expected), np.where(z > -9, np.abs(z), 0)))
    if activation in ("identity", "relu", "leaky_relu"):
        bound = 2 * eps * np.abs(expected)
    np.testing.assert_array_less(np.abs(found - expected), bound + np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_is_right_for_any_z(output, dtype, tmp_path):
    network = fastnn.Network((2, 2), output=output, dtype=dtype)
    network.weights[0][...] = np.eye(2)
    z = np.array([[0, 0], [1000, 0], [-1000, 0], [88, -88], [30, 29], [1e4, 1e4]], dtype)
    with np.errstate(over="ignore"):
        expected = numbers(network, z)
    name = "probabilities" if network.architecture.classifies else "prediction"
    found = exported(network, tmp_path, z)[name]
    np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(dtype).eps, atol=1e-7)
    assert np.isinf(expected).any() == (output == "exp")


@pytest.mark.parametrize("n_rows", [0, 1, 3, 1000])
def test_a_model_takes_any_number_of_rows(n_rows, tmp_path):
    network = small_network(class_labels=["a", "b", "c"])
    x = np.random.default_rng(0).normal(size=(n_rows, 4))
    found = exported(network, tmp_path, x)
    assert found["label"].tolist() == network.predict(x).tolist()
    np.testing.assert_allclose(found["probabilities"], network.predict_proba(x), rtol=1e-12)


LABELS = {
    "none": (None, np.int64),
    "text": (["no", "", "¿?"], object),
    "whole numbers": ([7, -3, 2**40], np.int64),
    "bools and whole numbers": ([True, 0, 7], np.int64),
    "numbers": ([0.5, 2, -1e300], np.float64),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_are_the_networks_own(kind, tmp_path):
    labels, dtype = LABELS[kind]
    network, x = small_network(class_labels=labels), np.eye(4)
    found = exported(network, tmp_path, 9 * x)["label"]
    assert found.dtype == dtype
    assert found.shape == (4,)
    assert found.tolist() == network.predict(9 * x).tolist()
    assert len(set(found.tolist())) > 1


@pytest.mark.parametrize("labels", [None, ["no", "yes"], [False, True]])
def test_one_sigmoid_output_gives_one_label_and_one_probability_a_row(labels, tmp_path):
    network = small_network((4, 6, 1), output="sigmoid", class_labels=labels)
    found = exported(network, tmp_path, np.eye(4))
    assert found["probabilities"].shape == (4, 1)
    assert found["label"].tolist() == network.predict(np.eye(4)).tolist()


def test_several_sigmoid_outputs_give_yes_or_no_for_each(tmp_path):
    network = small_network(output="sigmoid")
    found = exported(network, tmp_path, np.eye(4))["label"]
    assert found.dtype == np.int64
    assert found.tolist() == network.predict(np.eye(4)).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uint8_rows_are_scaled_inside_and_float_rows_are_not(dtype, tmp_path):
    network = small_network(dtype=dtype, input_scale=1 / 99)
    x = np.arange(0, 240, 10, np.uint8).reshape(6, 4)
    for rows in (x, x.astype(np.float32) / 99, x / 99):
        found = exported(network, tmp_path, rows)["probabilities"]
        np.testing.assert_allclose(found, network.predict_proba(x), rtol=1e-5)


def test_by_default_a_model_takes_the_networks_dtype(tmp_path):
    for dtype in ("float32", "float64"):
        small_network(dtype=dtype).to_onnx(tmp_path / "net.onnx")
        assert runtime(tmp_path / "net.onnx", np.zeros((1, 4), dtype))


def test_old_runtimes_read_it_and_it_says_where_it_comes_from(tmp_path):
    network = small_network(loss="cross_entropy", class_labels=["a", "b", "ü"])
    network.to_onnx(tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 13
    assert model.ir_version == 7
    assert (model.producer_name, model.producer_version) == ("fastnn", fastnn.__version__)
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(metadata["fastnn.architecture"])["sizes"] == [4, 6, 3]
    assert json.loads(metadata["fastnn.class_labels"]) == ["a", "b", "ü"]
    assert metadata["fastnn.fastnn_version"] == fastnn.__version__


def test_one_network_is_one_file(tmp_path):
    network, _ = random_network(5)
    network.to_onnx(tmp_path / "a")
    network.to_onnx(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_cannot_be_written_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    path.write_text("before")
    with pytest.raises(ValueError, match=r"input_dtype must be one of .* got 'int8'"):
        small_network().to_onnx(path, input_dtype="int8")
    with pytest.raises(TypeError, match="input_dtype must be one of"):
        small_network().to_onnx(path, input_dtype=8)
    for labels, words in (
        ([1, 2, 2**70], "must fit 64 bits"),
        ([0.5, 2, 2**53 + 1], "label 9007199254740993 does not fit in a double"),
        ([0.5, 2, 10**400], "does not fit in a double"),
        (["a", "b\0", "c"], r"label 'b\\x00' holds a zero character"),
        (["a", "\ud800", "c"], r"label '\\ud800' is not valid Unicode"),
    ):
        with pytest.raises(ValueError, match=words):
            small_network(class_labels=labels).to_onnx(path)
    monkeypatch.setattr("fastnn.exchange.onnx.export.LARGEST", 50 * 8)
    with pytest.raises(ValueError, match=r"51 parameters take 408 bytes, and .* at most 400"):
        small_network().to_onnx(path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "fastnn\[onnx\]"'):
        small_network().to_onnx(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
