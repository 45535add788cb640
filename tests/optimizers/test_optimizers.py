"""Each update rule, by hand: one parameter, its gradients, and the steps it takes.

The rules are recomputed here in plain Python floats from their papers' formulas; the first steps
are also written out as numbers. On every backend, as the kernel ``update`` and in ``train_epoch``.
"""

import math

import numpy as np
import pytest

from fastnn.architecture import Architecture, aligned_zeros
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD, Adam, AdamW, Optimizer, OptimizerState, RMSprop
from fastnn.schedules import Constant, Cosine, CosLog, FlatCosine, InverseScaling, StepDecay

GRADIENTS = (0.5, -0.25, 0.125, 2.0, 0.0)
START = 1.0


def updates(backend, optimizer, gradients=GRADIENTS, start=START, dtype="float64"):
    """The parameter after each step of the kernel, checked to be the same in every place."""
    n = 11
    params, grads = np.full(n, start, dtype), np.empty(n, dtype)
    state = np.zeros((optimizer.n_state, n), dtype)
    path = []
    for step, gradient in enumerate(gradients, start=1):
        grads.fill(gradient)
        backend.update(optimizer, step, params, grads, state)
        np.testing.assert_allclose(params, params[0], rtol=4 * np.finfo(dtype).eps)
        path.append(float(params[0]))
    return path


def by_hand(rule, rate, gradients=GRADIENTS, start=START, **constants):
    """The same path in plain Python."""
    p, m, v, path = start, 0.0, 0.0, []
    c = constants
    for t, g in enumerate(gradients, start=1):
        eta = rate(t - 1) if callable(rate) else rate
        if rule == "sgd":
            p = p - eta * g
        elif rule == "momentum":
            m = c["mu"] * m + g
            p = p - eta * m
        elif rule == "nesterov":
            m = c["mu"] * m + g
            p = p - eta * (g + c["mu"] * m)
        elif rule == "rmsprop":
            v = c["rho"] * v + (1 - c["rho"]) * g**2
            p = p - eta * g / (math.sqrt(v) + c["epsilon"])
        else:
            m = c["b1"] * m + (1 - c["b1"]) * g
            v = c["b2"] * v + (1 - c["b2"]) * g**2
            p = p - eta * c.get("decay", 0.0) * p
            m_hat, v_hat = m / (1 - c["b1"] ** t), v / (1 - c["b2"] ** t)
            p = p - eta * m_hat / (math.sqrt(v_hat) + c["epsilon"])
        path.append(p)
    return path


RULES = {
    "sgd": (SGD(0.1), {}),
    "momentum": (SGD(0.1, momentum=0.9), {"mu": 0.9}),
    "nesterov": (SGD(0.1, momentum=0.9, nesterov=True), {"mu": 0.9}),
    "rmsprop": (RMSprop(0.01, rho=0.9, epsilon=1e-6), {"rho": 0.9, "epsilon": 1e-6}),
    "adam": (Adam(0.01, beta_1=0.8, beta_2=0.99), {"b1": 0.8, "b2": 0.99, "epsilon": 1e-8}),
    "adamw": (
        AdamW(0.01, beta_1=0.8, beta_2=0.99, weight_decay=0.5),
        {"b1": 0.8, "b2": 0.99, "epsilon": 1e-8, "decay": 0.5},
    ),
}


def test_every_rule_is_tested():
    assert set(RULES) == set(Optimizer.RULES)
    assert [optimizer.rule for optimizer, _ in RULES.values()] == list(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_rules_take_the_steps_of_their_formulas(backend, rule):
    optimizer, constants = RULES[rule]
    expected = by_hand(rule, optimizer.learning_rate, **constants)
    np.testing.assert_allclose(updates(backend, optimizer), expected, rtol=1e-13)
    single = updates(backend, optimizer, dtype="float32")
    # half a unit in the last place each of some ten roundings in each of the five steps
    np.testing.assert_allclose(single, expected, rtol=50 * np.finfo("f4").eps)


FIRST_STEPS = {
    # of gradients 0.5, −0.25 from 1.0
    "sgd": [0.95, 0.975],  # 1 − 0.1·0.5; + 0.1·0.25
    "momentum": [0.95, 0.93],  # m = 0.5; m = 0.45 − 0.25 = 0.2
    "nesterov": [0.905, 0.912],  # 0.5 + 0.45 = 0.95; −0.25 + 0.18 = −0.07
    # v = 0.025: 0.005/√0.025; v = 0.0225 + 0.00625 = 0.02875: 0.0025/√0.02875
    "rmsprop": [1 - 0.005 / math.sqrt(0.025), 1 - 0.005 / math.sqrt(0.025) + 0.0025 / 0.02875**0.5],
    "adam": [0.99, 0.99 - 0.01 * (0.03 / 0.36) / math.sqrt(0.0031 / 0.0199)],
    "adamw": [0.985, 0.985 * 0.995 - 0.01 * (0.03 / 0.36) / math.sqrt(0.0031 / 0.0199)],
}
# Adam: m = 0.1, v = 0.0025, corrected 0.5 and 0.25: a step of 0.01. Then m = 0.08 − 0.05 = 0.03 and
# v = 0.002475 + 0.000625 = 0.0031, corrected by 1 − 0.8² = 0.36 and 1 − 0.99² = 0.0199.


@pytest.mark.parametrize("rule", RULES)
def test_rules_take_the_first_steps_worked_out_on_paper(backend, rule):
    path = updates(backend, RULES[rule][0], gradients=GRADIENTS[:2])
    np.testing.assert_allclose(path, FIRST_STEPS[rule], rtol=1e-5 if rule == "rmsprop" else 1e-7)


def test_adams_first_step_is_the_learning_rate_whatever_the_gradient(backend):
    for gradient in (1e-3, 1.0, 1e3):
        (after,) = updates(backend, Adam(0.01), gradients=(gradient,))
        assert after == pytest.approx(0.99, rel=1e-6)


def test_adamw_decays_apart_from_the_gradient(backend):
    """With a zero gradient only the decay acts: (1 − η λ)ᵗ; Adam stands still."""
    zeros = (0.0, 0.0, 0.0)
    decayed = updates(backend, AdamW(0.1, weight_decay=0.5), gradients=zeros)
    np.testing.assert_allclose(decayed, [0.95, 0.95**2, 0.95**3], rtol=1e-15)
    assert updates(backend, Adam(0.1), gradients=zeros) == [1, 1, 1]


def test_adamw_without_decay_is_adam(backend):
    assert updates(backend, AdamW(0.01, weight_decay=0.0)) == updates(backend, Adam(0.01))


def test_the_state_holds_the_moments(backend):
    params, grads, state = np.ones(3), np.array([1.0, -2.0, 0.0]), np.zeros((2, 3))
    backend.update(Adam(0.1, beta_1=0.75, beta_2=0.5), 1, params, grads, state)
    np.testing.assert_allclose(state, [[0.25, -0.5, 0], [0.5, 2, 0]], rtol=1e-15)
    backend.update(SGD(0.1, momentum=0.5), 2, params, grads, state[:1])
    np.testing.assert_allclose(state[0], [1.125, -2.25, 0], rtol=1e-15)


def test_update_asks_the_schedule_for_its_steps_rate(backend):
    schedule = InverseScaling(0.1, power=1.0)
    expected = by_hand("sgd", lambda t: 0.1 / (t + 1))
    np.testing.assert_allclose(updates(backend, SGD(schedule)), expected, rtol=1e-14)


# -- in train_epoch: one weight w, x = 1, loss (w − target)²/2, so its gradient is w − target ---


def train(backend, options, targets, start=START, x=None, sizes=(1, 1), epochs=1):
    """The weights after each epoch of one-row batches in order, and the results."""
    architecture = Architecture(
        sizes, output="identity", loss="squared_error", bias=False, dtype="float64"
    )
    params = architecture.allocate()
    (weight,) = architecture.weights(params)
    weight[...] = start
    slots = aligned_zeros(options.optimizer.n_state * architecture.n_slots, "float64")
    state = OptimizerState(slots.reshape(-1, architecture.n_slots))
    y = np.array(targets, float).reshape(-1, sizes[-1])
    x = np.ones((len(y), sizes[0])) if x is None else x
    path, results = [], []
    for _ in range(epochs):
        results.append(
            backend.train_epoch(architecture, params, state, x, y, np.arange(len(y)), options)
        )
        path.append(weight.copy())
    assert state.step == epochs * len(y)
    return path, results


@pytest.mark.parametrize("rule", RULES)
def test_train_epoch_takes_the_same_steps(backend, rule):
    optimizer, constants = RULES[rule]
    p, gradients = START, []
    for _ in range(4):  # the target is 0, so each gradient is the parameter itself
        gradients.append(p)
        p = by_hand(rule, optimizer.learning_rate, gradients, **constants)[-1]
    for options, epochs in ((4, 1), (1, 4)):  # at once, and resumed from its state
        targets = [0.0] * options
        path, _ = train(backend, TrainingOptions(optimizer, 1), targets, epochs=epochs)
        np.testing.assert_allclose(path[-1], p, rtol=1e-13)


SCHEDULES = {
    "constant": (Constant(0.5), lambda t: 0.5),
    "warm-up": (Constant(0.5, warmup=4), lambda t: 0.5 * min(t + 1, 4) / 4),
    "inverse scaling": (InverseScaling(0.5, power=0.75), lambda t: 0.5 / (t + 1) ** 0.75),
    "step": (StepDecay(0.5, every=2, factor=0.5), lambda t: 0.5 * 0.5 ** (t // 2)),
    "cosine": (
        Cosine(0.5, n_steps=4, final=0.1),
        lambda t: 0.1 + 0.4 * (1 + math.cos(math.pi * min(t, 4) / 4)) / 2,
    ),
    "cosine after a warm-up": (
        Cosine(0.5, n_steps=4, warmup=2),
        lambda t: [0.25, 0.5, *(0.25 * (1 + math.cos(math.pi * i / 4)) for i in range(5))][t],
    ),
    "flat, then cosine": (FlatCosine(0.5, n_steps=4), lambda t: [0.5, 0.5, 0.5, 0.25, 0, 0, 0][t]),
    "cycles": (
        CosLog(0.5, n_steps=6, cycles=2),
        lambda t: 0.25 * (1 - math.cos(2 * math.pi * math.log2(1 + min(t, 6) / 2))),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("rule", ["sgd", "adamw"])
def test_train_epoch_follows_the_schedule(backend, name, rule):
    schedule, rate = SCHEDULES[name]
    constants = {"b1": 0.9, "b2": 0.999, "epsilon": 1e-8, "decay": 0.1}
    optimizer = SGD(schedule) if rule == "sgd" else AdamW(schedule, weight_decay=0.1)
    p, gradients = START, []
    for _ in range(7):
        gradients.append(p - 2.0)
        p = by_hand(rule, rate, gradients, **constants)[-1]
    for n_rows, epochs in ((7, 1), (1, 7)):
        path, _ = train(backend, TrainingOptions(optimizer, 1), [2.0] * n_rows, epochs=epochs)
        np.testing.assert_allclose(path[-1], p, rtol=1e-13)


def test_l2_pulls_and_l1_pushes_by_its_sign(backend):
    """At x = 0 only the penalty acts: w − η (l2 w + l1 sign w)."""
    options = TrainingOptions(SGD(0.1), 1, l1=0.5, l2=2.0)
    start, nothing = np.array([[3.0, -1.0, 0.0]]), np.zeros((1, 1))
    (after,), (result,) = train(backend, options, [0, 0, 0], start, nothing, sizes=(1, 3))
    np.testing.assert_allclose(after, [[3 - 0.1 * 6.5, -1 + 0.1 * 2.5, 0]], rtol=1e-15)
    assert result.penalty == pytest.approx(0.5 * 4 + 2 / 2 * 10)
    assert result.loss == 0


def test_clip_norm_shortens_the_whole_gradient_penalty_included(backend):
    """Gradient (3, 4) of length 5 clipped to 1 is (0.6, 0.8); within the limit it is untouched."""
    start = np.array([[3.0, 4.0]])
    for limit, expected in ((1.0, [2.4, 3.2]), (6.0, [0, 0])):
        options = TrainingOptions(SGD(1.0), 1, clip_norm=limit)
        (after,), _ = train(backend, options, [0, 0], start, sizes=(1, 2))
        np.testing.assert_allclose(after, [expected], atol=1e-15)
    options = TrainingOptions(SGD(1.0), 1, clip_norm=1.0, l2=1.0)
    (after,), _ = train(backend, options, [0, 0], start, np.zeros((1, 1)), sizes=(1, 2))
    np.testing.assert_allclose(after, [[2.4, 3.2]], rtol=1e-15)


def test_max_norm_shortens_the_weights_into_each_unit(backend):
    """Columns (3, 4) and (0.3, 0.4), no gradient: the first is cut to length 1."""
    start, nothing = np.array([[3.0, 0.3], [4.0, 0.4]]), np.zeros((1, 2))
    options = TrainingOptions(SGD(0.1), 1, max_norm=1.0)
    (after,), _ = train(backend, options, [0, 0], start, nothing, sizes=(2, 2))
    np.testing.assert_allclose(after, [[0.6, 0.3], [0.8, 0.4]], rtol=1e-15)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 1 - 0.1 * 2), ("sum", 1 - 0.1 * 6)])
def test_reduction_divides_by_the_rows_or_not(backend, reduction, expected):
    """Targets 0, −1, −2 at w = 1: gradients 1, 2, 3."""
    options = TrainingOptions(SGD(0.1), 3, reduction=reduction)
    architecture = Architecture((1, 1), (), "identity", "squared_error", False, "float64")
    params = architecture.allocate()
    params[0] = 1
    y, state = np.array([[0.0], [-1], [-2]]), OptimizerState(np.zeros((0, len(params))))
    result = backend.train_epoch(
        architecture, params, state, np.ones((3, 1)), y, np.arange(3), options
    )
    assert params[0] == pytest.approx(expected, rel=1e-15)
    assert result.loss == pytest.approx((1 + 4 + 9) / 2 / 3)
    assert math.isnan(result.accuracy)


# -- hyper-parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: SGD(0.0), ValueError, "learning_rate must be above 0"),
        (lambda: SGD(-1), ValueError, "learning_rate must be above 0"),
        (lambda: SGD(math.nan), ValueError, "learning_rate must be above 0"),
        (lambda: SGD(math.inf), ValueError, "learning_rate must be above 0"),
        (lambda: SGD("fast"), TypeError, "learning_rate must be a number or a"),
        (lambda: SGD(True), TypeError, "learning_rate must be a number"),
        (lambda: SGD(None), TypeError, "learning_rate must be a number or a"),
        (lambda: SGD(0.1, momentum=1.0), ValueError, r"momentum must be in \[0, 1\)"),
        (lambda: SGD(0.1, momentum=-0.1), ValueError, r"momentum must be in \[0, 1\)"),
        (lambda: SGD(0.1, nesterov=True), ValueError, "nesterov=True needs a momentum"),
        (lambda: RMSprop(rho=1.0), ValueError, r"rho must be in \[0, 1\)"),
        (lambda: RMSprop(epsilon=0.0), ValueError, "epsilon must be above 0"),
        (lambda: Adam(beta_1=1.0), ValueError, r"beta_1 must be in \[0, 1\)"),
        (lambda: Adam(beta_2=-0.5), ValueError, r"beta_2 must be in \[0, 1\)"),
        (lambda: Adam(epsilon=-1e-8), ValueError, "epsilon must be above 0"),
        (lambda: AdamW(weight_decay=-0.1), ValueError, r"weight_decay must be in \[0, inf\)"),
        (lambda: AdamW(weight_decay=math.inf), ValueError, r"weight_decay must be in \[0, inf\)"),
        (lambda: AdamW(beta_1=1.5), ValueError, r"beta_1 must be in \[0, 1\)"),
    ],
)
def test_impossible_hyperparameters_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_optimizers_are_values():
    assert Adam(0.1) == Adam(0.1) != Adam(0.2)
    assert len({SGD(0.1), SGD(0.1), SGD(0.1, momentum=0.9)}) == 2
    with pytest.raises(AttributeError):
        SGD(0.1).learning_rate = 0.2
