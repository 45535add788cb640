"""Right requests are answered with the bits of the network, in JSON and in binary."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.served import ask, binary, infer, tensor

import fastnn
import fastnn.serve


def served(model, **options):
    return fastnn.serve.app({"m": model}, poll_seconds=0, **options)


@st.composite
def networks(draw):
    output = draw(st.sampled_from(["softmax", "sigmoid", "identity", "exp"]))
    n_out = draw(st.integers(2 if output == "softmax" else 1, 4))
    labels = None
    if output == "softmax":
        names = [f"klasse ü{i}" for i in range(n_out)]
        labels = draw(st.sampled_from([None, names, list(range(7, 7 + n_out))]))
    return fastnn.Network(
        (draw(st.integers(1, 12)), 5, n_out),
        output=output,
        dtype=draw(st.sampled_from(["float32", "float64"])),
        class_labels=labels,
        seed=draw(st.integers(0, 99)),
    )


def values_of(response):
    """Return the outputs of a response by name, JSON or binary."""
    size = int(response.headers.get(b"inference-header-content-length", len(response.body)))
    head, rest = json.loads(response.body[:size]), response.body[size:]
    found = {}
    for output in head["outputs"]:
        if "data" in output:
            found[output["name"]] = np.array(output["data"]).reshape(output["shape"])
            continue
        part = rest[: output["parameters"]["binary_data_size"]]
        rest = rest[len(part) :]
        if output["datatype"] == "BYTES":
            texts = []
            while part:
                (n,) = struct.unpack("<I", part[:4])
                texts.append(part[4 : 4 + n].decode())
                part = part[4 + n :]
            found[output["name"]] = np.array(texts).reshape(output["shape"])
        else:
            dtype = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8"}[output["datatype"]]
            found[output["name"]] = np.frombuffer(part, dtype).reshape(output["shape"])
    assert not rest
    return found


@given(networks(), st.integers(0, 40), st.booleans(), st.booleans(), st.integers(0, 9))
def test_answers_have_the_bits_of_the_network(network, n_rows, is_binary, is_flat, seed):
    n_in, dtype = network.architecture.n_in, network.architecture.dtype
    x = np.random.default_rng(seed).normal(size=(n_rows, n_in)).astype(dtype)
    datatype = {"float32": "FP32", "float64": "FP64"}[dtype]
    if is_binary:
        body, headers = binary([("x", datatype, [n_rows, n_in], x.tobytes())])
        response = infer(served(network), body, headers=headers)
    else:
        entry = tensor(x, datatype=datatype)
        if is_flat:
            entry["data"] = x.ravel().tolist()
        response = infer(served(network), {"id": "7", "inputs": [entry]})
        assert response.json["id"] == "7"
    assert response.status == 200, response
    found = values_of(response)
    if network.architecture.classifies:
        expected = network.predict_proba(x)
        assert found["probabilities"].astype(dtype).tobytes() == expected.tobytes()
        assert found["label"].tolist() == network.predict(x).tolist()
    else:
        expected = network.predict(x).reshape(n_rows, network.architecture.n_out)
        assert found["prediction"].astype(dtype).tobytes() == expected.tobytes()


def test_the_body_may_be_the_rows_alone():
    network = fastnn.Network((3, 2), seed=0)
    x = np.ones((5, 3), np.float32)
    headers = [(b"inference-header-content-length", b"0")]
    found = values_of(infer(served(network), x.tobytes(), headers=headers))
    assert found["probabilities"].tobytes() == network.predict_proba(x).tobytes()


def test_bytes_are_scaled_as_by_the_network():
    network = fastnn.Network((3, 2), seed=0)
    x = np.array([[0, 128, 255]], np.uint8)
    found = values_of(infer(served(network), {"inputs": [tensor(x, datatype="UINT8")]}))
    expected = network.predict_proba(x)
    assert found["probabilities"].astype(np.float32).tobytes() == expected.tobytes()


def test_outputs_can_be_chosen_and_each_be_binary():
    network = fastnn.Network((3, 2), seed=0)
    request = {
        "inputs": [tensor(np.ones((2, 3)))],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
    }
    found = values_of(infer(served(network), request))
    assert list(found) == ["probabilities"]


def test_an_ensemble_answers_with_its_mean():
    ensemble = fastnn.Ensemble((3, 4, 2), 3, seed=0)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    found = values_of(infer(served(ensemble), {"inputs": [tensor(x)]}))
    expected = ensemble.predictor()(x)
    assert found["probabilities"].astype(np.float32).tobytes() == expected.tobytes()


def test_large_work_is_done_in_a_thread_with_the_same_bits():
    network = fastnn.Network((50, 200, 3), seed=0)
    x = np.random.default_rng(0).normal(size=(3000, 50)).astype(np.float32)
    body, headers = binary([("x", "FP32", [3000, 50], x.tobytes())])
    found = values_of(infer(served(network), body, headers=headers))
    assert found["probabilities"].tobytes() == network.predict_proba(x).tobytes()


def test_metadata_and_health():
    network = fastnn.Network((3, 2), class_labels=["no", "yes"], seed=0)
    application = fastnn.serve.app({"m": network, "m:12": network, "m:3": network})
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/m/ready", "/v2"):
        assert ask(application, "GET", path).status == 200
        assert ask(application, "HEAD", path).body == b""
    found = ask(application, "GET", "/v2/models/m").json
    assert found == {
        "name": "m",
        "versions": ["1", "3", "12"],
        "platform": "fastnn",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
        ],
    }
    request = {"inputs": [tensor(np.ones((1, 3)))]}
    assert infer(application, request).json["model_version"] == "12"
    assert infer(application, request, "m/versions/3").json["model_version"] == "3"
    assert ask(application, "GET", "/v2/models").json["models"][0]["name"] == "m"


def test_it_can_be_mounted():
    application = served(fastnn.Network((3, 2), seed=0))
    assert ask(application, "GET", "/v2/models/m", root_path="/nets").status == 200


@pytest.mark.parametrize("key", ["", "a/b", "a:0", "a:x", "a=b", "a\n"])
def test_names_that_no_path_can_have_are_refused(key):
    with pytest.raises(ValueError, match="must"):
        fastnn.serve.app({key: fastnn.Network((3, 2))})
