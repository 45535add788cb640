"""Training report on one page: data, network, curves, mistakes, timings, machine.

The report is one self-contained HTML file, without scripts or external fonts and images, for
phones too, in light and dark mode. Requires ``pip install "fastnn[plot]"``.
"""

try:
    import jinja2  # noqa: F401
    import matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"fastnn.report needs matplotlib and Jinja2, but {error.name} is missing: pip install "
        '"fastnn[plot]"'
    ) from None

from fastnn.report.page import write

__all__ = ["write"]
