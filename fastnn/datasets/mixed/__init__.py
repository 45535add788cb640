"""Text files as tables with mixed columns: encoding, dialect, rows, names, kinds of columns."""
