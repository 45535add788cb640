"""Memory layout of parameters and activations, for code without classes.

All parameters are one vector; all intermediate results of a step are another, the *workspace*. A
table ``layers`` (n_layers, N_COLUMNS) of int64 has the offset of each matrix for each layer.
Matrices have rows of STRIDE elements, whole lines of 64 bytes; elements beyond N_OUT in a row are
padding, zero in the parameters, so that loops over whole rows need no remainder.
"""

from typing import Any, NamedTuple

import numpy as np

from .compiling import inlined

# Columns of the table.
N_IN, N_OUT = 0, 1
IN_STRIDE, STRIDE = 2, 3  # length of a row of the layer's input and of its output
WEIGHT_AT, BIAS_AT = 4, 5  # in vectors with the layout of parameters; BIAS_AT < 0: no bias
ACTIVATION = 6  # its code, see `activations`
# In the workspace:
INPUT_AT = 7  # the layer's input, dropout applied
Z_AT = 8  # what the derivative of its activation is computed from
OUTPUT_AT = 9  # its output; the same place as Z_AT unless both are needed
DROPPED_AT = 10  # its output, dropout applied; the same place as OUTPUT_AT without dropout
DELTA_AT = 11
TRANSPOSED_AT = 12  # its weights transposed, (n_out, in_stride)
N_COLUMNS = 13


class Rows(NamedTuple):
    """The user's x, dense or CSR, as a single type.

    Its values are `bytes` or `reals` of the network's dtype; the other array is empty. Row
    r of a dense x begins at element ``origin + r · row_step``. Of a CSR matrix, `columns` are
    uint32 and `indptr` int64; both are empty if x is dense. Values are multiplied by
    `scale`.
    """

    bytes: Any
    reals: Any
    origin: int
    row_step: int
    columns: Any
    indptr: Any
    scale: float


class Nonzeros(NamedTuple):
    """Space for the non-zeros of a minibatch, by rows and, for the weight gradient, by columns.

    A row has n_parts parts: 64 columns each, or one if x is CSR. Part s of row r has ``value[e]``
    in ``column[e]`` from e = row_starts[r · n_parts + s] on, until the next part begins; column c
    has ``value_by_column[e]`` in ``row[e]`` for column_starts[c] ≤ e < column_starts[c + 1].
    """

    n_parts: int
    row_starts: Any
    column: Any
    value: Any
    column_starts: Any
    row: Any
    value_by_column: Any


class Model(NamedTuple):
    """The table of a network's layers, and its parameters (n_slots,)."""

    layers: Any
    params: Any


class Memory(NamedTuple):
    """The memory of a call, allocated once for all its minibatches.

    work is the workspace; gradient has the layout of the parameters; row_weight (batch_size,)
    holds the factors of the row losses; squares (widest layer,) is float64.
    """

    work: Any
    gradient: Any
    row_weight: Any
    squares: Any
    nonzeros: Nonzeros


class Dropout(NamedTuple):
    """Parameters of the dropout masks; empty arrays without dropout.

    key (n_steps, n_hidden, 2) and threshold (n_hidden,) are uint64, factor (n_hidden,) float64.
    """

    key: Any
    threshold: Any
    factor: Any


class Targets(NamedTuple):
    """The targets of the rows of a call, in their order.

    labels (m,) int64 or target (m, n_out); weight (m,) float64; unused ones are empty.
    """

    labels: Any
    target: Any
    weight: Any


class Training(NamedTuple):
    """What a step is: codes of the loss and the rule, and the numbers of `TrainingOptions`.

    loss_activation is the code of what is applied to z before the loss; loss_constants (n_out,) are
    the loss's. n_vectors is the number of the rule's state vectors; factors (2 n_layers + 1, 2) are
    those of groups of parameters (see `updates.apply_gradient`), or (0, 2).
    """

    batch_size: int
    loss: int
    loss_activation: int
    loss_constants: Any
    label_smoothing: float
    mean: bool
    l1: float
    l2: float
    max_norm: float
    clip_norm: float
    rule: int
    coefficients: tuple[float, float, float, float]
    n_vectors: int
    factors: Any


@inlined
def matrix(buffer, at, n_rows, stride):
    """Return the matrix (n_rows, stride) that begins at element `at` of `buffer`."""
    return buffer[at : at + n_rows * stride].reshape((n_rows, stride))


def plan(shapes, n_rows, reads_input):
    """Lay out the workspace of a network for minibatches of n_rows.

    Parameters
    ----------
    shapes : sequence of tuple
        Each layer's (n_in, n_out, in_stride, stride, weight_offset, bias_offset, activation code,
        whether z is kept beside the output, whether the output is dropped out).
    n_rows : int
        Rows of the largest minibatch.
    reads_input : bool
        Whether the first layer reads a matrix, not packed non-zeros.

    Returns
    -------
    layers : ndarray of int64, shape (n_layers, N_COLUMNS)
    size : int
        Elements of the workspace.
    """
    layers = np.zeros((len(shapes), N_COLUMNS), np.int64)
    size = 0

    def room(n):
        nonlocal size
        size += n
        return size - n

    input_at = room(n_rows * shapes[0][2]) if reads_input else 0
    for i, (row, shape) in enumerate(zip(layers, shapes, strict=True)):
        n_in, n_out, in_stride, stride, weight_at, bias_at, activation, keeps_z, drops = shape
        z_at = room(n_rows * stride)
        output_at = room(n_rows * stride) if keeps_z else z_at
        dropped_at = room(n_rows * stride) if drops else output_at
        row[:] = (
            n_in, n_out, in_stride, stride, weight_at, bias_at, activation,
            input_at, z_at, output_at, dropped_at,
            room(n_rows * stride),
            room(n_out * in_stride) if i else 0,
        )  # fmt: skip
        input_at = dropped_at
    return layers, size
