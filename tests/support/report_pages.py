"""Pages of small trainings, and what stands in a page."""

import tempfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from fastnn.datasets import Dataset, Split
from support.examples import blobs, small_network

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


def rendered(*made, **options):
    """The page of a network, its history and its data, as text."""
    from fastnn import report

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        report.write(path, *made, **options)
        return path.read_text(encoding="utf-8")
