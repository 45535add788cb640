"""ONNX models: refused in words, or imported as a network that predicts what the runtime does."""

import functools
import math
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from support.random_graphs import UNARY, random_graph
from support.runtime import predicts, rows_of, run

import fastnn
from fastnn.model.persistence import to_bytes
from fuzz import protobuf
from fuzz.target import Target, read_or_refused

N_SEEDS = 60
LARGEST = 16.0
"""Of the constants in a graph whose predictions are compared: others may overflow or cancel."""

MOST_NUMBERS = 10_000

WORDS = (
    *UNARY, "", "x", "c0", "c1", "c2", "t0", "t1", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div",
    "Max", "Min", "Clip", "PRelu", "Softmax", "LogSoftmax", "ArgMax", "Flatten", "Reshape",
    "Squeeze", "Unsqueeze", "Transpose", "Shape", "Gather", "Concat", "Slice", "Cast", "Constant",
    "Erf", "Pow", "Sqrt", "Reciprocal", "ReduceSum", "ReduceProd", "BatchNormalization", "Dropout",
    "Greater", "ZipMap", "Scaler", "Normalizer", "LinearClassifier", "ai.onnx.ml", "axis", "alpha",
    "transB", "transA", "keepdims", "perm", "axes", "value", "to", "epsilon", "LOGISTIC", "SOFTMAX",
    "NONE",
)  # fmt: skip


@functools.cache
def seeds():
    models = [random_graph(seed)[0].SerializeToString() for seed in range(N_SEEDS)]
    network = fastnn.Network((3, 2, 2), seed=0, backend="numpy", class_labels=["a", "b"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        network.to_onnx(path)
        return [*models, path.read_bytes()]


def check(data, folder):
    path = folder / "net.onnx"
    path.write_bytes(data)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        network = read_or_refused(lambda: fastnn.from_onnx(path, backend="numpy"), path)
        if network is None:
            return False
        saved = to_bytes(network)
        path.write_bytes(saved)
        assert to_bytes(fastnn.load(path, backend="numpy")) == saved
        check_predictions(onnx.ModelProto.FromString(data), network)
    return True


def check_predictions(model, network):
    """Compare with ONNX Runtime, on rows of the shape and dtype that the model says."""
    try:
        constants = [*map(numpy_helper.to_array, model.graph.initializer)]
    except Exception:  # of one that is damaged, and of no use to the graph
        return
    if any(c.dtype.kind == "f" and not (np.abs(c) <= LARGEST).all() for c in constants):
        return
    x = _input_for(model, network.architecture.n_in)
    rows = None if x is None else rows_of(model, network, x)
    if rows is not None and (expected := run(model, x)) is not None:
        assert predicts(network, rows, np.asarray(expected))


def _input_for(model, n_in):
    """Return rows of the shape and dtype that the model says; None if it says none that fit."""
    names = {tensor.name for tensor in model.graph.initializer}
    of_rows = next(i for i in model.graph.input if i.name not in names).type.tensor_type
    if of_rows.elem_type == onnx.TensorProto.BFLOAT16:
        return None
    n_rows, *others = [dim.dim_value for dim in of_rows.shape.dim] or [0, 0]
    if 0 in others:
        others[others.index(0)] = max(1, n_in // math.prod(n or 1 for n in others))
    shape = (n_rows or 5, *(n or 1 for n in others))
    if not 0 < math.prod(shape) <= MOST_NUMBERS:
        return None
    dtype = onnx.helper.tensor_dtype_to_np_dtype(of_rows.elem_type)
    values = np.random.default_rng(0).normal(size=shape)
    return (np.abs(99 * values) % 256 if dtype == np.uint8 else values).astype(dtype)


def mutate(data, mutator):
    if mutator.coin(0.05):
        return mutator.bytes(data)
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        return mutator.bytes(data)
    for _ in range(mutator.choice((1, 1, 2))):
        protobuf.change(model.graph if mutator.coin(0.8) else model, mutator, WORDS)
    return model.SerializeToString()


TARGET = Target("onnx_models", seeds, check, mutate)
