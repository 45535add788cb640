"""Weights in eight bits."""

import numpy as np
import pytest
from support.examples import blobs, same_bits, small_network

import fastnn
from fastnn.exchange.c.eight_bits import quantize
from fastnn.exchange.c.header import WEIGHTS, header
from fastnn.exchange.quantization import dequantized


def test_each_column_has_a_scale_and_the_largest_weight_becomes_127():
    q = quantize(np.array([[0.5, -3.0], [1.0, 1.5], [-0.25, 0.0]], np.float32))
    np.testing.assert_array_equal(q.integers, [[64, -127], [127, 64], [-32, 0]])  # 63.5 to even
    np.testing.assert_array_equal(q.scale, np.float32([1 / 127, 3 / 127]))
    assert (q.integers.dtype, q.scale.dtype) == (np.int8, np.float32)


def test_halves_are_rounded_to_even():
    q = quantize(np.array([[127.0], [0.5], [1.5], [2.5], [-0.5], [-1.5]], np.float32))
    assert q.integers[:, 0].tolist() == [127, 0, 2, 2, 0, -2]


def test_a_weight_is_off_by_half_a_scale_at_most():
    weight = np.random.default_rng(0).normal(size=(200, 50)).astype(np.float32)
    weight *= 10.0 ** np.arange(-20, 30, dtype=np.float32)
    q = quantize(weight)
    error = np.abs(q.dequantized() - weight)
    assert (error <= q.scale.astype(np.float64) * (0.5 + 127 * 2.0**-24)).all()
    assert np.abs(q.integers).max() == 127


def test_a_column_of_zeros_stays_zero():
    q = quantize(np.zeros((3, 2), np.float32))
    assert not q.integers.any()
    assert not q.scale.any()


@pytest.mark.parametrize("size", [1e-45, 3e-44, 1e-43, 2.6e-43, 1e-42, 1e-39])
def test_weights_below_the_normal_numbers_are_kept_as_well_as_a_float_scale_can(size):
    weight = np.array([[1.0], [-0.5], [0.2]], np.float32) * np.float32(size)
    q = quantize(weight)
    # the scale errs by half the smallest subnormal number, 127 times, and rounding by half a scale
    smallest = float(np.finfo(np.float32).smallest_subnormal)
    assert (np.abs(q.dequantized() - weight) <= 64 * smallest + 0.5 * q.scale).all()


def test_the_dequantized_network_has_those_weights_and_the_same_biases():
    net = small_network(class_labels=("a", "b", "c"))
    net.biases[0][...] = 0.1
    result = dequantized(net)
    for found, weight in zip(result.weights, net.weights, strict=True):
        np.testing.assert_array_equal(found, quantize(weight.astype(np.float32)).dequantized())
    np.testing.assert_array_equal(result.biases[0], np.full(6, np.float32(0.1)))
    assert result.architecture == net.architecture
    assert result.class_labels == net.class_labels


def test_the_network_itself_is_left_alone():
    net = small_network()
    before = net.parameters.copy()
    dequantized(net)
    assert same_bits(net.parameters, before)


def test_what_float32_cannot_hold_is_refused_as_in_the_header():
    for arrays in ("weights", "biases"):
        net = small_network()
        getattr(net, arrays)[1][0] = 1e39
        with pytest.raises(ValueError, match=rf"the {arrays} of layer 2 holds 1e\+39"):
            dequantized(net)
        if arrays == "weights":
            for weights in WEIGHTS:
                with pytest.raises(ValueError, match=r"the weights of layer 2 holds 1e\+39"):
                    header(net, "net", weights=weights)


def test_eight_bits_classify_as_well():
    x, y = blobs()
    net = fastnn.Network((4, 16, 3), activation="relu", seed=0)
    net.fit(x, y, epochs=20, progress=False, optimizer=fastnn.Adam(0.01))
    accuracy = net.evaluate(x, y)["accuracy"]
    assert accuracy > 0.9
    assert dequantized(net).evaluate(x, y)["accuracy"] >= accuracy - 0.02
