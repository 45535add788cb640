"""Pure functions on the workers of a Dask cluster, with the same bits whoever computes them.

Whoever has more work than one machine does it with a `Cluster`: the fit of an ensemble or a search
in chunks of models, and `fastnn.dask` in rounds over partitions of the rows. Dask is imported here
only when there is a client.
"""

from fastnn.cluster.tasks import (
    Cluster,
    LostError,
    Shared,
    Task,
    TaskError,
    checked_client,
)
from fastnn.cluster.workers import Computing

__all__ = ["Cluster", "Computing", "LostError", "Shared", "Task", "TaskError", "checked_client"]
