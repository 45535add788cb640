"""Small data and small networks that several tests share."""

import numpy as np

import fastnn


def blobs(n_rows=120, n_in=4, n_classes=3, seed=0):
    """Rows of normal numbers around a centre for each class, float64, and their classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % n_classes
    centres = 3.0 * rng.normal(size=(n_classes, n_in))
    return centres[y] + rng.normal(size=(n_rows, n_in)), y


def small_network(sizes=(4, 6, 3), **options):
    """A float64 network on the plain backend, the same each time."""
    return fastnn.Network(sizes, **{"dtype": "float64", "backend": "numpy", "seed": 3} | options)


def same_bits(a, b):
    """Whether two arrays are equal bit for bit, dtype and shape included."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
