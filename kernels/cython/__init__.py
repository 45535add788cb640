"""Kernels in Cython, built by setup.py where a C compiler works; ``simd/`` holds the C they call."""
