"""The benchmarks: scripts to run from a checkout, installed too for ``fastnn bench``."""
