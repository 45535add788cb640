"""Checks of what a pass of training is handed besides its arrays: optimizer, state and options."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastnn.architecture import Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import (
    N_SCALING,
    VECTORS,
    Optimizer,
    OptimizerState,
    check_groups,
)
from fastnn.validation import check_choice, check_count, check_in_range, check_number
from fastnn.validation.arrays import FLOATS, INT64, check_vectors
from fastnn.validation.first_look import are_plain, are_written
from fastnn.validation.values import describe

MOST_ROWS = 2**62
"""What compiled code can count to, with room for a minibatch more."""


def pass_is_plain(
    architecture: Architecture,
    params: Any,
    state: Any,
    x: Any,
    y: Any,
    order: Any,
    options: TrainingOptions,
    sample_weight: Any,
) -> bool:
    """Say whether compiled code takes the arrays of a pass as they are, or refuses them."""
    if type(state) is not OptimizerState or type(state.step) is not int or state.step < 0:
        return False
    slots, n_dims_of_y = state.slots, 1 if architecture.loss == "cross_entropy" else 2
    return (
        are_plain((x, 2), (y, n_dims_of_y), (order, 1))
        and are_written((params, 1), (slots, 2))
        and slots.shape == (options.optimizer.n_state, architecture.n_slots)
        and slots.dtype == params.dtype
        and order.dtype == INT64
        and (
            sample_weight is None
            or (are_plain((sample_weight, 1)) and sample_weight.dtype == FLOATS[1])
        )
        and options.batch_size < MOST_ROWS
    )


def own_state(architecture: Architecture, optimizer: Optimizer, state: Any) -> OptimizerState:
    """Return a private copy of an optimizer state, with the same vectors."""
    if not isinstance(state, OptimizerState):
        raise TypeError(f"state must be an OptimizerState, got {describe(state)}")
    slots, step = state.slots, state.step
    if type(step) is not int or step < 0:
        step = check_count("state.step", step, minimum=0)
    shape = (optimizer.n_state, architecture.n_slots)
    if isinstance(slots, np.ndarray) and slots.shape != shape:
        raise ValueError(
            f"the state of {optimizer.rule!r} must have shape {shape} for this network, got "
            f"{slots.shape}: it is the state of another optimizer or network"
        )
    slots = check_vectors("state.slots", slots, shape, np.dtype(architecture.dtype))
    return OptimizerState(slots, step)


def check_optimizer(optimizer: Any) -> None:
    """Check that compiled code can follow an optimizer's rule with its constants."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be one of fastnn.optimizers, got {describe(optimizer)}")
    rule = optimizer.rule
    if rule not in VECTORS:
        check_choice("rule", rule, Optimizer.RULES)
    n_state = VECTORS[rule] + N_SCALING * optimizer.scales_features
    if optimizer.n_state != n_state:
        raise ValueError(
            f"an optimizer of rule {rule!r} must have {n_state} state vectors, got "
            f"n_state={optimizer.n_state!r}"
        )
    coefficients = optimizer.coefficients
    if not isinstance(coefficients, tuple) or len(coefficients) != 4:
        raise TypeError(f"coefficients must be four floats, got {describe(coefficients)}")
    for coefficient in coefficients:
        if type(coefficient) is not float:
            check_number("each of coefficients", coefficient)


def check_options(architecture: Architecture, options: Any) -> None:
    """Check the options of a training step, and, of a network, once for each."""
    if not isinstance(options, TrainingOptions):
        raise TypeError(f"options must be TrainingOptions, got {describe(options)}")
    check_optimizer(options.optimizer)
    if vars(options).get("_checked_for") is architecture:
        return
    check_groups(options.optimizer, architecture)
    check_count("batch_size", options.batch_size)
    if options.reduction not in ("mean", "sum"):
        check_choice("reduction", options.reduction, ("mean", "sum"))
    for name in ("l1", "l2", "max_norm", "clip_norm"):
        value = getattr(options, name)
        if type(value) is not float or not 0.0 <= value < math.inf:
            check_in_range(name, value, 0.0, math.inf)
    if type(options.dropout_seed) is not int:
        check_count("dropout_seed", options.dropout_seed, minimum=-(2**64))
    _check_rates(architecture, options.dropout)
    vars(options)["_checked_for"] = architecture  # a value, which needs no second look


def _check_rates(architecture: Architecture, rates: Any) -> None:
    """Check the rates of dropout."""
    if rates == ():
        return
    n_hidden = len(architecture.activations)
    if not isinstance(rates, tuple) or len(rates) != n_hidden:
        raise ValueError(
            f"dropout must be a tuple of one rate for each of the {n_hidden} hidden layers, or (), "
            f"got {describe(rates)}"
        )
    for i, rate in enumerate(rates):
        check_in_range(f"dropout[{i}]", rate, 0.0, 1.0, open_high=True)
