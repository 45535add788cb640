"""The columns of a table in C99: what `fastnn.tabular.Columns.rows` does, for numbers and flags.

The functions work in double, with the formulas of `fastnn.tabular.numbers`, and return the float
that fastnn rounds to. A missing cell is NAN, recognized by ``x != x``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastnn.exchange.c.header import function
from fastnn.exchange.c.introduction import shown
from fastnn.exchange.c.literals import array
from fastnn.tabular import Columns
from fastnn.tabular.flags import Flag
from fastnn.tabular.numbers import BOUND, FAR, LARGEST, Binned, Scaled
from fastnn.tabular.read_column import ReadColumn
from fastnn.validation.frames import some

BOUNDED = f"""\
/* z near 0, and never beyond -{BOUND:.0f} or {BOUND:.0f}. */
static inline double NAME_bounded(double z)
{{
    z = z < -{FAR:g} ? -{FAR:g} : z > {FAR:g} ? {FAR:g} : z;
    return z / sqrt(1.0 + (z / {BOUND!r}) * (z / {BOUND!r}));
}}
"""

NUMBER = """\
/* A number about its median, which also stands for a missing one. */
static inline float NAME_number(double x, double median, double scale)
{
    return x != x ? 0.0f : (float)NAME_bounded((x - median) / scale);
}
"""

BINS = f"""\
/* The share of each bin that is below x; the first and the last go on beyond their edges. */
static inline void NAME_bins(
    double x, double median, const double *edge, size_t n_bins, float *out)
{{
    x = x != x ? median : x;
    for (size_t t = 0; t < n_bins; t++) {{
        const double width = edge[t + 1] - edge[t];
        double share = (x - edge[t]) / (width > {LARGEST!r} ? {LARGEST!r} : width);
        double inside, beyond;
        share = share < -{FAR:g} ? -{FAR:g} : share > {FAR:g} ? {FAR:g} : share;
        inside = share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
        beyond = share - inside;
        if ((t > 0 && beyond < 0.0) || (t + 1 < n_bins && beyond > 0.0)) {{
            beyond = 0.0;
        }}
        out[t] = (float)(inside + NAME_bounded(beyond));
    }}
}}
"""

FLAG = """\
/* 1 for a flag that is 1, -1 for 0, 0 where it is missing. */
static inline float NAME_flag(double x)
{
    return x != x ? 0.0f : (float)(2.0 * x - 1.0);
}
"""

MISSING = """\
/* Whether a cell is missing: 1, else 0. */
static inline float NAME_missing(double x)
{
    return x != x ? 1.0f : 0.0f;
}
"""


def read_columns(columns: Columns) -> list[ReadColumn]:
    """Return the columns that are read, in order.

    Raises
    ------
    ValueError
        If one holds text or times; the message names it.
    """
    read = [column for column in columns.table if column.encoding is not None]
    of_kind: dict[str, list[str]] = {"text": [], "time": []}
    for column in read:
        if column.encoding is not None and column.encoding.kind in of_kind:
            of_kind[column.encoding.kind].append(column.name)
    words = [
        f"{what} of {some(names)}"
        for what, names in zip(("the text", "the times"), of_kind.values(), strict=True)
        if names
    ]
    if words:
        raise ValueError(
            f"a C header takes a table of numbers and flags, and cannot read {' or '.join(words)}: "
            "to_onnx writes them; or train without these columns, or with numbers in their place"
        )
    return read


def preparation(columns: Columns, name: str) -> Iterator[str]:
    """Yield the arrays and functions that make a row of columns, the last of them prepare."""
    lines, edges, needed = [], [], []
    place = 0
    for i, column in enumerate(read_columns(columns)):
        encoding = column.encoding
        n_out = len(column.outputs)
        if encoding is None:  # read_columns has none
            continue
        lines.append(f"/* {shown(column.name)} */")
        if isinstance(encoding, Scaled):
            needed += [BOUNDED, NUMBER]
            numbers = f"{encoding.center!r}, {encoding.scale!r}"
            lines.append(f"row[{place}] = {name}_number(x[{i}], {numbers});")
        elif isinstance(encoding, Binned):
            needed += [BOUNDED, BINS]
            n_bins = len(encoding.edges) - 1
            edges.append(
                f"/* Edges of the bins of x[{i}]. */\n"
                + array(
                    f"static const double {name}_edge_{i}[{n_bins + 1}]",
                    [list(map(repr, encoding.edges))],
                )
            )
            numbers = f"{encoding.center!r}, {name}_edge_{i}, {n_bins}"
            lines.append(f"{name}_bins(x[{i}], {numbers}, row + {place});")
        elif isinstance(encoding, Flag):
            needed.append(FLAG)
            lines.append(f"row[{place}] = {name}_flag(x[{i}]);")
        if encoding.indicator:
            needed.append(MISSING)
            lines.append(f"row[{place + n_out - 1}] = {name}_missing(x[{i}]);")
        place += n_out
    yield from edges
    for text in (BOUNDED, NUMBER, BINS, FLAG, MISSING):
        if text in needed:
            yield text.replace("NAME_", f"{name}_")
    yield function(
        f"The {name}_N_ROW inputs of the first layer for one row x of {name}_N_IN columns.",
        f"void {name}_prepare(const double *x, float *row)",
        lines,
    )


def n_bytes(columns: Columns) -> int:
    """Bytes of the edges of bins, the constants that are arrays."""
    encodings = [column.encoding for column in columns.table]
    return sum(8 * len(each.edges) for each in encodings if isinstance(each, Binned))
