"""`ServedModel`: a model that answers requests, with its metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.page.description import description
from fastnn.model.prediction import answers
from fastnn.serve.columns import ColumnInputs
from fastnn.serve.numbers import NumberInput
from fastnn.serve.refused import RefusedError, shown
from fastnn.serve.tensors import Description, Tensor
from fastnn.validation.frames import some

PLATFORM = "fastnn"

LABEL, PROBABILITIES, PREDICTION = "label", "probabilities", "prediction"
"""Names of the outputs, as in the models of `Network.to_onnx`."""

SECONDS_PER_PRODUCT = 1e-10
"""A bound, for estimates: a core multiplies and adds 1e10 numbers per second at least."""

SECONDS_PER_CELL = 2e-6
"""For estimates: reading a cell of a table takes about a microsecond, and less with many rows."""

SECONDS_PER_COLUMN = 2e-5
"""For estimates: reading a column of a table, of however few rows."""


class ServedModel:
    """A network or an ensemble, frozen for serving.

    Parameters
    ----------
    model : Network or Ensemble

    Attributes
    ----------
    inputs : NumberInput or ColumnInputs
    outputs : tuple of Description
    about : dict
        What the page shows of the model, as JSON.

    Raises
    ------
    ValueError
        If it is an ensemble with a network for each group of rows.
    """

    def __init__(self, model: Any) -> None:
        if getattr(model, "group_labels", None) is not None:
            raise ValueError(
                "an ensemble with a network for each group of rows cannot be served as one model; "
                "serve the networks ensemble.group(label)"
            )
        a = self._architecture = model.architecture
        self._class_labels = model.class_labels
        predictor = model.predictor()
        is_table = model.columns is not None
        self.inputs = ColumnInputs(model) if is_table else NumberInput(model)
        self._predictor = predictor.of_rows if is_table else predictor
        n_networks = len(model) if hasattr(model, "n_models") else 1
        self.about = description(model, n_networks)
        n_columns = len(self.inputs.described) if is_table else 0
        self._seconds_per_row: float = (
            a.n_parameters * n_networks * SECONDS_PER_PRODUCT + n_columns * SECONDS_PER_CELL
        )
        self._seconds = n_columns * SECONDS_PER_COLUMN
        datatype = {"float32": "FP32", "float64": "FP64"}[a.dtype]
        numbers = PROBABILITIES if a.classifies else PREDICTION
        self.outputs: tuple[Description, ...] = (Description(numbers, datatype, (-1, a.n_out)),)
        if a.classifies:
            one = self.answers(np.zeros((1, a.n_out), a.dtype))
            label = Description(LABEL, one.datatype, (-1, *one.values.shape[1:]))
            self.outputs = (label, *self.outputs)

    def metadata(self) -> dict[str, Any]:
        """Return inputs and outputs, as the protocol's metadata has them."""
        return {
            "platform": PLATFORM,
            "inputs": [one.as_json() for one in self.inputs.described],
            "outputs": [one.as_json() for one in self.outputs],
        }

    def seconds(self, n_rows: int) -> float:
        """Return an estimate, rather too high, of the time that so many rows take."""
        return self._seconds + n_rows * self._seconds_per_row

    def check_outputs(self, names: Mapping[str, bool]) -> None:
        """Check that the outputs that a request asks for exist."""
        known = [one.name for one in self.outputs]
        for name in names:
            if name not in known:
                raise RefusedError(
                    400, f"the model has no output {shown(name)}; it has {some(known)}"
                )

    def predict(self, rows: Any, names: Mapping[str, bool]) -> list[Tensor]:
        """Return the outputs of rows (n_rows, n_in): those named, in that order, or all."""
        numbers = self.numbers(rows)
        found = []
        for name in names or [one.name for one in self.outputs]:
            if name == LABEL:
                found.append(self.answers(numbers))
            else:
                found.append(Tensor(name, self.outputs[-1].datatype, numbers))
        return found

    def numbers(self, rows: Any) -> Array:
        """Return probabilities or predictions (n_rows, n_out)."""
        found: Array = self._predictor(rows)
        return found

    def answers(self, numbers: Array) -> Tensor:
        """Return the labels of probabilities (n_rows, n_out): class labels, numbers of classes."""
        found = answers(self._architecture, self._class_labels, numbers)
        kinds = {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64"}
        datatype = kinds.get(found.dtype.kind, "BYTES")
        return Tensor(LABEL, datatype, found)

    def records(self, rows: Any) -> list[dict[str, Any]]:
        """Return a dict for each of the rows: label and probabilities, or prediction."""
        numbers = self.numbers(rows)
        if not np.isfinite(numbers).all():
            raise RefusedError(500, "a prediction is not finite, which JSON does not have")
        each = numbers.tolist()
        if not self._architecture.classifies:
            return [{PREDICTION: row[0] if len(row) == 1 else row} for row in each]
        labels: Sequence[Any] = self.answers(numbers).values.tolist()
        names = self._class_names()
        if names is None:
            return [
                {LABEL: label, PROBABILITIES: row} for label, row in zip(labels, each, strict=True)
            ]
        if len(each and each[0]) == 1:  # of the second class
            each = [[float(1 - p), float(p)] for p in numbers[:, 0].tolist()]
        return [
            {LABEL: label, PROBABILITIES: dict(zip(names, row, strict=True))}
            for label, row in zip(labels, each, strict=True)
        ]

    def _class_names(self) -> list[str] | None:
        """Return the names of the classes as keys of JSON; None if there are none."""
        if self._class_labels is not None:
            names = [
                str(label).lower() if isinstance(label, bool) else str(label)
                for label in self._class_labels
            ]
            return names if len(set(names)) == len(names) else None
        a = self._architecture
        return [str(i) for i in range(max(a.n_out, 2))] if a.one_class_a_row else None
