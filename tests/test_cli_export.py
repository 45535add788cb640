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


def test_onnx_is_what_the_network_writes(cli):
    pytest.importorskip("onnx")
    fastnn.load("pets.safetensors").to_onnx("expected.onnx", input_dtype="uint8")
    expected = (cli.folder / "expected.onnx").read_bytes()
    words = ("export", "pets.safetensors", "--format", "onnx", "--input-dtype", "uint8")
    assert cli.ok(*words) == f"pets.onnx: 38 numbers, {len(expected):,} bytes\n"
    assert (cli.folder / "pets.onnx").read_bytes() == expected
    (found,) = cli.json("export", "pets.safetensors", "--format", "onnx", "--output", "a.onnx")
    size = (cli.folder / "a.onnx").stat().st_size
    assert found == {"format": "onnx", "file": "a.onnx", "n_parameters": 38, "bytes": size}


def test_options_of_the_other_format_are_refused(cli):
    assert cli("export", "pets.safetensors", "--format", "onnx", "--weights", "int8") == 2
    assert "--weights is for --format c alone, the format is onnx" in cli.err
    assert cli("export", "pets.safetensors", "--format", "c", "--input-dtype", "uint8") == 2
    assert "--input-dtype is for --format onnx alone, the format is c" in cli.err
