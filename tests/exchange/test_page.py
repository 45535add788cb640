"""A network as one HTML file: what it holds, and what is refused."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from support.examples import blobs

import fastnn
from fastnn.exchange.page import sources
from fastnn.exchange.page.description import description
from fastnn.tabular import learn_columns

SCRIPTS = sorted(
    path.name for path in sources.files("fastnn.exchange.page").iterdir()
    if path.name.endswith(".js")
)  # fmt: skip


class Elements(HTMLParser):
    """The elements of a page, and the texts of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.inside = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside in ("script", "style", "title"):
            self.texts.setdefault(self.inside, data)


def hash_of(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.fixture(params=["network", "ensemble"])
def model(request):
    sizes = (3, 4, 2)
    if request.param == "network":
        return fastnn.Network(sizes, class_labels=["no", "</script>"], seed=0)
    return fastnn.Ensemble(sizes, 3, class_labels=["no", "</script>"], seed=0)


def test_a_page_is_one_file_that_forbids_everything_else(tmp_path, model):
    path = tmp_path / "a <b> & c.html"
    written = model.to_html(path)
    text = path.read_text(encoding="utf-8")
    assert written.n_bytes == path.stat().st_size
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    page = Elements(text)
    (policy,) = [a["content"] for t, a in page.tags if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src {hash_of(page.texts['style'])};" in policy
    assert f"script-src {hash_of(page.texts['script'])} 'wasm-unsafe-eval';" in policy
    assert "connect-src" not in policy
    links = [a for _, attributes in page.tags for a in attributes if a in ("src", "href")]
    assert links == ["href"]  # of the icon, which is empty
    assert "<title>a &lt;b&gt; &amp; c</title>" in text
    assert len(re.findall("</script", text)) == 1


def test_the_same_network_gives_the_same_bytes(tmp_path, model):
    model.to_html(tmp_path / "a.html")
    first = (tmp_path / "a.html").read_bytes()
    model.to_html(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_bytes() == first


def test_scripts_stand_after_those_that_they_import_and_share_no_names():
    for main in ("file", "server"):
        text = "".join(sources._scripts(main))
        assert "import {" not in text
        assert not re.search(r"^export ", text, re.MULTILINE)
        names = re.findall(r"^(?:async )?(?:const|let|class|function\*?) (\w+)", text, re.MULTILINE)
        assert len(names) == len(set(names)) > 20
    texts = ["".join(sources._scripts(main)) for main in ("file", "server")]
    last = {name: sources.source(name).splitlines()[-1] for name in SCRIPTS}
    used = {name for name in SCRIPTS if any(last[name] in text for text in texts)}
    assert used == {*SCRIPTS}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_page_loads_nothing(name):
    text = sources.source(name)
    assert not re.search(r"https?:|importScripts|XMLHttpRequest|WebSocket|innerHTML|\beval\b", text)
    assert ("fetch(" in text) == (name == "remote.js")


def test_accuracy_is_that_of_the_rows_given(tmp_path):
    x, y = blobs()
    network = fastnn.Network((4, 8, 3), seed=0)
    network.fit(x, y, epochs=5, progress=False)
    about = dict(description(network)["facts"])
    assert about["Accuracy"] == "not recorded"
    written = network.to_html(tmp_path / "a.html", weights="int8", rows=(x, y))
    assert written.n_weight_bytes < 4 * network.architecture.n_parameters
    said = f"{100 * written.agreement.header:.2f} % of the {len(x)} rows given"
    assert said in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_accuracy_of_a_table_is_that_of_the_rows_given(tmp_path):
    rng = np.random.default_rng(0)
    table = {"a": rng.normal(size=60).tolist(), "b": ["x", "y", "z"] * 20}
    y = [v > 0 for v in table["a"]]
    network = fastnn.Ensemble((4, 4, 2), 2, class_labels=["no", "yes"], seed=0)
    network.columns = learn_columns(table)
    written = network.to_html(
        tmp_path / "a.html", rows=(table, np.array(["no", "yes"])[1 * np.array(y)])
    )
    assert written.agreement.n_rows == 60
    assert " of the 60 rows given" in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("sizes", "x", "first", "ink"),
    [
        ((784, 3), np.full((9, 784), 200, np.uint8), "draw", "bytes"),
        ((784, 3), np.linspace(0, 1, 9 * 784).reshape(9, 784), "draw", "fractions"),
        ((64, 3), np.eye(9, 64), "row", "flags"),
        ((64, 3), np.linspace(-5, 7, 9 * 64).reshape(9, 64), "row", "unknown"),
        ((64, 3), None, "row", "unknown"),
        ((65, 3), None, None, None),
        ((49, 3), None, None, None),
    ],
)
def test_what_may_be_an_image_can_be_drawn(sizes, x, first, ink):
    network = fastnn.Network(sizes, seed=0)
    if x is not None:
        network.fit(x, np.arange(9) % 3, epochs=1, progress=False)
    image = description(network)["inputs"]["image"]
    assert (image and image["first"], image and image["ink"]) == (first, ink)
    if image:
        assert image["side"] ** 2 == sizes[0]
        assert "Guessed, since the file does not say" in image["guess"]


@pytest.mark.parametrize(
    ("options", "kind", "names"),
    [
        ({"output": "softmax", "class_labels": [7, 9]}, "classes", ["7", "9"]),
        ({"output": "sigmoid"}, "labels", ["output 1", "output 2"]),
        ({"output": "identity"}, "numbers", ["output 1", "output 2"]),
        ({"output": "identity", "loss": "quantile", "quantiles": [0.1, 0.9]}, "numbers",
         ["quantile, 10 %", "quantile, 90 %"]),
    ],
)  # fmt: skip
def test_outputs_have_names(options, kind, names):
    found = description(fastnn.Network((3, 2), **options))["outputs"]
    assert (found["kind"], found["names"], found["n"]) == (kind, names, 2)


def test_a_class_of_one_output_has_two_names():
    found = description(fastnn.Network((3, 1), output="sigmoid"))["outputs"]
    assert (found["kind"], found["names"], found["n"]) == ("classes", ["0", "1"], 1)


def test_a_class_label_may_be_any_number(tmp_path):
    network = fastnn.Network((3, 2), class_labels=[2**60, 2**60 + 1], seed=0)
    network.to_html(tmp_path / "a.html")
    assert str(2**60 + 1) in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_descriptions_are_json(model):
    x = np.random.default_rng(0).normal(size=(9, 3))
    model.fit(x, np.array(model.class_labels)[np.arange(9) % 2], epochs=1, progress=False)
    assert json.loads(json.dumps(description(model), allow_nan=False))["outputs"]["n"] == 2


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "digits.js", "digits.html.gz"])
def test_the_ending_is_that_of_a_page(tmp_path, model, name):
    with pytest.raises(ValueError, match=r"a page is a file such as digits\.html"):
        model.to_html(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_leaves_the_page_that_was_there(tmp_path, model):
    path = tmp_path / "a.html"
    path.write_text("before")
    with pytest.raises(ValueError, match="weights must be"):
        model.to_html(path, weights="int4")
    member = model if isinstance(model, fastnn.Network) else model[0]
    member.weights[0][0, 0] = np.inf
    with pytest.raises(ValueError, match="finite"):
        model.to_html(path)
    assert path.read_text() == "before"


def test_groups_are_written_one_by_one(tmp_path):
    shops = fastnn.Ensemble((2, 1), group_labels=("east", "west"), output="identity", seed=0)
    with pytest.raises(ValueError, match=r"ensemble\.group\(label\)\.to_html"):
        shops.to_html(tmp_path / "a.html")
    shops.group("east").to_html(tmp_path / "a.html")
