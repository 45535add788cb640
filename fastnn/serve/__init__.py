"""Networks over HTTP: the Open Inference Protocol V2 as an ASGI application.

`app` makes the application, which any ASGI server runs or another application mounts; ``fastnn
serve`` runs it with uvicorn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fastnn.serve.application import Application
from fastnn.serve.limits import Limits
from fastnn.serve.repository import Repository, models_of
from fastnn.validation.values import check_in_range, describe
from fastnn.vocabulary import BackendName

__all__ = ["Application", "Limits", "app"]


def app(
    models: Any,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    poll_seconds: float = 1.0,
    backend: BackendName = "auto",
    metrics_folder: Any = None,
) -> Application:
    """Return an ASGI application that serves models by the Open Inference Protocol V2.

    Parameters
    ----------
    models : mapping, path or list of paths
        A mapping from ``"name"`` or ``"name:version"`` to a file, a `Network` or an `Ensemble`; of
        the latter two a frozen copy is served. Or files, whose names without extension become those
        of the models, or ``"name=path"`` and ``"name:version=path"``. Versions are whole numbers,
        by default 1; requests that name none get the highest.
    limits : Limits, optional
        Bounds on the size, rows and time of requests.
    token : str, optional
        What requests must carry, as ``Authorization: Bearer token``, but for the health checks.
    poll_seconds : float, default 1.0
        How often files are looked at; those that changed are loaded again, and replace the model
        once they are loaded. 0 for never.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use.
    metrics_folder : path-like, optional
        A folder in which several processes that serve the same models add up their counters.

    Returns
    -------
    Application
        ``await application(scope, receive, send)``; to be mounted, or run by an ASGI server.

    Raises
    ------
    OSError
        If a file cannot be read.
    TypeError, ValueError
        If a file is no network, or an argument is invalid.

    Examples
    --------
    >>> import fastnn, fastnn.serve
    >>> network = fastnn.Network((4, 8, 3), seed=0)
    >>> application = fastnn.serve.app({"flowers": network})
    """
    if isinstance(models, str | os.PathLike):
        models = [models]
    if not isinstance(models, Mapping):
        if not isinstance(models, list | tuple):
            raise TypeError(
                "models must be a dict from names to files or networks, or a list of files, got "
                f"{describe(models)}"
            )
        models = models_of(map(os.fspath, models))
    if token is not None and (not isinstance(token, str) or not token.strip()):
        raise ValueError("token must be text that is not blank")
    check_in_range("poll_seconds", poll_seconds, 0.0, 86400.0)
    folder = None if metrics_folder is None else os.fspath(metrics_folder)
    return Application(Repository(models, backend), limits or Limits(), token, poll_seconds, folder)
