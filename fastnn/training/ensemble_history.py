"""The history of an ensemble's fit: arrays (n_models, n_epochs), and why each model's fit ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.backends.fits import ENDINGS, METRICS, Outcome
from fastnn.training.history import History


class EnsembleHistory(Mapping[str, "NDArray[np.float64]"]):
    """Metrics of an ensemble's fit, an array (n_models, n_epochs) for each name.

    A mapping, named as `History`: ``loss``, ``accuracy``, ``penalty``, ``val_loss`` and
    ``val_accuracy``, as far as they were measured. Epochs that a model did not do are NaN.

    Attributes
    ----------
    n_epochs : ndarray of shape (n_models,) int64
        Epochs completed.
    stopped : list
        Of each model, why its fit ended early, as in `History.stopped`, or None; ``"no rows"`` if
        it had none to learn from, ``"inactive"`` if it was left alone.
    seconds : float
        How long the fit took.
    rows : list of ndarray or None
        The rows that were drawn for each model, with ``bootstrap=``.
    """

    def __init__(
        self,
        outcome: Outcome,
        stopped: list[str | None],
        seconds: float,
        rows: list[NDArray[np.int64]] | None,
    ) -> None:
        longest = int(outcome.n_epochs.max(initial=0))
        measured = outcome.measured[:, :longest]
        late = np.arange(longest) >= outcome.n_epochs[:, None]
        self._values = {}
        for i, name in enumerate(METRICS):
            values = measured[:, :, i].copy()
            values[late] = np.nan
            if name == "loss" or not np.isnan(values).all():
                self._values[name] = values
        self.n_epochs = outcome.n_epochs
        self.stopped, self.seconds, self.rows = stopped, seconds, rows

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        n_models, n_epochs = self["loss"].shape
        return f"<EnsembleHistory of {n_models} models, up to {n_epochs} epochs: {list(self)}>"

    def of(self, model: int) -> History:
        """Return the history of one model, without times."""
        history = History()
        for epoch in range(int(self.n_epochs[model])):
            record = {name: float(values[model, epoch]) for name, values in self._values.items()}
            history.append({k: v for k, v in record.items() if k == "loss" or v == v})
        history.stopped = self.stopped[model]
        return history


def reasons(outcome: Outcome, trained: NDArray[np.bool_], active: NDArray[np.bool_]) -> list[Any]:
    """Return why each model's fit ended; `trained` are those that had rows and were active."""
    found: list[Any] = [ENDINGS[code] for code in outcome.ending.tolist()]
    for i in np.flatnonzero(~trained).tolist():
        found[i] = "no rows" if active[i] else "inactive"
    return found
