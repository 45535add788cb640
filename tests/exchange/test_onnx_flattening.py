"""Rows of several dimensions are flattened in all the ways that exporters write, and stay rows."""

import io
import logging
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest

import fastnn

pytest.importorskip("onnx")
from support.onnx_graphs import W1, model_of, written

onnxruntime = pytest.importorskip("onnxruntime")

X = np.random.default_rng(0).normal(size=(5, 1, 2, 2)).astype(np.float32)
SHAPE = ("Shape", ["x"], "shape")
FIRST = ("Gather", ["shape", "zero"], "n", {"axis": 0})
VECTOR = ("Unsqueeze", ["n", "axis0"], "n1")
LAST = ("MatMul", ["f", "W1"], "y")
CONSTANTS = {
    "zero": np.array(0), "axis0": np.array([0]), "axis1": np.array([1]), "rest": np.array([-1]),
    "four": np.array([4]), "to_rest": np.array([0, -1]), "to_four": np.array([-1, 4]),
    "first": np.array([0]), "second": np.array([1]), "end": np.array([9]), "square": np.array([2]),
    "images": np.array([-1, 1, 2, 2]), "five": np.array([5, -1]), "swap": np.array([0, 2, 1]),
}  # fmt: skip

FLATTENED = {
    "Flatten": [("Flatten", ["x"], "f")],
    "Flatten behind the last but two": [("Flatten", ["x"], "f", {"axis": -3})],
    "Reshape": [("Reshape", ["x", "to_rest"], "f")],
    "the number of rows, then the rest": [
        SHAPE, FIRST, VECTOR, ("Concat", ["n1", "rest"], "s", {"axis": 0}),
        ("Reshape", ["x", "s"], "f"),
    ],
    "the number of rows, then their width": [
        SHAPE, ("Gather", ["shape", "first"], "n1"),
        ("Concat", ["n1", "four"], "s", {"axis": 0}), ("Reshape", ["x", "s"], "f"),
    ],
    "a slice of the shape": [
        SHAPE, ("Slice", ["shape", "first", "second"], "n1"), ("Cast", ["n1"], "i", {"to": 7}),
        ("Concat", ["i", "rest"], "s", {"axis": 0}), ("Reshape", ["x", "s"], "f"),
    ],
    "only the start of the shape": [
        ("Shape", ["x"], "n1", {"start": 0, "end": 1}),
        ("Concat", ["n1", "rest"], "s", {"axis": 0}), ("Reshape", ["x", "s"], "f"),
    ],
    "a product of the others": [
        SHAPE, FIRST, VECTOR, ("Slice", ["shape", "second", "end"], "others"),
        ("ReduceProd", ["others"], "width", {"keepdims": 1}),
        ("Concat", ["n1", "width"], "s", {"axis": 0}), ("Reshape", ["x", "s"], "f"),
    ],
    "a squeeze first": [("Squeeze", ["x", "axis1"], "q"), ("Reshape", ["q", "to_four"], "f")],
    "to more dimensions and back": [
        ("Unsqueeze", ["x", "axis1"], "u"), ("Squeeze", ["u", "axis1"], "q"),
        ("Flatten", ["q"], "g"), ("Reshape", ["g", "images"], "i"), ("Flatten", ["i"], "f"),
    ],
    "a batch that was traced as a constant": [("Reshape", ["x", "five"], "f")],
    "the shape of hidden units": [
        ("Flatten", ["x"], "g"), ("MatMul", ["g", "W1"], "z"), ("Shape", ["z"], "shape"), FIRST,
        VECTOR, ("Concat", ["n1", "rest"], "s", {"axis": 0}), ("Reshape", ["z", "s"], "y"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("rows", ["rows", 5], ids=["any number of rows", "five rows"])
@pytest.mark.parametrize("name", FLATTENED)
def test_rows_are_flattened(name, rows, tmp_path):
    nodes = FLATTENED[name]
    nodes = nodes if nodes[-1][2] == "y" else [*nodes, LAST]
    model = model_of(nodes, x=(1, [rows, 1, 2, 2]), **CONSTANTS)
    for i, node in enumerate(model.graph.node):
        node.name = f"node {i}"
    path = written(model, tmp_path)
    network = fastnn.from_onnx(path)
    expected = onnxruntime.InferenceSession(path.read_bytes()).run(None, {"x": X})[0]
    np.testing.assert_allclose(network.predict(X.reshape(5, 4)), expected, atol=1e-6)


MIXED = {
    "rows and columns exchanged": (
        [SHAPE, FIRST, VECTOR, ("Concat", ["rest", "n1"], "s", {"axis": 0}),
         ("Reshape", ["x", "s"], "f")],
        "'the Reshape' .* which does not keep its rows",
    ),
    "halves of rows": (
        [("Reshape", ["x", "half"], "f"), ("MatMul", ["f", "V"], "y")],
        r"'the Reshape' .* reshapes the input to \[-1, 2\], which does not keep its rows",
    ),
    "all in one": ([("Reshape", ["x", "rest"], "f")], r"to \[-1\], which does not keep its rows"),
    "a computed number of rows": (
        [SHAPE, FIRST, ("Mul", ["n", "zero"], "m"), ("Unsqueeze", ["m", "axis0"], "n1")],
        "'the Mul' .* known only when it runs",
    ),
    "the rows' own dimension": (
        [("Squeeze", ["x", "axis0"], "f")], r"'the Squeeze' .* axes \[0\], .* is the rows'"
    ),
    "whatever dimension": ([("Squeeze", ["x"], "f")], "squeezes all dimensions, the rows' too"),
    "a dimension of two": ([("Squeeze", ["x", "square"], "f")], "of more than one number"),
    "a dimension before the rows": ([("Unsqueeze", ["x", "axis0"], "f")], "one is the rows'"),
    "a transposed image": (
        [("Squeeze", ["x", "axis1"], "q"), ("Transpose", ["q"], "t", {"perm": [0, 2, 1]}),
         ("Flatten", ["t"], "f")],
        "'the Transpose' .* transposes the input",
    ),
    "a shape times the input": ([SHAPE, ("Mul", ["x", "shape"], "f")], "'the Mul'"),
    "a shape as an output": ([("Flatten", ["x"], "f"), ("Shape", ["x"], "y")], "outputs"),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_what_mixes_rows_is_refused(name, tmp_path):
    nodes, words = MIXED[name]
    nodes = nodes if nodes[-1][2] == "y" else [*nodes, LAST]
    constants = CONSTANTS | {"half": np.array([-1, 2]), "V": W1[:2].copy()}
    path = written(model_of(nodes, x=(1, ["rows", 1, 2, 2]), **constants), tmp_path)
    with pytest.raises(ValueError, match=f"(?s)^{path} is not a network .*{words}"):
        fastnn.from_onnx(path)


def torch_forms(torch):
    yield lambda x: x.view(x.size(0), -1)
    yield lambda x: x.reshape(x.shape[0], -1)
    yield lambda x: x.reshape(len(x), -1)
    yield lambda x: x.view(-1, 12)
    yield lambda x: x.view(x.size(0), x.size(1) * x.size(2) * x.size(3))
    yield lambda x: x.flatten(1)
    yield lambda x: x.squeeze(1).flatten(start_dim=1)
    yield torch.nn.Flatten()


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("dynamic", [False, True])
def test_what_pytorch_exports_of_flattening_is_read(dynamo, dynamic, tmp_path):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")

    class Model(torch.nn.Module):
        def __init__(self, flatten):
            super().__init__()
            self.flatten = flatten
            self.norm, self.layer = torch.nn.BatchNorm1d(12), torch.nn.Linear(12, 3)
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.5, 2)

        def forward(self, x):
            flat = self.flatten((x - 0.5) / 0.25)
            return torch.tanh(torch.nn.functional.leaky_relu(self.layer(self.norm(flat)), 0.2))

    torch.manual_seed(0)
    x = torch.randn(4, 1, 3, 4)
    for form in torch_forms(torch):
        model = Model(form).eval()
        options = {"dynamo": dynamo, "input_names": ["x"]}
        if dynamic and dynamo:
            options["dynamic_shapes"] = ({0: torch.export.Dim.DYNAMIC},)
        elif dynamic:
            options["dynamic_axes"] = {"x": {0: "n"}}
        logging.disable(logging.WARNING)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (x,), tmp_path / "net.onnx", **options)
        logging.disable(logging.NOTSET)
        network = fastnn.from_onnx(tmp_path / "net.onnx")
        expected = model(x).detach().numpy()
        np.testing.assert_allclose(network.predict(x.reshape(4, 12).numpy()), expected, atol=2e-6)
