"""Compiled kernels, installed as ``fastnn.kernels``: twins of the reference, family by family."""
