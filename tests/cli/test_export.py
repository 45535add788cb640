"""``fastnn export``."""

import numpy as np
import pytest
from support.command_line import NAMES, CommandLine, table, write_csv
from support.odd_tables import NETWORKS, passengers, write

import fastnn
from fastnn.exchange.c.header import header
from fastnn.exchange.c.table_header import table_header
from fastnn.exchange.javascript.module import module
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
        "pets.h: pets_predict, 38 parameters in 152 bytes (float32), largest weight error 0\n"
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
        "agreement": None,
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
    assert "--output and the model are the same file, net.h" in cli.err
    assert (cli.folder / "net.h").read_bytes() == before


def test_onnx_is_what_the_network_writes(cli):
    pytest.importorskip("onnx")
    fastnn.load("pets.safetensors").to_onnx("expected.onnx", input_dtype="uint8")
    expected = (cli.folder / "expected.onnx").read_bytes()
    words = ("export", "pets.safetensors", "--format", "onnx", "--input-dtype", "uint8")
    assert cli.ok(*words) == f"pets.onnx: 38 parameters, {len(expected):,} bytes\n"
    assert (cli.folder / "pets.onnx").read_bytes() == expected
    (found,) = cli.json("export", "pets.safetensors", "--format", "onnx", "--output", "a.onnx")
    size = (cli.folder / "a.onnx").stat().st_size
    assert found == {"format": "onnx", "file": "a.onnx", "n_parameters": 38, "bytes": size}


def test_options_of_the_other_format_are_refused(cli):
    assert cli("export", "pets.safetensors", "--format", "onnx", "--weights", "int8") == 2
    assert (
        "--weights is only for --format c, javascript and html, but the format is onnx" in cli.err
    )
    assert cli("export", "pets.safetensors", "--format", "c", "--input-dtype", "uint8") == 2
    assert "--input-dtype is only for --format onnx, but the format is c" in cli.err


# -- rows to measure a C header on ----------------------------------------------------------------


@pytest.fixture
def rows(cli, network):
    """A file of rows with the network's own predictions as labels."""
    x, _ = table(60)
    write_csv(cli.folder / "rows.csv", x, network.predict(x), label="pet")
    return x


def test_rows_measure_what_a_header_loses(cli, network, rows):
    text = cli.ok("export", "pets.safetensors", "--format", "c", "--weights", "int8",
                  "--rows", "rows.csv", "--label", "pet")  # fmt: skip
    found = network.to_c("again.h", weights="int8", rows=(rows, network.predict(rows))).agreement
    assert found.network == 1
    assert f"compared with the network: {found}\n" in text
    assert "of 60 rows, accuracy" in text


def test_rows_without_labels_measure_the_agreement(cli, rows):
    write_csv(cli.folder / "bare.csv", rows)
    np.save(cli.folder / "bare.npy", rows)
    for name in ("bare.csv", "bare.npy"):
        (found,) = cli.json("export", "pets.safetensors", "--format", "c", "--rows", name)
        assert found["agreement"]["agreement"] == 1.0
        assert found["agreement"]["n_rows"] == 60
        assert found["agreement"]["network"] is None


def test_an_export_of_a_table_is_measured_on_synthetic_rows(cli):
    write_csv(cli.folder / "pets.csv", *table(120))
    cli.ok(
        "train",
        "--model",
        "network",
        "pets.csv",
        "--epochs",
        "5",
        "--layers",
        "4",
        "--quiet",
        "--output",
        "t",
    )
    text = cli.ok("export", "t", "--format", "c", "--weights", "int8")
    assert "% of 2,000 synthetic rows (normal, with the columns' means" in text


def test_eight_bits_that_were_not_measured_are_named(cli):
    cli.ok("export", "pets.safetensors", "--format", "c", "--weights", "int8")
    assert "the accuracy lost by int8 was not measured: give rows with --rows" in cli.err


def test_options_of_rows_without_rows_are_refused(cli):
    assert cli("export", "pets.safetensors", "--format", "c", "--label", "pet") == 2
    assert "--label describes --rows or --calibration, and neither is given" in cli.err
    assert cli("export", "pets.safetensors", "--format", "onnx", "--rows", "rows.csv") == 2
    assert "--rows is only for --format c, javascript and html, but the format is onnx" in cli.err


def test_the_rows_are_not_written_over(cli, rows):
    before = (cli.folder / "rows.csv").read_bytes()
    words = ("--rows", "rows.csv", "--label", "pet", "--output", "rows.csv")
    assert cli("export", "pets.safetensors", "--format", "c", *words) == 2
    assert "--output and --rows are the same file, rows.csv" in cli.err
    assert (cli.folder / "rows.csv").read_bytes() == before


# -- of a network that takes tables ---------------------------------------------------------------


@pytest.fixture
def club(cli):
    """The command line in a folder with an ensemble for a table of numbers and flags."""
    rng = np.random.default_rng(0)
    age, member = rng.normal(40, 10, 90), rng.random(90) < 0.5
    rows = [[f"{a:.1f}", str(m), "yes" if (a > 40) ^ m else "no"]
            for a, m in zip(age, member, strict=True)]  # fmt: skip
    rows += [["", "True", "no"]] * 3
    write(cli.folder / "club.csv", ["age", "member", "bought"], rows)
    cli.ok("train", "club.csv", *NETWORKS, "--quiet")
    return cli


def test_a_header_of_a_table_is_measured_on_a_file(club):
    text = club.ok("export", "club.safetensors", "--format", "c", "--rows", "club.csv")
    model = fastnn.load("club.safetensors")
    assert text.startswith(f"club.h: club_predict, {2 * model.architecture.n_parameters:,} param")
    assert "the same answers on 100.00 % of" in text
    assert "accuracy" in text
    assert (club.folder / "club.h").read_text() == table_header(model, "club", weights="float32")


def test_a_table_without_labels_measures_the_agreement(club):
    (club.folder / "new.csv").write_text("member;age\nTrue;unknown\nFalse;50\n")
    words = ("export", "club.safetensors", "--format", "c", "--rows", "new.csv")
    (found,) = club.json(*words, "--missing", "unknown", "--delimiter", ";")
    assert found["agreement"]["n_rows"] == 2
    assert found["agreement"]["network"] is None


def test_an_onnx_file_of_a_table_is_what_the_ensemble_writes(club):
    pytest.importorskip("onnx")
    model = fastnn.load("club.safetensors")
    model.to_onnx("expected.onnx")
    expected = (club.folder / "expected.onnx").read_bytes()
    (found,) = club.json("export", "club.safetensors", "--format", "onnx")
    assert found["n_parameters"] == 2 * model.architecture.n_parameters
    assert (club.folder / "club.onnx").read_bytes() == expected


def test_a_header_of_text_is_refused_by_name(cli):
    write(cli.folder / "ship.csv", *passengers())
    cli.ok("train", "ship.csv", *NETWORKS, "--quiet")
    assert cli("export", "ship.safetensors", "--format", "c") == 2
    assert "the text of 'Sex' or the times of 'Boarded'" in cli.err
    assert not (cli.folder / "ship.h").exists()


def test_options_of_text_are_for_networks_that_take_tables(cli):
    write_csv(cli.folder / "new.csv", *table(20))
    words = ("export", "pets.safetensors", "--format", "c", "--missing", "?", "--rows", "new.csv")
    assert cli(*words) == 2
    assert "--missing is for a network that takes tables" in cli.err


def test_a_javascript_module_is_written_with_its_types(cli, network):
    text = cli.ok("export", "pets.safetensors", "--format", "javascript")
    assert text.startswith("pets.js: 38 parameters, ")
    assert text.endswith("(float32), largest weight error 0; types in pets.d.ts\n")
    assert (cli.folder / "pets.js").read_text() == module(network, weights="float32")
    assert (cli.folder / "pets.d.ts").exists()


def test_float16_is_for_javascript(cli):
    words = ("export", "pets.safetensors", "--weights", "float16")
    (found,) = cli.json(*words, "--format", "javascript")
    assert found["weights"] == "float16"
    assert cli(*words, "--format", "c") == 2
    assert "--weights float16 is only for --format javascript and html" in cli.err


def test_a_page_is_named_for_the_model_and_states_its_accuracy(cli):
    text = cli.ok("export", "pets.safetensors", "--format", "html")
    assert text.startswith("pets.html: 38 parameters, ")
    x, y = table(20)
    write_csv(cli.folder / "new.csv", x, np.array(NAMES)[y])
    words = ("export", "pets.safetensors", "--format", "html", "--weights", "int8")
    (found,) = cli.json(*words, "--rows", "new.csv", "--output", "x.html")
    assert (found["format"], found["file"], found["weights"]) == ("html", "x.html", "int8")
    assert found["bytes"] == (cli.folder / "x.html").stat().st_size
    page = (cli.folder / "x.html").read_text(encoding="utf-8")
    assert f"{100 * found['agreement']['header']:.2f} % of the 20 rows given" in page
    assert cli(*words, "--output", "x.js") == 2
    assert "a page is a file such as digits.html, got 'x.js'" in cli.err


# -- arithmetic in integers -----------------------------------------------------------------------

IN_INTEGERS = ("export", "pets.safetensors", "--format", "c", "--weights", "int8",
               "--arithmetic", "int32")  # fmt: skip


def test_a_header_in_integers_tells_what_it_loses(cli, network, rows):
    calibrated = (*IN_INTEGERS, "--calibration", "rows.csv", "--label", "pet")
    text = cli.ok(*calibrated)
    y = network.predict(rows)
    written = network.to_c("again.h", weights="int8", arithmetic="int32", calibration=(rows, y),
                           name="pets")  # fmt: skip
    assert (cli.folder / "again.h").read_text() == (cli.folder / "pets.h").read_text()
    assert f"largest difference of outputs {written.largest_logit_error:.3g}" in text
    assert f"compared with the network: {written.agreement}" in text
    (found,) = cli.json(*calibrated)
    assert found["largest_logit_error"] == pytest.approx(written.largest_logit_error)
    assert found["agreement"] == written.agreement._asdict()


def test_calibration_may_be_an_array_without_labels(cli, rows):
    np.savez("rows.npz", x=rows)
    assert "of 60 rows" in cli.ok(*IN_INTEGERS, "--calibration", "rows.npz")


def test_integers_without_calibration_and_calibration_without_integers_are_refused(cli, rows):
    assert cli(*IN_INTEGERS) == 2
    assert "needs calibration=" in cli.err
    assert cli(*IN_INTEGERS[:-2], "--calibration", "rows.csv", "--label", "pet") == 2
    assert 'calibration= is only for arithmetic="int32"' in cli.err
    assert cli("export", "pets.safetensors", "--format", "onnx", "--arithmetic", "int32") == 2
    assert "--arithmetic is only for --format c" in cli.err
    before = (cli.folder / "rows.csv").read_bytes()
    words = ("--calibration", "rows.csv", "--label", "pet", "--output", "rows.csv")
    assert cli(*IN_INTEGERS, *words) == 2
    assert "are the same file, rows.csv" in cli.err
    assert (cli.folder / "rows.csv").read_bytes() == before
