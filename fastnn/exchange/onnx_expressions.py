"""What a graph computes from a layer's z, as expressions that can be compared.

Exporters spell one activation in many ways: ``0.5 (x (1 + erf(x/√2)))``, ``(0.5 x) (1 + …)``. Here
products and sums are put in one order with their constants gathered in front, so that spellings
which differ only by that are one expression, and equal expressions have equal numbers: a graph's
activation is looked up, never run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.architecture import ACTIVATIONS, OUTPUTS
from fastnn.exchange.onnx_formulas import FORMULAS, OTHER_SPELLINGS

Z = 0
"""The expression z."""

MOST_TERMS = 16
"""Of a product or sum; no activation has more, and what doubles at each node must not grow."""

UNARY = frozenset(
    ("Abs", "Erf", "Exp", "Log", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh", "Reciprocal")
)
BINARY = frozenset(("Add", "Div", "Greater", "Max", "Min", "Mul", "Pow", "PRelu", "Sub"))
# with each attribute's default
WITH_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "Elu": {"alpha": 1.0},
    "Gelu": {"approximate": "none"},
    "LeakyRelu": {"alpha": 0.01},
    "LogSoftmax": {"axis": -1},
    "Softmax": {"axis": -1},
    "Swish": {"alpha": 1.0},
}
OPERATORS = UNARY | BINARY | frozenset(WITH_ATTRIBUTES) | {"Neg", "Where"}
"""What `Expressions.op` takes."""


def n_operands(op_type: str) -> range:
    """Return how many operands an operator takes."""
    if op_type in ("Max", "Min"):
        return range(1, MOST_TERMS + 1)
    n = 3 if op_type == "Where" else 1 + (op_type in BINARY)
    return range(n, n + 1)


Operand = int | float
"""The number of an expression, or a constant."""


class Expressions:
    """Expressions of z, each with its number: equal ones have the same."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {"z": Z}
        self._made: list[Any] = ["z"]
        self.activations = self._known(ACTIVATIONS)
        self.outputs = self._known(OUTPUTS)
        self.log_softmax = self.op("LogSoftmax", Z, axis=1)

    def _known(self, names: tuple[str, ...]) -> dict[int, str]:
        """Return the name of each expression that is a formula of one of them."""
        known: dict[int, str] = {}
        for name in names:
            formulas = [table[name] for table in FORMULAS.values()]
            for formula in (*formulas, *OTHER_SPELLINGS.get(name, ())):
                known[formula(self.op, Z)] = name
        return known

    def op(self, op_type: str, *operands: Operand, **attributes: Any) -> int:
        """Return the expression of an operator, of which at least one operand is no constant.

        Raises
        ------
        ValueError
            If it has more terms than any activation.
        """
        a, *others = operands
        match op_type:
            case "Mul":
                return self._product(*operands)
            case "Div":
                return self._product(a, self._reciprocal(others[0]))
            case "Reciprocal":
                return self._number(self._reciprocal(a))
            case "Neg":
                return self._product(-1.0, a)
            case "Add":
                return self._sum(*operands)
            case "Sub":
                return self._sum(a, self._negative(others[0]))
            case "Pow" if others[0] == 2.0 and isinstance(others[0], float):
                return self._product(a, a)
        if op_type in ("Max", "Min"):
            operands = tuple(sorted(operands, key=_order))
            if op_type == "Max" and operands[0] == 0.0 and isinstance(operands[0], float):
                op_type, operands = "Relu", operands[1:]
        settings = WITH_ATTRIBUTES.get(op_type, {}) | attributes
        if settings.get("axis") == -1:
            settings["axis"] = 1  # of rows (rows, n)
        listed = tuple(sorted((k, _rounded(v)) for k, v in settings.items()))
        return self._number((op_type, listed, *map(_rounded, operands)))

    def _number(self, expression: Any) -> int:
        if isinstance(expression, int):
            return expression
        number = self._numbers.setdefault(expression, len(self._made))
        if number == len(self._made):
            self._made.append(expression)
        return number

    def _reciprocal(self, operand: Operand) -> Operand:
        if isinstance(operand, float):
            if operand == 0:
                raise ValueError("it divides by zero")
            return 1 / operand
        return self._number(("Reciprocal", (), operand))

    def _negative(self, operand: Operand) -> Operand:
        return -operand if isinstance(operand, float) else self._product(-1.0, operand)

    def _product(self, *operands: Operand) -> int:
        return self._gathered("Mul", 1.0, lambda a, b: a * b, operands)

    def _sum(self, *operands: Operand) -> int:
        return self._gathered("Add", 0.0, lambda a, b: a + b, operands)

    def _gathered(
        self,
        op_type: str,
        neutral: float,
        combine: Callable[[float, float], float],
        operands: tuple[Operand, ...],
    ) -> int:
        """Return ``constant ∘ term ∘ term …``, with the terms of nested ones in one order."""
        constant = neutral
        terms: list[int] = []
        for operand in operands:
            if isinstance(operand, float):
                constant = combine(constant, operand)
            elif isinstance(made := self._made[operand], tuple) and made[0] == op_type:
                constant = combine(constant, made[1])
                terms.extend(made[2:])
            else:
                terms.append(operand)
        if len(terms) > MOST_TERMS:
            raise ValueError("it is part of a product or sum longer than any activation's")
        if len(terms) == 1 and _rounded(constant) == _rounded(neutral):
            return terms[0]
        key = (op_type, _rounded(constant), *sorted(terms))
        number = self._numbers.setdefault(key, len(self._made))
        if number == len(self._made):
            self._made.append((op_type, constant, *sorted(terms)))
        return number


def _order(operand: Operand) -> tuple[bool, float]:
    """Sort constants first."""
    return isinstance(operand, int), operand


def _rounded(value: Any) -> Any:
    """Return a constant to six digits, as float32 and float64 exports share them."""
    return f"{value:.6g}" if isinstance(value, float) else value
