"""What an expression of z is in the steps of `fastnn.exchange.folding`.

An expression is taken apart from the outside: ``2 tanh(z / 2 + 1) - 3`` is a Scaling, tanh and
another Scaling; max(z, 0.2 z) is a Kink. What is within an activation is found by its dominators:
the expressions u such that the whole is a function of u alone.
"""

from __future__ import annotations

import math

from fastnn.exchange.folding import (
    Activation,
    Kink,
    Scaling,
    Step,
    largest,
    leaky,
    smallest,
)
from fastnn.exchange.onnx.expressions import NEUTRAL, Expressions, U, Z

MOST_PARTS = 100
"""Of an expression that is taken apart; the longest formula of an activation has half of them."""

FACTORS = (1.0, -1.0, math.sqrt(0.5))
"""What formulas of activations multiply z by: sigmoid -1, gelu √½."""


def steps_of(expressions: Expressions, number: int, name: str) -> list[Step] | None:
    """Return the steps that compute an expression of z, or None if fastnn has none that do.

    Parameters
    ----------
    expressions : Expressions
    number : int
        The expression's.
    name : str
        What errors call the steps.
    """
    if len(expressions.within(number, MOST_PARTS)) > MOST_PARTS:
        return None
    try:
        return _steps(expressions, number, name)
    except ValueError:  # while it is taken apart it has too many terms, or divides by zero
        return None


def _steps(expressions: Expressions, number: int, name: str) -> list[Step] | None:
    if number == Z:
        return []
    if (steps := _function(expressions, number, name)) is not None:
        return steps
    inner, outer = _outermost(expressions, number, name)
    if outer is not None:
        steps = _steps(expressions, inner, name)
        return None if steps is None else [*steps, outer]
    for part in expressions.within(number, MOST_PARTS)[1:]:
        if part != Z and Z in expressions.within(number, MOST_PARTS, but=part):
            continue  # it is no function of that part alone
        whole = expressions.replaced(expressions.replaced(number, {part: U}), {U: Z})
        outer_steps = _function(expressions, whole, name) or _scaled(expressions, whole, name)
        if outer_steps:
            steps = _steps(expressions, part, name)
            return None if steps is None else [*steps, *outer_steps]
    return None


def _function(expressions: Expressions, number: int, name: str) -> list[Step] | None:
    """Return the steps of a function of z that is known, or of its multiple or sum."""
    if known := expressions.functions.get(expressions.kind(number)):
        return [Activation(name, known)]
    made = expressions.made(number)
    if made.op in NEUTRAL:
        core = expressions.kind(expressions.without_constant(number))
        known, op, constant = expressions.scaled.get(core, ("", "", 0.0))
        if op == made.op:
            return [Activation(name, known), _line(made.op, made.settings, constant, name)]
    return None


def _line(op: str, constant: float, known: float, name: str) -> Scaling:
    if op == "Mul":
        return Scaling(name, factor=constant / known)
    return Scaling(name, shift=constant - known)


def _outermost(expressions: Expressions, number: int, name: str) -> tuple[int, Step | None]:
    """Return the last step that computes an expression, and of what, where that is plain to see."""
    op, settings, operands = expressions.made(number)
    a, b = (*operands, None, None)[:2]
    if op in NEUTRAL:
        inner = expressions.without_constant(number)
        step = _line(op, settings, NEUTRAL[op], name)
        return (inner, step) if inner != number else (number, None)
    if op == "Abs" and isinstance(a, int):
        return a, Kink(name, below=-1.0, above=1.0)
    if op == "LeakyRelu" and isinstance(a, int):
        return a, leaky(name, dict(settings)["alpha"])
    if op == "PRelu" and isinstance(a, int) and isinstance(b, float):
        return a, leaky(name, b)
    if op in ("Max", "Min") and len(operands) == 2 and isinstance(b, int):
        of_constant, choose = (largest, max) if op == "Max" else (smallest, min)
        if isinstance(a, float):
            return b, of_constant(name, a)
        if isinstance(a, int):
            (first, inner), (second, same) = _multiple(expressions, a), _multiple(expressions, b)
            if inner == same:  # max(first · inner, second · inner)
                slopes = {"above": choose(first, second), "below": -choose(-first, -second)}
                return inner, Kink(name, **slopes)
    return number, None


def _multiple(expressions: Expressions, number: int) -> tuple[float, int]:
    """Return c and the expression of which it is c times."""
    made = expressions.made(number)
    if made.op == "Mul":
        return made.settings, expressions.without_constant(number)
    return 1.0, number


def _scaled(expressions: Expressions, number: int, name: str) -> list[Step] | None:
    """Return the steps of a known function of ``a · z``, as z · sigmoid(2 z) is."""
    for part in expressions.within(number, MOST_PARTS):
        made = expressions.made(part)
        if made.op != "Mul" or made.operands != (Z,) or made.settings == 0:
            continue
        for factor in FACTORS:
            a = made.settings / factor
            z = expressions.op("Mul", 1 / a, U)
            whole = expressions.replaced(expressions.replaced(number, {Z: z}), {U: Z})
            if steps := _function(expressions, whole, name):
                return [Scaling(name, factor=a), *steps]
    return None
