"""``fastnn export``."""

import pytest
from command_line import NAMES, CommandLine

import fastnn
from fastnn.exchange.c_header import header
from fastnn.exchange.quantization import dequantized


@pytest.fixture
def network():
    return fastnn.Network((3, 5, 3), class_labels=NAMES, seed=0)


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch, network):
    """The command line in a folder with a network."""
    monkeypatch.chdir(tmp_path)
    network.save("pets.safetensors")
    return CommandLine(tmp_path, capsys)


def test_a_c_header_is_named_for_the_model(cli, network):
    text = cli.ok("export", "pets.safetensors", "--format", "c")
    assert text == (
        "pets.h: pets_predict, 38 numbers in 152 bytes (float32), largest error of a weight 0\n"
    )
    assert (cli.folder / "pets.h").read_text() == header(network, "pets", weights="float32")


def test_options_choose_weights_name_and_file(cli, network):
    (found,) = cli.json("export", "pets.safetensors", "--format", "c", "--weights", "int8",
                        "--name", "zoo", "--output", "x.h")  # fmt: skip
    errors = [
        abs(a - b).max() for a, b in zip(dequantized(network).weights, network.weights, strict=True)
    ]
    assert found == {
        "format": "c",
        "file": "x.h",
        "name": "zoo",
        "weights": "int8",
        "n_parameters": 38,
        "bytes": 30 + 4 * 8 + 4 * 8,
        "largest_weight_error": max(errors),
    }
    assert max(errors) > 0
    assert (cli.folder / "x.h").read_text() == header(network, "zoo", weights="int8")


def test_the_error_of_a_float64_network_is_that_of_rounding_to_float32(cli):
    network = fastnn.Network((3, 1), output="identity", dtype="float64", seed=0)
    network.weights[0][...] = [[1 / 3], [0], [1]]
    network.save("third")
    (found,) = cli.json("export", "third", "--format", "c")
    assert found["largest_weight_error"] == pytest.approx(9.93e-9, rel=1e-3)


def test_an_older_file_is_replaced(cli):
    (cli.folder / "pets.h").write_text("old")
    cli.ok("export", "pets.safetensors", "--format", "c")
    assert "pets_predict" in (cli.folder / "pets.h").read_text()


def test_the_model_itself_is_not(cli, network):
    network.save("net.h")
    before = (cli.folder / "net.h").read_bytes()
    assert cli("export", "net.h", "--format", "c") == 2
    assert "--output and the model would both be net.h" in cli.err
    assert (cli.folder / "net.h").read_bytes() == before


def test_onnx_is_written_by_the_network(cli, monkeypatch):
    monkeypatch.setattr(
        fastnn.Network, "to_onnx", lambda self, path: path.write_bytes(b"model"), raising=False
    )
    assert cli.ok("export", "pets.safetensors", "--format", "onnx") == (
        "pets.onnx: 38 numbers, 5 bytes\n"
    )
    (found,) = cli.json("export", "pets.safetensors", "--format", "onnx", "--output", "a.onnx")
    assert found == {"format": "onnx", "file": "a.onnx", "bytes": 5}
    assert (cli.folder / "a.onnx").read_bytes() == b"model"
