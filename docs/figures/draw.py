"""Draw the figures of docs/ again, for light and for dark pages, from the code they are about.

python docs/figures/draw.py
"""

from __future__ import annotations

from pathlib import Path

import boxes
import curves
from ink import draw
from trained import draw_trained

IMAGES = Path(__file__).parents[1] / "images"
FIGURES = {
    "forward": ((7.2, 2.5), boxes.forward),
    "backward": ((7.6, 2.9), boxes.backward),
    "buffer": ((7.4, 2.3), boxes.buffer),
    "rooms": ((8.0, 7.4), boxes.rooms),
    "cluster": ((8.4, 3.9), boxes.cluster),
    "activations": ((8.0, 3.6), curves.activations),
    "losses": ((9.0, 3.8), curves.losses),
    "optimizers": ((9.0, 2.4), curves.optimizers),
    "schedules": ((9.0, 2.2), curves.learning_rates),
    "dropout": ((8.0, 2.0), curves.dropout),
    "initialization": ((5.6, 2.8), curves.initial_weights),
}
"""Name → its size in inches, and what draws it."""

if __name__ == "__main__":
    for name, (size, drawing) in FIGURES.items():
        for path in draw(IMAGES / f"{name}.svg", size, drawing):
            print(path)
    for path in draw_trained(IMAGES):
        print(path)
