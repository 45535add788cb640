"""Small fits that keep checkpoints and go on from them."""

from fastnn import Adam, Checkpoint
from support.examples import blobs, small_network

X, Y = blobs()
SETTINGS = {"batch_size": 16, "optimizer": Adam(0.01), "dropout": 0.3, "progress": False}


def fit(epochs, checkpoint=None, *, x=X, y=Y, network=None, **settings):
    network = network or small_network()
    return network, network.fit(x, y, epochs=epochs, checkpoint=checkpoint, **SETTINGS | settings)


def measurements(history):
    return {name: values for name, values in history.items() if name != "time"}


def resumed(path, epochs, **settings):
    return fit(epochs, Checkpoint(path, resume=True), **settings)
