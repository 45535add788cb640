"""A network frozen for serving: what can be paid once is paid once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.architecture import Architecture, Array

if TYPE_CHECKING:
    from fastnn.backends.base import Backend


class Predictor:
    """What a network predicts, without the checks of `Network.predict_proba`.

    Later changes of the network do not reach it. It may be called from several threads at once.

    Parameters
    ----------
    backend : Backend
    architecture : Architecture
    params : ndarray of shape (architecture.n_slots,)
        Copied.
    """

    def __init__(self, backend: Backend, architecture: Architecture, params: Array) -> None:
        self._backend = backend
        self._architecture = architecture
        self._params = architecture.allocate()
        self._params[...] = params

    def __reduce__(self) -> tuple[Any, ...]:
        return restore_predictor, (self._backend.name, self._architecture, self._params)

    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Return the network's outputs: probabilities, or numbers.

        Parameters
        ----------
        x : array of shape (n_in,) or (n_rows, n_in), or CSR matrix
            float32, float64 or uint8; whether they are finite is not looked at here.
        out : ndarray of shape (n_out,) or (n_rows, n_out), optional
            Of the network's dtype and C-contiguous: where to write. By default a new array.

        Returns
        -------
        ndarray
            `out`.

        Raises
        ------
        TypeError, ValueError
            If x or out has the wrong shape or dtype.
        """
        a = self._architecture
        if not isinstance(x, np.ndarray):
            check_csr(x)
        if not 1 <= x.ndim <= 2 or x.shape[-1] != a.n_in:
            raise ValueError(f"x must have shape ({a.n_in},) or (n_rows, {a.n_in}), got {x.shape}")
        shape = (*x.shape[:-1], a.n_out)
        if x.dtype not in ("float32", "float64", "uint8"):
            raise TypeError(f"x must be float32, float64 or uint8, got {x.dtype}")
        if out is None:
            out = np.empty(shape, a.dtype)
        elif not isinstance(out, np.ndarray):
            raise ValueError(
                f"out must be writable, C-contiguous {a.dtype} of shape {shape}, got "
                f"{type(out).__name__}"
            )
        elif out.shape != shape or out.dtype != a.dtype or not out.flags.carray:
            raise ValueError(
                f"out must be writable, C-contiguous {a.dtype} of shape {shape}, got {out.dtype} "
                f"of shape {out.shape}"
            )
        rows, written = (x[None], out[None]) if x.ndim == 1 else (x, out)
        self._backend.predict(a, self._params, rows, written)
        return out


def check_csr(x: Any) -> None:
    """Check that x is a CSR matrix whose indices lie inside it."""
    if not hasattr(x, "indptr") or getattr(x, "format", None) != "csr":
        raise TypeError(f"x must be an array or a CSR matrix, got {type(x).__name__}")
    x.check_format(full_check=True)


def restore_predictor(backend: str, architecture: Architecture, params: Array) -> Predictor:
    """Return a predictor that was pickled, on its backend or the one that runs here."""
    from fastnn.backends import BackendUnavailableError, get_backend

    try:
        found = get_backend(backend)
    except BackendUnavailableError:
        found = get_backend()
    return found.predictor(architecture, params)
