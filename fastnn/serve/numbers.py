"""The input of a network that takes rows of numbers: ``x`` (rows, n_in)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.rows.checked import checked_x
from fastnn.rows.trained_on import takes_bytes
from fastnn.serve.refused import RefusedError, shown
from fastnn.serve.tensors import Description, Tensor
from fastnn.validation.frames import some

INPUT = "x"
"""The input's name, as in the models of `Network.to_onnx`."""

TAKEN = ("FP32", "FP64", "UINT8")
"""Datatypes that a network reads; bytes are multiplied by its `input_scale`."""


class NumberInput:
    """Reads tensors and records of a model that takes rows of numbers.

    Parameters
    ----------
    model : Network or Ensemble

    Attributes
    ----------
    described : tuple of Description
    takes_null : bool
        Whether null is a missing cell; here not.
    """

    takes_null = False

    def __init__(self, model: Any) -> None:
        a, known = model.architecture, model.trained_on
        self._architecture, self._trained_on = a, known
        self._names = None if known is None else known.feature_names
        datatype = {"float32": "FP32", "float64": "FP64"}[a.dtype]
        if known is not None and takes_bytes(known.inputs, a.input_scale):
            datatype = "UINT8"
        self.described = (Description(INPUT, datatype, (-1, a.n_in)),)

    def read(self, inputs: Mapping[str, Tensor]) -> tuple[Any, list[str]]:
        """Return the rows (n_rows, n_in) of the input tensor, and no remarks.

        Raises
        ------
        RefusedError
            If there are other inputs, or its datatype, shape or numbers are wrong.
        """
        tensor, n_in = inputs.get(INPUT), self._architecture.n_in
        if tensor is None or len(inputs) > 1:
            raise RefusedError(
                400, f"the model has one input, 'x'; got {some([shown(name) for name in inputs])}"
            )
        values = tensor.values
        if tensor.datatype not in TAKEN:
            raise RefusedError(
                400,
                f"input 'x' must have datatype {', '.join(TAKEN[:-1])} or {TAKEN[-1]}, got "
                f"{tensor.datatype}",
            )
        if values.ndim != 2 or values.shape[1] != n_in:
            hint = f": for one row, [1, {n_in}]" if values.shape == (n_in,) else ""
            raise RefusedError(
                400,
                f"input 'x' must have the shape [rows, {n_in}], got {list(values.shape)}{hint}",
            )
        return self._checked(values), []

    def read_records(self, records: Sequence[Mapping[str, Any]]) -> tuple[Any, list[str]]:
        """Return the rows of records, dicts from the names of columns to numbers.

        Raises
        ------
        RefusedError
            If the network does not know names of columns, or the records do not have these.
        """
        if self._names is None:
            raise RefusedError(
                400,
                "the model was trained without names of columns, so that it does not take records; "
                "send the input 'x' to …/infer",
            )
        expected = set(self._names)
        for i, record in enumerate(records):
            if record.keys() != expected:
                raise RefusedError(400, wrong_columns(i, record, self._names, ()))
        flat = [record[name] for record in records for name in self._names]
        for i, value in enumerate(flat):
            if type(value) not in (int, float):
                row, column = divmod(i, len(self._names))
                raise RefusedError(
                    400,
                    f"column {shown(self._names[column])} of record {row} must be a number, got "
                    f"{shown(value)}",
                )
        try:
            values = np.array(flat, np.float64).reshape(len(records), len(self._names))
        except OverflowError as error:
            raise RefusedError(400, f"a number of the records is too large: {error}") from None
        return self._checked(values), []

    def _checked(self, values: Any) -> Any:
        try:
            return checked_x(self._architecture, self._trained_on, values)
        except (TypeError, ValueError) as error:
            raise RefusedError(400, str(error)) from None


def wrong_columns(
    row: int, record: Mapping[str, Any], names: Sequence[str], ignored: Sequence[str]
) -> str:
    """Return what is wrong with the names in a record."""
    missing = [shown(name) for name in names if name not in record]
    if missing:
        return (
            f"record {row} must have the columns {some(list(names))} (null where a cell is "
            f"missing): it lacks {some(missing)}"
        )
    unknown = [shown(name) for name in record if name not in {*names, *ignored}]
    return f"record {row} has columns that the model does not take: {some(unknown)}"
