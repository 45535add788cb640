"""Random ONNX graphs: what fastnn reads as a network, the network predicts as ONNX Runtime does."""

import numpy as np
import pytest
from random_networks import THOROUGH

import fastnn

pytest.importorskip("onnx")
from random_graphs import random_graph

onnxruntime = pytest.importorskip("onnxruntime")

N_GRAPHS = 20_000 if THOROUGH else 1000
BLOCK = 200


def run(model, x):
    """What the runtime computes, or None where it takes the graph for invalid."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        return session.run(None, {"x": x})[0]
    except Exception:  # its exceptions have no class in common
        return None


def rows_of(model, network, x):
    """x in rows: where the model does not say how long they are, as long as the network's.

    None where a model that does not say so takes rows of one number too, and widens them.
    """
    n_in = network.architecture.n_in
    dims = model.graph.input[0].type.tensor_type.shape.dim
    says = len(dims) > 1 and all(dim.dim_value for dim in dims[1:])
    if says:
        return x.reshape(len(x), -1)
    return x.reshape(-1, n_in) if x.size % n_in == 0 else None


def predictions(network, rows):
    """All that a model's output may be of the network's."""
    yield network.predict(rows)
    if network.architecture.classifies:
        p = network.predict_proba(rows)
        yield p
        if p.shape[1] == 1:
            yield np.hstack([1 - p, p])


def same(expected, found):
    if expected.dtype.kind == "O" or found.dtype.kind == "U":
        return expected.ravel().tolist() == found.ravel().tolist()
    if expected.size != found.size:
        return False
    return np.allclose(expected.ravel(), found.ravel(), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # exp of random numbers
@pytest.mark.parametrize("block", range(N_GRAPHS // BLOCK))
def test_what_is_read_predicts_what_the_runtime_does(block, tmp_path):
    path, n_read = tmp_path / "net.onnx", 0
    for seed in range(BLOCK * block, BLOCK * (block + 1)):
        model, x = random_graph(seed)
        path.write_bytes(model.SerializeToString())
        try:
            network = fastnn.from_onnx(path, backend="numpy")
        except ValueError:
            continue
        if (expected := run(model, x)) is not None:
            rows = rows_of(model, network, x)
            if rows is None:
                continue
            n_read += 1
            assert any(same(expected, found) for found in predictions(network, rows)), (
                f"seed {seed}"
            )
    assert n_read > BLOCK // 20  # or the generator makes nothing but nonsense
