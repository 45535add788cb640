"""Pictures that need nothing but numbers: the canvas, and the curves of a fit."""

try:
    import matplotlib  # noqa: F401
except ImportError:
    raise ImportError('pictures need matplotlib: pip install "fastnn[plot]"') from None
