"""What a network was trained on goes through an ONNX file and back."""

import numpy as np
import pytest
from support.examples import small_network

import fastnn
from fastnn.architecture import OUTPUTS
from fastnn.model.standardization import Standardization, fold
from fastnn.rows.trained_on import TrainedOn

onnx = pytest.importorskip("onnx")

NAMES = ("age", "é\n*/", "", "日本")


def through(network, path, **options):
    network.to_onnx(path, **options)
    return fastnn.from_onnx(path)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("input_dtype", [None, "float32", "uint8"])
def test_it_comes_back_as_it_was(tmp_path, output, input_dtype):
    network = small_network((4, 3), output=output)
    x = np.random.default_rng(0).normal(1.7e9, 1e4, (50, 4))
    network.trained_on = TrainedOn(feature_names=NAMES, label_name="what?")
    fold(network, Standardization.of(x), Standardization.none(3))
    again = through(network, tmp_path / "net.onnx", input_dtype=input_dtype)
    assert again.trained_on == network.trained_on
    assert again.architecture.dtype == "float64"


@pytest.mark.parametrize("trained_on", [None, TrainedOn("bytes"), TrainedOn()])
def test_so_does_what_is_not_known(tmp_path, trained_on):
    network = small_network()
    network.trained_on = trained_on
    assert through(network, tmp_path / "net.onnx").trained_on == trained_on


def test_names_stand_in_the_doc_strings(tmp_path):
    network = small_network((4, 3))
    network.trained_on = TrainedOn(feature_names=(*NAMES[:3], "\ud800"), label_name="species")
    network.to_onnx(tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    assert graph.input[0].doc_string == "columns: age, é\n*/, , \\ud800"
    assert [output.doc_string for output in graph.output] == ["of species"] * 2
    assert fastnn.from_onnx(tmp_path / "net.onnx").trained_on == network.trained_on


def test_a_damaged_memory_is_refused(tmp_path):
    network = small_network((4, 3))
    network.trained_on = TrainedOn(feature_names=NAMES)
    path = tmp_path / "net.onnx"
    network.to_onnx(path)
    model = onnx.load(path)
    for prop in model.metadata_props:
        if prop.key == "fastnn.trained_on":
            prop.value = prop.value.replace('"age", ', "")
    onnx.save(model, path)
    with pytest.raises(ValueError, match="feature_names must hold 4 values"):
        fastnn.from_onnx(path)


def test_a_float64_model_of_far_columns_loses_nothing_in_onnxruntime(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    x = np.random.default_rng(0).normal(1.7e18, 1e8, (50, 4))
    network = small_network((4, 3))
    fold(network, Standardization.of(x), Standardization.none(3))
    network.to_onnx(tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    _, found = session.run(None, {"x": x})
    np.testing.assert_allclose(found, network.predict_proba(x), atol=1e-5)  # 1e10 times eps
