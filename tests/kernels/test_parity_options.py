"""Every training option by itself, on one small network, each compiled backend as the reference.

`test_parity_programs` draws options together at random; here none can be missed.
"""

from dataclasses import replace

import pytest
from support import strategies as draw
from support.option_parity import N_ROWS, assert_parity

from fastnn.architecture import ACTIVATIONS, LOSSES
from fastnn.optimizers import SGD, Adam, Optimizer, RateFactors
from fastnn.schedules import Constant, Cosine, InverseScaling, StepDecay

PAIRS = [(output, loss) for output, losses in LOSSES.items() for loss in losses]
SCHEDULES = {
    "number": 0.05,
    "constant": Constant(0.05, warmup=4),
    "inverse": InverseScaling(0.05, power=0.3),
    "step": StepDecay(0.05, every=2, factor=0.5),
    "cosine": Cosine(0.05, n_steps=5, final=0.01, warmup=2),
}

pytestmark = pytest.mark.parametrize("dtype", ["float64", "float32"])


@pytest.mark.parametrize("dropout", [(), (0.5, 0.2)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_with_and_without_dropout(compiled, dtype, activation, dropout):
    assert_parity(compiled, dtype, activation=activation, dropout=dropout, dropout_seed=2**63 + 5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_losses_reductions_and_sample_weights(compiled, dtype, output, loss, reduction, weighted):
    assert_parity(compiled, dtype, output=output, loss=loss, reduction=reduction, weighted=weighted)


@pytest.mark.parametrize("quantiles", [(0.2,), (0.05, 0.2, 0.4, 0.5, 0.6, 0.8, 0.95)])
def test_quantiles(compiled, dtype, quantiles):
    assert_parity(compiled, dtype, output="identity", loss="quantile", quantiles=quantiles)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("label_smoothing", [0.1, 0.5])
def test_label_smoothing(compiled, dtype, label_smoothing, weighted):
    assert_parity(compiled, dtype, label_smoothing=label_smoothing, weighted=weighted)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("rule", Optimizer.RULES)
def test_optimizers_and_schedules(compiled, dtype, rule, schedule):
    optimizer = draw.OPTIMIZERS[rule](SCHEDULES[schedule])
    if dtype == "float32" and hasattr(optimizer, "epsilon"):
        # ε = 1e-8 lies below single precision's rounding of these gradients
        optimizer = replace(optimizer, epsilon=1e-3)
    assert_parity(compiled, dtype, optimizer=optimizer)


@pytest.mark.parametrize(
    "options",
    [
        {"l1": 1e-3},
        {"l2": 1e-2},
        {"l1": 1e-3, "l2": 1e-2, "reduction": "sum"},
        {"max_norm": 0.5},
        {"max_norm": 100.0},
        {"clip_norm": 0.05},
        {"clip_norm": 100.0},
        {"l1": 1e-3, "l2": 1e-2, "max_norm": 0.5, "clip_norm": 0.05, "dropout": (0.25, 0.0)},
    ],
    ids=lambda options: " ".join(f"{k}={v}" for k, v in options.items()),
)
@pytest.mark.parametrize("optimizer", [SGD(0.05), SGD(0.05, momentum=0.9), Adam(epsilon=1e-3)])
def test_penalties_limits_and_clipping(compiled, dtype, options, optimizer):
    assert_parity(compiled, dtype, optimizer=optimizer, **options)


RATE_FACTORS = [
    RateFactors("fan_in", 0.1),
    RateFactors((0.5, 0.0, 2.0), decays_biases=False),
    RateFactors("fan_in", 0.5, feature_scales=2.0),
]


@pytest.mark.parametrize("rate_factors", RATE_FACTORS, ids=str)
@pytest.mark.parametrize("rule", Optimizer.RULES)
def test_rates_of_groups_and_scaled_features(compiled, dtype, rule, rate_factors):
    optimizer = replace(draw.OPTIMIZERS[rule](0.02), rate_factors=rate_factors)
    if hasattr(optimizer, "epsilon"):
        optimizer = replace(optimizer, epsilon=1e-3)
    assert_parity(compiled, dtype, optimizer=optimizer)


@pytest.mark.parametrize(
    "options",
    [
        {"l1": 1e-3, "l2": 1e-2},
        {"max_norm": 0.5},
        {"clip_norm": 0.05},
        {"l2": 1e-2, "max_norm": 0.5, "clip_norm": 0.05, "dropout": (0.25, 0.0)},
        {"sizes": (31, 7)},
        {"sizes": (1, 1), "output": "identity"},
        {"layout": "CSR int32", "density": 0.15},
        {"density": 0.1},
        {"x_dtype": "uint8"},
        {"bias": False},
    ],
    ids=lambda options: " ".join(f"{k}={v}" for k, v in options.items()),
)
@pytest.mark.parametrize("rule", ["sgd", "nesterov", "adamw"])
def test_scaled_features_with_other_options(compiled, dtype, rule, options):
    factors = RateFactors("fan_in", 0.5, feature_scales=2.0, decays_biases=False)
    optimizer = replace(draw.OPTIMIZERS[rule](0.02), rate_factors=factors)
    if hasattr(optimizer, "epsilon"):
        optimizer = replace(optimizer, epsilon=1e-3)
    assert_parity(compiled, dtype, optimizer=optimizer, **options)


@pytest.mark.parametrize("layout", draw.DENSE_LAYOUTS + draw.CSR_LAYOUTS)
@pytest.mark.parametrize("x_dtype", ["float32", "float64", "uint8"])
def test_inputs_of_every_kind_and_layout(compiled, dtype, x_dtype, layout):
    for density in (0.15, 0.6):
        assert_parity(compiled, dtype, x_dtype=x_dtype, layout=layout, density=density)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(31, 7), (1, 1), (100, 1, 2), (16, 31, 257, 15), (7,) * 6])
@pytest.mark.parametrize("layout", ["C", "CSR int32"])
def test_depths_and_biases(compiled, dtype, sizes, bias, layout):
    assert_parity(compiled, dtype, sizes=sizes, bias=bias, layout=layout)


@pytest.mark.parametrize("batch_size", [1, 3, N_ROWS, 1000])
def test_batch_sizes(compiled, dtype, batch_size):
    assert_parity(compiled, dtype, batch_size=batch_size)
