"""The inputs of an ONNX graph that takes a table: one for each column that is read, (rows, 1).

    number, flag   double, or float with ``input_dtype="float32"``; a flag as 1 and 0; missing: NaN
    text           string; missing: the empty string
    time           int64, microseconds since 1970 in UTC; missing: −2⁶³, which NumPy's NaT is

An input has the column's name, unless that is the name of an output: then with ``_`` behind it.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from fastnn.tabular import Columns
from fastnn.tabular.numbers import Binned, Scaled
from fastnn.tabular.read_column import Encoding
from fastnn.validation.frames import some

LEAST_STEPS = 2.0**16
"""Steps of float32 at a column's median that its scale must have, if it is to be float32."""

WORDS = {
    "number": "a number; NaN where it is missing",
    "flag": "1 for true, 0 for false; NaN where it is missing",
    "text": "text; empty where it is missing",
    "time": "microseconds since 1970, UTC; -2^63 where it is missing",
}


class TableInput(NamedTuple):
    """A column that is read.

    Attributes
    ----------
    name : str
        Of the graph's input.
    column : str
        The column's own name.
    encoding : Encoding
    first : int
        Which output of `Columns.rows` is its first.
    n_own : int
        Number of its outputs without the indicator, which is behind them.
    """

    name: str
    column: str
    encoding: Encoding
    first: int
    n_own: int

    @property
    def own(self) -> list[int]:
        """The outputs without the indicator."""
        return list(range(self.first, self.first + self.n_own))


def table_inputs(columns: Columns, outputs: tuple[str, ...]) -> list[TableInput]:
    """Return the inputs for the columns that are read, in order.

    Parameters
    ----------
    columns : Columns
    outputs : tuple of str
        The names of the graph's outputs.

    Raises
    ------
    ValueError
        If a column has no name.

    Warns
    -----
    UserWarning
        If an input has another name than its column.
    """
    taken = {*outputs, *columns.names}
    renamed: list[str] = []
    inputs, first = [], 0
    for read in columns.table:
        if read.encoding is None:
            continue
        name = as_unicode(read.name)
        if not name:
            raise ValueError(
                'an ONNX model has no input called "", as a column is: train with that column '
                "renamed, or dropped"
            )
        if name in outputs:
            while name in taken:
                name += "_"
            taken.add(name)
        if name != read.name:
            renamed.append(f"{name} of {read.name}")
        n_own = len(read.outputs) - read.encoding.indicator
        inputs.append(TableInput(name, read.name, read.encoding, first, n_own))
        first += len(read.outputs)
    if renamed:
        warnings.warn(
            f"the ONNX model has inputs of other names than their columns: {some(renamed)}",
            UserWarning,
            stacklevel=5,
        )
    return inputs


def value_infos(onnx: Any, inputs: list[TableInput], input_dtype: str) -> list[Any]:
    """Return how the graph declares its inputs."""
    proto = onnx.TensorProto
    number = proto.DOUBLE if input_dtype == "float64" else proto.FLOAT
    kinds = {"number": number, "flag": number, "text": proto.STRING, "time": proto.INT64}
    return [
        onnx.helper.make_tensor_value_info(
            one.name, kinds[one.encoding.kind], ["rows", 1], WORDS[one.encoding.kind]
        )
        for one in inputs
    ]


def check_float32(inputs: list[TableInput]) -> None:
    """Check that float32 has the digits that each column of numbers needs.

    Raises
    ------
    ValueError
        If it has not; the message names the columns.
    """
    lost = [one.column for one in inputs if _is_fine(one.encoding)]
    if lost:
        raise ValueError(
            f'input_dtype="float32" would lose digits of {some(lost)}, whose values differ by '
            'little compared with their size: use "float64", the default'
        )


def as_unicode(text: str) -> str:
    """Return text as valid Unicode, which the format asks for."""
    return text.encode("utf-8", "backslashreplace").decode()


def _is_fine(encoding: Encoding) -> bool:
    """Return whether a number needs more digits than float32 has."""
    if isinstance(encoding, Scaled):
        largest, scale = abs(encoding.center), encoding.scale
    elif isinstance(encoding, Binned):
        edges = np.array(encoding.edges)
        largest, scale = float(np.abs(edges).max()), float(np.diff(edges).min())
    else:
        return False
    info = np.finfo(np.float32)
    step = max(largest * float(info.eps), float(info.tiny))
    return not (step * LEAST_STEPS <= scale and largest <= info.max and scale <= info.max)
