"""Pictures of digits as the strokes of a pen: thinned to lines, and the lines followed."""

import numpy as np

AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def strokes(image, threshold=100):
    """Lines of points (x, y) in [0, 1]² along the ink of an image (side, side)."""
    side = len(image)
    left = {tuple(map(int, place)) for place in np.argwhere(thinned(image >= threshold))}
    found = []
    while left:
        ends = sorted(p for p in left if len(_near(p, left)) <= 1) or sorted(left)
        line = [ends[0]]
        left.discard(ends[0])
        while nexts := _near(line[-1], left):
            line.append(min(nexts, key=lambda p: _turn(line, p)))
            left.discard(line[-1])
        found.append([((x + 0.5) / side, (y + 0.5) / side) for y, x in line])
    return [line for line in found if len(line) > 1] or found


def _near(p, places):
    return [q for dy, dx in AROUND if (q := (p[0] + dy, p[1] + dx)) in places]


def _turn(line, p):
    """How far a line turns, by its last few points, if it goes on to p."""
    if len(line) < 2:
        return abs(p[0] - line[-1][0]) + abs(p[1] - line[-1][1])
    before = np.subtract(line[-1], line[-min(4, len(line))])
    step = np.subtract(p, line[-1])
    return -float(before @ step) / (np.hypot(*before) * np.hypot(*step) + 1e-9)


def thinned(ink):
    """Ink (side, side) thinned to lines one pixel wide: Zhang and Suen (1984)."""
    ink = np.pad(ink, 1).astype(np.uint8)
    while True:
        before = ink.copy()
        for first in (True, False):
            around = [np.roll(ink, (-dy, -dx), (0, 1)) for dy, dx in AROUND]
            p2, _, p4, _, p6, _, p8, _ = around
            count = sum(around)
            rises = sum((a == 0) & (b == 1) for a, b in zip(around, [*around[1:], p2], strict=True))
            if first:
                edge = (p2 * p4 * p6 == 0) & (p4 * p6 * p8 == 0)
            else:
                edge = (p2 * p4 * p8 == 0) & (p2 * p6 * p8 == 0)
            ink[(ink == 1) & (count >= 2) & (count <= 6) & (rises == 1) & edge] = 0
        if np.array_equal(ink, before):
            return ink[1:-1, 1:-1].astype(bool)
