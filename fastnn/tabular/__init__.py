"""Tables of mixed columns, and the rows of numbers that a network learns from.

`learn_columns` decides from training data what each column becomes; the `Columns` it returns make
rows of later tables, and travel with a network (`Network.columns`).
"""

from fastnn.tabular.frame import Column, Frame
from fastnn.tabular.frames import as_frame

__all__ = ["Column", "Frame", "as_frame"]
