"""A page that asks a network: alone as one file, or from ``fastnn serve``.

The sources lie here, as HTML, CSS and JavaScript modules that can be read and tested one by one.
"""
