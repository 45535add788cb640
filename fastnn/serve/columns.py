"""The inputs of a model that carries columns: one tensor (rows, 1) for each column that is read.

    number   FP64, or another number, or text; missing: NaN, or null in JSON
    flag     BOOL, or numbers 0 and 1, or text; missing: NaN of a float, or null in JSON
    text     BYTES, or numbers; missing: the empty text, or null in JSON
    time     BYTES in ISO 8601, or INT64, microseconds since 1970 in UTC; missing: the empty text,
             −2⁶³, or null in JSON

The first datatype is that of the metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.rows.trained_on import checked_columns
from fastnn.serve.numbers import wrong_columns
from fastnn.serve.refused import RefusedError, shown
from fastnn.serve.tensors import Description, Tensor
from fastnn.tabular.cells import TIME
from fastnn.tabular.frame import Column, Frame
from fastnn.tabular.frames import as_frame
from fastnn.validation.frames import some

DECLARED = {"number": "FP64", "flag": "BOOL", "text": "BYTES", "time": "BYTES"}


class ColumnInputs:
    """Reads tensors and records of a model that carries columns.

    Parameters
    ----------
    model : Network or Ensemble

    Attributes
    ----------
    described : tuple of Description
    takes_null : bool
        Whether null is a missing cell.
    """

    takes_null = True

    def __init__(self, model: Any) -> None:
        self._columns = checked_columns(model.columns, model.architecture.n_in)
        label = model.trained_on.label_name
        self._ignored = () if label is None else (label,)
        read = [c for c in self._columns.table if c.encoding is not None]
        self._kinds = {c.name: c.encoding.kind for c in read if c.encoding is not None}
        self._known = {*self._kinds, *self._columns.left_out, *self._ignored}
        self.described = tuple(
            Description(name, DECLARED[kind], (-1, 1)) for name, kind in self._kinds.items()
        )

    def read(self, inputs: Mapping[str, Tensor]) -> tuple[Any, list[str]]:
        """Return the rows (n_rows, n_in) of the columns, and what was guessed.

        Raises
        ------
        RefusedError
            If a column is missing or unknown, the shapes differ, or a cell cannot be read.
        """
        missing = [shown(name) for name in self._kinds if name not in inputs]
        unknown = [shown(name) for name in inputs if name not in self._known]
        if missing or unknown:
            lacks = f"lacks {some(missing)}" if missing else ""
            more = f"has {some(unknown)}, which the model does not take" if unknown else ""
            raise RefusedError(
                400,
                f"the inputs must be the columns {some(list(self._kinds))}: the request "
                f"{' and '.join(filter(None, (lacks, more)))}",
            )
        n_rows = len(next(iter(inputs.values())).values)
        columns = [self._column(inputs[name], n_rows) for name in self._kinds]
        for name in inputs.keys() - self._kinds.keys():
            self._cells(inputs[name], n_rows)
        left_out = [Column(name, "text", np.full(n_rows, None, object))
                    for name in self._columns.left_out]  # fmt: skip
        return self._rows(Frame((*columns, *left_out), n_rows))

    def _cells(self, tensor: Tensor, n_rows: int) -> Any:
        values = tensor.values
        if values.shape not in ((n_rows,), (n_rows, 1)):
            raise RefusedError(
                400,
                f"input {shown(tensor.name)} must have the shape [rows, 1] or [rows], with as many "
                f"rows as the other inputs, {n_rows:,}; got {list(values.shape)}",
            )
        return values.reshape(n_rows)

    def _column(self, tensor: Tensor, n_rows: int) -> Column:
        values = self._cells(tensor, n_rows)
        if self._kinds[tensor.name] == "time" and tensor.datatype == "INT64":
            if values.dtype != np.int64:  # with null
                missing = np.isnan(values)
                values = np.where(missing, 0, values).astype(np.int64)
                values[missing] = np.iinfo(np.int64).min
            return Column(tensor.name, "time", values.astype(TIME))
        if tensor.datatype == "BOOL" and values.dtype != bool:  # with null
            return Column(tensor.name, "flag", values)
        try:
            return as_frame({tensor.name: values}).columns[0]
        except (TypeError, ValueError) as error:
            raise RefusedError(400, str(error)) from None

    def read_records(self, records: Sequence[Mapping[str, Any]]) -> tuple[Any, list[str]]:
        """Return the rows of records, dicts from the names of columns to cells.

        Raises
        ------
        RefusedError
            If a record lacks a column or has one that is unknown, or a cell cannot be read.
        """
        for i, record in enumerate(records):
            if not (self._kinds.keys() <= record.keys() <= self._known):
                raise RefusedError(
                    400, wrong_columns(i, record, tuple(self._kinds), tuple(self._known))
                )
        table = {name: [record[name] for record in records] for name in self._kinds}
        table |= {name: [None] * len(records) for name in self._columns.left_out}
        try:
            frame = as_frame(table)
        except (TypeError, ValueError, OverflowError) as error:
            raise RefusedError(400, str(error)) from None
        return self._rows(frame)

    def _rows(self, frame: Frame) -> tuple[Any, list[str]]:
        try:
            return self._columns.rows_and_remarks(frame)
        except (TypeError, ValueError) as error:
            raise RefusedError(400, str(error)) from None
