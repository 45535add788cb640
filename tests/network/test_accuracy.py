"""How well the defaults learn: the digits of the package itself, and MNIST on every backend."""

import json

import pytest

import fastnn
from fastnn.cli import main

pytestmark = pytest.mark.slow


def trained(capsys, tmp_path, *words):
    """Train by the command line; return its result object and the saved network."""
    path = tmp_path / "net.safetensors"
    try:  # one thread: on a busy machine OpenBLAS loses more by waiting than it gains
        options = ["--threads", "1", "--json", "--quiet", "--output", str(path)]
        assert main(["train", *map(str, words), *options]) == 0
    finally:
        fastnn.set_num_threads(None)
    return json.loads(capsys.readouterr().out), fastnn.load(path)


def test_digits_are_too_hard_for_a_linear_model_and_not_for_a_hidden_layer(capsys, tmp_path):
    linear, _ = trained(capsys, tmp_path, "digits", "--layers", "none")
    assert 0.80 < linear["test"]["accuracy"] < 0.97
    hidden, net = trained(capsys, tmp_path, "digits")
    assert net.architecture.sizes == (784, 100, 10)
    assert hidden["test"]["accuracy"] > 0.97


def test_mnist_passes_97_8_percent_by_default(backend, mnist_folder, capsys, tmp_path):
    result, net = trained(
        capsys, tmp_path, "mnist", "--data-dir", mnist_folder, "--backend", backend.name
    )
    assert result["backend"] == backend.name
    assert result["test"]["accuracy"] > 0.978
    test = fastnn.datasets.mnist(mnist_folder).test
    assert len(test) == 10_000
    measured = net.evaluate(*test)
    assert measured == pytest.approx({name: result["test"][name] for name in measured}, rel=1e-4)


def test_mnist_passes_92_3_percent_with_softmax_regression(backend, mnist_folder, capsys, tmp_path):
    result, net = trained(
        capsys, tmp_path, "mnist", "--data-dir", mnist_folder, "--backend", backend.name,
        "--layers", "none",
    )  # fmt: skip
    assert net.architecture.sizes == (784, 10)
    assert result["test"]["accuracy"] > 0.923
