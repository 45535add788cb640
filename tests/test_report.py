"""The page of a training: what stands in it, that it needs nothing else, and who may write it."""

import os
import re
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from command_line import NAMES, CommandLine, table, write_csv
from examples import blobs, small_network

import fastnn
from fastnn.datasets import Dataset, Split
from fastnn.history import History

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from fastnn import report

X, Y = blobs()
VOID = {"meta", "link", "br", "img", "use", "path", "image", "rect"}


class Page(HTMLParser):
    """The elements of a page: tags with their attributes, and the text of each section."""

    def __init__(self, html):
        super().__init__()
        self.html, self.tags, self.text, self.open = html, [], "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> where another element is open"

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += f" {data.strip()}"

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def says(self, words):
        return words in " ".join(self.text.split())


def dataset(class_labels=(0, 1, 2), x=X, y=Y, validation=True, test=True, names=None):
    rows = np.random.default_rng(0).permutation(len(x))
    parts = [rows[:60], rows[60:90][: 30 * validation], rows[90:][: 30 * test]]
    labels = None if class_labels is None else np.array(class_labels)
    return Dataset(
        "blobs", *(Split(x[part], y[part]) for part in parts), labels, feature_names=names
    )


def trained(sizes=(4, 6, 3), data=None, epochs=3, **options):
    data = data or dataset()
    network = small_network(sizes, **options)
    y = data.train.y
    if network.class_labels:
        y = np.array(network.class_labels)[y]
    history = network.fit(data.train.x, y, epochs=epochs, progress=False)
    return network, history, data


# -- content --------------------------------------------------------------------------------------


def test_the_page_says_what_was_trained_on_what_with_what():
    network, history, data = trained()
    page = Page(
        report.render(
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
        "Of the test rows",
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
    html = report.render(network, history, data)
    cells = re.findall(r'style="--s:[\d.e-]+">(\d*)<', html)
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (data.test.y, network.predict(data.test.x)), 1)
    assert [int(cell or 0) for cell in cells] == expected.ravel().tolist()


@pytest.mark.parametrize(
    ("validation", "test", "which"),
    [(True, True, "test"), (True, False, "validation"), (False, False, "training")],
)
def test_the_rows_looked_at_are_the_last_there_are(validation, test, which):
    page = Page(report.render(*trained(data=dataset(validation=validation, test=test))))
    assert page.says(f"Of the {which} rows")


def test_what_was_measured_already_is_not_measured_again():
    network, history, data = trained()
    measured = {"test": {"loss": 0.125, "accuracy": 0.875}}
    assert Page(report.render(network, history, data, measured=measured)).says(
        "test 30 0.1250 87.50 %"
    )


def test_a_regression_has_predictions_and_no_confusion():
    data = dataset(None, y=X[:, :2] * 3)
    page = Page(report.render(*trained((4, 5, 2), data, output="identity")))
    assert page.says("Predictions")
    assert page.says("R²")
    assert not page.says("Confusion")
    assert not page.says("mistakes")


def test_a_table_has_a_heat_map_and_its_mistakes_in_a_table():
    network, history, data = trained(data=dataset(names=("a", "b", "c", "d")))
    network.parameters[...] *= -1
    page = Page(report.render(network, history, data))
    assert page.says("multiplied by its column's standard deviation")
    assert page.says("row true predicted probability a b c d")
    assert not page.all("img")


def test_of_very_many_classes_the_page_shows_mistakes_and_no_confusion():
    y = np.arange(120) % 101
    network, history, data = trained((4, 101), dataset(range(101), y=y), epochs=1)
    page = Page(report.render(network, history, data))
    assert page.says("too many classes")
    assert page.says("Most confident mistakes")
    assert not page.says("Confusion")


def test_images_have_their_mistakes_with_words_for_those_who_do_not_see():
    x = np.abs(np.random.default_rng(0).normal(size=(120, 64)))
    network, history, data = trained((64, 3), dataset(x=x), epochs=1)
    page = Page(report.render(network, history, data))
    images = page.all("img")
    wrong = int((network.predict(data.test.x) != data.test.y).sum())
    assert len(images) == min(wrong, 18) > 0
    assert all(re.fullmatch(r"test row \d+: \d, taken for \d", image["alt"]) for image in images)
    assert page.says("8×8 pixels")


def test_a_network_of_several_labels_a_row_has_a_page_too():
    data = dataset(None, y=np.eye(3)[Y])
    page = Page(report.render(*trained((4, 3), data, output="sigmoid")))
    assert page.says("test accuracy")
    assert not page.says("Confusion")


def test_a_diverged_training_has_a_page_without_results():
    network, history, data = trained()
    history.append({"loss": float("nan"), "accuracy": 0.0, "time": history["time"][-1]})
    history.stopped = "diverged"
    network.weights[0][...] = np.nan
    page = Page(report.render(network, history, data))
    assert page.says("The training diverged")
    assert page.says("diverged in epoch 4")
    assert not page.says("Confusion")


def test_a_training_interrupted_before_the_first_epoch_ended_has_a_page():
    network, _, data = trained()
    history = History()
    history.stopped = "interrupted"
    page = Page(report.render(network, history, data))
    assert page.says("The training was interrupted")
    assert page.says("No epoch was completed")


def test_many_epochs_are_shown_in_some_sixty_lines_with_the_first_and_the_last():
    network, history, data = trained(epochs=150)
    page = Page(report.render(network, history, data))
    assert page.says("60 of 150 epochs")


# -- one file that needs nothing else -------------------------------------------------------------


@pytest.fixture(scope="module")
def pages():
    """A page of classes in images and one of numbers in a table."""
    x = np.abs(np.random.default_rng(0).normal(size=(120, 64)))
    return [
        report.render(*trained((64, 3), dataset(x=x))),
        report.render(*trained((4, 5, 2), dataset(None, y=X[:, :2]), output="identity")),
    ]


def test_the_page_asks_for_nothing(pages):
    for html in pages:
        page = Page(html)
        assert not page.all("script")
        assert "//" not in re.sub(r"base64,[\w+/=\s]*", "", html)
        assert "@import" not in html
        for tag, attributes in page.tags:
            for name in ("src", "href", "xlink:href"):
                target = attributes.get(name, "data:")
                assert target.startswith(("data:", "#")), (tag, target)
        assert set(re.findall(r"url\((.)", html)) <= {"#"}


def test_ids_are_unique_and_what_refers_to_one_finds_it(pages):
    for html in pages:
        ids = re.findall(r'\bid="([^"]*)"', html)
        assert len(ids) == len(set(ids))
        referred = re.findall(r'(?:href="#|url\(#|labelledby=")([^")]*)', html)
        assert referred
        assert set(referred) <= set(ids)


def test_pictures_are_in_the_colours_of_the_page(pages):
    for html in pages:
        assert "currentColor" in html
        assert "var(--first)" in html.partition("</style>")[2]
        assert "#01020" not in html


def test_headings_are_in_order_and_the_page_has_title_and_language(pages):
    for html in pages:
        page = Page(html)
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        assert page.all("html") == [{"lang": "en"}]
        assert re.search("<title>blobs · .+</title>", html)
        assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))


def test_what_users_named_is_text_and_never_markup():
    evil = ('<script>alert("1")</script>', "'\"><img src=x>", "$\\frac{$")
    names = ("<i>", "</td>", "&amp;", "{{ 7 * 7 }}")
    data = replace(dataset(evil, names=names), name="<b>&")
    network, history, _ = trained(data=data, class_labels=evil)
    network.parameters[...] *= -1
    html = report.render(network, history, data, options={"<u>": "</dl>"}, note="<em>")
    page = Page(html)
    assert not page.open
    assert not {"script", "img", "i", "u", "em", "b"} & {tag for tag, _ in page.tags}
    assert page.says(evil[0])
    assert page.says("{{ 7 * 7 }}")


def test_letters_that_no_font_of_matplotlib_has_go_through():
    labels = ("猫", "Ω", "👍")
    network, history, data = trained((4, 3), dataset(labels), class_labels=labels)
    assert Page(report.render(network, history, data)).says("👍")


def test_the_page_says_the_same_twice():
    made = trained()
    first, second = (re.sub(r"<p>\d{4}-.*", "", report.render(*made)) for _ in range(2))
    assert first == second


# -- writing it -----------------------------------------------------------------------------------


def test_write_replaces_a_file_and_never_writes_into_it(tmp_path):
    path, other = tmp_path / "report.html", tmp_path / "other.html"
    path.write_text("before")
    os.link(path, other)
    report.write(path, *trained())
    assert other.read_text() == "before"


def test_write_leaves_what_was_there_if_it_fails(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("before")
    network, history, data = trained()
    with pytest.raises(ValueError, match="x has 3 columns"):
        report.write(path, network, history, dataset(x=X[:, :3]))
    assert path.read_text() == "before"
    report.write(path, network, history, data)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_history_or_data_set_is_refused():
    network, history, data = trained()
    with pytest.raises(TypeError, match=r"history must be what Network\.fit returns"):
        report.render(network, None, data)
    with pytest.raises(TypeError, match=r"data must be a fastnn\.datasets\.Dataset"):
        report.render(network, history, (X, Y))
    with pytest.raises(TypeError, match="optimizer must be"):
        report.render(network, history, data, optimizer="sgd")
    with pytest.raises(ValueError, match="image_shape must be"):
        report.render(network, history, data, image_shape=(3, 3))


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with a table of classes and one of numbers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    x, y = table()
    write_csv(tmp_path / "pets.csv", x, NAMES[y])
    write_csv(tmp_path / "numbers.csv", x, 1000.0 + 50.0 * x[:, 0] + x[:, 2], "target")
    np.savez(tmp_path / "two.npz", x=x, y=x[:, :2] * [1.0, -100.0])
    return CommandLine(tmp_path, capsys)


@pytest.mark.parametrize("data", ["pets.csv", "numbers.csv", "two.npz"])
@pytest.mark.parametrize("layers", ["5", "none"])
def test_train_writes_a_report_of_tables(cli, data, layers):
    options = ("--layers", layers, "--epochs", "2", "--report", "report.html")
    *_, result = cli.json("train", data, *options)
    assert result["report"] == "report.html"
    page = Page((cli.folder / "report.html").read_text(encoding="utf-8"))
    assert not page.open
    assert page.says("epochs 2")
    key = "accuracy" if data == "pets.csv" else "r2"
    shown = (
        f"{result['test'][key]:.2%}".replace("%", " %")
        if key == "accuracy"
        else (f"{result['test'][key]:.4f}")
    )
    assert page.says(f"{shown} test")


def test_train_says_where_the_report_is(cli):
    cli.ok("train", "pets.csv", "--epochs", "1", "--report", "r.html")
    assert re.search(r"report r\.html \(\d+ kB\)", cli.err)


def test_train_tells_the_results_though_the_report_cannot_be_written(cli, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(report, "write", full)
    assert cli("train", "pets.csv", "--epochs", "1", "--report", "r.html") == 2
    assert "trained in" in cli.out
    assert cli.err.endswith("fastnn train: error: no space left on device\n")
    assert (cli.folder / "pets.safetensors").exists()


def test_train_without_report_writes_none(cli):
    assert "report" not in cli.json("train", "pets.csv", "--epochs", "1")[-1]
    assert not list(cli.folder.glob("*.html"))


def test_train_leaves_a_report_of_what_diverged(cli):
    options = ("--optimizer", "sgd", "--learning-rate", "1e6", "--report", "report.html")
    done = subprocess.run(  # in a process of its own, where NumPy may warn
        [sys.executable, "-m", "fastnn", "train", "numbers.csv", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "diverged and nothing was saved" in done.stderr
    assert "Traceback" not in done.stderr
    page = Page((cli.folder / "report.html").read_text(encoding="utf-8"))
    assert page.says("The training diverged")


@pytest.mark.filterwarnings("ignore:the fit was interrupted")
def test_train_leaves_a_report_of_what_was_interrupted(cli, monkeypatch):
    def interrupt(options):
        return lambda *_: signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("fastnn.cli.train._reporter", interrupt)
    assert cli("train", "pets.csv", "--report", "report.html") == 130
    page = Page((cli.folder / "report.html").read_text(encoding="utf-8"))
    assert page.says("The training was interrupted")


@pytest.mark.parametrize(
    ("path", "message"),
    [("missing/r.html", "the folder missing does not exist"), (".", "is a folder; name a file")],
)
def test_train_refuses_a_report_where_none_can_be_before_it_trains(cli, path, message):
    assert cli("train", "pets.csv", "--report", path) == 2
    assert message in cli.err
    assert "epoch" not in cli.out


def test_train_refuses_to_write_report_and_network_to_one_file(cli):
    assert cli("train", "pets.csv", "--report", "x", "--output", "x") == 2
    assert "--report and the network would both be x" in cli.err
    assert not (cli.folder / "x").exists()


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_train_names_the_extra_that_a_report_needs_before_it_trains(cli, package):
    program = f"""
import sys
import warnings
sys.modules[{package!r}] = None
from fastnn.cli import main
sys.exit(main(["train", "pets.csv", "--report", "r.html"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'pip install "fastnn[plot]"' in done.stderr
    assert package in done.stderr
    assert not done.stdout


# -- whatever was trained -------------------------------------------------------------------------

N_RANDOM = 1000 if os.environ.get("FASTNN_TEST_PROFILE") == "thorough" else 12


@pytest.mark.parametrize("seed", range(N_RANDOM))
def test_any_training_has_a_page(seed):
    rng = np.random.default_rng(seed)
    n_in = int(rng.choice([1, 2, 5, 64, 81, 200]))
    n_out = int(rng.choice([1, 2, 3, 11, 14]))
    hidden = tuple(rng.integers(1, 40, rng.integers(0, 3)).tolist())
    output = str(rng.choice(["softmax", "sigmoid", "identity", "exp"]))
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
    page = Page(report.render(network, history, data))
    assert not page.open
    assert page.says(f"{network.architecture.n_parameters:,} parameters")
