"""How the digits are written: pen strokes through control points, a few styles for each digit.

A stroke is a list of control points (x to the right, y down, the digit about one unit high); a
Catmull-Rom spline passes through all of them (Catmull and Rom, 1974), and a point given twice in
a row is a corner. A spline is linear in its control points, so a whole style is one matrix:

    points (n_points, 2) = basis (n_points, n_controls) @ controls (n_controls, 2)

with the points at equal distances along the strokes, and moving the controls bends the strokes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

N_POINTS = 72  # pen positions in one digit: the longest, 3.5 units of 20 px, has one each pixel

Stroke = tuple[tuple[float, float], ...]

# One entry a digit: its styles, each a tuple of strokes.
# fmt: off
STYLES: tuple[tuple[tuple[Stroke, ...], ...], ...] = (
    (  # 0: an oval; a narrow one whose end overlaps its beginning; a round one begun at the right
        (((.54, .02), (.31, .12), (.19, .45), (.25, .82), (.48, .98), (.72, .85), (.81, .50),
          (.73, .15), (.50, .02)),),
        (((.60, .10), (.42, .04), (.26, .30), (.24, .70), (.44, .97), (.66, .78), (.74, .42),
          (.66, .12), (.48, .05), (.38, .16)),),
        (((.78, .22), (.52, .06), (.20, .22), (.10, .55), (.26, .88), (.56, .95), (.84, .78),
          (.90, .45), (.74, .16), (.58, .09)),),
    ),
    (  # 1: a bar; with a flag; with a flag and a foot
        (((.52, .00), (.51, .50), (.49, 1.0)),),
        (((.30, .26), (.44, .15), (.55, .01), (.55, .01), (.53, .50), (.52, 1.0)),),
        (((.32, .24), (.44, .15), (.54, .02), (.54, .02), (.52, .50), (.51, .97)),
         ((.26, .98), (.52, .97), (.78, .97))),
    ),
    (  # 2: a sharp heel; a loop at the heel; a swan neck
        (((.20, .26), (.30, .07), (.55, .02), (.75, .20), (.68, .47), (.44, .75), (.17, .97),
          (.17, .97), (.48, .95), (.84, .95)),),
        (((.22, .20), (.44, .02), (.71, .16), (.67, .46), (.44, .78), (.24, .95), (.13, .86),
          (.26, .75), (.52, .89), (.86, .94)),),
        (((.26, .30), (.26, .10), (.52, .01), (.72, .18), (.62, .48), (.36, .72), (.22, .94),
          (.22, .94), (.44, .86), (.62, .97), (.88, .90)),),
    ),
    (  # 3: two bows; a flat top; a small loop at the waist
        (((.22, .15), (.46, .01), (.72, .17), (.62, .40), (.40, .47), (.40, .47), (.68, .55),
          (.79, .76), (.60, .96), (.34, .98), (.17, .85)),),
        (((.20, .05), (.48, .04), (.76, .03), (.76, .03), (.60, .22), (.44, .40), (.44, .40),
          (.72, .48), (.80, .72), (.62, .95), (.36, .98), (.17, .87)),),
        (((.24, .12), (.50, .00), (.73, .16), (.60, .38), (.42, .50), (.34, .43), (.48, .42),
          (.72, .56), (.76, .78), (.54, .98), (.20, .93)),),
    ),
    (  # 4: open and round; closed; open and angular; a cursive one, like y
        (((.27, .04), (.20, .34), (.24, .54), (.50, .56), (.82, .49)),
         ((.74, .06), (.71, .50), (.65, 1.0))),
        (((.60, .01), (.38, .32), (.15, .64), (.15, .64), (.50, .64), (.87, .61)),
         ((.62, .02), (.61, .50), (.60, 1.0))),
        (((.26, .08), (.22, .32), (.17, .57), (.17, .57), (.50, .54), (.86, .50)),
         ((.68, .22), (.64, .60), (.61, 1.0))),
        (((.21, .05), (.17, .36), (.32, .53), (.55, .50), (.73, .32)),
         ((.79, .03), (.72, .50), (.59, 1.0))),
    ),
    (  # 5: one corner after the other; a separate roof; drawn like an S
        (((.74, .03), (.52, .04), (.32, .05), (.32, .05), (.28, .24), (.25, .43), (.25, .43),
          (.50, .36), (.75, .52), (.76, .80), (.50, .98), (.19, .90)),),
        (((.36, .06), (.31, .26), (.28, .44), (.28, .44), (.56, .42), (.74, .62), (.66, .88),
          (.42, .98), (.18, .88)),
         ((.36, .07), (.58, .05), (.86, .02))),
        (((.80, .06), (.48, .04), (.29, .18), (.36, .40), (.62, .54), (.74, .75), (.54, .96),
          (.20, .92)),),
    ),
    (  # 6: a round back; a straight back; a curled top
        (((.66, .02), (.40, .19), (.23, .55), (.29, .88), (.52, .99), (.74, .82), (.68, .60),
          (.46, .54), (.27, .72)),),
        (((.56, .00), (.40, .30), (.26, .64), (.32, .92), (.56, .97), (.72, .80), (.62, .62),
          (.42, .64), (.28, .80)),),
        (((.74, .14), (.60, .03), (.36, .18), (.20, .56), (.30, .92), (.60, .96), (.78, .74),
          (.60, .54), (.34, .62), (.25, .78)),),
    ),
    (  # 7: plain; with a bar; with a serif; with a bent stem
        (((.18, .07), (.50, .06), (.80, .04), (.80, .04), (.62, .44), (.42, 1.0)),),
        (((.18, .08), (.50, .06), (.82, .05), (.82, .05), (.62, .46), (.46, 1.0)),
         ((.34, .52), (.54, .50), (.76, .47))),
        (((.18, .24), (.20, .07), (.20, .07), (.52, .07), (.82, .05), (.82, .05), (.60, .50),
          (.50, 1.0)),),
        (((.16, .14), (.34, .06), (.60, .08), (.78, .10), (.72, .34), (.58, .60), (.54, 1.0)),),
    ),
    (  # 8: one stroke from the right; two rings; one stroke that stays open at the top
        (((.70, .12), (.50, .01), (.29, .14), (.34, .35), (.52, .47), (.72, .66), (.70, .89),
          (.48, .99), (.26, .88), (.30, .66), (.50, .47), (.68, .30), (.70, .10)),),
        (((.52, .46), (.32, .36), (.32, .12), (.54, .01), (.72, .16), (.68, .38), (.50, .46)),
         ((.50, .46), (.27, .62), (.26, .88), (.50, .99), (.76, .86), (.72, .60), (.50, .46))),
        (((.80, .08), (.54, .03), (.30, .16), (.40, .40), (.64, .58), (.70, .84), (.46, .98),
          (.24, .84), (.38, .58), (.62, .38), (.84, .12)),),
    ),
    (  # 9: a straight tail; a curved tail; a ring begun at its top, with a leaning tail
        (((.70, .14), (.46, .03), (.25, .20), (.30, .44), (.54, .46), (.71, .20), (.71, .20),
          (.69, .55), (.66, 1.0)),),
        (((.72, .12), (.46, .02), (.25, .20), (.32, .44), (.58, .42), (.73, .16), (.75, .50),
          (.66, .86), (.44, .98), (.24, .88)),),
        (((.62, .05), (.36, .12), (.24, .36), (.44, .46), (.68, .30), (.68, .06), (.68, .06),
          (.60, .50), (.44, 1.0)),),
    ),
)
# fmt: on


def _controls_and_corners(stroke: Stroke) -> tuple[NDArray[np.float64], list[int]]:
    """Return the distinct controls, and for each spline knot the control it stands on."""
    controls: list[tuple[float, float]] = []
    knots = []
    for point in stroke:
        if not controls or controls[-1] != point:
            controls.append(point)
        knots.append(len(controls) - 1)
    return np.array(controls), knots


def _spline_basis(knots: list[int], n_controls: int, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows of the Catmull-Rom basis at parameters t in [0, len(knots) - 1]."""
    last = len(knots) - 1
    segment = np.clip(t.astype(np.int64), 0, last - 1)
    u = t - segment
    weights = (  # of the knots before, at, after and after next to the segment's beginning
        ((-0.5 * u + 1.0) * u - 0.5) * u,
        (1.5 * u - 2.5) * u * u + 1.0,
        ((-1.5 * u + 2.0) * u + 0.5) * u,
        (0.5 * u - 0.5) * u * u,
    )
    basis = np.zeros((len(t), n_controls))
    rows = np.arange(len(t))
    on_control = np.array(knots)
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        np.add.at(basis, (rows, on_control[np.clip(segment + offset, 0, last)]), weight)
    return basis


def _style_matrix(style: tuple[Stroke, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return basis (N_POINTS, n_controls) and controls (n_controls, 2) of one style."""
    parts = []
    for stroke in style:
        controls, knots = _controls_and_corners(stroke)
        t = np.linspace(0.0, len(knots) - 1.0, 40 * len(knots))
        path = _spline_basis(knots, len(controls), t) @ controls
        step = np.hypot(*np.diff(path, axis=0).T)
        parts.append((controls, knots, t, np.concatenate(([0.0], np.cumsum(step)))))
    lengths = np.array([length[-1] for *_, length in parts])
    counts = np.maximum(2, np.rint(N_POINTS * lengths / lengths.sum())).astype(np.int64)
    counts[np.argmax(lengths)] += N_POINTS - counts.sum()

    n_controls = sum(len(controls) for controls, *_ in parts)
    basis = np.zeros((N_POINTS, n_controls))
    row = column = 0
    for (controls, knots, t, length), count in zip(parts, counts, strict=True):
        even = np.interp(np.linspace(0.0, length[-1], count), length, t)
        block = _spline_basis(knots, len(controls), even)
        basis[row : row + count, column : column + len(controls)] = block
        row, column = row + count, column + len(controls)
    return basis, np.concatenate([controls for controls, *_ in parts])


@lru_cache(maxsize=1)
def style_matrices() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return every style's spline, padded to one width.

    Returns
    -------
    basis : ndarray (n_styles, N_POINTS, n_controls), float64
        Zero in the columns of controls a style does not have.
    controls : ndarray (n_styles, n_controls, 2), float64
        Control points, x and y, centred on the digit's middle.
    first_style : ndarray (11,), int64
        The styles of digit d are ``first_style[d] : first_style[d + 1]``.
    """
    matrices = [_style_matrix(style) for styles in STYLES for style in styles]
    n_controls = max(len(controls) for _, controls in matrices)
    basis = np.zeros((len(matrices), N_POINTS, n_controls))
    controls = np.zeros((len(matrices), n_controls, 2))
    for i, (style_basis, style_controls) in enumerate(matrices):
        basis[i, :, : len(style_controls)] = style_basis
        controls[i, : len(style_controls)] = style_controls - 0.5
    first_style = np.cumsum([0] + [len(styles) for styles in STYLES])
    return basis, controls, first_style
