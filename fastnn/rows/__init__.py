"""Rows of data: checked, put in an order, and read in passes."""

from fastnn.rows.checked import RowReader, Rows, checked_rows, checked_x

__all__ = ["RowReader", "Rows", "checked_rows", "checked_x"]
