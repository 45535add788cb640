"""Pictures: what they show, what they refuse, and what they leave alone."""

import doctest
import pickle
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from support.examples import blobs, small_network

import fastnn
from fastnn.training.history import History

pytest.importorskip("matplotlib")

from fastnn import plots

X, Y = blobs()


def history_of(**series):
    history = History()
    for values in zip(*series.values(), strict=True):
        history.append(dict(zip(series, values, strict=True)))
    return history


def texts(ax):
    return [text.get_text() for text in ax.texts]


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def drawn(figure):
    """The figure, after a draw that would raise what is wrong with it."""
    figure.draw_without_rendering()
    return figure


@pytest.fixture(scope="module")
def network():
    net = small_network()
    net.fit(X, Y, epochs=3, progress=False)
    return net


@pytest.fixture(scope="module")
def regression():
    net = small_network((4, 5, 2), output="identity")
    net.fit(X, X[:, :2], epochs=3, progress=False)
    return net


# -- history --------------------------------------------------------------------------------------


def test_history_has_a_panel_of_loss_and_one_of_accuracy_with_both_kinds_of_rows():
    network = small_network()
    history = network.fit(X, Y, epochs=4, validation_data=(X, Y), l2=0.01, progress=False)
    loss, accuracy = drawn(history.plot()).axes[0].child_axes
    assert loss.get_title() == "loss"
    assert set(lines(loss)) == {"training", "validation", "penalty"}
    assert set(lines(accuracy)) == {"training", "validation"}
    np.testing.assert_array_equal(lines(loss)["validation"].get_ydata(), history["val_loss"])
    np.testing.assert_array_equal(lines(accuracy)["training"].get_xdata(), [1, 2, 3, 4])


def test_history_of_a_regression_shows_r2(regression):
    history = regression.fit(X, X[:, :2], epochs=2, validation_data=(X, X[:, :2]), progress=False)
    _, r2 = drawn(history.plot()).axes[0].child_axes
    np.testing.assert_array_equal(lines(r2)["validation"].get_ydata(), history["val_r2"])


def test_history_draws_one_measure_straight_into_an_axes():
    from matplotlib.figure import Figure

    figure = Figure()
    ax = figure.add_subplot()
    assert (
        history_of(loss=[2.0, 1.0], accuracy=[0.1, 0.2]).plot(measure="accuracy", ax=ax) is figure
    )
    assert not ax.child_axes
    assert set(lines(ax)) == {"training"}


def test_history_of_one_epoch_shows_its_points():
    history = history_of(loss=[2.0])
    line = lines(drawn(history.plot()).axes[0])["training"]
    assert line.get_marker() == "o"


def test_history_of_a_loss_that_falls_far_has_a_logarithmic_scale():
    for last, scale in ((1.0, "linear"), (1e-4, "log"), (-1e-4, "linear")):
        ax = drawn(history_of(loss=[2.0, last]).plot()).axes[0]
        assert ax.get_yscale() == scale


def test_history_of_a_loss_that_falls_to_zero_keeps_within_its_axes():
    ax = drawn(history_of(loss=[1e6, 1.0, *[0.0] * 18]).plot(measure="loss")).axes[0]
    assert ax.get_yscale() == "log"
    assert all(line.get_clip_on() for line in ax.get_lines())
    assert ax.get_window_extent().height > 100


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5]])
def test_history_of_accuracy_has_a_scale_within_what_a_share_can_be(values):
    ax = drawn(history_of(loss=values, accuracy=values).plot(measure="accuracy")).axes[0]
    low, high = ax.get_ylim()
    assert -0.02 <= low <= min(values) <= max(values) <= high <= 1.02  # with room for a line
    assert low < high


@pytest.mark.parametrize("last", [float("nan"), float("inf"), 1e300, -float("inf")])
def test_history_that_diverged_says_so_and_shows_what_was_finite(last):
    history = history_of(loss=[1.0, 1e8, last])
    history.stopped = "diverged"
    ax = drawn(history.plot()).axes[0]
    assert texts(ax) == ["diverged in epoch 3"]
    np.testing.assert_array_equal(lines(ax)["training"].get_ydata(), [1.0, 1e8, np.nan])


def test_history_without_a_finite_value_or_an_epoch_says_so():
    assert texts(drawn(history_of(loss=[np.nan]).plot()).axes[0]) == ["loss: no finite values"]
    assert texts(drawn(History().plot()).axes[0]) == ["no epoch was completed"]


def test_history_refuses_a_measure_that_was_not_taken():
    with pytest.raises(ValueError, match="did not record 'accuracy', only loss"):
        history_of(loss=[1.0]).plot(measure="accuracy")
    with pytest.raises(ValueError, match="measure must be one of 'loss', 'accuracy', 'r2'"):
        history_of(loss=[1.0]).plot(measure="los")
    with pytest.raises(TypeError, match=r"history must be what Network\.fit returns"):
        plots.history({"loss": [1.0]})


# -- confusion ------------------------------------------------------------------------------------


def test_confusion_counts_true_classes_down_and_predicted_ones_across():
    network = small_network((3, 3))
    network.weights[0][...] = 10 * np.eye(3)
    predicted = np.array([0, 0, 1, 2, 2, 2])
    truth = np.array([0, 1, 1, 0, 0, 2])
    ax = drawn(plots.confusion_matrix(network, np.eye(3)[predicted], truth)).axes[0]
    cells = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in ax.texts}
    assert cells == {
        (0.5, 0.5): "1", (1.5, 0.5): "1", (1.5, 1.5): "1", (0.5, 2.5): "2", (2.5, 2.5): "1",
    }  # fmt: skip
    colors = ax.images[0].get_array()
    assert colors[0, 2, 3] == pytest.approx(0.65 * np.sqrt(2 / 3))
    assert (colors[0, 0, :3] == colors[2, 2, :3]).all()
    assert not (colors[0, 0, :3] == colors[0, 2, :3]).all()


def test_confusion_names_classes_whatever_they_are_called():
    labels = ("$x^$", "<b>", "a name that is far too long for it")
    network = small_network(class_labels=labels)
    ax = drawn(plots.confusion_matrix(network, X, np.array(labels)[Y])).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["$x^$", "<b>", "a name that is …"]


def test_confusion_of_a_sigmoid_has_two_classes():
    network = small_network((4, 1), output="sigmoid", class_labels=("no", "yes"))
    ax = drawn(plots.confusion_matrix(network, X, np.array(["no", "yes"])[Y % 2])).axes[0]
    assert len(ax.get_xticks()) == 2
    assert sum(int(t) for t in texts(ax)) == len(X)


@pytest.mark.parametrize("n_classes", [2, 12, 30])
def test_confusion_can_be_read_for_any_number_of_classes(n_classes):
    x, y = blobs(20 * n_classes, 4, n_classes)
    network = small_network((4, n_classes))
    figure = drawn(plots.confusion_matrix(network, x, y))
    ax = figure.axes[0]
    cell = min(ax.get_window_extent().size) / n_classes
    assert min(text.get_size() for text in ax.texts) > 6
    assert all(max(text.get_window_extent().size) < cell for text in ax.texts)


@pytest.mark.parametrize("n_classes", [60, 400])
def test_confusion_of_many_classes_is_one_picture_with_names_that_do_not_touch(n_classes):
    x, y = blobs(2 * n_classes, 4, n_classes)
    ax = drawn(plots.confusion_matrix(small_network((4, n_classes)), x, y)).axes[0]
    assert ax.images[0].get_array().shape == (n_classes, n_classes, 4)
    assert not texts(ax)
    assert sum(len(c.get_paths()) for c in ax.collections) <= 2 * n_classes
    for axis, side in ((ax.xaxis, 0), (ax.yaxis, 1)):
        boxes = [label.get_window_extent().get_points()[:, side] for label in axis.get_ticklabels()]
        boxes.sort(key=min)
        assert len(boxes) > 15
        assert all(max(a) <= min(b) for a, b in pairwise(boxes))


def test_confusion_of_more_classes_than_a_picture_has_points_is_refused():
    network = small_network((1, 1001))
    with pytest.raises(ValueError, match=r"there are 1,001 classes.*see fastnn\.plots\.mistakes"):
        plots.confusion_matrix(network, np.zeros((1, 1)), [0])


def test_confusion_refuses_networks_without_one_class_a_row(regression):
    with pytest.raises(ValueError, match=r"predicts numbers, not classes: see fastnn\.plots\.pred"):
        plots.confusion_matrix(regression, X, Y)
    with pytest.raises(ValueError, match="gives a row several labels"):
        plots.confusion_matrix(small_network((4, 3), output="sigmoid"), X, np.eye(3)[Y])
    with pytest.raises(TypeError, match=r"network must be a fastnn\.Network"):
        plots.confusion_matrix("net", X, Y)


def test_what_is_no_axes_and_rows_that_do_not_fit_are_refused(network):
    with pytest.raises(TypeError, match="ax must be a matplotlib Axes"):
        plots.confusion_matrix(network, X, Y, ax="here")
    with pytest.raises(ValueError, match="x has 3 columns, but the network takes 4"):
        plots.confusion_matrix(network, X[:, :3], Y)
    with pytest.raises(ValueError, match="x has no rows"):
        plots.mistakes(network, X[:0], Y[:0])


# -- predictions ----------------------------------------------------------------------------------


def test_predictions_has_a_panel_an_output(regression):
    first, second = drawn(plots.predictions(regression, X, X[:, :2])).axes[0].child_axes
    _, points = second.get_lines()
    np.testing.assert_array_equal(points.get_xdata(), X[:, 1])
    np.testing.assert_array_equal(points.get_ydata(), regression.predict(X)[:, 1])
    assert first.get_title() == "output 1"


def test_predictions_of_many_rows_draws_a_thousand_from_first_to_last():
    x = np.arange(5000.0)[:, None]
    network = small_network((1, 1), output="identity")
    _, points = drawn(plots.predictions(network, x, x[:, 0])).axes[0].get_lines()
    assert len(points.get_xdata()) == 1000
    assert points.get_xdata()[[0, -1]].tolist() == [0, 4999]


def test_predictions_refuses_classes(network):
    with pytest.raises(ValueError, match="predicts classes, not numbers"):
        plots.predictions(network, X, Y)


# -- weights --------------------------------------------------------------------------------------


def test_weights_of_square_inputs_are_images_of_the_largest_units():
    network = small_network((64, 7, 3))
    network.weights[0][:, [1, 4]] *= 100
    places = drawn(plots.weights(network, max_units=2)).axes[0].child_axes
    assert [place.get_title() for place in places] == ["2", "5"]
    (image,) = places[1].get_images()
    np.testing.assert_array_equal(image.get_array(), network.weights[0][:, 4].reshape(8, 8))
    largest = np.abs(network.weights[0]).max()
    assert (image.norm.vmin, image.norm.vmax) == (-largest, largest)


@pytest.mark.parametrize("n_units", [1, 2, 25])
def test_images_of_weights_stand_close_together_however_many_there_are(n_units):
    from matplotlib.figure import Figure

    n_columns, n_lines = min(5, n_units), -(-n_units // 5)
    figure = Figure((6, n_lines * (6 / n_columns + 0.29)), layout="constrained")
    ax = drawn(plots.weights(small_network((64, n_units, 3)), ax=figure.add_subplot())).axes[0]
    line = ax.get_window_extent().height / n_lines
    free = (line - ax.child_axes[0].get_window_extent().height) / figure.dpi
    assert free == pytest.approx(0.29, abs=0.1)


def test_weights_of_softmax_regression_are_a_template_a_class():
    network = small_network((64, 3), class_labels=("ant", "bee", "cat"))
    places = drawn(plots.weights(network)).axes[0].child_axes
    assert [place.get_title() for place in places] == ["ant", "bee", "cat"]


def test_weights_take_images_that_are_not_square():
    network = small_network((6, 1), output="sigmoid")
    (place,) = drawn(plots.weights(network, image_shape=(2, 3))).axes[0].child_axes
    assert place.get_images()[0].get_array().shape == (2, 3)


def test_weights_of_a_table_are_a_heat_map_with_the_features_names(network):
    scale = [1.0, 10.0, 1.0, 1.0]
    figure = plots.weights(network, feature_names=list("abcd"), feature_scale=scale)
    ax = drawn(figure).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == list("abcd")
    np.testing.assert_allclose(
        ax.get_images()[0].get_array(), network.weights[0] * np.array(scale)[:, None]
    )


def test_weights_refuses_what_does_not_fit(network):
    with pytest.raises(ValueError, match=r"image_shape must be .* number of inputs, 4, got .3, 3."):
        plots.weights(network, image_shape=(3, 3))
    with pytest.raises(ValueError, match="one name for each of the 4 inputs, got 1"):
        plots.weights(network, feature_names=["a"])
    with pytest.raises(ValueError, match="one finite number for each of the 4 inputs"):
        plots.weights(network, feature_scale=[1.0])
    with pytest.raises(TypeError, match="feature_names must be a sequence of names"):
        plots.weights(network, feature_names="abcd")
    diverged = pickle.loads(pickle.dumps(network))
    diverged.weights[0][0, 0] = np.nan
    with pytest.raises(ValueError, match="1 of the network's parameters are infinite or NaN"):
        plots.weights(diverged)


def test_weights_whose_squares_overflow_are_drawn():
    network = small_network((3, 2))
    network.weights[0][...] *= 1e200
    drawn(plots.weights(network))


def test_weights_that_are_all_zero_are_drawn():
    network = small_network((64, 2))
    network.weights[0][...] = 0
    drawn(plots.weights(network))


# -- mistakes -------------------------------------------------------------------------------------


def certain(n_in=64):
    """A network that says class 1 as surely as the first input is large."""
    network = small_network((n_in, 2))
    network.parameters[...] = 0
    network.weights[0][0, 1] = 1
    return network


def test_mistakes_shows_the_most_confident_first():
    x = np.zeros((4, 64))
    x[:, 0] = [1, 3, 2, 5]
    places = drawn(plots.mistakes(certain(), x, np.array([0, 0, 0, 1]))).axes[0].child_axes
    assert [place.get_title() for place in places] == [
        "0, not 1\n95.3%",
        "0, not 1\n88.1%",
        "0, not 1\n73.1%",
    ]
    np.testing.assert_array_equal(places[0].get_images()[0].get_array(), x[1].reshape(8, 8))


def test_mistakes_shows_as_many_as_are_wanted():
    x = np.ones((9, 64))
    figure = drawn(plots.mistakes(certain(), x, np.zeros(9, int), max_rows=2))
    assert len(figure.axes[0].child_axes) == 2


def test_mistakes_in_a_table_are_a_table():
    x = np.array([[1.0, 2.5], [3.0, 4.5]])
    figure = drawn(plots.mistakes(certain(2), x, np.array([0, 0]), feature_names=["$a", "b"]))
    (table,) = figure.axes[0].tables
    cells = [[table[row, column].get_text().get_text() for column in range(6)] for row in range(3)]
    assert cells == [
        ["row", "true", "predicted", "probability", "$a", "b"],
        ["1", "0", "1", "95.3%", "3", "4.5"],
        ["0", "0", "1", "73.1%", "1", "2.5"],
    ]


def test_mistakes_says_that_there_are_none():
    ax = drawn(plots.mistakes(certain(), np.ones((3, 64)), np.ones(3, int))).axes[0]
    assert texts(ax) == ["no mistakes in 3 rows"]


def test_mistakes_shows_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    x = np.zeros((2, 64))
    x[:, 0] = [1, 2]
    places = drawn(plots.mistakes(certain(), sparse.csr_matrix(x), np.array([0, 1]))).axes[0]
    np.testing.assert_array_equal(places.child_axes[0].get_images()[0].get_array().ravel(), x[0])


# -- what is left alone ---------------------------------------------------------------------------


def test_a_figure_shows_itself_in_a_notebook(network):
    assert plots.confusion_matrix(network, X, Y)._repr_png_().startswith(b"\x89PNG")


def test_every_picture_can_be_drawn_into_the_axes_of_a_figure(network, regression):
    from matplotlib.figure import Figure

    figure = Figure((15, 9), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    assert history_of(loss=[1.0], accuracy=[0.5]).plot(ax=axes[0]) is figure
    assert plots.confusion_matrix(network, X, Y, ax=axes[1]) is figure
    assert plots.predictions(regression, X, X[:, :2], ax=axes[2]) is figure
    assert plots.weights(network, ax=axes[3]) is figure
    assert plots.mistakes(network, X, Y, ax=axes[4]) is figure
    drawn(figure)


def test_pictures_touch_neither_pyplot_nor_the_backend_nor_the_style(tmp_path):
    program = """
import sys, matplotlib, numpy as np, fastnn
def style():
    return {name: dict.__getitem__(matplotlib.rcParams, name) for name in matplotlib.rcParams}
before = style()  # not through [], which would choose a backend
net = fastnn.Network((64, 3), seed=0)
x, y = np.random.default_rng(0).random((30, 64)), np.arange(30) % 3
net.fit(x, y, epochs=2, progress=False).plot()
for draw in (fastnn.plots.confusion_matrix, fastnn.plots.mistakes):
    draw(net, x, y)
fastnn.plots.weights(net).savefig(sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
assert style() == before
"""
    subprocess.run([sys.executable, "-c", program, tmp_path / "weights.png"], check=True)


def test_without_matplotlib_the_error_names_the_extra():
    program = """
import sys
sys.modules["matplotlib"] = None
import fastnn
try:
    fastnn.History().plot()
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == 'plots need matplotlib: pip install "fastnn[plot]"'


def test_plots_is_found_where_fastnn_is():
    assert fastnn.plots is plots


def test_the_examples_of_plots_and_report_are_true():
    pytest.importorskip("jinja2")
    from fastnn.report import page

    for module, n_examples in ((plots, 7), (page, 5)):
        assert doctest.testmod(module) == (0, n_examples)


def test_a_network_of_nan_has_no_confusion():
    network = fastnn.Network((4, 3), seed=0)
    network.weights[0][...] = np.nan
    with pytest.raises(ValueError, match="probabilities are not numbers: its training diverged"):
        plots.confusion_matrix(network, np.ones((3, 4)), [0, 1, 2])
