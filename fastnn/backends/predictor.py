"""A network frozen for serving, with as much work as possible done in advance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np

from fastnn.architecture import Architecture, Array
from fastnn.validation.arrays import FLOATS, as_rows, may_share_memory
from fastnn.validation.sparse import check_entries, is_csr, own_csr


class Predicting(Protocol):
    """The part of a backend that a predictor uses."""

    name: str

    def predict(self, architecture: Architecture, params: Array, x: Any, out: Array) -> None:
        """Write the outputs of rows x into `out`."""


class Predictor(ABC):
    """Predicts like `Network.predict_proba`, with fewer checks.

    Later changes of the network do not affect it. It may be called from several threads at once.
    Subnormal numbers are zero: parameters, inputs and outputs below 2⁻¹²⁶ in float32, 2⁻¹⁰²² in
    float64. The thread's own floating-point mode is the same before and after a call, and does not
    change the results.
    """

    @abstractmethod
    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Return the outputs of the network: probabilities, or numbers.

        Parameters
        ----------
        x : array of shape (n_in,) or (n_rows, n_in), or CSR matrix
            float32, float64 or uint8, with any strides, or another object with such a buffer; not
            checked for NaN and infinity.
        out : array of shape (n_out,) or (n_rows, n_out), optional
            Output array in the network's dtype, C-contiguous. By default a new array.

        Returns
        -------
        ndarray
            `out`.

        Raises
        ------
        TypeError, ValueError
            If x or out has the wrong shape or dtype.
        """


class TablePredictor(Predictor):
    """A predictor of a network that carries columns: rows are tables as they came.

    Parameters
    ----------
    predictor : Predictor
        Of the network, for rows of numbers.
    reader : RowReader
        Makes these of whatever comes.
    """

    def __init__(self, predictor: Predictor, reader: Any) -> None:
        self._predictor, self._reader = predictor, reader

    @property
    def of_rows(self) -> Predictor:
        """The predictor of rows of numbers, as the columns make them."""
        return self._predictor

    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Return the outputs of a table, or of one row: a dict, a list or a series."""
        return self._predictor(self._reader(x), out)


class PlainPredictor(Predictor):
    """A predictor that calls a backend's program ``predict``.

    Parameters
    ----------
    backend : Backend
    architecture : Architecture
    params : ndarray of shape (architecture.n_slots,)
        Copied.
    reader : RowReader, optional
        Converts rows of other types (integers, lists, frames), and checks floats for a network
        trained on bytes; without it other types are refused.
    """

    def __init__(
        self, backend: Predicting, architecture: Architecture, params: Array, reader: Any = None
    ) -> None:
        self._backend = backend
        self._architecture = architecture
        self._params = architecture.allocate()
        self._params[...] = params
        self._reader = reader

    @property
    def recipe(self) -> tuple[Any, ...]:
        """Arguments of `fastnn.backends.restored_predictor` for an equal predictor."""
        return self._backend.name, self._architecture, self._params, self._reader

    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Return the outputs; see `Predictor`."""
        a = self._architecture
        rows = self._rows(x)
        if not 1 <= rows.ndim <= 2 or rows.shape[-1] != a.n_in:
            raise ValueError(
                f"x must have shape ({a.n_in},) or (n_rows, {a.n_in}), got {rows.shape}"
            )
        if rows.dtype not in FLOATS and rows.dtype != np.uint8:
            raise TypeError(f"x must be float32, float64 or uint8, got {rows.dtype}")
        shape = (*rows.shape[:-1], a.n_out)
        if out is None:
            written = out = np.empty(shape, a.dtype)
        else:
            written = _written(out, shape, a.dtype)
        target = np.empty(shape, a.dtype) if may_share_memory(written, rows) else written
        self._backend.predict(
            a, self._params, rows[None] if rows.ndim == 1 else rows, np.atleast_2d(target)
        )
        if target is not written:
            written[...] = target
        return out

    def _rows(self, x: Any) -> Any:
        reader = self._reader
        if (
            reader is not None
            and (
                not isinstance(x, np.ndarray | memoryview | bytes | bytearray)
                or (isinstance(x, np.ndarray) and x.dtype not in FLOATS and x.dtype != np.uint8)
            )
            and not hasattr(x, "indptr")
        ):
            x = reader(x)
        rows = check_csr(x) if hasattr(x, "indptr") else as_rows(x)
        if reader is not None and reader.looks_at_floats and rows.dtype in FLOATS:
            reader.check_floats(rows)
        return rows


def _written(out: Any, shape: tuple[int, ...], dtype: str) -> Array:
    """Return the output array as a plain array."""
    expected = f"out must be writable, C-contiguous {dtype} of shape {shape}, got"
    try:
        array: Array = np.asarray(out if isinstance(out, np.ndarray) else memoryview(out)).view()
    except TypeError:
        raise ValueError(f"{expected} {type(out).__name__}") from None
    if array.shape != shape or array.dtype != dtype or not array.flags.carray:
        raise ValueError(f"{expected} {array.dtype} of shape {array.shape}")
    return array


def check_csr(x: Any) -> Any:
    """Return a private copy of a CSR matrix, if its entries are in bounds."""
    if not is_csr(x):
        raise TypeError(f"x must be an array or a CSR matrix, got {type(x).__name__}")
    own = own_csr(x, copied=("indptr",))
    check_entries(own)
    return own
