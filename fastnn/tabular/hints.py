"""What text in a frame may mean otherwise: dates, or numbers with decimal commas.

Readers of files look for that themselves; a frame is read as its types say, with a hint.
"""

from __future__ import annotations

import re

from fastnn.tabular.frame import Column
from fastnn.tabular.kinds import factorized, time_of
from fastnn.validation.parameters import parameter

_CLOCK = r"([T ,]\s*\d{1,2}:\d{2}.*)?"
_DATE = re.compile(
    rf"(\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](\d{{4}}|\d{{2}})){_CLOCK}",
    re.ASCII,
)
_WITH_COMMAS = re.compile(r"[-+]?\d+([., ]\d{3})*,\d+([.]\d+)?", re.ASCII)


def hint_of(column: Column) -> str | None:
    """Return what text may be that is read as categories, and what to do; None if that is sure.

    >>> import numpy as np
    >>> hint_of(Column("d", "text", np.array(["2024-01-31", None, "2024-02-01"], object)))
    "text that holds dates: kinds={'d': 'time'} reads them as such"
    """
    if column.kind != "text" or column.categories is not None or column.note is not None:
        return None
    texts = factorized(column.values)[1]
    if not texts:
        return None
    if all(map(_DATE.fullmatch, texts)):
        if all(time_of(text) is not None for text in texts):
            how = parameter("kinds", {column.name: "time"})
            return f"text that holds dates: {how} reads them as such"
        return "text that holds dates: convert it to times first, as by pandas.to_datetime"
    if all(map(_WITH_COMMAS.fullmatch, texts)):
        return (
            f"text that holds numbers with commas, such as {texts[0]}: convert them to numbers "
            "first, or write decimal points and nothing between thousands"
        )
    return None
