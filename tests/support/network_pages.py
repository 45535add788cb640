"""Pages of networks that read digits, what one draws there, and what the page shows."""

import functools
import os

import numpy as np

import fastnn
from support.pen_strokes import strokes

N_DRAWN = 10

PICTURE = """
view => [...view.getContext('2d').getImageData(0, 0, view.width, view.height).data]
  .filter((_, i) => i % 4 === 3)
"""


def picture(page):
    """The picture that the network sees, as a row of bytes."""
    return np.array(page.locator("#view").evaluate(PICTURE), np.uint8)


def shares(page):
    """The numbers of all bars; of probabilities, percentages."""
    texts = page.locator("#bars .share").all_inner_texts()
    return np.array([float(text.strip("<>% ")) for text in texts])


@functools.lru_cache(maxsize=1)
def digits():
    """A network that reads digits, and ten of the test images with their labels."""
    if os.environ.get("FASTNN_MNIST_DIR"):
        data = fastnn.datasets.mnist()
        x, y = data.train.x[:20_000], data.train.y[:20_000]
    else:
        data = fastnn.datasets.digits(6000)
        x, y = data.train
    network = fastnn.Network((784, 64, 10), activation="relu", seed=0)
    network.fit(x, y, epochs=5, progress=False)
    return network, data.test.x[:N_DRAWN], data.test.y[:N_DRAWN]


def draw(page, image):
    """Draw an image stroke by stroke with the mouse."""
    box = page.locator("#board").bounding_box()
    for line in strokes(image.reshape(28, 28)):
        for i, (x, y) in enumerate(line):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if i == 0:
                page.mouse.down()
        page.mouse.up()
