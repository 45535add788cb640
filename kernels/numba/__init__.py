"""Kernels in Numba, compiled on first use.

Read `products`, `sparse_products` and `network` first: the matrix products, and how a minibatch
goes through them. `programs` puts a step together from `inputs`, `activations`, `losses`,
`dropout` and `updates`; `layout` says where everything lies and `arrays` brings the caller's
arrays there. What makes it fast is in `vectors`, `elements`, `masks` and `exponential`;
`compiling` and `notice` make it found again by the next process.
"""
