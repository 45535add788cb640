"""What an ONNX graph does between its layers is folded into them, and predicts the same."""

import itertools

import numpy as np
import pytest

import fastnn

pytest.importorskip("onnx")
from onnx import TensorProto
from support.onnx_graphs import FIRST, LAST, RELU, W1, WEIGHTS, model_of, written

onnxruntime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(9, 4)).astype(np.float32)
COLUMNS = {
    "mean": np.array([1, -2, 0.5, 3], np.float32),
    "spread": np.array([0.5, 2, 1, 4], np.float32),
    "row": np.array([[0.5, -2, 1, 4]], np.float32),
    "units": np.array([2, -0.5, 1.5], np.float32),
    "variances": np.array([2, 0.5, 1.5], np.float32),
    "targets": np.array([10, -0.5], np.float32),
    "two": np.float32(2),
    "slope": np.array([0.25], np.float32),
    "slopes": np.array([0.25, -0.5, 2], np.float32),
    "zero": np.float32(0),
    "one": np.float32(1),
}


def read(folder, nodes, *, x=X, outputs=("y",), dtype=np.float32, declared=None, **options):
    """Return the network of a graph, which must predict what the runtime does."""
    constants = {name: np.asarray(v).astype(dtype) for name, v in COLUMNS.items()} | options
    kinds = {"float32": 1, "float64": TensorProto.DOUBLE, "uint8": TensorProto.UINT8}
    shape = declared or ["rows", *x.shape[1:]]
    model = model_of(nodes, outputs, x=(kinds[x.dtype.name], shape), **constants)
    for i, node in enumerate(model.graph.node):
        node.name = f"node {i}"
    for output in model.graph.output:
        output.ClearField("type")
    path = written(model, folder)
    network = fastnn.from_onnx(path)
    expected = onnxruntime.InferenceSession(path.read_bytes()).run(None, {"x": x})[0]
    rows = x.reshape(len(x), -1)
    found = (
        network.predict_proba(rows) if network.architecture.classifies else network.predict(rows)
    )
    if found.shape[-1] != expected.shape[-1]:
        found = np.hstack([1 - found, found])
    scale = max(1, np.abs(expected).max())
    np.testing.assert_allclose(
        found.ravel(), expected.ravel(), rtol=0, atol=30 * np.finfo(dtype).eps * scale
    )
    return network


def layer(value):
    return [("Gemm", [value, "W1", "b1"], "z1"), RELU, LAST]


BEFORE = {
    "Sub and Div": [("Sub", ["x", "mean"], "c"), ("Div", ["c", "spread"], "s")],
    "Mul and Add": [("Mul", ["spread", "x"], "c"), ("Add", ["mean", "c"], "s")],
    "a constant minus the input": [("Sub", ["mean", "x"], "s")],
    "one number": [("Div", ["x", "two"], "c"), ("Sub", ["c", "one"], "s")],
    "a row of constants": [("Add", ["x", "row"], "c"), ("Neg", ["c"], "s")],
    "a computed constant": [("Sqrt", ["spread"], "r"), ("Div", ["x", "r"], "s")],
    "BatchNormalization": [
        ("Identity", ["spread"], "v"),
        ("BatchNormalization", ["x", "mean", "spread", "row4", "v"], "s"),
    ],
}


@pytest.mark.parametrize("name", BEFORE)
def test_a_shift_and_scale_before_the_first_layer_are_folded(name, tmp_path):
    network = read(tmp_path, [*BEFORE[name], *layer("s")], row4=COLUMNS["row"].ravel())
    assert network.architecture.sizes == (4, 3, 2)
    assert network.architecture.dtype == "float32"


BETWEEN = {
    "a scale and shift of units": [
        FIRST, ("Mul", ["z1", "units"], "m"), ("Add", ["m", "units"], "n"), ("Tanh", ["n"], "h1"),
        LAST,
    ],
    "a scale behind the activation": [
        FIRST, ("Tanh", ["z1"], "a"), ("Div", ["a", "units"], "m"), ("Sub", ["two", "m"], "h1"),
        LAST,
    ],
    "BatchNormalization before the activation": [
        FIRST, ("BatchNormalization", ["z1", "units", "b1", "b1", "variances"], "n"),
        ("Tanh", ["n"], "h1"), LAST,
    ],
    "BatchNormalization behind the activation": [
        FIRST, ("Tanh", ["z1"], "t"),
        ("BatchNormalization", ["t", "units", "b1", "b1", "variances"], "h1", {"epsilon": 0.1}),
        LAST,
    ],
    "BatchNormalization spelled out": [
        FIRST, ("Sub", ["z1", "b1"], "c"), ("Mul", ["c", "units"], "m"),
        ("Add", ["m", "units"], "n"), ("Tanh", ["n"], "h1"), LAST,
    ],
    "numbers before and behind": [
        FIRST, ("Mul", ["z1", "two"], "m"), ("Sub", ["m", "one"], "s"), ("Tanh", ["s"], "t"),
        ("Sub", ["one", "t"], "h1"), LAST,
    ],
    "an output turned back to units": [
        FIRST, ("Tanh", ["z1"], "h1"), ("Gemm", ["h1", "W2", "b2"], "o"),
        ("Mul", ["o", "targets"], "m"), ("Add", ["m", "targets"], "y"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BETWEEN)
def test_scales_between_layers_take_no_layer(name, dtype, tmp_path):
    weights = {name: values.astype(dtype) for name, values in WEIGHTS.items()}
    network = read(tmp_path, BETWEEN[name], x=X.astype(dtype), dtype=dtype, **weights)
    assert network.architecture.sizes == (4, 3, 2)
    assert network.architecture.activations == ("tanh",)
    assert network.architecture.dtype == np.dtype(dtype).name


ACTIVATIONS = {
    "a slope of its own": ([("LeakyRelu", ["z1"], "h1", {"alpha": 0.2})], (4, 6, 2), ("relu",)),
    "one slope for all": ([("PRelu", ["z1", "slope"], "h1")], (4, 6, 2), ("relu",)),
    "a slope for each unit": ([("PRelu", ["z1", "slopes"], "h1")], (4, 6, 2), ("relu",)),
    "a slope of 0": ([("LeakyRelu", ["z1"], "h1", {"alpha": 0.0})], (4, 3, 2), ("relu",)),
    "fastnn's slope": ([("LeakyRelu", ["z1"], "h1")], (4, 3, 2), ("leaky_relu",)),
    "a slope by Max": (
        [("Mul", ["z1", "slope"], "m"), ("Max", ["z1", "m"], "h1")], (4, 6, 2), ("relu",)
    ),
    "Abs": ([("Abs", ["z1"], "h1")], (4, 6, 2), ("relu",)),
    "Max": ([("Max", ["z1", "slope"], "h1")], (4, 3, 2), ("relu",)),
    "Min": ([("Min", ["z1", "slope"], "h1")], (4, 3, 2), ("relu",)),
    "Clip": ([("Clip", ["z1", "zero", "one"], "h1")], (4, 3, 3, 2), ("relu", "relu")),
    "HardSigmoid": ([("HardSigmoid", ["z1"], "h1")], (4, 3, 3, 2), ("relu", "relu")),
    "Elu": ([("Elu", ["z1"], "h1", {"alpha": 0.5})], (4, 3, 6, 2), ("elu", "relu")),
    "Selu": ([("Selu", ["z1"], "h1")], (4, 3, 2), ("selu",)),
    "another alpha": ([("Selu", ["z1"], "h1", {"alpha": 1.5})], (4, 3, 6, 2), ("elu", "relu")),
    "another gamma": ([("Selu", ["z1"], "h1", {"gamma": 2.0})], (4, 3, 2), ("selu",)),
    "a sharper mish": (
        [
            ("Mul", ["z1", "two"], "m"), ("Softplus", ["m"], "s"), ("Tanh", ["s"], "t"),
            ("Mul", ["z1", "t"], "h1"),
        ],
        (4, 3, 2), ("mish",),
    ),
    "Celu": ([("Celu", ["z1"], "h1", {"alpha": 0.5})], (4, 3, 2), ("elu",)),
    "another Swish": (
        [("Mul", ["z1", "two"], "m"), ("Sigmoid", ["m"], "s"), ("Mul", ["z1", "s"], "h1")],
        (4, 3, 2), ("silu",),
    ),
    "a sharper softplus": (
        [("Mul", ["z1", "two"], "m"), ("Softplus", ["m"], "s"), ("Div", ["s", "two"], "h1")],
        (4, 3, 2), ("softplus",),
    ),
    "the logarithm of a sigmoid": (
        [("Sigmoid", ["z1"], "s"), ("Log", ["s"], "h1")], (4, 3, 2), ("softplus",)
    ),
    "two in a row": (
        [("Tanh", ["z1"], "t"), ("Relu", ["t"], "h1")], (4, 3, 3, 2), ("tanh", "relu")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_other_activations_are_made_of_fastnns(name, tmp_path):
    nodes, sizes, activations = ACTIVATIONS[name]
    network = read(tmp_path, [FIRST, *nodes, LAST])
    assert (network.architecture.sizes, network.architecture.activations) == (sizes, activations)


ENDS = {
    "2 Tanh": ([("Tanh", ["o"], "t"), ("Mul", ["t", "two"], "y")], "tanh"),
    "Softplus": ([("Softplus", ["o"], "y")], "softplus"),
    "Elu": ([("Elu", ["o"], "y")], "elu"),
    "a scaled sigmoid": ([("Sigmoid", ["o"], "s"), ("Mul", ["s", "targets"], "y")], "sigmoid"),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_in_an_activation_has_one_layer_more(name, tmp_path):
    nodes, activation = ENDS[name]
    network = read(tmp_path, [FIRST, RELU, ("Gemm", ["h1", "W2", "b2"], "o"), *nodes])
    a = network.architecture
    assert (a.sizes, a.activations, a.output) == ((4, 3, 2, 2), ("relu", activation), "identity")


def test_logits_may_be_scaled_before_the_softmax(tmp_path):
    nodes = [*layer("x")[:-1], ("Gemm", ["h1", "W2", "b2"], "o"), ("Div", ["o", "two"], "p")]
    network = read(tmp_path, [*nodes, ("Softmax", ["p"], "y")])
    assert (network.architecture.sizes, network.architecture.output) == ((4, 3, 2), "softmax")


def test_images_are_normalized_by_channel(tmp_path):
    x = RNG.integers(0, 256, size=(5, 3, 2, 2)).astype(np.uint8)
    nodes = [
        ("Cast", ["x"], "f", {"to": 1}), ("Div", ["f", "top"], "u"), ("Sub", ["u", "m"], "c"),
        ("Div", ["c", "d"], "n"), ("Flatten", ["n"], "r"), ("MatMul", ["r", "w"], "y"),
    ]  # fmt: skip
    options = {
        "top": np.float32(255), "w": RNG.normal(size=(12, 2)).astype(np.float32),
        "m": RNG.normal(size=(3, 1, 1)).astype(np.float32),
        "d": RNG.uniform(0.5, 2, size=(1, 3, 1, 1)).astype(np.float32),
    }  # fmt: skip
    assert read(tmp_path, nodes, x=x, **options).architecture.input_scale == 1
    del nodes[3]
    nodes[3] = ("Flatten", ["c"], "r")
    network = read(tmp_path, nodes, x=x, **options)
    assert np.float32(network.architecture.input_scale) == np.float32(1 / 255)


def test_columns_far_from_zero_lose_nothing(tmp_path):
    x = (1e5 + RNG.normal(size=(50, 4))).astype(np.float32)
    nodes = [("Sub", ["x", "far"], "s"), ("MatMul", ["s", "W1"], "y")]
    network = read(tmp_path, nodes, x=x, far=np.full(4, 1e5, np.float32))
    assert network.architecture.dtype == "float64"


def test_acas_xu_networks_are_read(tmp_path):
    """Five numbers in four dimensions, of which the mean is taken, and six layers of 50 relus."""
    widths, nodes, constants = [5, 50, 50, 50, 50, 50, 50, 5], [], {}
    constants["input_AvgImg"] = RNG.normal(size=(1, 1, 1, 5)).astype(np.float32) * 1000
    nodes += [("Sub", ["x", "input_AvgImg"], "centred"), ("Flatten", ["centred"], "h0")]
    for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        constants[f"weights{i}"] = (RNG.normal(size=(n_in, n_out)) / n_in**0.5).astype(np.float32)
        constants[f"biases{i}"] = RNG.normal(size=n_out).astype(np.float32)
        nodes += [("MatMul", [f"h{i}", f"weights{i}"], f"m{i}")]
        nodes += [("Add", [f"m{i}", f"biases{i}"], f"a{i}"), ("Relu", [f"a{i}"], f"h{i + 1}")]
    nodes[-1] = ("Identity", ["a6"], "y")
    x = constants["input_AvgImg"] + RNG.normal(size=(30, 1, 1, 5)).astype(np.float32)
    network = read(tmp_path, nodes, x=x, declared=["rows", 1, 1, 5], **constants)
    assert network.architecture.sizes == tuple(widths)
    assert network.architecture.activations == ("relu",) * 6


REFUSED = {
    "a product of columns": (
        [FIRST, ("Mul", ["z1", "z1"], "h1"), LAST], "'the Gemm' .* takes what node 'the Mul'"
    ),
    "an end in the middle": (
        [FIRST, ("Softmax", ["z1"], "p"), ("Mul", ["p", "units"], "h1"), LAST],
        "takes what node 'the Softmax'",
    ),
    "a function of an end": (
        [FIRST, ("Softmax", ["z1"], "p"), ("Mul", ["p", "two"], "y")],
        "'the Mul' .* follows softmax",
    ),
    "classes of an activation": (
        [FIRST, ("Softplus", ["z1"], "p"), ("ArgMax", ["p"], "y", {"axis": 1})],
        "classes are chosen from what node 'the Softplus' .* neither logits nor probabilities",
    ),
    "a scale of other columns": (
        [FIRST, ("Mul", ["z1", "targets"], "h1"), LAST], r"'the Mul' .* shape \(2,\)"
    ),
    "a shift of other columns": (
        [("Sub", ["x", "units"], "s"), *layer("s")], r"'the Sub' .* shape \(3,\)"
    ),
    "a division by the input": ([("Div", ["mean", "x"], "s"), *layer("s")], "'the Div' .* input"),
    "a division by units": ([FIRST, ("Div", ["units", "z1"], "h1"), LAST], "divides by what was"),
    "statistics of the batch": (
        [FIRST, ("BatchNormalization", ["z1", "units", "b1", "b1", "variances"], "h1",
                 {"training_mode": 1}), LAST],
        "'the BatchNormalization' .* by the rows it is given",
    ),
    "statistics of other units": (
        [FIRST, ("BatchNormalization", ["z1", "units", "b1", "b1", "targets"], "h1"), LAST],
        "'the BatchNormalization' .* four constants of one length",
    ),
    "a parabola": ([FIRST, ("HardSwish", ["z1"], "h1"), LAST], "'the HardSwish' .* is a parabola"),
    "a jump": ([FIRST, ("ThresholdedRelu", ["z1"], "h1"), LAST], "'the ThresholdedRelu' .* jumps"),
    "an activation of the input": ([("Relu", ["x"], "s"), *layer("s")], "'the Relu' .* the input"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layers_compute_is_refused_by_name(name, tmp_path):
    nodes, words = REFUSED[name]
    path = written(model_of(nodes, **COLUMNS), tmp_path)
    with pytest.raises(ValueError, match=f"(?s)^{path} is not a network .*{words}") as caught:
        fastnn.from_onnx(path)
    assert len(str(caught.value)) < 1000


def test_weights_stay_what_they_are_where_nothing_is_folded(tmp_path):
    network = read(tmp_path, layer("x"))
    assert np.array_equal(network.weights[0], W1)
