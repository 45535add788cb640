"""What `fastnn.tabular.Columns.rows` does, in ONNX's operators.

Columns of one kind are prepared together, as one matrix: of numbers (rows, n_numbers) in float64,
with the formulas of `fastnn.tabular.numbers` operator by operator, so that rounded to float32 they
are what fastnn makes of them; of times in int64. Text becomes the number of its category by
LabelEncoder, and that 0 and 1 by OneHot, or a row of a small table by Gather. The outputs come in
another order than those of `Columns.rows`; the first layer's weights are put in that order too.

ONNX Runtime makes the text "None" and "nan" of Python's None and NaN among text: these are read as
missing, unless they are categories. Blank text is missing too, up to eight spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.exchange.onnx.table_inputs import TableInput
from fastnn.exchange.onnx.writer import Writer
from fastnn.tabular.categories import OneHot, Ordered, TwoValues
from fastnn.tabular.flags import Flag
from fastnn.tabular.numbers import BOUND, FAR, LARGEST, Binned, Scaled
from fastnn.tabular.times import PARTS, US_PER_S, Time

NAT = np.iinfo(np.int64).min
US_PER_DAY = 86_400_000_000
US_PER_HOUR = 3_600_000_000
MISSING_TEXTS = (*(" " * n for n in range(9)), "\t", "\n", "\r\n", "\xa0", "None", "nan")


def prepare(writer: Writer, inputs: Sequence[TableInput]) -> tuple[str, NDArray[np.int64]]:
    """Append what makes rows of columns.

    Parameters
    ----------
    writer : Writer
    inputs : sequence of TableInput

    Returns
    -------
    str
        The name of the rows (rows, n_in), float32.
    ndarray of shape (n_in,) int64
        For each of their columns, which output of `Columns.rows` it is.
    """
    blocks = _Blocks(writer)
    of_kind = {
        kind: [one for one in inputs if one.encoding.kind in kinds]
        for kind, kinds in {"number": ("number", "flag"), "time": ("time",)}.items()
    }
    if of_kind["number"]:
        _numbers(blocks, of_kind["number"])
    if of_kind["time"]:
        _times(blocks, of_kind["time"])
    for one in inputs:
        if one.encoding.kind == "text":
            _text(blocks, one)
    return blocks.rows()


class _Blocks:
    """Outputs that have been made, block by block."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._values: list[str] = []
        self._order: list[int] = []

    def add(self, value: str, outputs: Sequence[int]) -> None:
        """Add a block (rows, n) float32, and which outputs it is."""
        self._values.append(value)
        self._order += outputs

    def add_numbers(self, value: str, outputs: Sequence[int]) -> None:
        """Add a block of another dtype."""
        self.add(self.writer.op("Cast", value, to=self.writer.onnx.TensorProto.FLOAT), outputs)

    def add_missing(self, missing: str, inputs: Sequence[TableInput]) -> None:
        """Add the indicators of columns whose cells are missing or not, (rows, n_inputs)."""
        which = [i for i, one in enumerate(inputs) if one.encoding.indicator]
        if which:
            taken = self.taken(missing, which, len(inputs))
            self.add_numbers(taken, [inputs[i].first + inputs[i].n_own for i in which])

    def rows(self) -> tuple[str, NDArray[np.int64]]:
        """Return all blocks as one."""
        value = self.writer.op("Concat", *self._values, axis=1)
        return value, np.array(self._order)

    # -- writing --------------------------------------------------------------------------------

    def array(self, values: Any, dtype: Any = np.float64) -> str:
        """Return the name of a constant."""
        return self.writer.constant(
            f"prepared.{len(self.writer.constants)}", np.array(values, dtype)
        )

    def taken(self, value: str, which: Sequence[int], n: int) -> str:
        """Return some of n columns."""
        if list(which) == list(range(n)):
            return value
        return self.writer.op("Gather", value, self.array(which, np.int64), axis=1)

    def together(self, inputs: Sequence[TableInput]) -> str:
        """Return columns of one dtype as a matrix."""
        return self.writer.op("Concat", *(one.name for one in inputs), axis=1)


# -- numbers and flags ----------------------------------------------------------------------------


def _numbers(blocks: _Blocks, inputs: list[TableInput]) -> None:
    op, proto = blocks.writer.op, blocks.writer.onnx.TensorProto
    x = op("Cast", blocks.together(inputs), to=proto.DOUBLE)
    missing = op("IsNaN", x)
    x = op("Where", missing, blocks.array([_filling(one) for one in inputs]), x)
    for kind, encode in ((Scaled, _scaled), (Binned, _binned), (Flag, _flags)):
        which = [i for i, one in enumerate(inputs) if isinstance(one.encoding, kind)]
        if which:
            chosen = [inputs[i] for i in which]
            value = encode(blocks, blocks.taken(x, which, len(inputs)), chosen)
            blocks.add_numbers(value, [i for one in chosen for i in one.own])
    blocks.add_missing(missing, inputs)


def _filling(one: TableInput) -> float:
    """Return the number that stands for a missing one: it is encoded as one is."""
    encoding = one.encoding
    if isinstance(encoding, Scaled | Binned):
        return encoding.center
    return 0.5 if isinstance(encoding, Flag) else 0.0


def _scaled(blocks: _Blocks, x: str, inputs: list[TableInput]) -> str:
    encodings: list[Any] = [one.encoding for one in inputs]
    center = blocks.array([encoding.center for encoding in encodings])
    return _scaled_by(blocks, x, center, blocks.array([encoding.scale for encoding in encodings]))


def _scaled_by(blocks: _Blocks, x: str, center: str, scale: str) -> str:
    """``bounded(clip((x − center) / scale))``."""
    op = blocks.writer.op
    z = op("Div", op("Sub", x, center), scale)
    return _bounded(blocks, op("Clip", z, blocks.array(-FAR), blocks.array(FAR)))


def _bounded(blocks: _Blocks, z: str) -> str:
    """``z / √(1 + (z/3)²)``."""
    op = blocks.writer.op
    third = op("Div", z, blocks.array(BOUND))
    root = op("Sqrt", op("Add", op("Mul", third, third), blocks.array(1.0)))
    return op("Div", z, root)


def _binned(blocks: _Blocks, x: str, inputs: list[TableInput]) -> str:
    """All bins of all columns, each beside a copy of its number."""
    op = blocks.writer.op
    sources, lows, widths, least, most = [], [], [], [], []
    for i, one in enumerate(inputs):
        assert isinstance(one.encoding, Binned)
        last = one.n_own - 1
        for t, (low, high) in enumerate(pairwise(one.encoding.edges)):
            sources.append(i)
            lows.append(low)
            widths.append(min(high - low, LARGEST))
            least.append(-FAR if t == 0 else 0.0)
            most.append(FAR if t == last else 0.0)
    x = op("Gather", x, blocks.array(sources, np.int64), axis=1)
    share = op("Div", op("Sub", x, blocks.array(lows)), blocks.array(widths))
    share = op("Clip", share, blocks.array(-FAR), blocks.array(FAR))
    inside = op("Clip", share, blocks.array(0.0), blocks.array(1.0))
    beyond = op("Max", op("Sub", share, inside), blocks.array(least))
    beyond = op("Min", beyond, blocks.array(most))
    return op("Add", inside, _bounded(blocks, beyond))


def _flags(blocks: _Blocks, x: str, inputs: list[TableInput]) -> str:
    op = blocks.writer.op
    return op("Sub", op("Mul", x, blocks.array(2.0)), blocks.array(1.0))


# -- times ----------------------------------------------------------------------------------------


def _times(blocks: _Blocks, inputs: list[TableInput]) -> None:
    op, proto = blocks.writer.op, blocks.writer.onnx.TensorProto
    t = blocks.together(inputs)
    missing = op("Equal", t, blocks.array(NAT, np.int64))
    centers = [one.encoding.center if isinstance(one.encoding, Time) else 0 for one in inputs]
    t = op("Where", missing, blocks.array(centers, np.int64), t)
    which = [i for i, one in enumerate(inputs) if isinstance(one.encoding, Time)]
    encodings: list[Any] = [inputs[i].encoding for i in which]
    if which:
        value = op("Cast", blocks.taken(t, which, len(inputs)), to=proto.DOUBLE)
        center = blocks.array([encoding.center for encoding in encodings])
        scale = blocks.array([encoding.scale * US_PER_S for encoding in encodings])
        value = _scaled_by(blocks, value, center, scale)
        blocks.add_numbers(value, [inputs[i].first for i in which])
    for part in PARTS:
        having = [i for i, e in zip(which, encodings, strict=True) if part in e.parts]
        if having:
            chosen = [inputs[i] for i in having]
            of, where = (blocks.taken(v, having, len(inputs)) for v in (t, missing))
            _circle(blocks, part, of, where, chosen)
    blocks.add_missing(missing, inputs)


def _circle(blocks: _Blocks, part: str, t: str, missing: str, inputs: list[TableInput]) -> None:
    """Add sine and cosine of a part of the calendar; 0 where the time is missing."""
    op, (period, _) = blocks.writer.op, PARTS[part]
    number = op("Where", missing, blocks.array(period, np.int64), _PARTS[part](blocks, t))
    angle = 2.0 * np.pi / period * np.arange(period)
    circle = np.vstack([np.array([np.sin(angle), np.cos(angle)]).T, np.zeros((1, 2))])
    found = op("Gather", blocks.array(circle, np.float32), number, axis=0)
    shape = blocks.array([0, 2 * len(inputs)], np.int64)  # 0: as many rows as there are
    outputs = []
    for one in inputs:
        assert isinstance(one.encoding, Time)
        place = one.first + 1 + 2 * one.encoding.parts.index(part)
        outputs += [place, place + 1]
    blocks.add(op("Reshape", found, shape), outputs)


def _day(blocks: _Blocks, t: str) -> tuple[str, str]:
    """Days since 1970, rounded down, and µs since their midnight; Div rounds towards 0."""
    op, day = blocks.writer.op, blocks.array(US_PER_DAY, np.int64)
    days = op("Div", t, day)
    rest = op("Sub", t, op("Mul", days, day))
    before = op("Less", rest, blocks.array(0, np.int64))
    before = op("Cast", before, to=blocks.writer.onnx.TensorProto.INT64)
    return op("Sub", days, before), op("Add", rest, op("Mul", before, day))


def _hour(blocks: _Blocks, t: str) -> str:
    return blocks.writer.op("Div", _day(blocks, t)[1], blocks.array(US_PER_HOUR, np.int64))


def _day_of_week(blocks: _Blocks, t: str) -> str:
    op = blocks.writer.op
    since_monday = op("Add", _day(blocks, t)[0], blocks.array(3, np.int64))
    return op("Mod", since_monday, blocks.array(7, np.int64))


def _month(blocks: _Blocks, t: str) -> str:
    """The month, 0 … 11, by the day of an era of 400 years that begins with a March.

    Leap days are then last in their years, and the months, but for the last, a pattern of 153 days
    in five: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    """

    def step(op_type: str, value: str, number: int) -> str:
        return blocks.writer.op(op_type, value, blocks.array(number, np.int64))

    op = blocks.writer.op
    day = step("Mod", step("Add", _day(blocks, t)[0], 719_468), 146_097)  # 1970 is so far in
    leap = op("Sub", step("Div", day, 1_460), step("Div", day, 36_524))
    leap = op("Add", leap, step("Div", day, 146_096))
    year = step("Div", op("Sub", day, leap), 365)
    before = op("Sub", step("Div", year, 4), step("Div", year, 100))
    before = op("Add", step("Mul", year, 365), before)
    of_year = op("Sub", day, before)
    since_march = step("Div", step("Add", step("Mul", of_year, 5), 2), 153)
    return step("Mod", step("Add", since_march, 2), 12)


_PARTS = {"month": _month, "day of week": _day_of_week, "hour": _hour}


# -- text -----------------------------------------------------------------------------------------


def _text(blocks: _Blocks, one: TableInput) -> None:
    encoding, n_out = one.encoding, one.n_own + one.encoding.indicator
    outputs = list(range(one.first, one.first + n_out))
    if not isinstance(encoding, TwoValues | Ordered):
        values = encoding.values if isinstance(encoding, OneHot) else ()
        other = one.n_own - 1 if isinstance(encoding, OneHot) and encoding.has_other else n_out
        missing = n_out - 1 if encoding.indicator else n_out  # n_out itself: no output is 1
        code = _code(blocks, one.name, values, other, missing)
        zero_one = blocks.array([0.0, 1.0], np.float32)
        depth = blocks.array(n_out, np.int64)
        blocks.add(blocks.writer.op("OneHot", code, depth, zero_one, axis=-1), outputs)
        return
    n = len(encoding.values)
    table = np.zeros((n + 2, n_out), np.float32)  # of other text, the last but one; of none, last
    if isinstance(encoding, TwoValues):
        table[:2, 0] = 1.0, -1.0
    else:
        steps = np.array(encoding.steps)
        table[:n, : one.n_own] = np.where(np.arange(n)[:, None] >= steps, 1.0, -1.0)
    if encoding.indicator:
        table[-1, -1] = 1.0
    code = _code(blocks, one.name, encoding.values, n, n + 1)
    blocks.add(blocks.writer.op("Gather", blocks.array(table, np.float32), code, axis=0), outputs)


def _code(blocks: _Blocks, name: str, values: Sequence[str], other: int, missing: int) -> str:
    """Return the number (rows,) of each text among the values, or of others, or of none."""
    codes = {value: i for i, value in enumerate(values) if _can_come(value)}
    codes |= {text: missing for text in MISSING_TEXTS if text not in codes}
    op = blocks.writer.op
    found = op(
        "LabelEncoder", name, domain="ai.onnx.ml", keys_strings=list(codes),
        values_int64s=list(codes.values()), default_int64=other,
    )  # fmt: skip
    return op("Squeeze", found, blocks.array([1], np.int64))


def _can_come(text: str) -> bool:
    """Return whether a string tensor can hold text, and it is not missing by being blank."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return bool(text.strip())
