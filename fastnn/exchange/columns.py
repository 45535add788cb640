"""Networks that carry columns, where an export does not take them along."""

from __future__ import annotations

from fastnn.model.model import Model


def check_no_columns(network: Model, what: str) -> None:
    """Check that a network takes numbers, not tables of mixed columns.

    Raises
    ------
    ValueError
        If it carries columns.
    """
    if network.columns is not None:
        raise ValueError(
            f"{what} takes rows of numbers, and would lose how this network prepares the "
            f"{len(network.columns.names)} columns of a table: to export the network alone, for "
            "rows as columns.rows makes them, set columns = None on a copy of it"
        )
