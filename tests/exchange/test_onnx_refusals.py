"""ONNX graphs that look like plain networks and compute something else are not read as one."""

import numpy as np
import pytest

pytest.importorskip("onnx")
import onnx
from onnx import TensorProto, helper

pytest.importorskip("onnxruntime")
import onnxruntime
from support.onnx_graphs import FIRST, LAST, PLAIN, RELU, W1, W2, model_of, written

import fastnn
from fastnn.exchange.onnx.expressions import MOST_TERMS, Expressions, Z

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
FLOAT, INT32, HALF = TensorProto.FLOAT, TensorProto.INT32, TensorProto.FLOAT16


def like_the_runtime(model, folder):
    """Whether fastnn reads the model and predicts what ONNX Runtime does."""
    for i, node in enumerate(model.graph.node):
        node.name = f"node {i}"  # the runtime wants each once
    path = written(model, folder)
    network = fastnn.from_onnx(path)
    expected = onnxruntime.InferenceSession(path).run(None, {"x": X})[0]
    np.testing.assert_allclose(network.predict(X), expected.squeeze(), rtol=1e-5, atol=1e-6)
    return network


# -- Clip -----------------------------------------------------------------------------------------

CLIPPED = {
    "a minimum of 0 is relu": (["zero"], "relu"),
    "a minimum of 0 and no maximum": (["zero", ""], "relu"),
    "no limits": ([], "identity"),
    "two limits left out": (["", ""], "identity"),
}


@pytest.mark.parametrize("name", CLIPPED)
def test_a_clip_that_is_an_activation_is_read(name, tmp_path):
    limits, activation = CLIPPED[name]
    nodes = [FIRST, ("Clip", ["z1", *limits], "h1"), LAST]
    network = like_the_runtime(model_of(nodes, zero=np.float32(0)), tmp_path)
    assert network.architecture.activations == (activation,)


@pytest.mark.parametrize(
    ("limits", "n_hidden"),
    [(["", "zero"], 1), (["half"], 1), (["zero", "half"], 2), (["half", "zero"], 2)],
)
def test_a_clip_at_other_limits_is_of_relus(limits, n_hidden, tmp_path):
    nodes = [FIRST, ("Clip", ["z1", *limits], "h1"), LAST]
    model = model_of(nodes, zero=np.float32(0), half=np.float32(0.5))
    network = like_the_runtime(model, tmp_path)
    assert network.architecture.activations == ("relu",) * n_hidden


# -- casts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE, HALF])
def test_constants_are_cast_as_the_graph_says(kind, tmp_path):
    nodes = [("Cast", ["W1"], "c", {"to": kind}), ("Cast", ["c"], "w", {"to": FLOAT})]
    model = model_of([*nodes, ("Gemm", ["x", "w", "b1"], "z1"), RELU, LAST])
    network = like_the_runtime(model, tmp_path)
    rounded = W1.astype(np.float16).astype(np.float32) if kind == HALF else W1
    assert np.array_equal(network.weights[0], rounded)


def test_rows_may_be_widened_or_narrowed(tmp_path):
    for kind in (TensorProto.DOUBLE, HALF, TensorProto.BFLOAT16):
        nodes = [("Cast", ["x"], "c", {"to": kind}), ("Gemm", ["c", "W1", "b1"], "z1")]
        network = fastnn.from_onnx(written(model_of([*nodes, RELU, LAST]), tmp_path))
        assert network.architecture.sizes == (4, 3, 2)


def cast(name, kind):
    """Nodes that cast a tensor to a kind and back to float; the result is ``c``."""
    return [("Cast", [name], "c0", {"to": kind}), ("Cast", ["c0"], "c", {"to": FLOAT})]


WITH_C = ("Gemm", ["c", "W1", "b1"], "z1")
COLUMN = {"s": np.arange(1, 5, dtype=np.float32).reshape(4, 1)}
SIGMOID = [("Gemm", ["x", "column"], "z"), ("Sigmoid", ["z"], "p")]
ONE = {"column": W1[:, :1].copy(), "one": np.float32(1), "half": np.float32(0.5)}
CLASSES = [*PLAIN, ("ArgMax", ["y"], "i", {"axis": 1, "keepdims": 0})]
REFUSED = {
    "rows cast to whole numbers": ([*cast("x", INT32), WITH_C, RELU, LAST], {}, "to INT32"),
    "rows cast to yes and no": ([*cast("x", 9), WITH_C, RELU, LAST], {}, "to BOOL"),
    "rows cast to nothing": ([("Cast", ["x"], "c"), WITH_C, RELU, LAST], {}, "no element type"),
    "numbers cast to whole ones": ([*PLAIN, *cast("y", INT32)], {"outputs": ["c"]}, "to INT32"),
    "numbers cast to half precision": (
        [*PLAIN, *cast("y", HALF)], {"outputs": ["c"]}, "rounds to half precision"
    ),
    "weights cast to whole numbers": (
        [*cast("W1", INT32), ("Gemm", ["x", "c", "b1"], "z1"), RELU, LAST], {}, "to INT32"
    ),
    "a cast of nothing": ([("Cast", ["", "W1"], "c", {"to": 1}), *PLAIN], {}, "'the Cast'"),
    "a flatten of nothing": ([("Flatten", ["", "W1"], "c"), *PLAIN], {}, "'the Flatten'"),
    "a dropout of the input": (
        [("Dropout", ["x", "half", "yes"], "c"), WITH_C, RELU, LAST],
        {"half": np.float32(0.5), "yes": np.array(True)},
        "drops out while it predicts",
    ),
    "a dropout of weights": (
        [("Dropout", ["W1", "half", "yes"], "c"), ("MatMul", ["x", "c"], "y")],
        {"half": np.float32(0.5), "yes": np.array(True)},
        "drops out while it predicts",
    ),
    "a dropout of hidden units": (
        [FIRST, ("Dropout", ["z1", "half", "yes"], "h1"), LAST],
        {"half": np.float32(0.5), "yes": np.array(True)},
        "drops out while it predicts",
    ),
    "an input of many dimensions": (PLAIN, {"x": (1, [2] * 99)}, "'x' has 99 dimensions"),
    "a constant of many dimensions": (
        PLAIN, {"W1": W1.reshape(4, 3, *[1] * 30)}, "'W1' has 32 dimensions"
    ),
    "a scale for each row": (
        [("Mul", ["x", "s"], "c"), WITH_C, RELU, LAST], {"x": (1, [4, 4]), **COLUMN},
        r"array of shape \(4, 1\)",
    ),
    "a scale that widens": (
        [("Mul", ["x", "s"], "c"), WITH_C, RELU, LAST],
        {"x": (1, ["rows", 1]), "s": COLUMN["s"].ravel()},
        "widens rows of one number to 4",
    ),
    "scales of two widths": (
        [("Mul", ["x", "s"], "a"), ("Mul", ["a", "b1"], "c"), WITH_C, RELU, LAST],
        {"x": (1, None), "s": COLUMN["s"].ravel()},
        r"shape \(3,\)",
    ),
    "a scale of whole numbers": (
        [("Div", ["x", "two"], "c"), WITH_C, RELU, LAST],
        {"x": (TensorProto.INT64, ["rows", 4]), "two": np.int64(2)},
        "dtype int64",
    ),
    "rows split in two": (
        [("Reshape", ["x", "shape"], "c"), ("Gemm", ["c", "V"], "y")],
        {"shape": np.array([-1, 2]), "V": W1[:2].copy()},
        "does not keep its rows",
    ),
    "rows joined": (
        [("Reshape", ["x", "shape"], "c"), WITH_C, RELU, LAST],
        {"x": (1, ["rows", None]), "shape": np.array([1, -1])},
        "does not keep its rows",
    ),
    "rows of an unknown width counted": (
        [("Reshape", ["x", "shape"], "c"), WITH_C, RELU, LAST],
        {"x": (1, ["rows", None]), "shape": np.array([5, 4])},
        "does not keep its rows",
    ),
    "a reshape to nothing": (
        [("Reshape", ["x", "shape"], "c", {"allowzero": 1}), WITH_C, RELU, LAST],
        {"shape": np.array([0, 4])},
        "without elements",
    ),
    "a row flattened to a column": (
        [("Flatten", ["x"], "c"), WITH_C, RELU, LAST], {"x": (1, [4])}, "input of 1 dimensions"
    ),
    "hidden rows joined": (
        [FIRST, ("Flatten", ["z1"], "h1", {"axis": 0}), LAST], {}, "'the Flatten'"
    ),
    "the last of the largest": (
        [*PLAIN, ("ArgMax", ["y"], "i", {"axis": 1, "select_last_index": 1})],
        {"outputs": ["i"]},
        "last of equal outputs",
    ),
    "probabilities joined below each other": (
        [*SIGMOID, ("Sub", ["one", "p"], "n"), ("Concat", ["n", "p"], "y", {"axis": 0})],
        ONE,
        "joins what are not the probabilities",
    ),
    "a column times a list": (
        [*SIGMOID, ("Squeeze", ["z"], "f"), ("Mul", ["f", "p"], "y")], ONE, "joins two branches"
    ),
    "rows squeezed": (
        [*SIGMOID, ("Squeeze", ["p", "first"], "y")], {**ONE, "first": np.array([0])}, "squeezes"
    ),
    "a softmax of a list": (
        [*SIGMOID, ("Squeeze", ["z"], "f"), ("Softmax", ["f"], "y")], ONE, "for a column"
    ),
    "classes cast to yes and no": (
        [*PLAIN, ("Gemm", ["y", "V"], "k"), ("ArgMax", ["k"], "i", {"axis": 1}),
         ("Cast", ["i"], "l", {"to": 9})],
        {"outputs": ["l"], "V": W2.T.copy()},
        "casts the classes to bool",
    ),
    "classes cast to text": (
        [*CLASSES, ("Cast", ["i"], "l", {"to": 8})], {"outputs": ["l"]}, "numbers to text"
    ),
    "classes of a table": (
        [*CLASSES, ("Gather", ["names", "i"], "l")],
        {"outputs": ["l"], "names": np.array([[3, 4]])},
        "does to the classes",
    ),
    "outputs that name the classes differently": (
        [*CLASSES, ("Gather", ["a", "i"], "k"), ("Gather", ["b", "i"], "l")],
        {"outputs": ["k", "l"], "a": np.array([3, 4]), "b": np.array([4, 3])},
        "outputs name the classes differently",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_misread_is_refused(name, tmp_path):
    nodes, options, words = REFUSED[name]
    path = written(model_of(nodes, **options), tmp_path)
    with pytest.raises(ValueError, match=f"(?s)^{path} is not a network .*{words}"):
        fastnn.from_onnx(path)


@pytest.mark.parametrize("kind", [INT32, FLOAT, TensorProto.DOUBLE, TensorProto.BOOL])
def test_classes_may_be_cast_to_what_holds_them(kind, tmp_path):
    nodes = [*CLASSES, ("Cast", ["i"], "l", {"to": kind})]
    network = fastnn.from_onnx(written(model_of(nodes, outputs=["l"]), tmp_path))
    assert network.architecture.output == "softmax"


def test_yes_and_no_stay_bools(tmp_path):
    nodes = [*CLASSES, ("Gather", ["names", "i"], "l")]
    options = {"outputs": ["l"], "names": np.array([False, True])}
    network = fastnn.from_onnx(written(model_of(nodes, **options), tmp_path))
    assert [type(label) for label in network.class_labels] == [bool, bool]
    assert network.predict(X).dtype == np.bool_


def test_an_operator_is_that_of_its_domain(tmp_path):
    model = model_of()
    model.graph.node[1].domain = "ai.onnx"
    assert fastnn.from_onnx(written(model, tmp_path)).architecture.activations == ("relu",)
    for domain in ("mine", "ai.onnx.ml", "com.microsoft"):
        model.graph.node[1].domain = domain
        with pytest.raises(ValueError, match=f"'the Relu' .* is of the domain '{domain}'"):
            fastnn.from_onnx(written(model, tmp_path))


def test_a_model_with_operators_of_its_own_is_refused(tmp_path):
    model = model_of()
    negated = helper.make_node("Neg", ["a"], ["b"])
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("", "Relu", ["a"], ["b"], [negated], imports))
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="defines operators of its own"):
        fastnn.from_onnx(path)


def test_a_constant_that_nothing_uses_may_be_of_any_type(tmp_path):
    path = written(model_of(unused=np.array([1], np.int8)), tmp_path)
    assert onnx.load(path).graph.initializer[-1].data_type == TensorProto.INT8
    assert fastnn.from_onnx(path).architecture.sizes == (4, 3, 2)


def test_a_product_has_no_more_terms_than_any_activation():
    expressions = Expressions()
    product = Z
    for _ in range(MOST_TERMS - 1):
        product = expressions.op("Mul", product, Z)
    with pytest.raises(ValueError, match="longer than any activation's"):
        expressions.op("Mul", product, Z)


@pytest.mark.parametrize("op", ["Unsqueeze", "Flatten"])
def test_a_constant_turned_into_a_column_is_not_read_as_a_row(op, tmp_path):
    turned = (
        ("Unsqueeze", ["b1", "axis"], "column")
        if op == "Unsqueeze"
        else ("Flatten", ["b1"], "column", {"axis": 1})
    )
    nodes = (turned, ("MatMul", ["x", "W1"], "z1"), ("Add", ["z1", "column"], "y"))
    path = written(model_of(nodes, x=(TensorProto.FLOAT, [3, 4]), axis=np.array([1])), tmp_path)
    with pytest.raises(ValueError, match="computes with constants what is not expected"):
        fastnn.from_onnx(path)
