"""Compiled kernels, installed as ``fastnn.kernels``: one family a subpackage, twins of the reference."""
