"""Import of optional packages on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def imported(package: str, extra: str) -> Any:
    """Return the package.

    Raises
    ------
    ImportError
        If it is missing; the message names the extra to install.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(
            f'this needs {package}, which is not installed: pip install "fastnn[{extra}]" ({error})'
        ) from None
