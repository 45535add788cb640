"""Kernels in Numba, compiled on first use.

Read `products`, `sparse_products` and `network` first: the matrix products, and the passes of a
minibatch through the network. `programs` builds a step from `inputs`, `activations`, `losses`,
`dropout` and `updates`; `layout` defines the memory layout and `arrays` converts the caller's
arrays. `vectors`, `elements`, `masks` and `exponential` contain the low-level optimizations;
`compiling` caches compiled code, and `notice` shows progress.
"""
