"""Write scikit-learn's MLPClassifier of given parameters, to be served by MLServer.

    python mlserver_model.py PARAMETERS ACTIVATION MODEL

PARAMETERS is an .npz with arrays ``weight0``, ``bias0``, ``weight1`` and so on, float32; MODEL the
joblib file to write. It imports nothing of this benchmark, as it runs in MLServer's Python: pickles
are for the version of scikit-learn that wrote them.
"""

from __future__ import annotations

import sys
import warnings

import joblib
import numpy as np
from sklearn.neural_network import MLPClassifier


def main(parameters: str, activation: str, model: str) -> None:
    """Fit a classifier of this shape for one step, put the parameters in, write it."""
    arrays = np.load(parameters)
    n_layers = len(arrays) // 2
    weights = [arrays[f"weight{i}"] for i in range(n_layers)]
    hidden = tuple(weight.shape[1] for weight in weights[:-1])
    n_in, n_classes = weights[0].shape[0], weights[-1].shape[1]
    made = MLPClassifier(hidden, activation=activation, max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one step does not converge
        made.fit(np.zeros((n_classes, n_in), np.float32), np.arange(n_classes))
    made.coefs_ = weights
    made.intercepts_ = [arrays[f"bias{i}"] for i in range(n_layers)]
    joblib.dump(made, model)


if __name__ == "__main__":
    main(*sys.argv[1:])
