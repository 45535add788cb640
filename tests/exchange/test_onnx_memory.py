"""Small ONNX files take little memory, whatever is in them."""

import tracemalloc

import numpy as np
import pytest

pytest.importorskip("onnx")
import onnx
from onnx import TensorProto, helper, numpy_helper
from support.onnx_graphs import W1, model_of

import fastnn

SMALL = 400_000
"""The size of files from which much memory must not come."""

FIXED, TIMES = 50_000_000, 50
"""Bytes that a model may take at its peak, and how many more for each of its file's: what
`fastnn.exchange.onnx.tensors` lets arrays take, and about as much for nodes as objects."""


@pytest.fixture(scope="module", autouse=True)
def imported(tmp_path_factory):
    """What the first file that is read imports: not the memory of another one."""
    path = tmp_path_factory.mktemp("first") / "net.onnx"
    path.write_bytes(raw([("MatMul", ["x", "W1"], "y")], "y").SerializeToString())
    fastnn.from_onnx(path)


def peak_of_reading(path):
    """The most bytes that reading took, by Python's and NumPy's count, and what came of it."""
    tracemalloc.start()
    try:
        fastnn.from_onnx(path)
        words = "read"
    except ValueError as error:
        words = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak, words


def raw(nodes, output, x=(TensorProto.FLOAT, ["rows", 4]), **constants):
    """A model whose nodes have no names, to be small."""
    model = model_of(nodes, outputs=[output], x=x, **constants)
    for node in model.graph.node:
        node.name = ""
    return model


def many_layers():
    nodes = [("MatMul", [f"h{i}" if i else "x", "w"], f"h{i + 1}") for i in range(4000)]
    return raw(nodes, "h4000", x=(1, ["rows", 1]), w=np.ones((1, 1), np.float32))


def shared_weights():
    w = np.ones((150, 150), np.float32)
    nodes = [("MatMul", [f"h{i}" if i else "x", "w"], f"h{i + 1}") for i in range(9000)]
    return raw(nodes, "h9000", x=(1, ["rows", 150]), w=w)


def scales_of_rows_and_columns():
    nodes = [("Mul", ["x", "a"], "h"), ("Mul", ["h", "b"], "i"), ("MatMul", ["i", "W1"], "y")]
    a, b = np.ones((1, 40_000), np.float32), np.ones((40_000, 1), np.float32)
    return raw(nodes, "y", x=(1, None), a=a, b=b)


def weights_without_inputs():
    wide = TensorProto(name="w", data_type=1, dims=[0, 10**9], raw_data=b"")
    nodes = [("MatMul", ["x", "w"], "a"), ("Add", ["a", "c"], "b"), ("Add", ["b", "c"], "y")]
    model = raw(nodes, "y", c=np.float32(1))
    model.graph.initializer.append(wide)
    return model


def biases_of_a_wide_layer():
    nodes = [("MatMul", ["x", "w"], "h0")]
    nodes += [("Add", [f"h{i}", "c"], f"h{i + 1}") for i in range(8000)]
    w = np.ones((1, 20_000), np.float32)
    return raw(nodes, "h8000", x=(1, ["rows", 1]), w=w, c=np.float32(1))


def scales_of_wide_rows():
    nodes = [("Mul", [f"h{i}" if i else "x", "s"], f"h{i + 1}") for i in range(8000)]
    return raw(nodes, "h8000", x=(1, None), s=np.ones(20_000, np.float32))


def copies_of_weights():
    nodes = [("Transpose", ["w"], "t")]
    nodes += [("Reshape", ["t", "shape"], f"r{i}") for i in range(5000)]
    w = np.ones((200, 200), np.float32)
    return raw([*nodes, ("MatMul", ["x", "W1"], "y")], "y", w=w, shape=np.array([-1]))


def lists_of_classes():
    names = TensorProto(name="n", data_type=TensorProto.INT64, dims=[100_000])
    names.int64_data.extend([1] * 100_000)
    nodes = [("MatMul", ["x", "W1"], "y"), ("ArgMax", ["y"], "i", {"axis": 1})]
    nodes += [("Gather", ["n", "i"], f"l{i}") for i in range(5000)]
    model = raw(nodes, "y")
    model.graph.initializer.append(names)
    return model


def constants_of_one_file():
    model = raw([("MatMul", ["x", "W1"], "h")], "y")
    for i in range(500):
        tensor = TensorProto(name=f"w{i}", data_type=1, dims=[100_000])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="data")
        model.graph.initializer.append(tensor)
        model.graph.node.append(helper.make_node("Identity", [f"w{i}"], [f"i{i}"]))
    return model


def slopes_of_wide_layers():
    """Each layer of slopes of its own is twice as wide, and they share the weights."""
    w, a = np.ones((100, 100), np.float32), np.full(100, 0.5, np.float32)
    layers = [("MatMul", [f"h{i}" if i else "x", "w"], f"m{i}") for i in range(3000)]
    slopes = [("PRelu", [f"m{i}", "a"], f"h{i + 1}") for i in range(3000)]
    nodes = [node for pair in zip(layers, slopes, strict=True) for node in pair]
    return raw(nodes, "h3000", x=(1, ["rows", 100]), w=w, a=a)


def activations_of_a_wide_layer():
    """Between two activations there is a layer as wide as the first, squared."""
    nodes = [("MatMul", ["x", "w"], "h0")]
    nodes += [("Tanh", [f"h{i}"], f"h{i + 1}") for i in range(20)]
    return raw(nodes, "h20", x=(1, ["rows", 1]), w=np.ones((1, 90_000), np.float32))


def an_end_of_a_wide_layer():
    nodes = [("MatMul", ["x", "w"], "z"), ("Softplus", ["z"], "y")]
    return raw(nodes, "y", x=(1, ["rows", 1]), w=np.ones((1, 90_000), np.float32))


def shifts_of_huge_images():
    nodes = [("Sub", ["x", "m"], "h"), ("Flatten", ["h"], "r"), ("MatMul", ["r", "W1"], "y")]
    return raw(nodes, "y", x=(1, ["rows", 60_000, 60_000]), m=np.ones((60_000, 1), np.float32))


def scales_of_units():
    nodes = [("MatMul", ["x", "w"], "h0")]
    nodes += [("Mul", [f"h{i}", "s"], f"h{i + 1}") for i in range(8000)]
    w, s = np.ones((1, 20_000), np.float32), np.ones(20_000, np.float32)
    return raw(nodes, "h8000", x=(1, ["rows", 1]), w=w, s=s)


def expressions_taken_apart():
    """Functions of functions of z, of which no two are equal and each is looked up by itself."""
    nodes = []
    for i in range(125):
        nodes.append(("MatMul", [f"h{i}_24" if i else "x", "w"], f"h{i + 1}_0"))
        for j in range(0, 24, 2):
            slope = {"alpha": 0.5 + 1e-4 * (24 * i + j)}
            nodes.append(("LeakyRelu", [f"h{i + 1}_{j}"], f"h{i + 1}_{j + 1}", slope))
            nodes.append(("Tanh", [f"h{i + 1}_{j + 1}"], f"h{i + 1}_{j + 2}"))
    return raw(nodes, "h125_24", x=(1, ["rows", 1]), w=np.ones((1, 1), np.float32))


def constants_multiplied():
    nodes = [("Mul", [f"c{i}" if i else "s", "s"], f"c{i + 1}") for i in range(8000)]
    return raw([*nodes, ("MatMul", ["x", "W1"], "y")], "y", s=np.ones(20_000, np.float32))


def a_table_of_rows_and_columns():
    nodes = [("Mul", ["column", "row"], "table"), ("MatMul", ["x", "W1"], "y")]
    row, column = np.ones(20_000, np.float32), np.ones((20_000, 1), np.float32)
    return raw(nodes, "y", row=row, column=column)


MODELS = (
    many_layers, shared_weights, scales_of_rows_and_columns, weights_without_inputs,
    biases_of_a_wide_layer, scales_of_wide_rows, copies_of_weights, lists_of_classes,
    constants_of_one_file, slopes_of_wide_layers, activations_of_a_wide_layer,
    an_end_of_a_wide_layer, shifts_of_huge_images, scales_of_units, expressions_taken_apart,
    constants_multiplied, a_table_of_rows_and_columns,
)  # fmt: skip


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_a_small_file_takes_little_memory(make, tmp_path):
    path, data = tmp_path / "net.onnx", tmp_path / "data"
    path.write_bytes(make().SerializeToString())
    data.write_bytes(bytes(400_000 * (make is constants_of_one_file)))
    size = path.stat().st_size + data.stat().st_size
    assert size < SMALL + data.stat().st_size
    peak, words = peak_of_reading(path)
    assert peak < FIXED + TIMES * size, words


def test_a_constant_is_held_once_however_often_it_is_used(tmp_path):
    w = np.ones((1000, 1000), np.float32)
    nodes = [("MatMul", ["x", "w"], "y")]
    nodes += [("Identity", ["w"], f"w{i}") for i in range(1000)]
    model = raw(nodes, "y", x=(1, ["rows", 1000]), w=w)
    onnx.save(model, tmp_path / "net.onnx")
    assert peak_of_reading(tmp_path / "net.onnx")[1] == "read"


def test_memory_that_runs_out_is_an_error_of_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError

    path = tmp_path / "net.onnx"
    path.write_bytes(raw([("MatMul", ["x", "W1"], "y")], "y").SerializeToString())
    assert fastnn.from_onnx(path).weights[0].tolist() == W1.tolist()
    monkeypatch.setattr(numpy_helper, "to_array", full)
    with pytest.raises(ValueError, match=r"is not a network .* memory ran out"):
        fastnn.from_onnx(path)
