"""The page of a training: what stands in it, of whatever was trained."""

import os
import re
import warnings

import numpy as np
import pytest
from support.examples import small_network
from support.report_pages import Page, X, Y, dataset, rendered, trained

import fastnn
from fastnn.architecture import OUTPUTS
from fastnn.training.history import History

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


def test_the_page_says_what_was_trained_on_what_with_what():
    network, history, data = trained()
    page = Page(
        rendered(
            network,
            history,
            data,
            optimizer=fastnn.SGD(0.5, momentum=0.9),
            options={"batch_size": 100, "layers": (6,)},
            note="A note.",
        )
    )
    assert not page.open
    result = network.evaluate(*data.test)
    for words in (
        "blobs",
        "4–6–3, sigmoid, softmax output",
        "training rows 60",
        "validation rows 30",
        "test rows 30",
        "optimizer SGD, momentum",
        "learning rate 0.5",
        "batch size 100",
        "layers 6",
        "A note.",
        "For the test rows",
        "parameters 51",
        f"fastnn {fastnn.__version__}",
        f"NumPy {np.__version__}",
        f"test 30 {result['loss']:.4f} {result['accuracy']:.2%}".replace("%", " %"),
        "1 4 6 sigmoid 30",
        "2 6 3 softmax 21",
    ):
        assert page.says(words), words


def test_the_confusion_on_the_page_counts_the_rows_it_names():
    network, history, data = trained()
    html = rendered(network, history, data)
    cells = re.findall(r'style="--s:[\d.e-]+">(\d*)<', html)
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (data.test.y, network.predict(data.test.x)), 1)
    assert [int(cell or 0) for cell in cells] == expected.ravel().tolist()


@pytest.mark.parametrize(
    ("validation", "test", "which"),
    [(True, True, "test"), (True, False, "validation"), (False, False, "training")],
)
def test_the_rows_looked_at_are_the_last_there_are(validation, test, which):
    page = Page(rendered(*trained(data=dataset(validation=validation, test=test))))
    assert page.says(f"For the {which} rows")


def test_what_was_measured_already_is_not_measured_again():
    network, history, data = trained()
    measured = {"test": {"loss": 0.125, "accuracy": 0.875}}
    assert Page(rendered(network, history, data, measured=measured)).says("test 30 0.1250 87.50 %")


def test_a_regression_has_predictions_and_no_confusion():
    data = dataset(None, y=X[:, :2] * 3)
    page = Page(rendered(*trained((4, 5, 2), data, output="identity")))
    assert page.says("Predictions")
    assert page.says("R²")
    assert not page.says("Confusion")
    assert not page.says("mistakes")


def test_a_table_has_a_heat_map_and_its_mistakes_in_a_table():
    network, history, data = trained(data=dataset(names=("a", "b", "c", "d")))
    network.parameters[...] *= -1
    page = Page(rendered(network, history, data))
    assert page.says("multiplied by its column's standard deviation")
    assert page.says("row true predicted probability a b c d")
    assert not page.all("img")


def test_of_very_many_classes_the_page_shows_mistakes_and_no_confusion():
    y = np.arange(120) % 101
    network, history, data = trained((4, 101), dataset(range(101), y=y), epochs=1)
    page = Page(rendered(network, history, data))
    assert page.says("too many classes")
    assert page.says("Most confident mistakes")
    assert not page.says("Confusion")


def test_images_have_their_mistakes_with_words_for_those_who_do_not_see():
    x = np.abs(np.random.default_rng(0).normal(size=(120, 64)))
    network, history, data = trained((64, 3), dataset(x=x), epochs=1)
    page = Page(rendered(network, history, data))
    images = page.all("img")
    wrong = int((network.predict(data.test.x) != data.test.y).sum())
    assert len(images) == min(wrong, 18) > 0
    assert all(re.fullmatch(r"test row \d+: \d, predicted as \d", image["alt"]) for image in images)
    assert page.says("8×8 pixels")


def test_a_network_of_several_labels_a_row_has_a_page_too():
    data = dataset(None, y=np.eye(3)[Y])
    page = Page(rendered(*trained((4, 3), data, output="sigmoid")))
    assert page.says("test accuracy")
    assert not page.says("Confusion")


def test_a_diverged_training_has_a_page_without_results():
    network, history, data = trained()
    history.append({"loss": float("nan"), "accuracy": 0.0, "time": history["time"][-1]})
    history.stopped = "diverged"
    network.weights[0][...] = np.nan
    page = Page(rendered(network, history, data))
    assert page.says("Training diverged")
    assert page.says("diverged in epoch 4")
    assert not page.says("Confusion")


def test_a_training_interrupted_before_the_first_epoch_ended_has_a_page():
    network, _, data = trained()
    history = History()
    history.stopped = "interrupted"
    page = Page(rendered(network, history, data))
    assert page.says("Training was interrupted")
    assert page.says("No epoch was completed")


def test_a_network_that_was_never_trained_has_a_page():
    page = Page(rendered(small_network(), History(), dataset()))
    assert page.says("No epoch was completed")
    assert page.says("test accuracy 51 parameters")  # and no time between them


def test_one_epoch_and_one_unit_are_spoken_of_as_one():
    html = rendered(*trained((4, 1, 3), epochs=1))
    page = Page(html)
    assert page.says("for 1 epoch ")
    assert page.says("A single unit. Blue")
    assert "loss over 1 epoch:" in html
    assert "weights of the first layer, 1 of 1 unit, as" in html


def test_many_epochs_are_shown_in_some_sixty_lines_with_the_first_and_the_last():
    network, history, data = trained(epochs=150)
    page = Page(rendered(network, history, data))
    assert page.says("60 of 150 epochs")


N_RANDOM = 1000 if os.environ.get("FASTNN_TEST_PROFILE") == "thorough" else 12


@pytest.mark.parametrize("seed", range(N_RANDOM))
def test_any_training_has_a_page(seed):
    rng = np.random.default_rng(seed)
    n_in = int(rng.choice([1, 2, 5, 64, 81, 200]))
    n_out = int(rng.choice([1, 2, 3, 11, 14]))
    hidden = tuple(rng.integers(1, 40, rng.integers(0, 3)).tolist())
    output = str(rng.choice(OUTPUTS))
    n_out += output == "softmax" and n_out == 1
    scale = 10.0 ** rng.integers(-6, 7)
    x = (
        rng.normal(size=(120, n_in)) * scale
        if rng.random() < 0.5
        else (rng.integers(0, 256, (120, n_in), dtype=np.uint8))
    )
    labels = None
    if output == "softmax":
        labels, y = range(n_out), np.resize(rng.permutation(n_out), 120)
    elif output == "sigmoid":
        y = rng.permutation(np.resize([0.0, 1.0], 120 * n_out)).reshape(120, n_out)
    else:
        y = np.abs(rng.normal(size=(120, n_out))) * (scale if output == "identity" else 1.0)
        y = np.tanh(y) if output == "tanh" else y
    data = dataset(labels, x, y, bool(rng.integers(2)), bool(rng.integers(2)))
    network = small_network((n_in, *hidden, n_out), output=output)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # some of these diverge
        history = network.fit(
            *data.train,
            epochs=int(rng.integers(1, 20)),
            optimizer=fastnn.SGD(float(10.0 ** rng.integers(-4, 3))),
            validation_data=data.validation or None,
            progress=False,
        )
    page = Page(rendered(network, history, data))
    assert not page.open
    assert page.says(f"{network.architecture.n_parameters:,} parameters")
