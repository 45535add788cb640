"""Plots: training curves, confusion matrix, predictions, first-layer weights, mistakes.

Every function draws into ``ax``, or into a new figure, and returns the figure. A notebook displays
it; ``figure.savefig("curves.svg")`` saves it. pyplot is not used, and no window is opened.
Requires ``pip install "fastnn[plot]"``.

>>> import numpy as np, fastnn
>>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
>>> y = np.array([0, 1, 1, 0])
>>> net = fastnn.Network((2, 8, 2), activation="tanh", seed=1)
>>> history = net.fit(x, y, epochs=500, batch_size=4, optimizer=fastnn.Adam(0.05))
>>> figure = history.plot()
>>> figure = fastnn.plots.confusion_matrix(net, x, y)
"""

import fastnn.drawing  # noqa: F401  (says what to install, where matplotlib is missing)
from fastnn.plots.confusion import confusion_matrix
from fastnn.plots.curves import history
from fastnn.plots.mistaken import mistakes
from fastnn.plots.numbers import predictions
from fastnn.plots.units import weights

__all__ = ["confusion_matrix", "history", "mistakes", "predictions", "weights"]
