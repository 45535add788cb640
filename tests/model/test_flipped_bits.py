"""One bit flipped anywhere in a network's file or a checkpoint: refused, each time.

The thorough profile flips 10,000 bits of each, drawn at random, and prints how many were refused.
"""

import numpy as np
import pytest
from support.checkpointed_fits import fit, resumed
from support.examples import same_bits, small_network
from support.random_networks import THOROUGH

import fastnn
from fastnn import Checkpoint

N_FLIPS = 10_000 if THOROUGH else 500
SIZES = 4, 20, 3


def load_network(path):
    fastnn.load(path, backend="numpy")


def resume(path):
    network = small_network(SIZES)
    before = network.parameters.copy()
    try:
        resumed(path, 4, network=network)
    finally:
        assert same_bits(network.parameters, before)


def write_network(path):
    small_network(SIZES, class_labels=["a", "b", "c"]).save(path)


def write_checkpoint(path):
    fit(2, Checkpoint(path), network=small_network(SIZES))


def refused(read, path):
    try:
        read(path)
    except ValueError as error:
        return str(path) in str(error)
    return False


@pytest.mark.parametrize(
    ("write", "read"), [(write_network, load_network), (write_checkpoint, resume)]
)
def test_a_flipped_bit_is_refused(write, read, tmp_path, capsys):
    path = tmp_path / "file"
    write(path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    seed = None if THOROUGH else 0
    bits = np.random.default_rng(seed).choice(whole.size * 8, N_FLIPS, replace=False)
    n_refused = 0
    for bit in bits.tolist():
        flipped = whole.copy()
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped.tobytes())
        n_refused += refused(read, path)
    if THOROUGH:
        with capsys.disabled():
            print(f"\n{read.__name__}: {n_refused} of {N_FLIPS} flipped bits refused")
    assert n_refused == N_FLIPS
