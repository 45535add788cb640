"""Kernels in Cython, built by setup.py where a C compiler works; C in ``simd/``."""
