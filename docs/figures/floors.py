"""The floors of the house: the rooms of fastnn, lowest first.

A room imports those of lower floors, and none of its own floor but itself. The figure of the rooms
is drawn from this list, and a test holds the code to it.
"""

FLOORS = (
    ("system", "vocabulary"),
    ("architecture",),
    ("validation", "scores"),
    ("tabular",),
    ("datasets", "rows", "schedules", "drawing"),
    ("optimizers",),
    ("backends",),
    ("cluster",),
    ("model",),
    ("exchange",),
    ("training",),
    ("network",),
    ("callbacks", "plots"),
    ("ensemble",),
    ("bagging",),
    ("loading",),
    ("sklearn", "report"),
    ("dask", "serve"),
    ("cli",),
)
