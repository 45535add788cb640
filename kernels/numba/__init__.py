"""Kernels in Numba, compiled on first use."""
