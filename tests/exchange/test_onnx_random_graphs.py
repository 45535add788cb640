"""Random ONNX graphs: what fastnn reads as a network, the network predicts as ONNX Runtime does."""

import pytest
from support.random_networks import THOROUGH

import fastnn

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from support.random_graphs import random_graph
from support.runtime import predicts, rows_of, run

N_GRAPHS = 20_000 if THOROUGH else 1000
BLOCK = 200


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
            assert predicts(network, rows, expected), f"seed {seed}"
    assert n_read > BLOCK // 20  # or the generator makes nothing but nonsense
