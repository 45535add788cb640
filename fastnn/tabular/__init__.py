"""Tables with mixed columns, and the rows of numbers that a network learns from."""

from fastnn.tabular.frame import Column, Frame, Kind

__all__ = ["Column", "Frame", "Kind"]
