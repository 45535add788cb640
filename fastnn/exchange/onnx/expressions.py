"""What a graph computes from a layer's z, as expressions that can be compared.

Exporters spell one activation in many ways: ``0.5 (x (1 + erf(x/√2)))``, ``(0.5 x) (1 + …)``. Here
products and sums are put in one order with their constants gathered in front, so that spellings
which differ only by that are one expression, and equal expressions have equal numbers. Expressions
that are equal but for the last digits of their constants are of one *kind*: a graph's activation is
looked up by its kind, never run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fastnn.architecture import ACTIVATIONS, OUTPUTS
from fastnn.exchange.onnx.formulas import FORMULAS, OTHER_SPELLINGS

Z = 0
"""The expression z."""

U = 1
"""Another, which stands for an expression of z while it is taken apart."""

MOST_TERMS = 16
"""Of a product or sum; no activation has more, and what doubles at each node must not grow."""

UNARY = frozenset(
    ("Abs", "Erf", "Exp", "Log", "Mish", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh")
) | {"Reciprocal"}
BINARY = frozenset(("Add", "Div", "Greater", "Max", "Min", "Mul", "Pow", "PRelu", "Sub"))
# with each attribute's default
WITH_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "Celu": {"alpha": 1.0},
    "Elu": {"alpha": 1.0},
    "Gelu": {"approximate": "none"},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "LeakyRelu": {"alpha": 0.01},
    "LogSoftmax": {"axis": -1},
    "Selu": {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
    "Softmax": {"axis": -1},
    "Swish": {"alpha": 1.0},
}
OPERATORS = UNARY | BINARY | frozenset(WITH_ATTRIBUTES) | {"Neg", "Where"}
"""What a node of a graph may be in an expression."""

COMMUTATIVE = ("Add", "Max", "Min", "Mul")
NEUTRAL = {"Add": 0.0, "Mul": 1.0}


def n_operands(op_type: str) -> range:
    """Return how many operands an operator takes."""
    if op_type in ("Max", "Min"):
        return range(1, MOST_TERMS + 1)
    n = 3 if op_type == "Where" else 1 + (op_type in BINARY)
    return range(n, n + 1)


Operand = int | float
"""The number of an expression, or a constant."""


class Made(NamedTuple):
    """What an expression is made of; the constant of a sum or product is its `settings`."""

    op: str
    settings: Any
    operands: tuple[Operand, ...]


class Expressions:
    """Expressions of z, each with its number: equal ones have the same."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._made: list[Made] = []
        self._kinds: list[int] = []
        self._kind_numbers: dict[Any, int] = {}
        for name in ("z", "u"):
            self._number(Made(name, (), ()))
        self.functions: dict[int, str] = {}
        """By its kind: the name of an activation, an output, or one of `OTHERS`."""
        self.scaled: dict[int, tuple[str, str, float]] = {}
        """By the kind of a sum or product without its constant: which function, which of the two,
        and that constant as the function has it."""
        for name in dict.fromkeys((*ACTIVATIONS, *OUTPUTS)):
            formulas = [table[name] for table in FORMULAS.values() if name in table]
            for formula in (*formulas, *OTHER_SPELLINGS.get(name, ())):
                self._know(name, formula(self.op, Z))
        for name, formula in OTHERS.items():
            self._know(name, formula(self.op, Z))

    def _know(self, name: str, number: int) -> None:
        self.functions[self.kind(number)] = name
        made = self.made(number)
        if made.op in NEUTRAL:
            core = self.kind(self.without_constant(number))
            self.scaled[core] = (name, made.op, made.settings)

    def made(self, number: int) -> Made:
        """Return what an expression is made of."""
        return self._made[number]

    def kind(self, number: int) -> int:
        """Return what is equal for expressions whose constants share six digits."""
        return self._kinds[number]

    def without_constant(self, number: int) -> int:
        """Return a sum or product without its constant."""
        op, _, terms = self._made[number]
        return self._gathered(op, terms)

    def within(self, number: int, most: int, *, but: int = -1) -> list[int]:
        """Return an expression and all it is made of, and of those without one; `most` at most."""
        found = {number: None}
        waiting = [number]
        while waiting and len(found) <= most:
            for operand in self._made[waiting.pop()].operands:
                if isinstance(operand, int) and operand != but and operand not in found:
                    found[operand] = None
                    waiting.append(operand)
        return list(found)

    def replaced(self, number: int, by: Mapping[int, int]) -> int:
        """Return an expression with others in place of some that it is made of."""
        replaced = dict(by)

        def of(operand: Operand) -> Operand:
            if isinstance(operand, float):
                return operand
            if operand not in replaced:
                op, settings, operands = self._made[operand]
                new = tuple(map(of, operands))
                if new == operands:
                    replaced[operand] = operand
                elif op in NEUTRAL:
                    replaced[operand] = self._gathered(op, (settings, *new))
                else:
                    replaced[operand] = self.op(op, *new, **dict(settings))
            return replaced[operand]

        result = of(number)
        return result if isinstance(result, int) else number

    def op(self, op_type: str, *operands: Operand, **attributes: Any) -> int:
        """Return the expression of an operator, of which at least one operand is no constant.

        Raises
        ------
        ValueError
            If it has more terms than any activation.
        """
        a, *others = operands
        match op_type:
            case "Mul" | "Add":
                return self._gathered(op_type, operands)
            case "Div":
                return self._gathered("Mul", (a, self._reciprocal(others[0])))
            case "Reciprocal":
                return self._as_number(self._reciprocal(a))
            case "Neg":
                return self._gathered("Mul", (-1.0, a))
            case "Sub":
                return self._gathered("Add", (a, self._negative(others[0])))
            case "Pow" if others[0] == 2.0 and isinstance(others[0], float):
                return self._gathered("Mul", (a, a))
        settings = WITH_ATTRIBUTES.get(op_type, {}) | attributes
        match op_type:
            case "HardSigmoid":
                alpha, beta = float(settings["alpha"]), float(settings["beta"])
                line = self.op("Add", self.op("Mul", alpha, a), beta)
                return self.op("Min", self.op("Relu", line), 1.0)
            case "Elu" if _rounded(float(settings["alpha"])) != "1":
                return self.op("LeakyRelu", self.op("Elu", a), alpha=float(settings["alpha"]))
            case "Selu":
                elu = self.op("Elu", a, alpha=settings["alpha"])
                return self.op("Mul", elu, float(settings["gamma"]))
            case "Log" if isinstance(a, int) and self._made[a].op == "Sigmoid":
                within = self._made[a].operands[0]
                return self.op("Neg", self.op("Softplus", self.op("Neg", within)))
            case "Celu":
                alpha = float(settings["alpha"])
                return self.op("Mul", self.op("Elu", self.op("Div", a, alpha)), alpha)
            case "Max" | "Min":
                operands = tuple(sorted(operands, key=_order))
                if len(operands) == 1:
                    return self._as_number(a)
                if op_type == "Max" and operands[0] == 0.0 and isinstance(operands[0], float):
                    op_type, operands = "Relu", operands[1:]
        if settings.get("axis") == -1:
            settings["axis"] = 1  # of rows (rows, n)
        return self._number(Made(op_type, tuple(sorted(settings.items())), operands))

    def _as_number(self, operand: Operand) -> int:
        return operand if isinstance(operand, int) else self._gathered("Add", (operand,))

    def _number(self, made: Made) -> int:
        key = _exactly(made)
        number = self._numbers.setdefault(key, len(self._made))
        if number == len(self._made):
            operands = [self._kinds[o] if isinstance(o, int) else _rounded(o) for o in made[2]]
            if made.op in COMMUTATIVE:
                operands.sort(key=str)
            settings = made.settings
            settings = (
                _rounded(settings)
                if made.op in NEUTRAL
                else tuple((k, _rounded(v)) for k, v in settings)
            )
            kind = (made.op, settings, *operands)
            self._kinds.append(self._kind_numbers.setdefault(kind, len(self._kind_numbers)))
            self._made.append(made)
        return number

    def _reciprocal(self, operand: Operand) -> Operand:
        if isinstance(operand, float):
            if operand == 0:
                raise ValueError("it divides by zero")
            return 1 / operand
        return self._number(Made("Reciprocal", (), (operand,)))

    def _negative(self, operand: Operand) -> Operand:
        return -operand if isinstance(operand, float) else self._gathered("Mul", (-1.0, operand))

    def _gathered(self, op_type: str, operands: tuple[Operand, ...]) -> int:
        """Return ``constant ∘ term ∘ term …``, with the terms of nested ones in one order."""
        constant, combine = NEUTRAL[op_type], _COMBINE[op_type]
        terms: list[int] = []
        for operand in operands:
            if isinstance(operand, float):
                constant = combine(constant, operand)
            elif (made := self._made[operand]).op == op_type:
                constant = combine(constant, made.settings)
                terms.extend(t for t in made.operands if isinstance(t, int))
            else:
                terms.append(operand)
        if len(terms) > MOST_TERMS:
            raise ValueError("it is part of a product or sum longer than any activation's")
        if len(terms) == 1 and _rounded(constant) == _rounded(NEUTRAL[op_type]):
            return terms[0]
        return self._number(Made(op_type, constant, tuple(sorted(terms))))


_COMBINE: dict[str, Callable[[float, float], float]] = {
    "Add": lambda a, b: a + b,
    "Mul": lambda a, b: a * b,
}

SIGMOIDS_OF_ONE = "sigmoids divided by their sum"

OTHERS: dict[str, Callable[..., int]] = {
    "log_softmax": lambda op, z: op("LogSoftmax", z, axis=1),
    # of two columns -z and z, as scikit-learn's converter writes one against the other
    SIGMOIDS_OF_ONE: lambda op, z: op(
        "Div",
        op("Sigmoid", z),
        op("ReduceSum", op("Abs", op("Sigmoid", z)), axes=(1,), keepdims=1),
    ),
}
"""What is neither an activation nor an output, but read where it is last."""


def _order(operand: Operand) -> tuple[bool, float]:
    """Sort constants first."""
    return isinstance(operand, int), operand


def _exactly(made: Made) -> tuple[Any, ...]:
    """Return a key in which the constant 1.0 is not the expression 1."""
    return made.op, repr(made.settings), *(repr(o) for o in made.operands)


def _rounded(value: Any) -> Any:
    """Return a constant to six digits, as float32 and float64 exports share them."""
    return f"{value:.6g}" if isinstance(value, float) else value
