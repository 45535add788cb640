"""Literal types of string parameters, for editors and type checkers.

>>> from typing import get_args
>>> import fastnn
>>> "relu" in get_args(fastnn.vocabulary.Activation)
True
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Activation: TypeAlias = Literal[
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
]
"""Activations of hidden layers."""

Output: TypeAlias = Literal["softmax", "sigmoid", "identity", "exp", "tanh", "relu"]

Loss: TypeAlias = Literal[
    "cross_entropy",
    "binary_cross_entropy",
    "squared_error",
    "huber",
    "absolute_error",
    "poisson",
    "quantile",
]

NumberType: TypeAlias = Literal["float32", "float64"]
InputType: TypeAlias = Literal["float32", "float64", "uint8"]
WeightType: TypeAlias = Literal["float32", "int8"]
ModuleWeightType: TypeAlias = Literal["float32", "float16", "int8"]
ArithmeticType: TypeAlias = Literal["float32", "int32"]

BackendName: TypeAlias = Literal["auto", "cython", "numba", "numpy"]
Initial: TypeAlias = Literal["glorot", "he", "lecun"]
Reduction: TypeAlias = Literal["mean", "sum"]
Shuffle: TypeAlias = bool | Literal["blocks"]
Mode: TypeAlias = Literal["auto", "min", "max"]
Measure: TypeAlias = Literal["loss", "accuracy", "r2"]
