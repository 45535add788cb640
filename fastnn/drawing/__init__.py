"""Basic plots: the canvas, and training curves."""

try:
    import matplotlib  # noqa: F401
except ImportError:
    raise ImportError('plots need matplotlib: pip install "fastnn[plot]"') from None
