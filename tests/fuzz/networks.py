"""Network files: `fastnn.load` refuses them in words, or the network is saved to the same bits."""

import warnings

import numpy as np
from support.examples import small_network

import fastnn
from fastnn.model.persistence import to_bytes
from fastnn.rows.trained_on import TrainedOn
from fuzz import safetensors_files
from fuzz.target import Target, read_or_refused


def seeds():
    networks = [
        small_network(class_labels=["a", "b", "c"]),
        small_network((2, 1), output="sigmoid", dtype="float32", class_labels=[0, 1]),
        small_network((3, 5, 2), output="identity", loss="huber", activation="gelu", bias=False),
        small_network((2, 4, 4, 1), output="exp", activation=["tanh", "elu"], input_scale=0.5),
    ]
    networks[1].trained_on = TrainedOn(
        "numbers", ("height", "width"), "kind", (0.5, 1.5), (1.0, 2.0)
    )
    return [to_bytes(network) for network in networks]


def check(data, folder):
    path = folder / "net.safetensors"
    path.write_bytes(data)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # that the first version had no checksum
        network = read_or_refused(lambda: fastnn.load(path, backend="numpy"), path)
        if network is None:
            return False
        a = network.architecture
        assert network.predictor()(np.zeros((2, a.n_in))).shape == (2, a.n_out)
        repr(network)
        saved = to_bytes(network)
        path.write_bytes(saved)
        assert to_bytes(fastnn.load(path, backend="numpy")) == saved
    return True


TARGET = Target("networks", seeds, check, safetensors_files.mutated)
