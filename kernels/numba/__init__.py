"""Kernels in Numba, compiled on first use.

Read `products` and `network` first: the matrix products, and how a minibatch goes through them.
`programs` puts a step together from `inputs`, `activations`, `losses`, `dropout` and `updates`;
`layout` says where everything lies; `exponential`, `vectors`, `compiling` and `notice` are what makes
it fast, and found again by the next process.
"""
