"""The random generators of many models, as the states of PCG64s in one array."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.random import Generator  # costs 7 ms, not needed to import fastnn

Words = NDArray[np.uint64]

N_WORDS = 6
"""Numbers of a state: the state's and the increment's two halves, and half a number kept."""

_LOW = 2**64 - 1
_FACTOR = 0x2360ED051FC65DA44385DF649FCCF645
"""Of PCG64, which O'Neill (2014) defines: state ← factor · state + increment, modulo 2¹²⁸."""


class Generators:
    """A generator for each of many models, 48 bytes each.

    Parameters
    ----------
    states : ndarray of shape (n_models, 6) uint64
        Used, not copied.
    """

    def __init__(self, states: NDArray[np.uint64]) -> None:
        self.states = states

    @classmethod
    def empty(cls, n_models: int) -> Generators:
        """Return room for so many generators."""
        return cls(np.zeros((n_models, N_WORDS), np.uint64))

    def __len__(self) -> int:
        return len(self.states)

    def seed_anew(self) -> None:
        """Seed all from the system."""
        words = np.random.SeedSequence().generate_state(4 * len(self), np.uint64)
        self.states[:, :4] = words.reshape(-1, 4)
        self.states[:, 3] |= np.uint64(1)  # the increment of a PCG64 is odd
        self.states[:, 4:] = 0

    def put(self, i: int, generator: Generator) -> None:
        """Store the state of a generator.

        Raises
        ------
        TypeError
            If it is no PCG64.
        """
        state: Any = generator.bit_generator.state
        if state["bit_generator"] != "PCG64":
            raise TypeError(
                "the generator of a network in an Ensemble must be a PCG64, as that of "
                f"numpy.random.default_rng, got {state['bit_generator']}"
            )
        whole, step = state["state"]["state"], state["state"]["inc"]
        self.states[i] = (
            whole >> 64, whole & _LOW, step >> 64, step & _LOW,
            state["has_uint32"], state["uinteger"],
        )  # fmt: skip

    def restore(self, i: int, generator: Generator) -> Generator:
        """Give a generator, a PCG64, the state of model i; return it."""
        high, low, step_high, step_low, has_half, half = self.states[i].tolist()
        generator.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": high << 64 | low, "inc": step_high << 64 | step_low},
            "has_uint32": has_half,
            "uinteger": half,
        }
        return generator

    def draw(self, models: Sequence[int], draw: Any) -> list[Any]:
        """Return what ``draw(generator)`` returns for each of some models."""
        generator, drawn = np.random.default_rng(0), []
        for i in models:
            drawn.append(draw(self.restore(i, generator)))
            self.put(i, generator)
        return drawn

    def draw_seeds(self, models: NDArray[np.int64]) -> list[int]:
        """Return what ``integers(2**63)`` of the generator of each of some models returns."""
        if not draws_as_numpy():
            return self.draw(models.tolist(), lambda generator: int(generator.integers(2**63)))
        return _seeds_at_once(self.states, models)


@cache
def draws_as_numpy() -> bool:
    """Say whether seeds are drawn at once as this version of NumPy draws each."""
    theirs = np.random.default_rng(1)
    ours, first = Generators.empty(1), np.zeros(1, np.int64)
    ours.put(0, theirs)
    return all(
        _seeds_at_once(ours.states, first) == [int(theirs.integers(2**63))] for _ in range(3)
    )


def _seeds_at_once(states: Words, models: NDArray[np.int64]) -> list[int]:
    high, low = _stepped(*states[models, :4].T)
    states[models, 0], states[models, 1] = high, low
    turns, mixed = high >> np.uint64(58), high ^ low
    drawn = mixed >> turns | mixed << ((np.uint64(64) - turns) & np.uint64(63))
    seeds: list[int] = (drawn >> np.uint64(1)).tolist()
    return seeds


def _stepped(high: Words, low: Words, step_high: Words, step_low: Words) -> tuple[Words, Words]:
    """Return the two halves of the next states."""
    factor_high, factor_low = np.uint64(_FACTOR >> 64), np.uint64(_FACTOR & _LOW)
    new_high = _high_of_product(low, factor_low) + high * factor_low + low * factor_high
    product_low = low * factor_low
    new_low = product_low + step_low
    return new_high + step_high + (new_low < product_low), new_low


def _high_of_product(a: Words, b: np.uint64) -> Words:
    """Return the upper 64 of 128 bits of a · b."""
    half, mask = np.uint64(32), np.uint64(2**32 - 1)
    a_high, a_low, b_high, b_low = a >> half, a & mask, b >> half, b & mask
    middle = a_high * b_low + (a_low * b_low >> half)
    other = a_low * b_high + (middle & mask)
    upper: Words = a_high * b_high + (middle >> half) + (other >> half)
    return upper
