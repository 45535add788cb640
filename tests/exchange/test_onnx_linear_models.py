"""Models that scikit-learn's converters write, and their operators one by one."""

import numpy as np
import pytest

pytest.importorskip("onnx")
import onnx
from onnx import helper
from support.onnx_graphs import FIRST, LAST, PLAIN, RELU, model_of, written

import fastnn

onnxruntime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(7)
X = RNG.normal(size=(20, 4)).astype(np.float32)
W = RNG.normal(size=(3, 4))
B = RNG.normal(size=3)
ONE = {"coefficients": W[0].tolist(), "intercepts": B[:1].tolist()}
TWO = {"coefficients": [*(-W[0]), *W[0]], "intercepts": [-B[0], B[0]]}
UNEQUAL = {"coefficients": W[:2].ravel().tolist(), "intercepts": B[:2].tolist()}
THREE = {"coefficients": W.ravel().tolist(), "intercepts": B.tolist()}
INTS = [7, -3, 5]
TEXTS = ["no", "yes", "perhaps"]


def of_ml(model, *operators):
    """Give these operators their domain, and the outputs no types of their own."""
    for i, node in enumerate(model.graph.node):
        node.name = f"node {i}"
        if node.op_type in operators:
            node.domain = "ai.onnx.ml"
    for output in model.graph.output:
        output.ClearField("type")
    return model


def run(path, x=X):
    return onnxruntime.InferenceSession(path.read_bytes()).run(None, {"x": x})


def classifier(folder, rows, names, transform, outputs=("label", "scores"), before=()):
    """Return the path of a model that is a LinearClassifier."""
    kind = "classlabels_strings" if isinstance(names[0], str) else "classlabels_ints"
    n_classes = max(2, len(rows["intercepts"]))
    attributes = rows | {kind: names[:n_classes], "post_transform": transform}
    x = before[-1][2] if before else "x"
    nodes = [*before, ("LinearClassifier", [x], ["label", "scores"], attributes)]
    return written(of_ml(model_of(nodes, outputs), "LinearClassifier", "Scaler"), folder)


def labels_of(network, rows):
    return network.predict(rows).tolist()


@pytest.mark.parametrize("names", [INTS, TEXTS], ids=["ints", "texts"])
@pytest.mark.parametrize(
    ("rows", "transform", "output"),
    [
        (ONE, "LOGISTIC", "sigmoid"),
        (TWO, "LOGISTIC", "sigmoid"),
        (TWO, "SOFTMAX", "softmax"),
        (UNEQUAL, "SOFTMAX", "softmax"),
        (THREE, "SOFTMAX", "softmax"),
    ],
)
def test_a_linear_classifier_is_one_layer(rows, transform, output, names, tmp_path):
    path = classifier(tmp_path, rows, names, transform)
    network, (label, scores) = fastnn.from_onnx(path), run(path)
    assert network.architecture.output == output
    assert network.class_labels == tuple(names[: network.architecture.n_classes])
    assert labels_of(network, X) == label.tolist()
    p = network.predict_proba(X)
    p = np.hstack([1 - p, p]) if output == "sigmoid" else p
    np.testing.assert_allclose(p, scores, atol=1e-6)


@pytest.mark.parametrize("rows", [ONE, TWO, UNEQUAL, THREE], ids=["one", "two", "unequal", "three"])
def test_scores_alone_are_logits_of_the_classes(rows, tmp_path):
    path = classifier(tmp_path, rows, INTS, "NONE")
    assert labels_of(fastnn.from_onnx(path), X) == run(path)[0].tolist()
    path = classifier(tmp_path, rows, INTS, "NONE", outputs=["scores"])
    if rows is ONE:
        with pytest.raises(ValueError, match="gives 1 - z and z, which is no output"):
            fastnn.from_onnx(path)
    else:
        np.testing.assert_allclose(fastnn.from_onnx(path).predict(X), run(path)[0], atol=1e-6)


def test_a_scaler_is_folded(tmp_path):
    for offset, scale in ((B[:1], B[1:2]), (W[1], W[2])):
        settings = {"offset": offset.tolist(), "scale": scale.tolist()}
        path = classifier(
            tmp_path, THREE, INTS, "SOFTMAX", before=[("Scaler", ["x"], "s", settings)]
        )
        network, (label, scores) = fastnn.from_onnx(path), run(path)
        assert labels_of(network, X) == label.tolist()
        np.testing.assert_allclose(network.predict_proba(X), scores, atol=1e-6)


@pytest.mark.parametrize("n_out", [1, 3])
def test_a_linear_regressor_is_one_layer(n_out, tmp_path):
    attributes = {
        "coefficients": W[:n_out].ravel().tolist(),
        "intercepts": B[:n_out].tolist(),
        "targets": n_out,
    }
    nodes = [("LinearRegressor", ["x"], "y", attributes)]
    path = written(of_ml(model_of(nodes), "LinearRegressor"), tmp_path)
    network = fastnn.from_onnx(path)
    assert network.architecture.output == "identity"
    expected = run(path)[0]
    np.testing.assert_allclose(network.predict(X).reshape(expected.shape), expected, atol=1e-6)


def test_names_of_several_sigmoids_are_not_class_labels(tmp_path):
    names = {"classlabels_int64s": [0, 1]}
    nodes = [*PLAIN, ("Sigmoid", ["y"], "p"), ("ZipMap", ["p"], "z", names)]
    network = fastnn.from_onnx(written(of_ml(model_of(nodes, ["z"]), "ZipMap"), tmp_path))
    assert (network.architecture.output, network.class_labels) == ("sigmoid", None)


@pytest.mark.parametrize("end", ["Softmax", "two columns"])
def test_probabilities_divided_by_their_sum_are_what_they_are(end, tmp_path):
    norm = ("Normalizer", ["p"], "n", {"norm": "L1"})
    nodes = [*PLAIN, ("Softmax", ["y"], "p"), norm]
    if end == "two columns":
        nodes = [
            ("LinearClassifier", ["x"], ["label", "p"],
             TWO | {"classlabels_ints": [0, 1], "post_transform": "LOGISTIC"}),
            norm,
        ]  # fmt: skip
    model = of_ml(model_of(nodes, ["n"]), "Normalizer", "LinearClassifier")
    path = written(model, tmp_path)
    p, expected = fastnn.from_onnx(path).predict_proba(X), run(path)[0]
    np.testing.assert_allclose(p[:, -1], expected[:, -1], atol=1e-6)


def test_two_sigmoids_divided_by_their_sum_are_one(tmp_path):
    """As skl2onnx writes a LogisticRegression of float64."""
    w = np.hstack([-W[:1].T, W[:1].T])
    nodes = [
        ("MatMul", ["x", "w"], "m"), ("Add", ["m", "b"], "z"),
        ("ArgMax", ["z"], "label", {"axis": 1, "keepdims": 0}),
        ("Sigmoid", ["z"], "s"), ("Abs", ["s"], "a"), ("ReduceSum", ["a", "axis"], "t"),
        ("Div", ["s", "t"], "p"),
    ]  # fmt: skip
    constants = {"b": np.array([[-B[0], B[0]]]), "axis": np.array([1])}
    model = of_ml(model_of(nodes, ["label", "p"], x=(11, ["rows", 4]), w=w, **constants))
    path = written(model, tmp_path)
    network, (label, p) = fastnn.from_onnx(path), run(path, X.astype(float))
    a = network.architecture
    assert (a.output, a.n_out, a.dtype) == ("sigmoid", 1, "float64")
    assert labels_of(network, X) == label.tolist()
    np.testing.assert_allclose(network.predict_proba(X.astype(float))[:, 0], p[:, 1], atol=1e-15)
    w[0, 0] = 9
    model = of_ml(model_of(nodes, ["label", "p"], x=(11, ["rows", 4]), w=w, **constants))
    with pytest.raises(ValueError, match="divides sigmoids by their sum, which is plain only for"):
        fastnn.from_onnx(written(model, tmp_path))


REFUSED = {
    "a row by its norm": (
        [("Normalizer", ["x"], "s", {"norm": "L2"}), ("MatMul", ["s", "W1"], "y")],
        "divides each row by its own norm",
    ),
    "three sigmoids by their sum": (
        [("LinearClassifier", ["x"], ["l", "p"],
          THREE | {"classlabels_ints": INTS, "post_transform": "LOGISTIC"}),
         ("Normalizer", ["p"], "y", {"norm": "L1"})],
        "'the Normalizer' .* divides each row by its own norm",
    ),
    "units by their norm": (
        [FIRST, ("Normalizer", ["z1"], "h1", {"norm": "L1"}), LAST], "'the Normalizer'"
    ),
    "a probit": (
        [("LinearClassifier", ["x"], ["l", "y"],
          THREE | {"classlabels_ints": INTS, "post_transform": "PROBIT"})],
        "'the LinearClassifier' .* by PROBIT, expected NONE, LOGISTIC, SOFTMAX",
    ),
    "fewer classes than rows": (
        [("LinearClassifier", ["x"], ["l", "y"], THREE | {"classlabels_ints": INTS[:2]})],
        "names 2 classes and has 3 intercepts",
    ),
    "coefficients that do not fit": (
        [("LinearRegressor", ["x"], "y", {"coefficients": [1.0, 2.0, 3.0], "targets": 2})],
        "has 3 coefficients for 2 outputs",
    ),
    "no coefficients": ([("LinearRegressor", ["x"], "y")], "has 0 coefficients"),
    "more columns than there are": (
        [("LinearRegressor", ["x"], "y", {"coefficients": [1.0, 2.0, 3.0]})],
        "takes 3 numbers, but the rows have 4",
    ),
    "a scale of other columns": (
        [("Scaler", ["x"], "s", {"scale": [1.0, 2.0]}), ("Gemm", ["s", "W1", "b1"], "z1"), RELU,
         LAST],
        r"'the Scaler' .* shape \(2,\)",
    ),
    "a tree": ([("TreeEnsembleRegressor", ["x"], "y")], "is of the domain 'ai.onnx.ml'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_layer_is_refused_by_name(name, tmp_path):
    nodes, words = REFUSED[name]
    model = model_of(nodes)
    for node in model.graph.node:
        if node.op_type not in ("Gemm", "MatMul", "Relu"):
            node.domain = "ai.onnx.ml"
    path = written(model, tmp_path)
    with pytest.raises(ValueError, match=f"(?s)^{path} is not a network .*{words}"):
        fastnn.from_onnx(path)


def test_the_operators_are_those_of_their_domain(tmp_path):
    model = helper.make_node("Scaler", ["x"], ["s"])
    whole = model_of()
    whole.graph.node.insert(0, model)
    with pytest.raises(ValueError, match=r"\(Scaler\) is of the domain ''"):
        fastnn.from_onnx(written(whole, tmp_path))


# -- skl2onnx -------------------------------------------------------------------------------------


def estimators():
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    iris, cancer, diabetes = (
        load(return_X_y=True) for load in (load_iris, load_breast_cancer, load_diabetes)
    )
    mlp = MLPClassifier((8, 5), solver="lbfgs", max_iter=9, random_state=0)
    names = np.array(["setosa", "versicolor", "virginica"])[iris[1]]
    yield LogisticRegression(max_iter=300), iris
    yield LogisticRegression(), (iris[0], names)
    yield make_pipeline(StandardScaler(), LogisticRegression()), cancer
    yield make_pipeline(StandardScaler(), mlp), cancer
    yield make_pipeline(MinMaxScaler(), mlp), (iris[0], names)
    yield make_pipeline(RobustScaler(), mlp), iris
    yield make_pipeline(MaxAbsScaler(), mlp), iris
    yield LinearRegression(), diabetes
    regressor = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", max_iter=9)
    yield make_pipeline(StandardScaler(), regressor), diabetes


@pytest.mark.filterwarnings("ignore")  # of solvers stopped early, and of the converter's own
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_skl2onnx_writes_is_read(dtype, tmp_path):
    pytest.importorskip("sklearn.base")
    skl2onnx = pytest.importorskip("skl2onnx")
    for estimator, (x, y) in estimators():
        x, y = x[::4].astype(dtype), y[::4]
        estimator.fit(x, y)
        classifies = hasattr(estimator, "classes_")
        options = {id(estimator): {"zipmap": False}} if classifies and dtype == "f8" else None
        onnx.save(skl2onnx.to_onnx(estimator, x[:1], options=options), tmp_path / "net.onnx")
        network = fastnn.from_onnx(tmp_path / "net.onnx")
        if not classifies:
            np.testing.assert_allclose(
                network.predict(x).ravel(), estimator.predict(x).ravel(), rtol=1e-4
            )
            continue
        p, expected = network.predict_proba(x), estimator.predict_proba(x)
        np.testing.assert_allclose(p[:, -1], expected[:, -1], atol=1e-5)
        found = network.predict(x)
        surely = np.abs(np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2]) > 1e-4
        assert found[surely].tolist() == estimator.predict(x)[surely].tolist()
