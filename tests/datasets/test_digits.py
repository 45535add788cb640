"""The digits drawn on the spot, and the splits and batches every data set has."""

import dataclasses
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.datasets import Split, digits
from fastnn.datasets.strokes import N_POINTS, STYLES, style_matrices


@pytest.fixture(scope="module")
def data():
    return digits(5000, seed=0)


def test_images_are_bytes_and_labels_integers(data):
    assert data.name == "digits"
    assert data.train.x.shape == (4000, 784)
    assert data.test.x.shape == (1000, 784)
    assert len(data.validation) == 0
    assert data.train.x.dtype == np.uint8
    assert data.train.y.dtype == np.int64
    np.testing.assert_array_equal(data.class_labels, np.arange(10))


def test_every_ten_images_hold_each_digit_once(data):
    tens = data.train.y.reshape(-1, 10)
    np.testing.assert_array_equal(np.sort(tens, axis=1), np.tile(np.arange(10), (400, 1)))
    assert len(np.unique(tens, axis=0)) > 300


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(data):
    again, other = digits(5000, seed=0), digits(5000, seed=1)
    assert again.train.x.tobytes() == data.train.x.tobytes()
    assert again.train.y.tobytes() == data.train.y.tobytes()
    assert other.train.x.tobytes() != data.train.x.tobytes()


def test_the_images_are_the_same_on_every_machine(data):
    # Whole-number sums and positions rounded to 1/16 pixel leave libm and BLAS no say.
    assert zlib.crc32(data.train.x) == 4293156149


def test_the_ink_is_about_as_much_as_in_handwriting(data):
    assert 0.15 < (data.train.x > 0).mean() < 0.27  # 0.19 in MNIST
    per_digit = [(data.train.x[data.train.y == digit] > 0).mean() for digit in range(10)]
    assert np.argmin(per_digit) == 1
    assert data.train.x.max() > 250


def test_each_image_has_ink_and_an_empty_margin_is_the_rule(data):
    images = data.train.x.reshape(-1, 28, 28).copy()
    assert (images.max(axis=(1, 2)) > 150).all()
    images[:, 1:-1, 1:-1] = 0
    assert (images.max(axis=(1, 2)) == 0).mean() > 0.9


def test_no_two_images_are_alike(data):
    assert len(np.unique(data.train.x, axis=0)) == len(data.train)


def test_the_digits_differ_more_than_their_writings(data):
    """Nearest class means, blurred by averaging, tell most test digits."""
    means = np.stack([data.train.x[data.train.y == digit].mean(axis=0) for digit in range(10)])
    distance = ((data.test.x[:, None, :] - means) ** 2).mean(axis=2)
    assert (distance.argmin(axis=1) == data.test.y).mean() > 0.6


def test_splits_take_counts_or_fractions_and_are_views_of_one_array():
    data = digits(1000, validation=0.1, test=300, one_hot=True)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [600, 100, 300]
    assert data.train.x.base is data.test.x.base is data.validation.x.base
    assert data.train.y.dtype == np.float32
    np.testing.assert_array_equal(data.train.y.sum(axis=1), 1)
    np.testing.assert_array_equal(data.train.y.argmax(axis=1), digits(1000, test=300).train.y[:600])


@pytest.mark.parametrize("n", [1, 7, 257])
def test_any_number_of_images_can_be_made(n):
    assert digits(n, test=0).train.x.shape == (n, 784)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be at least 1"),
        ({"n": 10, "seed": -1}, "seed at least 0"),
        ({"n": 10, "test": 10}, "test=10 rows do not fit"),
        ({"n": 10, "test": 1.0}, r"fraction must lie in \[0, 1\)"),
        ({"n": 10, "validation": -0.1}, "validation as a fraction"),
        ({"n": 10, "test": 5, "validation": 5}, "leave none of the 10 images"),
    ],
)
def test_impossible_sizes_say_what_is_possible(arguments, message):
    with pytest.raises(ValueError, match=message):
        digits(**arguments)


@pytest.mark.parametrize("arguments", [{"n": 10.0}, {"n": True}, {"seed": "0"}, {"test": "0.2"}])
def test_arguments_of_the_wrong_kind_are_type_errors(arguments):
    with pytest.raises(TypeError, match=next(iter(arguments))):
        digits(**{"n": 10, **arguments})


def test_a_style_passes_through_its_control_points():
    basis, controls, first_style = style_matrices()
    assert basis.shape[1] == N_POINTS
    assert first_style[-1] == len(basis) == sum(map(len, STYLES))
    np.testing.assert_allclose(
        basis.sum(axis=2), 1, rtol=1e-12
    )  # moved as a whole, if controls are
    one_bar = basis[first_style[1]] @ controls[first_style[1]]
    np.testing.assert_allclose(one_bar[[0, -1]] + 0.5, [STYLES[1][0][0][0], STYLES[1][0][0][-1]])


# Splits and batches


def numbered(n, seed=0):
    return Split(np.arange(n)[:, None], np.arange(n), seed)


def test_a_split_unpacks_to_x_and_y():
    split = numbered(5)
    x, y = split
    assert x is split.x
    assert y is split.y
    assert len(split) == 5
    assert not numbered(0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.x = y


def test_rows_without_a_target_are_refused():
    with pytest.raises(ValueError, match="x has 5 rows and y has 4"):
        Split(np.zeros((5, 2)), np.zeros(4))


@given(n=st.integers(1, 40), data=st.data())
def test_batches_go_through_every_epoch_once_and_join_at_its_end(n, data):
    split = numbered(n)
    sizes = data.draw(st.lists(st.integers(1, n), max_size=12))
    drawn = [split.next_batch(size) for size in sizes]
    for size, (x, y) in zip(sizes, drawn, strict=True):
        assert x.shape == (size, 1)
        np.testing.assert_array_equal(x[:, 0], y)
    stream = np.concatenate([y for _, y in drawn] or [np.empty(0, int)])
    for start in range(0, len(stream), n):
        epoch = stream[start : start + n]
        assert len(np.unique(epoch)) == len(epoch)


def test_epochs_are_shuffled_anew():
    split = numbered(100)
    first, second = split.next_batch(100)[1], split.next_batch(100)[1]
    assert not np.array_equal(first, np.arange(100))
    assert not np.array_equal(first, second)


def test_the_seed_decides_the_batches():
    one, same, other = numbered(50), numbered(50), numbered(50, seed=1)
    first = one.next_batch(20)[1]
    np.testing.assert_array_equal(first, same.next_batch(20)[1])
    assert not np.array_equal(first, other.next_batch(20)[1])
    restarted = dataclasses.replace(one, seed=0)
    np.testing.assert_array_equal(first, restarted.next_batch(20)[1])


def test_a_batch_is_a_copy():
    split = numbered(10)
    split.next_batch(10)[0][:] = -1
    assert (split.x >= 0).all()


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_a_batch_must_fit_the_split(batch_size):
    with pytest.raises(ValueError, match="between 1 and the number of rows, 10,"):
        numbered(10).next_batch(batch_size)


@pytest.mark.parametrize("batch_size", [2.0, "2", True, None])
def test_a_batch_size_is_an_integer(batch_size):
    with pytest.raises(TypeError, match="batch_size must be an int"):
        numbered(10).next_batch(batch_size)
