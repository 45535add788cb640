"""One page that says what a training was: data, network, curves, mistakes, timings, machine.

A page is one HTML file that asks for nothing else: no script, no font, no picture from elsewhere.
It can be read on a phone, in light and in dark. Needs ``pip install "fastnn[plot]"``.
"""

try:
    import jinja2  # noqa: F401
    import matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"fastnn.report needs matplotlib and Jinja2, and there is no {error.name}: pip install "
        '"fastnn[plot]"'
    ) from None

from fastnn.report.page import write

__all__ = ["write"]
