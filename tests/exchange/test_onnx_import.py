"""Networks from ONNX models: fastnn's own come back to the bit, others' as far as they are MLPs."""

import io
import logging
import subprocess
import sys
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest
from support.examples import same_bits, small_network
from support.random_networks import N_NETWORKS, random_network

import fastnn
from fastnn.architecture import OUTPUTS
from fastnn.model.persistence import to_bytes

pytest.importorskip("onnx")

from onnx import TensorProto
from support.onnx_graphs import B1, FIRST, LAST, PLAIN, RELU, W1, W2, model_of, written

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def read(folder, nodes=PLAIN, output=None, **options):
    return fastnn.from_onnx(written(model_of(nodes, **options), folder), output=output)


# -- fastnn's own ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(N_NETWORKS))
def test_a_network_comes_back_to_the_bit(seed, tmp_path):
    network, x = random_network(seed)
    network.to_onnx(tmp_path / "net", input_dtype=x.dtype)
    back = fastnn.from_onnx(tmp_path / "net")
    assert to_bytes(back) == to_bytes(network)
    assert same_bits(back.predict(x), network.predict(x))


def test_the_graph_must_be_what_the_metadata_say(tmp_path):
    import onnx

    network = small_network(class_labels=["a", "b", "c"])
    path = tmp_path / "net.onnx"
    network.to_onnx(path)
    model = onnx.load(path)
    next(n for n in model.graph.node if n.op_type == "Reciprocal").op_type = "Tanh"
    onnx.save(model, path)
    with pytest.raises(ValueError, match="which is none of fastnn's activations"):
        fastnn.from_onnx(path)
    small_network(activation="relu").to_onnx(path)
    model = onnx.load(path)
    next(n for n in model.graph.node if n.op_type == "Relu").op_type = "Tanh"
    onnx.save(model, path)
    with pytest.raises(ValueError, match="metadata and its graph do not agree on activations"):
        fastnn.from_onnx(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    assert fastnn.from_onnx(path).architecture.activations == ("tanh",)


# -- others' --------------------------------------------------------------------------------------


def test_a_plain_graph_is_a_network(tmp_path):
    network = read(tmp_path)
    a = network.architecture
    assert (a.sizes, a.activations, a.output) == ((4, 3, 2), ("relu",), "identity")
    assert (a.bias, a.dtype) == (True, "float32")
    expected = np.maximum(X @ W1 + B1, 0) @ W2 + np.array([0.1, -0.2], np.float32)
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-5, atol=1e-6)


SAME_LAYER = {
    "MatMul, Add": [("MatMul", ["x", "W1"], "m"), ("Add", ["m", "b1"], "z1")],
    "MatMul, Add of the other order": [("MatMul", ["x", "W1"], "m"), ("Add", ["b1", "m"], "z1")],
    "transB": [("Gemm", ["x", "W1t", "b1"], "z1", {"transB": 1})],
    "Transpose": [("Transpose", ["W1t"], "w"), ("Gemm", ["x", "w", "b1"], "z1")],
    "alpha, beta": [("Gemm", ["x", "W1half", "b1twice"], "z1", {"alpha": 2.0, "beta": 0.5})],
    "a bias of one row": [("Gemm", ["x", "W1", "b1row"], "z1")],
    "Gemm and Add": [("Gemm", ["x", "W1"], "m"), ("Add", ["m", "b1"], "z1")],
    "a scaled float input": [("Mul", ["x", "two"], "s"), ("Gemm", ["s", "W1half", "b1"], "z1")],
    "a divided float input": [("Div", ["x", "half"], "s"), ("Gemm", ["s", "W1half", "b1"], "z1")],
    "Identity, Dropout": [
        ("Identity", ["x"], "i"),
        ("Gemm", ["i", "W1", "b1"], "z0"),
        ("Dropout", ["z0"], "z1"),
    ],
    "Cast": [
        ("Cast", ["x"], "f", {"to": TensorProto.FLOAT}),
        ("Gemm", ["f", "W1", "b1"], "z1"),
    ],
    "Flatten": [("Flatten", ["x"], "f", {"axis": 1}), ("Gemm", ["f", "W1", "b1"], "z1")],
    "Reshape": [("Reshape", ["x", "rows_of_4"], "f"), ("Gemm", ["f", "W1", "b1"], "z1")],
}


@pytest.mark.parametrize("name", SAME_LAYER)
def test_a_layer_is_read_in_every_spelling(name, tmp_path):
    network = read(
        tmp_path,
        [*SAME_LAYER[name], RELU, LAST],
        W1t=np.ascontiguousarray(W1.T),
        W1half=W1 / 2,
        b1twice=B1 * 2,
        b1row=B1[None],
        two=np.float32(2),
        half=np.float32(0.5),
        rows_of_4=np.array([-1, 4]),
    )
    assert same_bits(network.parameters, read(tmp_path).parameters)


ACTIVATIONS = {
    "erf gelu, divided": (
        "gelu",
        [
            ("Div", ["z1", "root2"], "a"),
            ("Erf", ["a"], "e"),
            ("Add", ["e", "one"], "p"),
            ("Mul", ["z1", "p"], "q"),
            ("Mul", ["q", "half"], "h1"),
        ],
    ),
    "erf gelu, half first": (
        "gelu",
        [
            ("Mul", ["half", "z1"], "q"),
            ("Mul", ["z1", "root_half"], "a"),
            ("Erf", ["a"], "e"),
            ("Add", ["one", "e"], "p"),
            ("Mul", ["p", "q"], "h1"),
        ],
    ),
    "silu": ("silu", [("Sigmoid", ["z1"], "s"), ("Mul", ["s", "z1"], "h1")]),
    "Mish": ("mish", [("Mish", ["z1"], "h1")]),
    "mish by Softplus": (
        "mish",
        [("Softplus", ["z1"], "s"), ("Tanh", ["s"], "t"), ("Mul", ["z1", "t"], "h1")],
    ),
    "mish by a softplus that ends": (
        "mish",
        [
            ("Softplus", ["z1"], "s"),
            ("Greater", ["z1", "twenty"], "g"),
            ("Where", ["g", "z1", "s"], "p"),
            ("Tanh", ["p"], "t"),
            ("Mul", ["t", "z1"], "h1"),
        ],
    ),
    "mish by Log": (
        "mish",
        [
            ("Exp", ["z1"], "e"),
            ("Add", ["one", "e"], "p"),
            ("Log", ["p"], "s"),
            ("Tanh", ["s"], "t"),
            ("Mul", ["z1", "t"], "h1"),
        ],
    ),
    "relu by Clip": ("relu", [("Clip", ["z1", "zero"], "h1")]),
    "relu by Max": ("relu", [("Max", ["zero", "z1"], "h1")]),
    "LeakyRelu": ("leaky_relu", [("LeakyRelu", ["z1"], "h1")]),
    "leaky by Max": ("leaky_relu", [("Mul", ["z1", "slope"], "m"), ("Max", ["m", "z1"], "h1")]),
    "Selu": ("selu", [("Selu", ["z1"], "h1")]),
    "Elu": ("elu", [("Elu", ["z1"], "h1")]),
    "Softplus": ("softplus", [("Softplus", ["z1"], "h1")]),
    "sigmoid by Exp": (
        "sigmoid",
        [
            ("Neg", ["z1"], "n"),
            ("Exp", ["n"], "e"),
            ("Add", ["e", "one"], "p"),
            ("Div", ["one", "p"], "h1"),
        ],
    ),
    "none": ("identity", [("Identity", ["z1"], "h1")]),
    "Dropout": ("tanh", [("Tanh", ["z1"], "t"), ("Dropout", ["t"], ["h1", "mask"])]),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_read_in_every_spelling(name, tmp_path):
    activation, nodes = ACTIVATIONS[name]
    constants = {"root2": 2**0.5, "root_half": 0.5**0.5, "one": 1, "half": 0.5, "zero": 0}
    constants |= {"slope": 0.01, "twenty": 20}
    network = read(
        tmp_path, [FIRST, *nodes, LAST], **{k: np.float32(v) for k, v in constants.items()}
    )
    assert network.architecture.activations == (activation,)


ENDS = {
    "Softmax": ([("Softmax", ["y"], "p")], ["p"], "softmax"),
    "Softmax of the columns": ([("Softmax", ["y"], "p", {"axis": 1})], ["p"], "softmax"),
    "Sigmoid": ([("Sigmoid", ["y"], "p")], ["p"], "sigmoid"),
    "Exp": ([("Exp", ["y"], "p")], ["p"], "exp"),
    "Tanh": ([("Tanh", ["y"], "p")], ["p"], "tanh"),
    "Relu": ([("Relu", ["y"], "p")], ["p"], "relu"),
    "logits": ([], ["y"], "identity"),
    "the largest logit": ([("ArgMax", ["y"], "p", {"axis": 1})], ["p"], "softmax"),
    "logits and the largest": ([("ArgMax", ["y"], "p", {"axis": -1})], ["y", "p"], "softmax"),
    "logits and probabilities": ([("Softmax", ["y"], "p")], ["y", "p"], "softmax"),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_end_of_a_graph_is_the_output(name, tmp_path):
    nodes, outputs, expected = ENDS[name]
    assert read(tmp_path, [*PLAIN, *nodes], outputs=outputs).architecture.output == expected


def test_logits_are_what_the_user_says(tmp_path):
    for output in OUTPUTS:
        assert read(tmp_path, output=output).architecture.output == output
    ends = [*PLAIN, ("LogSoftmax", ["y"], "p")]
    assert read(tmp_path, ends, "softmax", outputs=["p"]).architecture.output == "softmax"
    with pytest.raises(ValueError, match='say output="softmax"'):
        read(tmp_path, ends, outputs=["p"])
    with pytest.raises(ValueError, match="ends in softmax, not in plain logits"):
        read(tmp_path, [*PLAIN, ("Softmax", ["y"], "p")], "sigmoid", outputs=["p"])


def test_labels_of_a_classifier_are_class_labels(tmp_path):
    nodes = [
        *PLAIN,
        ("Softmax", ["y"], "p"),
        ("ArgMax", ["p"], "i", {"axis": 1, "keepdims": 0}),
        ("Gather", ["names", "i"], "label"),
    ]
    names = np.array(["no", "yes"], object)
    network = read(tmp_path, nodes, outputs=["label", "p"], names=names)
    assert network.class_labels == ("no", "yes")
    network = read(tmp_path, nodes, outputs=["label", "p"], names=np.array([0, 1]))
    assert network.class_labels is None


def test_uint8_rows_have_an_input_scale(tmp_path):
    nodes = [("Cast", ["x"], "f", {"to": 1}), ("Div", ["f", "top"], "s")]
    options = {"x": (TensorProto.UINT8, ["rows", 4]), "top": np.float32(255)}
    network = read(tmp_path, [*nodes, ("Gemm", ["s", "W1", "b1"], "z1"), *PLAIN[1:]], **options)
    assert np.float32(network.architecture.input_scale) == np.float32(1) / np.float32(255)
    assert same_bits(network.weights[0], read(tmp_path).weights[0])
    plain = [nodes[0], ("Gemm", ["f", "W1", "b1"], "z1"), *PLAIN[1:]]
    assert read(tmp_path, plain, **options).architecture.input_scale == 1


def test_layers_without_a_bias_have_zeros_where_others_have_one(tmp_path):
    bare = ("Gemm", ["x", "W1"], "z1")
    network = read(tmp_path, [bare, RELU, LAST])
    assert not network.biases[0].any()
    assert network.biases[1].any()
    network = read(tmp_path, [bare, RELU, ("MatMul", ["h1", "W2"], "y")])
    assert network.biases == [None, None]


@pytest.mark.parametrize(
    ("dtype", "expected"), [("f2", "float32"), ("f4", "float32"), ("f8", "float64")]
)
def test_the_dtype_is_that_of_the_weights(dtype, expected, tmp_path):
    network = read(tmp_path, W1=W1.astype(dtype), b1=B1.astype(dtype))
    assert network.architecture.dtype == expected


def test_weights_are_read_from_files_beside_the_model(tmp_path):
    import onnx

    onnx.save(model_of(), tmp_path / "net.onnx", save_as_external_data=True, size_threshold=0)
    assert same_bits(fastnn.from_onnx(tmp_path / "net.onnx").parameters, read(tmp_path).parameters)


def torch_models(torch):
    nn = torch.nn
    torch.manual_seed(0)
    activations = [
        nn.Sigmoid(), nn.Tanh(), nn.ReLU(), nn.LeakyReLU(), nn.ELU(), nn.GELU(), nn.SiLU(),
        nn.SELU(), nn.Mish(), nn.Softplus(), nn.Identity(), nn.Dropout(0.3),
    ]  # fmt: skip
    for dtype in (torch.float32, torch.float64):
        for last in ((), (nn.Softmax(dim=1),), (nn.Sigmoid(),)):
            modules = [nn.Flatten(), nn.Linear(6, 5, dtype=dtype)]
            for activation in activations:
                modules += [
                    activation,
                    nn.Linear(5, 5, bias=activation is not activations[1], dtype=dtype),
                ]
            yield nn.Sequential(*modules, *last).eval(), torch.randn(3, 2, 3, dtype=dtype)


@pytest.mark.parametrize("dynamo", [False, True])
def test_what_pytorch_exports_is_read(dynamo, tmp_path):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    for model, x in torch_models(torch):
        logging.disable(logging.WARNING)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (x,), tmp_path / "net.onnx", dynamo=dynamo)
        logging.disable(logging.NOTSET)
        network = fastnn.from_onnx(tmp_path / "net.onnx")
        with torch.no_grad():
            expected = model(x).numpy()
        found = network.predictor()(x.numpy().reshape(3, 6))
        np.testing.assert_allclose(found, expected, rtol=20 * np.finfo(expected.dtype).eps)


# -- what is refused ------------------------------------------------------------------------------

NAN = np.full((4, 3), np.nan, np.float32)
REFUSED = {
    "a convolution": ([("Conv", ["x", "W1"], "y")], {}, r"'the Conv' \(Conv\) does to the input"),
    "an unknown activation": (
        [FIRST, ("Softsign", ["z1"], "h1"), LAST], {}, r"'the Softsign' .* divided by 1 \+ \|z\|"
    ),
    "a skipped input": (
        [("Gemm", ["x", "square"], "z"), ("Add", ["x", "z"], "y")],
        {"square": np.eye(4, dtype=np.float32)},
        r"'the Add' \(Add\) joins the input with what is computed from it",
    ),
    "a function that is no activation": (
        [FIRST, ("Erf", ["z1"], "h1"), LAST],
        {},
        r"'the Gemm' \(Gemm\): it takes what node 'the Erf' .* none of fastnn's activations",
    ),
    "tanh's gelu": (
        [FIRST, ("Gelu", ["z1"], "h1", {"approximate": "tanh"}), LAST],
        {"opset": 20},
        "none of fastnn's activations",
    ),
    "a skipped layer": (
        [*PLAIN, ("MatMul", ["x", "W1"], "m"), ("MatMul", ["m", "W2"], "n"), ("Add", "yn", "s")],
        {"outputs": ["s"]},
        r"'the Add' \(Add\) joins two branches",
    ),
    "an end that is no activation": (
        [FIRST, ("Erf", ["z1"], "h1")], {"outputs": ["h1"]}, "ends in its node 'the Erf'"
    ),
    "no layer": ([("Relu", ["x"], "y")], {}, "does to the input"),
    "the input itself": ([("Identity", ["x"], "y")], {}, "outputs are not those of dense layers"),
    "an x of the other side": (
        [("Gemm", ["W2", "x"], "y")], {}, "'the Gemm'"
    ),
    "transA": ([("Gemm", ["x", "W1"], "y", {"transA": 1})], {}, "transposes its input"),
    "softmax of the rows": (
        [*PLAIN, ("Softmax", ["y"], "p", {"axis": 0})],
        {"outputs": ["p"]},
        "ends in .*'the Softmax'",
    ),
    "a missing constant": ([("Gemm", ["x", "absent"], "y")], {}, "'absent', which nothing gives"),
    "a missing output": (PLAIN, {"outputs": ["absent"]}, "nothing computes its output 'absent'"),
    "a name twice": ([*PLAIN, ("Relu", ["z1"], "h1")], {}, "defines 'h1' twice"),
    "layers that do not fit": (
        [FIRST, RELU, ("Gemm", ["h1", "W1"], "y")],
        {},
        "takes 4 numbers, but the layer before it gives 3",
    ),
    "rows that do not fit": (PLAIN, {"x": (1, ["rows", 5])}, "takes 4 numbers, but .* have 5"),
    "images not flattened": (PLAIN, {"x": (1, ["rows", 2, 4])}, "input of 3 dimensions"),
    "text": (PLAIN, {"x": (TensorProto.STRING, ["rows", 4])}, "does not hold numbers"),
    "weights that are no numbers": (PLAIN, {"W1": W1 > 0}, "dtype bool"),
    "weights of whole numbers": (PLAIN, {"W1": np.ones((4, 3), np.int8)}, "type INT8, expected"),
    "weights of three dimensions": (PLAIN, {"W1": W1[None]}, r"shape \(1, 4, 3\)"),
    "no weights": (PLAIN, {"W1": W1[:0]}, r"shape \(0, 3\)"),
    "weights that are not finite": (PLAIN, {"W1": NAN}, "not finite"),
    "weights beyond float32": (
        [("Gemm", ["x", "W1", "b1"], "z1", {"alpha": 1e38}), RELU, LAST],
        {"W1": 9 * W1},
        "not finite",
    ),
    "an input divided by zero": (
        [("Div", ["x", "b1"], "s"), ("Gemm", ["s", "W1"], "z1"), RELU, LAST],
        {"b1": np.float32(0)},
        "not finite",
    ),
    "a bias that does not fit": (PLAIN, {"b1": B1[:2]}, r"constant of shape \(2,\)"),
    "an old operator set": (PLAIN, {"opset": 6}, "operator set 6, expected 7 or later"),
    "a quantized layer": ([("MatMulInteger", ["x", "W1"], "y")], {}, "MatMulInteger"),
    "products without end": (
        [FIRST, *[("Mul", [f"h{i}" if i else "z1"] * 2, f"h{i + 1}") for i in range(80)]],
        {"outputs": ["h80"]},
        "longer than any activation's",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_plain_mlp_is_refused_by_name(name, tmp_path):
    nodes, options, words = REFUSED[name]
    path = written(model_of(nodes, **options), tmp_path)
    with pytest.raises(ValueError, match=f"(?s)^{path} is not a network .*{words}") as caught:
        fastnn.from_onnx(path)
    assert len(str(caught.value)) < 1000


def external(tensor, **entries):
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"location": "../secret"}, "outside of its folder"),
        ({"location": "/etc/passwd"}, "outside of its folder"),
        ({"location": "link"}, "outside of its folder"),
        ({}, "outside of its folder"),
        ({"location": "absent"}, "'absent' .* is missing"),
        ({"location": "."}, "is missing"),
        ({"location": "data", "offset": 40}, "does not hold 48 of them at 40"),
        ({"location": "data", "offset": -8}, "does not hold"),
        ({"location": "data", "length": 10**12}, "does not hold"),
        ({"location": "data", "offset": "x"}, "invalid literal"),
    ],
)
def test_data_outside_of_the_folder_or_the_file_are_not_read(entries, words, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(W1.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "data").write_bytes(W1.tobytes())
    model = model_of()
    external(model.graph.initializer[0], **entries)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=words):
        fastnn.from_onnx(folder / "net.onnx")


def test_a_shape_that_the_data_do_not_fill_takes_no_memory(tmp_path):
    for dims in ([4, 2], [10**9, 10**9], [-4, -3]):
        model = model_of()
        model.graph.initializer[0].dims[:] = dims
        with pytest.raises(ValueError, match=r"constant 'W1' has shape \("):
            fastnn.from_onnx(written_raw(model, tmp_path))


def written_raw(model, folder):
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("contents", [b"", b"PK\x03\x04" * 99, b"a,b\n1,2\n" * 9, bytes(99)])
def test_what_is_no_model_is_refused(contents, tmp_path):
    (tmp_path / "net").write_bytes(contents)
    with pytest.raises(ValueError, match=f"^{tmp_path}/net is not a network"):
        fastnn.from_onnx(tmp_path / "net")


def test_a_damaged_file_loads_or_is_refused(tmp_path):
    path = tmp_path / "net.onnx"
    small_network(activation="silu", class_labels=["a", "b", "c"]).to_onnx(path)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(20 * N_NETWORKS):
        bad = bytearray(good)
        for at in rng.integers(0, len(good), rng.integers(1, 5)):
            bad[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bad[: rng.integers(len(bad))] if rng.random() < 0.1 else bad)
        try:
            assert fastnn.from_onnx(path).architecture.sizes
        except ValueError as error:
            assert str(error).startswith(f"{path} is not a network")  # noqa: PT017


def test_the_door_says_what_is_wrong(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/absent"):
        fastnn.from_onnx(tmp_path / "absent")
    path = written(model_of(), tmp_path)
    with pytest.raises(ValueError, match=r"output must be one of .* got 'soft'"):
        fastnn.from_onnx(path, output="soft")
    with pytest.raises(ValueError, match="the backend given by backend="):
        fastnn.from_onnx(path, backend="fast")
    assert fastnn.from_onnx(path, backend="numpy").backend == "numpy"
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "fastnn\[onnx\]"'):
        fastnn.from_onnx(path)


def test_reading_needs_no_runtime_and_imports_no_torch(tmp_path):
    path = written(model_of(), tmp_path)
    code = (
        f"import sys, fastnn; fastnn.from_onnx({str(path)!r}); "
        "print('onnxruntime' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("output", ["softmax", "identity"])
def test_bytes_are_scaled_as_fastnn_wrote_it_whatever_output_is_said(tmp_path, output):
    written = "softmax" if output == "softmax" else "identity"
    network = fastnn.Network((4, 3), output=written, input_scale=0.25, seed=0)
    network.to_onnx(tmp_path / "net.onnx")
    again = fastnn.from_onnx(tmp_path / "net.onnx", output=output)
    assert again.architecture.input_scale == 0.25


def test_logits_that_fastnn_wrote_are_read_as_classes_with_their_scale(tmp_path):
    fastnn.Network((4, 3), output="identity", input_scale=0.25, seed=0).to_onnx(tmp_path / "a.onnx")
    again = fastnn.from_onnx(tmp_path / "a.onnx", output="softmax")
    assert (again.architecture.output, again.architecture.input_scale) == ("softmax", 0.25)
