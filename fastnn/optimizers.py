"""Optimizers: their hyper-parameters, and their state between steps.

The arithmetic is in the backends' kernel ``update``; with gradient g, learning rate η and step t:

    SGD        p ← p − η g
    momentum   m ← μ m + g,               p ← p − η m            (Nesterov: p ← p − η (g + μ m))
    RMSprop    v ← ρ v + (1 − ρ) g²,      p ← p − η g / (√v + ε)
    Adam       m ← β₁ m + (1 − β₁) g,     v ← β₂ v + (1 − β₂) g²,
               p ← p − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
    AdamW      p ← p − η λ p, then Adam

A learning rate is a number or a schedule (see `fastnn.schedules`); `RateFactors` multiply it for
groups of parameters.

The state vectors of one rule have no meaning for another, so an optimizer in use and
its state are one value, `RunningOptimizer`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture
from fastnn.schedules import Schedule, check_learning_rate
from fastnn.validation import (
    check_count,
    check_flag,
    check_in_range,
    check_instance,
    check_positive,
)
from fastnn.validation.values import describe

VECTORS = {"sgd": 0, "momentum": 1, "nesterov": 1, "rmsprop": 1, "adam": 2, "adamw": 2}
"""Number of state vectors of each rule."""

N_SCALING = 2
"""State vectors for the scaling of features: see `fastnn.backends.groups`."""

FAN_IN = "fan_in"


@dataclass(frozen=True)
class RateFactors:
    """Factors of the learning rate for groups of parameters, and whether features are scaled.

    Parameters
    ----------
    weights : float, "fan_in" or sequence of float, default 1.0
        Factor for the weight matrices: one for all, or one for each layer, from the input on.
        ``"fan_in"`` is ``1 / √n_in`` of each layer, which gives a network with Adam the steps of
        the neural tangent parametrization (Jacot et al., 2018), whose weights are divided by √n_in
        where they are used. A factor of 0 keeps parameters as they are.
    biases : float, default 1.0
        Factor for all biases.
    feature_scales : float, default 0.0
        If above 0, the network learns a factor s of each input feature beside the first layer's
        weights W, with this factor of the learning rate: that layer computes ``(x ∘ s) W``
        (Holzmüller et al., 2024, "Better by Default"). See `fastnn.backends.groups`.
    decays_biases : bool, default True
        Whether the weight decay of `AdamW` acts on biases too.

    Notes
    -----
    The factor of a group multiplies the rate in the whole rule: the weight decay of `AdamW`, which
    is multiplied by the rate, follows it.
    """

    weights: float | str | tuple[float, ...] = 1.0
    biases: float = 1.0
    feature_scales: float = 0.0
    decays_biases: bool = True

    def __post_init__(self) -> None:
        weights = self.weights
        if isinstance(weights, str):
            if weights != FAN_IN:
                raise ValueError(
                    f'weights must be a factor, one per layer, or "fan_in", got {weights!r}'
                )
        elif isinstance(weights, list | tuple | np.ndarray):
            each = [_check_factor(f"weights[{i}]", factor) for i, factor in enumerate(weights)]
            object.__setattr__(self, "weights", tuple(each))
        else:
            _check_factor("weights", weights)
        _check_factor("biases", self.biases)
        _check_factor("feature_scales", self.feature_scales)
        check_flag("decays_biases", self.decays_biases)

    def of(self, architecture: Architecture) -> NDArray[np.float64]:
        """Return the factors for a network's groups of parameters, read-only.

        Returns
        -------
        ndarray of shape (2 n_layers + 1, 2)
            For the weights, then the biases of each layer, and for the feature scales: the factor
            of the rate, and that of the weight decay.

        Raises
        ------
        ValueError
            If there are not as many factors of weights as the network has layers.
        """
        return _factors(self, architecture)


def _check_factor(name: str, value: object) -> float:
    return check_in_range(name, value, 0.0, float("inf"))


@lru_cache(maxsize=64)
def _factors(rates: RateFactors, architecture: Architecture) -> NDArray[np.float64]:
    n_layers = len(architecture.layers)
    weights = rates.weights
    if weights == FAN_IN:
        weights = tuple(layer.n_in**-0.5 for layer in architecture.layers)
    elif not isinstance(weights, tuple):
        weights = (float(weights),) * n_layers
    if len(weights) != n_layers:
        raise ValueError(
            f"RateFactors has factors for the weights of {len(weights)} layers, and the network "
            f"has {n_layers}: give one for each layer, or one for all"
        )
    factors = np.ones((2 * n_layers + 1, 2))
    factors[:-1:2, 0], factors[1::2, 0] = weights, rates.biases
    factors[-1, 0], factors[1::2, 1] = rates.feature_scales, rates.decays_biases
    factors.flags.writeable = False
    return factors


@dataclass(frozen=True)
class Optimizer(ABC):
    """Base of the optimizers: a learning rate, and what the ``update`` kernel needs to know."""

    learning_rate: float | Schedule
    rate_factors: RateFactors | None = field(default=None, kw_only=True)

    RULES: ClassVar[tuple[str, ...]] = tuple(VECTORS)

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate)
        if self.rate_factors is not None:
            check_instance(
                "rate_factors",
                self.rate_factors,
                RateFactors,
                'fastnn.optimizers.RateFactors, such as RateFactors(weights="fan_in"), or None',
            )

    @property
    @abstractmethod
    def rule(self) -> str:
        """The update rule, one of `RULES`."""

    @property
    def n_state(self) -> int:
        """Number of state vectors: of the rule, and two more if it scales features."""
        return VECTORS[self.rule] + N_SCALING * self.scales_features

    @property
    def scales_features(self) -> bool:
        """Whether a factor of each input feature is learned too."""
        return self.rate_factors is not None and self.rate_factors.feature_scales > 0

    @property
    @abstractmethod
    def coefficients(self) -> tuple[float, float, float, float]:
        """The rule's constants: first decay, second decay, epsilon, weight decay."""

    def learning_rates(self, step: int, n_steps: int) -> NDArray[np.float64]:
        """Return the rates of the `n_steps` updates after the first `step` ones."""
        if isinstance(self.learning_rate, Schedule):
            return self.learning_rate(np.arange(step, step + n_steps))
        return np.full(n_steps, float(self.learning_rate))


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.1
        η.
    momentum : float, default 0.0
        μ in [0, 1).
    nesterov : bool, default False
        Whether to use Nesterov momentum (Sutskever et al., 2013); needs ``momentum > 0``.
    rate_factors : RateFactors, optional
        Keyword only: factors of η for groups of parameters.
    """

    learning_rate: float | Schedule = 0.1
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_in_range("momentum", self.momentum, 0.0, 1.0, open_high=True)
        check_flag("nesterov", self.nesterov)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov=True needs a momentum above 0, for example momentum=0.9")

    @property
    def rule(self) -> str:
        """``"sgd"``, ``"momentum"`` or ``"nesterov"``."""
        if not self.momentum:
            return "sgd"
        return "nesterov" if self.nesterov else "momentum"

    @property
    def coefficients(self) -> tuple[float, float, float, float]:
        """``(μ, 0, 0, 0)``."""
        return (self.momentum, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Gradients divided by their running root mean square (Tieleman and Hinton, 2012).

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.01
        η.
    rho : float, default 0.99
        ρ in [0, 1): decay of the mean square.
    epsilon : float, default 1e-8
        ε, above 0.
    rate_factors : RateFactors, optional
        Keyword only: factors of η for groups of parameters.
    """

    learning_rate: float | Schedule = 0.01
    rho: float = 0.99
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_in_range("rho", self.rho, 0.0, 1.0, open_high=True)
        check_positive("epsilon", self.epsilon)

    @property
    def rule(self) -> str:
        """``"rmsprop"``."""
        return "rmsprop"

    @property
    def coefficients(self) -> tuple[float, float, float, float]:
        """``(0, ρ, ε, 0)``."""
        return (0.0, self.rho, self.epsilon, 0.0)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moments (Kingma and Ba, 2015, algorithm 1).

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.001
        η.
    beta_1 : float, default 0.9
        β₁ in [0, 1): decay of the mean gradient.
    beta_2 : float, default 0.999
        β₂ in [0, 1): decay of the mean square.
    epsilon : float, default 1e-8
        ε, above 0.
    rate_factors : RateFactors, optional
        Keyword only: factors of η for groups of parameters.
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_in_range("beta_1", self.beta_1, 0.0, 1.0, open_high=True)
        check_in_range("beta_2", self.beta_2, 0.0, 1.0, open_high=True)
        check_positive("epsilon", self.epsilon)

    @property
    def rule(self) -> str:
        """``"adam"``."""
        return "adam"

    @property
    def coefficients(self) -> tuple[float, float, float, float]:
        """``(β₁, β₂, ε, 0)``."""
        return (self.beta_1, self.beta_2, self.epsilon, 0.0)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay decoupled from the gradient (Loshchilov and Hutter, 2019).

    As in PyTorch, every parameter decays, biases too unless `rate_factors` exempts them.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.001
        η.
    beta_1 : float, default 0.9
        β₁ in [0, 1): decay of the mean gradient.
    beta_2 : float, default 0.999
        β₂ in [0, 1): decay of the mean square.
    epsilon : float, default 1e-8
        ε, above 0.
    weight_decay : float, default 0.01
        λ, at least 0.
    rate_factors : RateFactors, optional
        Keyword only: factors of η for groups of parameters.
    """

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_in_range("weight_decay", self.weight_decay, 0.0, float("inf"))

    @property
    def rule(self) -> str:
        """``"adamw"``."""
        return "adamw"

    @property
    def coefficients(self) -> tuple[float, float, float, float]:
        """``(β₁, β₂, ε, λ)``."""
        return (self.beta_1, self.beta_2, self.epsilon, self.weight_decay)


@dataclass
class OptimizerState:
    """State of an optimizer between steps.

    Attributes
    ----------
    slots : ndarray of shape (optimizer.n_state, n_slots)
        The state vectors, in the layout of the parameters; of an optimizer that scales features,
        the last two as `fastnn.backends.groups` says.
    step : int
        Number of updates so far.
    dropout_seed : int
        With the step, selects the dropout masks (see `fastnn.backends.dropout`).
    """

    slots: NDArray[Any]
    step: int = 0
    dropout_seed: int = 0


@dataclass(frozen=True)
class RunningOptimizer:
    """An optimizer and its state.

    Attributes
    ----------
    optimizer : Optimizer
    state : OptimizerState
    """

    optimizer: Optimizer
    state: OptimizerState

    @classmethod
    def start(
        cls, optimizer: Optimizer, architecture: Architecture, step: int = 0, dropout_seed: int = 0
    ) -> RunningOptimizer:
        """Return the optimizer with zero state for the parameters of that architecture."""
        slots = np.zeros((optimizer.n_state, architecture.n_slots), architecture.dtype)
        return cls(optimizer, OptimizerState(slots, step, dropout_seed))

    def understood_by(self, optimizer: Optimizer) -> bool:
        """Return whether `optimizer` can use the state: same class, same number of vectors."""
        same_kind = type(optimizer) is type(self.optimizer)
        return same_kind and optimizer.n_state == self.optimizer.n_state

    def resumed(self, architecture: Architecture, optimizer: Optimizer) -> RunningOptimizer:
        """Return the same state with an optimizer that can use it, ready for training.

        Raises
        ------
        TypeError, ValueError
            If the state was changed from outside and is no longer valid, or the optimizer's rate
            factors are not those of such a network.
        """
        check_groups(optimizer, architecture)
        shape = (optimizer.n_state, architecture.n_slots)
        _check_state(self.state, shape, architecture.dtype)
        return self if optimizer is self.optimizer else RunningOptimizer(optimizer, self.state)


def check_groups(optimizer: Optimizer, architecture: Architecture) -> None:
    """Raise a ValueError if an optimizer's rate factors are of a network with other layers."""
    if optimizer.rate_factors is not None:
        optimizer.rate_factors.of(architecture)


def checked_optimizer(optimizer: Any) -> Optimizer:
    """Return `optimizer` if it is one, or raise a TypeError."""
    return check_instance(
        "optimizer",
        optimizer,
        Optimizer,  # type: ignore[type-abstract]
        "a fastnn.SGD, RMSprop, Adam or AdamW, such as fastnn.SGD(0.5)",
    )


def _check_state(state: OptimizerState, shape: tuple[int, int], dtype: str) -> None:
    """Check that a state has slots of that shape and dtype.

    Read-only slots, such as joblib's memory maps, are replaced by a copy.
    """
    slots = state.slots
    if (
        type(slots) is np.ndarray
        and slots.shape == shape
        and slots.dtype == dtype
        and slots.flags.carray
        and type(state.step) is type(state.dropout_seed) is int
        and 0 <= state.step < 2**63
        and 0 <= state.dropout_seed < 2**63
    ):
        return
    if not isinstance(slots, np.ndarray) or slots.shape != shape or slots.dtype.name != dtype:
        got = f"{slots.dtype} {slots.shape}" if isinstance(slots, np.ndarray) else describe(slots)
        raise ValueError(
            f"the optimizer's state must have slots of {dtype} {shape}, got {got}: change only its "
            "values, with slots[...] = values; fit starts with a new state"
        )
    for name in ("step", "dropout_seed"):
        check_count(f"the optimizer state's {name}", getattr(state, name), minimum=0)
        if getattr(state, name) >= 2**63:
            raise ValueError(f"the optimizer state's {name} must be below 2**63")
    flags = slots.flags
    if not (flags.writeable and flags.aligned and flags.c_contiguous and slots.dtype.isnative):
        state.slots = np.array(slots, dtype, order="C")
