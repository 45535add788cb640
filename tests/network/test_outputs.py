"""What a network predicts and measures, for each output, worked out by hand."""

import numpy as np
import pytest
from support.examples import blobs, small_network

import fastnn
from fastnn.architecture import OUTPUTS
from fastnn.backends import get_backend
from fastnn.system.progress import is_progress_wanted


def fixed(weight, output, **options):
    """One layer with these weights and no bias."""
    net = small_network(np.shape(weight), output=output, bias=False, **options)
    net.weights[0][...] = weight
    return net


# With x = [[1, 0], [0, 1]] the rows of the weights are the rows of z.
EYE = np.eye(2)
Z = np.array([[0.0, np.log(3.0)], [np.log(4.0), 0.0]])

# -- softmax --------------------------------------------------------------------------------------


def test_softmax_predicts_probabilities_and_the_largest_of_them(backend):
    net = fixed(Z, "softmax")
    net.backend = backend.name
    np.testing.assert_allclose(net.predict_proba(EYE), [[0.25, 0.75], [0.8, 0.2]], rtol=1e-14)
    np.testing.assert_array_equal(net.predict(EYE), [1, 0])


def test_softmax_is_measured_by_cross_entropy_and_accuracy(backend):
    net = fixed(Z, "softmax")
    net.backend = backend.name
    measured = net.evaluate(EYE, [1, 1])
    assert measured["loss"] == pytest.approx(-(np.log(0.75) + np.log(0.2)) / 2, rel=1e-14)
    assert measured["accuracy"] == 0.5


@pytest.mark.parametrize(
    "y",
    [
        [1, 0],
        np.array([1, 0], np.uint8),
        np.array([1.0, 0.0]),
        [[1], [0]],
        [[0, 1], [1, 0]],
        np.array([[0, 1], [1, 0]], np.float32),
        np.array([True, False]),
    ],
    ids=["ints", "uint8", "floats", "column", "one-hot", "one-hot float32", "bools"],
)
def test_labels_may_be_written_in_many_ways(y):
    assert fixed(Z, "softmax").evaluate(EYE, y)["accuracy"] == 1.0


# -- sigmoid --------------------------------------------------------------------------------------


def test_a_binary_output_predicts_zero_and_one(backend):
    net = fixed([[np.log(3.0)], [-np.log(4.0)]], "sigmoid")
    net.backend = backend.name
    np.testing.assert_allclose(net.predict_proba(EYE), [[0.75], [0.2]], rtol=1e-14)
    np.testing.assert_array_equal(net.predict(EYE), [1, 0])
    assert net.predict(EYE).shape == (2,)


def test_a_binary_output_is_measured_by_binary_cross_entropy(backend):
    net = fixed([[np.log(3.0)], [-np.log(4.0)]], "sigmoid")
    net.backend = backend.name
    measured = net.evaluate(EYE, [1, 1])
    assert measured["loss"] == pytest.approx(-(np.log(0.75) + np.log(0.2)) / 2, rel=1e-14)
    assert measured["accuracy"] == 0.5


def test_several_labels_are_right_when_all_of_them_are(backend):
    net = fixed(Z, "sigmoid")  # predicts [[no, yes], [yes, no]]: a logit of 0 is a no
    net.backend = backend.name
    np.testing.assert_array_equal(net.predict(EYE), [[0, 1], [1, 0]])
    measured = net.evaluate(EYE, [[0, 1], [1, 1]])
    assert measured["accuracy"] == 0.5
    by_hand = -(np.log(0.5) + np.log(0.75) + np.log(0.8) + np.log(0.5)) / 2
    assert measured["loss"] == pytest.approx(by_hand, rel=1e-14)


# -- numbers and counts ---------------------------------------------------------------------------


def test_regression_predicts_numbers_of_the_shape_of_its_outputs():
    np.testing.assert_array_equal(fixed(Z, "identity").predict(EYE), Z)
    np.testing.assert_array_equal(fixed(Z[:, :1], "identity").predict(EYE), Z[:, 0])


def test_regression_is_measured_by_half_the_squared_error_and_r2(backend):
    net = fixed([[1.0], [2.0], [4.0]], "identity")
    net.backend = backend.name
    y = np.array([1.0, 3.0, 5.0])  # errors 0, 1, 1; mean 3, variation 4 + 0 + 4
    measured = net.evaluate(np.eye(3), y)
    assert measured["loss"] == pytest.approx(0.5 * 2 / 3, rel=1e-14)
    assert measured["r2"] == pytest.approx(1 - 2 / 8, rel=1e-14)
    assert measured["rmse"] == pytest.approx(np.sqrt(2 / 3), rel=1e-14)
    assert measured["mae"] == pytest.approx(2 / 3, rel=1e-14)


def test_r2_is_the_mean_over_outputs():
    net = fixed([[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]], "identity")
    y = np.array([[1.0, 1.0], [3.0, 0.0], [5.0, -1.0]])  # the second: errors² 2 of variation 2
    assert net.evaluate(np.eye(3), y)["r2"] == pytest.approx((0.75 + 0.0) / 2, rel=1e-14)


def test_r2_and_accuracy_weight_rows():
    net = fixed([[1.0], [2.0], [4.0]], "identity")
    y, w = np.array([1.0, 3.0, 5.0]), np.array([1.0, 2.0, 1.0])  # errors² 0 + 2 + 1, mean 3
    assert net.evaluate(np.eye(3), y, w)["r2"] == pytest.approx(1 - 3 / 8, rel=1e-14)
    assert fixed(Z, "softmax").evaluate(EYE, [1, 1], [3, 1])["accuracy"] == 0.75


@pytest.mark.parametrize(("y", "r2"), [([2.0, 2.0], 1.0), ([3.0, 3.0], 0.0)])
def test_r2_of_a_target_that_does_not_vary_says_whether_it_was_met(y, r2):
    assert fixed([[2.0], [2.0]], "identity").evaluate(EYE, y)["r2"] == r2


@pytest.mark.parametrize("output", ["softmax", "identity"])
def test_measures_equal_scikit_learns_on_random_data(output):
    metrics = pytest.importorskip("sklearn.metrics")
    x, y = blobs(200)
    w = np.random.default_rng(0).random(200)
    net = small_network(output=output)
    if output == "softmax":
        net.fit(x, y, epochs=1)
        expected = {"accuracy": metrics.accuracy_score}
    else:
        y = np.c_[x @ [1, 2, 0, 0], x[:, 0] ** 2, x[:, 3]]
        net.fit(x, y, epochs=1)
        expected = {
            "r2": metrics.r2_score,
            "rmse": metrics.root_mean_squared_error,
            "mae": metrics.mean_absolute_error,
        }
    found, predicted = net.evaluate(x, y, w), net.predict(x)
    assert set(found) == {"loss", *expected}
    for name, measure in expected.items():
        assert found[name] == pytest.approx(measure(y, predicted, sample_weight=w), rel=1e-12)


def test_counts_are_predicted_by_their_rate_and_measured_by_poisson(backend):
    net = fixed([[np.log(2.0)], [np.log(5.0)]], "exp")
    net.backend = backend.name
    np.testing.assert_allclose(net.predict(EYE), [2, 5], rtol=1e-14)
    measured = net.evaluate(EYE, [3, 5])
    by_hand = ((2 - 3 * np.log(2.0)) + (5 - 5 * np.log(5.0))) / 2
    assert measured["loss"] == pytest.approx(by_hand, rel=1e-14)
    assert measured["r2"] == pytest.approx(1 - 1 / 2, rel=1e-14)


@pytest.mark.parametrize("output", ["identity", "exp", "tanh", "relu"])
def test_outputs_that_are_no_probabilities_say_to_use_predict(output):
    with pytest.raises(ValueError, match=f"{output}.* does not give probabilities; use predict"):
        fixed(Z, output).predict_proba(EYE)


def test_measuring_more_rows_than_fit_at_a_time_is_the_mean_over_all(monkeypatch):
    x, y = blobs(50)
    net = small_network()
    whole = net.evaluate(x, y)
    monkeypatch.setattr("fastnn.model.evaluation.ROWS_AT_A_TIME", 7)
    in_pieces = net.evaluate(x, y)
    assert in_pieces["accuracy"] == whole["accuracy"]
    assert in_pieces["loss"] == pytest.approx(whole["loss"], rel=1e-14)


@pytest.mark.parametrize("output", OUTPUTS)
def test_no_rows_give_no_predictions(output):
    assert len(fixed(Z, output).predict(np.empty((0, 2)))) == 0


# -- outputs that are compared with their targets -------------------------------------------------

BOUNDED = {"tanh": (np.tanh(Z), [[0.5, 0.0], [1.0, -1.0]]), "relu": (Z, [[-1.0, 1.0], [0.0, 2.0]])}


@pytest.mark.parametrize("output", BOUNDED)
def test_tanh_and_relu_predict_numbers_and_are_measured_as_those(backend, output):
    h, y = BOUNDED[output]
    net = fixed(Z, output)
    net.backend = backend.name
    np.testing.assert_allclose(net.predict(EYE), h, rtol=1e-14)
    np.testing.assert_allclose(net.predictor()(EYE), h, rtol=1e-14)
    measured = net.evaluate(EYE, y)
    assert measured["loss"] == pytest.approx(0.5 * np.square(h - y).sum() / 2, rel=1e-14)
    assert measured["mae"] == pytest.approx(np.abs(h - y).mean(), rel=1e-14)
    assert set(measured) == {"loss", "r2", "rmse", "mae"}


def test_the_quadratic_cost_of_a_sigmoid_and_its_accuracy(backend):
    net = fixed([[np.log(3.0)], [-np.log(4.0)]], "sigmoid", loss="squared_error")  # 0.75 and 0.2
    net.backend = backend.name
    measured = net.evaluate(EYE, [1, 1])
    assert measured == {"loss": pytest.approx(0.5 * (0.25**2 + 0.8**2) / 2), "accuracy": 0.5}
    np.testing.assert_array_equal(net.predict(EYE), [1, 0])


def test_a_step_of_the_quadratic_cost_is_the_textbooks(backend):
    """δ = (h − t) h (1 − h), from the weights 0, where h = 1/2."""
    net = fixed([[0.0], [0.0]], "sigmoid", loss="squared_error")
    net.backend = backend.name
    net.fit(EYE, [1, 0], epochs=1, batch_size=2, optimizer=fastnn.SGD(1.0), reduction="sum")
    np.testing.assert_allclose(net.weights[0], [[0.125], [-0.125]], rtol=1e-14)


def test_targets_that_a_tanh_cannot_reach_are_refused():
    with pytest.raises(ValueError, match=r"\[-1, 1\] for a tanh output.* from 0 to 3: scale"):
        fixed(Z, "tanh").evaluate(EYE, [[0, 1], [2, 3]])


# -- quantiles and smoothed labels ----------------------------------------------------------------


def test_several_quantiles_of_one_target_are_measured_by_the_pinball_loss(backend):
    net = fixed([[0.0, 2.0], [1.0, 3.0]], "identity", loss="quantile", quantiles=(0.25, 0.9))
    net.backend = backend.name
    by_hand = (0.25 * 1 + 0.1 * 1) + (0.25 * 3 + 0.9 * 1)  # t − z: 1 and −1, 3 and 1
    for y in ([1.0, 4.0], [[1.0], [4.0]]):
        measured = net.evaluate(EYE, y)
        assert measured == {"loss": pytest.approx(by_hand / 2), "mae": pytest.approx((1 + 3) / 2)}
    assert net.predict(EYE).shape == (2, 2)
    with pytest.raises(ValueError, match=r"y must have shape \(n_rows,\) or \(n_rows, 1\)"):
        net.evaluate(EYE, [[1.0, 2.0], [3.0, 4.0]])


def test_one_quantile_is_that_of_every_output():
    net = fixed([[0.0, 2.0], [1.0, 3.0]], "identity", loss="quantile", quantiles=0.25)
    measured = net.evaluate(EYE, [[1.0, 1.0], [4.0, 4.0]])
    by_hand = (0.25 * 1 + 0.75 * 1) + (0.25 * 3 + 0.25 * 1)
    assert measured == {"loss": pytest.approx(by_hand / 2), "mae": pytest.approx(6 / 4)}


def test_the_default_quantile_is_the_median():
    net = small_network(output="identity", loss="quantile")
    assert net.architecture.quantiles == (0.5,)
    assert small_network().architecture.quantiles == ()


def test_quantiles_cover_their_share_of_the_targets(backend):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2000, 1)).astype(np.float32)
    y = (x[:, 0] + (0.5 + 0.4 * x[:, 0]) * rng.normal(size=2000)).astype(np.float32)
    quantiles = (0.1, 0.5, 0.9)
    net = fastnn.Network(
        (1, 16, 3), activation="tanh", output="identity", loss="quantile", quantiles=quantiles,
        seed=0, backend=backend.name,
    )  # fmt: skip
    history = net.fit(x, y, epochs=60, optimizer=fastnn.Adam(0.01), validation_data=(x, y))
    covered = (y[:, None] <= net.predict(x)).mean(axis=0)
    np.testing.assert_allclose(covered, quantiles, atol=0.05)
    assert set(history) == {"loss", "val_loss", "val_mae", "time"}


QUANTILES_REFUSED = {
    "of another loss": ({"quantiles": 0.1}, "quantiles are of loss=.quantile., got 0.1"),
    "of 0": ({"loss": "quantile", "quantiles": 0.0}, r"quantiles must be in \(0, 1\), got 0.0"),
    "of 1 in a list": (
        {"loss": "quantile", "quantiles": [0.5, 1.0, 0.1]}, r"quantiles\[1\] must be in \(0, 1\)",
    ),
    "two of three": (
        {"loss": "quantile", "quantiles": [0.1, 0.9]}, "2 of them for 3 outputs; make the last",
    ),
    "none": ({"loss": "quantile", "quantiles": []}, "got 0 of them for 3 outputs"),
}  # fmt: skip


@pytest.mark.parametrize("case", QUANTILES_REFUSED)
def test_quantiles_that_are_none_are_refused(case):
    options, words = QUANTILES_REFUSED[case]
    with pytest.raises(ValueError, match=words):
        small_network(output="identity", **options)


def test_smoothed_labels_are_in_every_loss_and_in_no_accuracy(backend):
    net = fixed(Z, "softmax", label_smoothing=0.2)
    net.backend = backend.name
    log_p = np.log([[0.25, 0.75], [0.8, 0.2]])
    measured = net.evaluate(EYE, [1, 1])
    by_hand = -(np.array([[0.1, 0.9], [0.1, 0.9]]) * log_p).sum() / 2
    assert measured == {"loss": pytest.approx(by_hand, rel=1e-14), "accuracy": 0.5}


def test_smoothed_labels_are_pytorchs():
    torch = pytest.importorskip("torch")
    x, y = blobs(50)
    net = small_network(label_smoothing=0.1)
    logits = net.to_torch(logits=True)(torch.from_numpy(x))
    expected = torch.nn.CrossEntropyLoss(label_smoothing=0.1)(logits, torch.from_numpy(y))
    assert net.evaluate(x, y)["loss"] == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("label_smoothing", [1.0, -0.1, np.nan])
def test_label_smoothing_lies_within_zero_and_one(label_smoothing):
    with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\)"):
        small_network(label_smoothing=label_smoothing)


def test_label_smoothing_is_of_softmax():
    with pytest.raises(ValueError, match=r"label_smoothing is of a softmax output, got 0\.1 with"):
        small_network(output="sigmoid", label_smoothing=0.1)


# -- class labels ---------------------------------------------------------------------------------

LABELS = {
    "strings": ["no", "yes"],
    "numbers": [5, 2],
    "fractions": [0.5, 1.5],
    "NumPy strings": np.array(["b", "a"]),
    "bools": [False, True],
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_labels_go_in_and_come_out(kind, output):
    labels = np.asarray(LABELS[kind])
    weight = Z if output == "softmax" else [[1.0], [-1.0]]
    net = fixed(weight, output, class_labels=LABELS[kind])
    predicted = net.predict(EYE)
    np.testing.assert_array_equal(predicted, labels[[1, 0]])
    assert predicted.dtype == labels.dtype
    assert net.evaluate(EYE, labels[[1, 0]])["accuracy"] == 1.0
    assert net.evaluate(EYE, labels[[1, 1]].tolist())["accuracy"] == 0.5


def test_a_network_with_labels_learns_from_labels():
    x, y = blobs()
    names = np.array(["ant", "bee", "cat"])
    with_names, plain = small_network(class_labels=names), small_network()
    with_names.fit(x, names[y], epochs=3)
    plain.fit(x, y, epochs=3)
    np.testing.assert_array_equal(with_names.parameters, plain.parameters)
    np.testing.assert_array_equal(with_names.predict(x), names[plain.predict(x)])


def test_labels_given_as_objects_work_as_pandas_hands_them_out():
    net = fixed(Z, "softmax", class_labels=["no", "yes"])
    assert net.evaluate(EYE, np.array(["yes", "no"], object))["accuracy"] == 1.0


def test_labels_come_back_as_python_values():
    net = fastnn.Network((2, 2), class_labels=np.array([3, 4]))
    assert net.class_labels == (3, 4)
    assert {type(label) for label in net.class_labels} == {int}


@pytest.mark.parametrize("use", ["predict", "predict_proba", "evaluate"])
def test_progress_is_true_or_false(use):
    net = fastnn.Network((3, 2), seed=0, backend="numpy")
    data = (np.zeros((2, 3)), [0, 1])[: 2 if use == "evaluate" else 1]
    with pytest.raises(TypeError, match=r"progress must be True or False, got 'no' \(str\)"):
        getattr(net, use)(*data, progress="no")


@pytest.mark.parametrize("progress", [True, False])
def test_a_backend_hears_whether_a_short_prediction_may_show_anything(monkeypatch, progress):
    net = fastnn.Network((3, 2), backend="numpy")
    backend, heard = get_backend("numpy"), []
    monkeypatch.setattr(type(backend), "predict", lambda *_: heard.append(is_progress_wanted()))
    net.predict_proba(np.zeros((2, 3), np.float32), progress=progress)
    assert heard == [progress]
