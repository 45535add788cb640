"""Checkpoints: a fit goes on from them, or refuses them in words and changes nothing."""

import functools
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
from support.examples import blobs, small_network

from fastnn import Adam, Checkpoint, EarlyStopping
from fastnn.training.checkpoint_files import read
from fuzz import safetensors_files
from fuzz.target import Target, read_or_refused

X, Y = blobs(n_rows=6)
EPOCHS = 3
SIZES = 4, 3, 3
SETTINGS = {"optimizer": Adam(0.01), "dropout": 0.3, "batch_size": 4, "progress": False}


def _fit(network, path, epochs):
    return network.fit(
        X, Y, epochs=epochs, checkpoint=Checkpoint(path, every=9, resume=True),
        callbacks=EarlyStopping("loss", patience=2), **SETTINGS,
    )  # fmt: skip


def _at_no_time(data):
    """Return a checkpoint whose epochs took a second each."""
    header, body = safetensors_files.parts(data)
    metadata = header["__metadata__"]
    state = json.loads(metadata["state"])
    state["history"]["time"] = [1.0 + i for i in range(len(state["history"]["loss"]))]
    metadata["state"] = json.dumps(state)
    ordered = dict(sorted(header.items()), __metadata__=dict(sorted(metadata.items())))
    return safetensors_files.joined(safetensors_files.repaired(ordered, body), body)


@functools.cache
def seeds():
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for epochs in (1, 2, EPOCHS):
            path = Path(folder) / f"{epochs}.checkpoint"
            _fit(small_network(SIZES), path, epochs)
            found.append(_at_no_time(path.read_bytes()))
    return found


@functools.cache
def _described():
    """Return how the fit is described, and the network that it begins with."""
    header, _ = safetensors_files.parts(seeds()[0])
    return json.loads(header["__metadata__"]["fit"]), small_network(SIZES)


def check(data, folder):
    path = folder / "run.checkpoint"
    path.write_bytes(data)
    fit, network = _described()
    before = network.parameters.tobytes()
    snapshot = read_or_refused(lambda: read(path, fit, network, n_state=2), path)
    assert network.parameters.tobytes() == before, "reading changed the network"
    if snapshot is None:
        return False
    network = small_network(SIZES)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of numbers that are not finite
        history = read_or_refused(lambda: _fit(network, path, EPOCHS), path)
    if history is None:
        assert network.parameters.tobytes() == before, "refused, and changed the network"
        return False
    lengths = {len(values) for values in history.values()}
    assert len(lengths) == 1
    assert 1 <= lengths.pop() <= EPOCHS
    return True


TARGET = Target("checkpoints", seeds, check, safetensors_files.mutated)
