"""What `fuzz` feeds to the readers, without the guidance of coverage: a first look at each."""

import importlib

import fuzz
import pytest
from fuzz.mutation import Mutator
from support.random_networks import THOROUGH

N_MUTATIONS = 20_000 if THOROUGH else 100
PACKAGES = {
    "onnx_models": ("onnx", "onnxruntime"),
    "parquet_files": ("polars",),
    "predictors": ("scipy",),
}


@pytest.fixture(scope="module", params=fuzz.TARGETS)
def target(request):
    for package in PACKAGES.get(request.param, ()):
        pytest.importorskip(package)
    return importlib.import_module(f"fuzz.{request.param}").TARGET


def test_the_files_to_begin_from_are_the_same_each_time_and_some_are_read(target, tmp_path):
    files = target.seeds()
    assert sum(map(len, files)) < 100_000
    again = importlib.reload(importlib.import_module(f"fuzz.{target.name}")).TARGET
    assert again.seeds() == files
    assert 8 * sum(target.check(data, tmp_path) for data in files) >= len(files)


def test_what_once_failed_no_longer_does(target, tmp_path):
    for data in target.found():
        target.check(data, tmp_path)


def test_random_mutations_are_read_right_or_refused(target, tmp_path):
    files = target.seeds()
    for seed in range(N_MUTATIONS):
        mutator = Mutator(seed)
        data = target.mutate(files[seed % len(files)], mutator)
        if mutator.coin():
            data = target.mutate(data, mutator)
        target.check(data, tmp_path)


@pytest.mark.parametrize("name", ["networks", "checkpoints"])
def test_a_repaired_checksum_lets_a_damaged_file_in(name, tmp_path):
    """Or the fuzzer would see nothing but the refusal of the checksum."""
    from fuzz.safetensors_files import joined, parts, repaired

    target = importlib.import_module(f"fuzz.{name}").TARGET
    header, body = parts(target.seeds()[0])
    damaged = body[:-1] + bytes([body[-1] ^ 1])
    assert not target.check(joined(header, damaged), tmp_path)
    assert target.check(joined(repaired(header, damaged), damaged), tmp_path)
