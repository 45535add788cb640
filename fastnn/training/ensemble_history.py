"""The history of an ensemble's fit: arrays (n_models, n_epochs), and why each model's fit ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.backends.fits import ENDINGS, METRICS, Fits
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
        it had none to learn from, ``"no weight"`` if all of them weigh nothing, ``"inactive"`` if
        it was left alone.
    seconds : float
        How long the fit took.
    rows : list of ndarray or None
        The rows that were drawn for each model, with ``bootstrap=``.
    """

    def __init__(
        self,
        fits: Fits,
        stopped: list[str | None],
        seconds: float,
        rows: list[NDArray[np.int64]] | None,
    ) -> None:
        outcome = fits.outcome
        longest = int(outcome.n_epochs.max(initial=0))
        late = np.arange(longest) >= outcome.n_epochs[:, None]
        self._values, self._is_measured = {}, _measured(fits)
        for i, name in enumerate(METRICS):
            if self._is_measured[name].any():
                values = outcome.measured[:, :longest, i].copy()
                values[late | ~self._is_measured[name][:, None]] = np.nan
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
            history.append(
                {
                    name: float(values[model, epoch])
                    for name, values in self._values.items()
                    if self._is_measured[name][model]
                }
            )
        history.stopped = self.stopped[model]
        return history


def _measured(fits: Fits) -> dict[str, NDArray[np.bool_]]:
    """Return of which models (n_models,) each metric is measured."""
    all_of_them = np.ones(len(fits.options), bool)
    watched = ~all_of_them
    if fits.watched_shares is not None:
        watched = fits.watched_shares.n_rows > 0
    classifies = fits.architecture.classifies
    return {
        "loss": all_of_them,
        "accuracy": all_of_them & classifies,
        "penalty": np.array([bool(each.l1 or each.l2) for each in fits.options], bool),
        "val_loss": watched,
        "val_accuracy": watched & classifies,
    }


def reasons(
    fits: Fits, trained: NDArray[np.bool_], active: NDArray[np.bool_], n_rows: NDArray[np.int64]
) -> list[Any]:
    """Return why each model's fit ended; `trained` are those that had rows and were active."""
    found: list[Any] = [ENDINGS[code] for code in fits.outcome.ending.tolist()]
    for i in np.flatnonzero(~trained).tolist():
        found[i] = "inactive" if not active[i] else "no weight" if n_rows[i] else "no rows"
    return found
