"""Tables of mixed columns, and the rows of numbers that a network learns from.

`learn_columns` decides from training data what each column becomes; the `Columns` it returns make
rows of later tables, and travel with a network (`Network.columns`).
"""

from fastnn.tabular.columns import Columns
from fastnn.tabular.frame import Column, Frame
from fastnn.tabular.frames import as_frame
from fastnn.tabular.learning import learn_columns

__all__ = ["Column", "Columns", "Frame", "as_frame", "learn_columns"]
