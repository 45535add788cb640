"""Training steps, frozen: checks and buffers are made once for many steps.

`Steps` is to training what `Predictor` is to serving. Users call it through `fastnn.Trainer`, which
checks the arguments and prevents concurrent fits of a network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from fastnn.architecture import Array

NO_FORWARD = (
    "backward continues from trainer.forward(x), which must be called before it: once per "
    "update, with no other call of the trainer in between"
)
NO_GRADIENT = (
    "there is no gradient: it is that of the last update or backward, until the next call of "
    "forward"
)


class Taken(NamedTuple):
    """Which minibatches compiled code may take as they are, without Python's checks.

    Attributes
    ----------
    floats : int
        Rows of floats: 0 never; 1 if they are finite; 2 if they are all 0 or 1.
    uint8 : bool
        Rows of bytes.
    y : bool
        Integers as the classes that they count; numbers as targets.
    low, high : float
        The range that targets must lie in.
    """

    floats: int
    uint8: bool
    y: bool
    low: float
    high: float


class Steps(ABC):
    """Steps of training of one network: its parameters and its optimizer's state change in place.

    Rows x are (n_rows, n_in) or one row (n_in,); y and the outputs have the same number of
    dimensions, labels one less or one. Where rows are handed in, None is returned for those that
    cannot be taken as they are: the caller checks and converts them, and calls again with
    `is_checked`. Nothing is changed then, nor by a call that raises an error.
    """

    def watch(  # noqa: B027  what plain steps need not do
        self, fields: dict[str, Any], made_for: dict[str, Any], claim: str, words: str
    ) -> None:
        """Have `train` return None once attributes in `fields` are not those of `made_for`.

        While it runs it sets the attribute `claim`; if that is set already, it raises a
        RuntimeError with the `words`. Both only for rows that were not checked.
        """

    @abstractmethod
    def train(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        is_checked: bool = False,
        draw: Callable[[int], Array] | None = None,
    ) -> float | None:
        """One update from a minibatch; return the weighted mean of its rows' losses.

        ``draw(n_rows)`` returns their order; it is called for rows that can be used.
        """

    @abstractmethod
    def measured(self) -> tuple[float, float, float]:
        """Return loss, accuracy and penalty of the last update's minibatch, weighted means."""

    @abstractmethod
    def forward(self, x: Any, logits: bool = False, is_checked: bool = False) -> Array | None:
        """Return the outputs, or logits, of rows; keep what `backward` needs."""

    @abstractmethod
    def backward(
        self, delta: Array, of_outputs: bool, updates: bool, wants_input_gradient: bool
    ) -> Array | None:
        """Go on from `forward` with ∂loss/∂logits, or ∂loss/∂outputs; return ∂loss/∂x if wanted.

        Without an update, `backward` may be called again after the same `forward`.
        """

    @abstractmethod
    def gradient(self) -> Array:
        """Return the gradient of the last update or `backward`, penalty and clipping included."""

    @abstractmethod
    def value_and_gradient(
        self,
        params: Array,
        x: Any,
        y: Any,
        sample_weight: Any,
        out: Array,
        is_checked: bool = False,
    ) -> float | None:
        """Return the reduced loss with the penalty of any number of rows, at `params`.

        Its gradient is written to `out`. There is no dropout.
        """

    @abstractmethod
    def apply(self, gradient: Array) -> None:
        """One update from a gradient; limits hold, no penalty is added."""
