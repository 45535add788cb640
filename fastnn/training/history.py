"""The history of a fit: one value per epoch for each metric, and why it ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fastnn.system.html import html_table
from fastnn.vocabulary import Measure

if TYPE_CHECKING:
    from pandas import DataFrame

LAST_EPOCHS = 10
"""Number of epochs of a long history shown in HTML."""


def measurements(
    *, training: Iterable[str], validation: Iterable[str] | None, penalty: bool
) -> list[str]:
    """Return the names of what each epoch of a fit measures, in the order of its record.

    Parameters
    ----------
    training, validation : iterable of str
        What can be measured of these rows beside the loss; None without validation rows. Of the
        training rows only accuracy is measured.
    penalty : bool
        Whether there is one.
    """
    found = ["loss", *({"accuracy"} & {*training})]
    if penalty:
        found.append("penalty")
    if validation is not None:
        found += [f"val_{name}" for name in ("loss", *validation)]
    return [*found, "time"]


class History(Mapping[str, list[float]]):
    """Metrics of a fit, a list with one value per epoch for each name.

    A mapping: ``history["loss"]`` is a list. Its names are

    - ``loss``: weighted mean loss over the epoch, each minibatch measured before its update;
    - ``accuracy``: likewise the fraction of rows classified right (softmax and sigmoid outputs);
    - ``penalty``: likewise the L1 and L2 penalty, if there is one;
    - ``val_loss`` and ``val_accuracy``, or ``val_r2``, ``val_rmse`` and ``val_mae`` (of quantiles
      the last only): after the epoch, on the validation data;
    - ``time``: seconds from the start of the fit to the end of the epoch.

    Attributes
    ----------
    stopped : {None, "callback", "diverged", "interrupted"}
        Why the fit ended early, or None if it did not.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self.stopped: str | None = None

    def append(self, record: Mapping[str, float]) -> None:
        """Add the metrics of one epoch."""
        for name, value in record.items():
            self._values.setdefault(name, []).append(value)

    @property
    def n_epochs(self) -> int:
        """Epochs completed."""
        return len(self._values.get("loss", ()))

    def to_frame(self) -> DataFrame:
        """Return the metrics as a table with one row per epoch.

        Returns
        -------
        pandas DataFrame
            One column per metric; the index, called epoch, counts from 1.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("History.to_frame needs pandas: pip install pandas") from None
        epochs = pandas.RangeIndex(1, self.n_epochs + 1, name="epoch")
        return pandas.DataFrame(self._values, index=epochs)

    def plot(self, *, measure: Measure | None = None, ax: Any = None) -> Any:
        """Plot the curves of loss and accuracy or R²; see `fastnn.plots.history`.

        Parameters
        ----------
        measure : {"loss", "accuracy", "r2"}, optional
            Plot only this one.
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, or the history does not have the metric.
        ImportError
            If matplotlib is missing.
        """
        from fastnn.drawing.curves import curves

        return curves(self, self.stopped, measure=measure, ax=ax)

    def _repr_html_(self) -> str:
        return _as_html(self)

    def __getitem__(self, name: str) -> list[float]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        last = "".join(f", {name}={values[-1]:.4g}" for name, values in self.items())
        ended = f", stopped={self.stopped!r}" if self.stopped else ""
        return f"History(n_epochs={self.n_epochs}{last}{ended})"


def _as_html(history: History) -> str:
    """Return the last epochs as HTML for a notebook, and the best if there was validation."""
    names, n = list(history), history.n_epochs
    shown = range(max(0, n - LAST_EPOCHS), n)
    rows = [[str(i + 1), *(f"{history[name][i]:.4g}" for name in names)] for i in shown]
    ended = f"; stopped: {history.stopped}" if history.stopped else ""
    best = ""
    if n and "val_loss" in history:
        losses = history["val_loss"]
        at = min(range(n), key=lambda i: (losses[i] != losses[i], losses[i]))
        best = f"; the lowest validation loss, {losses[at]:.4g}, in epoch {at + 1}"
    above = f"{len(rows)} of {n} epochs" if len(rows) < n else f"{n} epochs"
    return f"<p>{above}{best}{ended}</p>{html_table(['epoch', *names], rows)}"
