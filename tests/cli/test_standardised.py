"""``fastnn train`` on tables whose columns do not vary, or lie far from zero."""

import numpy as np
import pytest
from support.c_programs import run
from support.command_line import CommandLine

import fastnn

N_ROWS = 240
RNG = np.random.default_rng(0)
WIDTH = np.round(np.r_[RNG.normal(1.4, 0.2, N_ROWS // 2), RNG.normal(5.5, 0.4, N_ROWS // 2)], 3)
NAMES = np.repeat(["a", "b"], N_ROWS // 2)

CONSTANT = {
    "ids past 2**63": [str(2**63 + i) for i in range(N_ROWS)],
    "0.1": ["0.1"] * N_ROWS,
    "1e9 + 0.1": ["1000000000.1"] * N_ROWS,
    "123456789.123": ["123456789.123"] * N_ROWS,
    "a year": ["2024"] * N_ROWS,
}
FAR = {
    "seconds": [str(1_700_000_000 + int(t)) for t in RNG.integers(0, 86400, N_ROWS)],
    "nanoseconds": [str((1_700_000_000 + int(t)) * 10**9) for t in RNG.integers(0, 86400, N_ROWS)],
    "a pressure": [f"{101325 + v:.2f}" for v in RNG.normal(0, 5, N_ROWS)],
    "a second": [str(1_700_000_000 * 10**9 + int(t)) for t in RNG.integers(0, 10**9, N_ROWS)],
}


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys)


def trained(cli, column, *options):
    """Train on a column and a width that tells the classes apart; return the network and rows."""
    lines = [f"{c},{w},{n}" for c, w, n in zip(column, WIDTH.tolist(), NAMES, strict=True)]
    (cli.folder / "t.csv").write_text("c,width,label\n" + "\n".join(lines) + "\n")
    cli.ok("train", "--model", "network", "t.csv", "--epochs", "30", "--layers", "8", *options)
    return fastnn.load("t.safetensors"), np.column_stack([np.array(column, float), WIDTH])


@pytest.mark.parametrize("column", CONSTANT.values(), ids=CONSTANT)
def test_a_column_that_does_not_vary_has_no_weights_and_is_named(cli, column):
    network, x = trained(cli, column)
    assert "unused columns, constant in all training rows: 'c'" in cli.err
    assert not network.weights[0][0].any()
    assert network.evaluate(x, NAMES)["accuracy"] > 0.99
    assert network.trained_on.deviation[0] == 1


@pytest.mark.filterwarnings("default:unused columns")
def test_a_column_that_varies_by_rounding_alone_is_warned_of(cli):
    column = [repr(float(v)) for v in 0.3 + np.spacing(0.3) * RNG.integers(-2, 3, N_ROWS)]
    network, _ = trained(cli, column, "--quiet")
    assert "warning: unused columns, since they vary by less than 256" in cli.err
    assert not network.weights[0][0].any()


@pytest.mark.filterwarnings("ignore:the C header leaves out")
@pytest.mark.parametrize("column", [*CONSTANT.values(), *FAR.values()], ids=[*CONSTANT, *FAR])
def test_the_c_header_is_as_good_as_the_network_on_all_rows(cli, column):
    network, x = trained(cli, column, "--quiet")
    accuracy = network.evaluate(x, NAMES)["accuracy"]
    assert accuracy > 0.99
    for weights in ("float32", "int8"):
        (found,) = run(cli.folder, [network], [x], weights=weights)
        classes = np.array(network.class_labels)[found.classes]
        assert (classes == NAMES).mean() == accuracy


def test_targets_far_from_zero_make_a_float64_network_of_bytes(cli):
    x = RNG.integers(0, 256, (300, 6), np.uint8)
    y = 1.7e9 + x[:, 0] / 16
    np.savez(cli.folder / "far.npz", x=x, y=y)
    cli.ok(
        "train",
        "--model",
        "network",
        "far.npz",
        "--task",
        "regression",
        "--layers",
        "8",
        "--epochs",
        "60",
    )
    assert "float64, since the targets are too far from zero for float32" in cli.err
    network = fastnn.load("far.safetensors")
    assert network.architecture.dtype == "float64"
    assert network.evaluate(x, y)["r2"] > 0.9
