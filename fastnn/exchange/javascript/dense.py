"""A dense layer in WebAssembly, in vectors of four float32; inputs that are zero may be left out.

    out (n_rows, 4 n_vectors) = bias + x (n_rows, n_in) @ weight,    sums from the first input on

Weights lie in *panels* of at most `WIDEST` vectors of columns, row by row, so that one row of x
streams through them and a panel serves all rows while it is in the cache. A tile of the result is
in registers: one row times a panel, or, of a row whose inputs are mostly zero, those that are not
times a panel; they are listed first. (Tiles of several rows gain nothing: what limits V8 is three
instructions for each vector of weights, and not the caches.)

Each number is summed in the same order in both, and what is left out is zero times a finite weight,
so that a row has the same bits alone or among others. (A sum that starts from anything but -0,
which biases never are, never becomes -0, and adding 0 leaves its bits alone.)
"""

from __future__ import annotations

from collections.abc import Sequence

WIDEST = 9
"""Vectors of a panel."""

MOST_AT_ONCE = 7
"""Vectors that a block without a jump accumulates: V8 before version 12 loads all weights of a
block first, and 7 of them, as many accumulators and an input are the 15 registers that it has. Of 9
vectors, 5 and 4 are accumulated in two blocks: 9 accumulators, 5 weights and an input."""

VECTOR = 16  # bytes

DENSEST = (2, 3)
"""The list is used if fewer than 2 in 3 inputs are not zero: each then takes longer, but half of
all, and still 1.4 of the time where weights come from the second cache."""


def panels(n_vectors: int) -> list[int]:
    """Return the vectors of each panel: as equal as they can be, the wider ones first."""
    n = -(-n_vectors // WIDEST)
    return [-(-(n_vectors - i) // n) for i in range(n)]


def dense(layers: Sequence[tuple[int, bool]]) -> str:
    """Return ``dense`` and what it calls.

    Parameters
    ----------
    layers : sequence of (int, bool)
        Of each layer, the vectors of its outputs, and whether inputs that are zero are left out.
    """
    widths = sorted({width for n, _ in layers for width in panels(n)})
    of_listed = sorted({width for n, has_zeros in layers if has_zeros for width in panels(n)})
    tiles = [*map(tile, widths), *map(tile_of_listed, of_listed)]
    return "\n".join([*tiles, LISTED, _layer(widths, of_listed)])


# -- tiles ----------------------------------------------------------------------------------------


def tile(n_vectors: int) -> str:
    """Return the function for one row times a panel.

    Its parameters, in bytes: the place of the row's first number and of its end, the weights, the
    biases and the outputs.
    """
    return _tile_of_one_row(
        f"$tile_{n_vectors}",
        n_vectors,
        inputs="(local.set $x_i (v128.load32_splat (local.get $at)))",
        weights="weight",
        parameters="(param $at i32) (param $end i32)",
        next_weights=f"(i32.add (local.get $weight) (i32.const {VECTOR * n_vectors}))",
    )


def tile_of_listed(n_vectors: int) -> str:
    """Return the function for the inputs of a row that are listed, times a panel.

    Its parameters are those of `tile`, the list's first place and its end for the row's, and the
    row's first number before them.
    """
    return _tile_of_one_row(
        f"$listed_{n_vectors}",
        n_vectors,
        inputs=f"""\
(local.set $i (i32.load (local.get $at)))
    (local.set $x_i (v128.load32_splat (i32.add (local.get $x) (local.get $i))))
    (local.set $w (i32.add (local.get $weight)
      (i32.mul (local.get $i) (i32.const {n_vectors * VECTOR // 4}))))""",
        weights="w",
        parameters="(param $x i32) (param $at i32) (param $end i32)",
    )


def _tile_of_one_row(
    name: str,
    n_vectors: int,
    *,
    inputs: str,
    weights: str,
    parameters: str,
    next_weights: str = "",
) -> str:
    vectors = range(n_vectors)
    sums = [
        _added(f"$sum{v}", "$x_i", f"(v128.load offset={VECTOR * v} (local.get ${weights}))")
        for v in vectors
    ]
    half = "\n".join(sums[: (n_vectors + 1) // 2]), "\n".join(sums[(n_vectors + 1) // 2 :])
    advance = "(local.set $at (i32.add (local.get $at) (i32.const 4)))"
    if next_weights:
        advance += f" (local.set $weight {next_weights})"
    more = "(i32.lt_u (local.get $at) (local.get $end))"
    loop = f"""\
    (loop $next
    {inputs}
{half[0]}
{half[1]}
    {advance}
    (br_if $next {more}))"""
    if n_vectors > MOST_AT_ONCE:
        loop = f"""\
    {inputs}
{half[0]}
    (loop $next
{half[1]}
    {advance}
    (br_if $done (i32.eqz {more}))
    {inputs}
{half[0]}
    (br $next))"""
    lines = [
        f"(func {name} {parameters} (param $weight i32) (param $bias i32) (param $out i32)",
        "  (local $i i32) (local $w i32) (local $x_i v128)",
        *(f"  (local $sum{v} v128)" for v in vectors),
    ]
    for v in vectors:
        bias = f"(v128.load offset={VECTOR * v} (local.get $bias))"
        lines.append(f"  (local.set $sum{v} {bias})")
    lines += [
        "  (block $done",
        "    (br_if $done (i32.eq (local.get $at) (local.get $end)))",
        f"{loop})",
    ]
    for v in vectors:
        lines.append(f"  (v128.store offset={VECTOR * v} (local.get $out) (local.get $sum{v}))")
    return "\n".join(lines) + ")"


def _added(total: str, x: str, weight: str) -> str:
    return (
        f"    (local.set {total} (f32x4.add (local.get {total})"
        f" (f32x4.mul (local.get {x}) {weight})))"
    )


# -- which inputs are not zero --------------------------------------------------------------------

LISTED = f"""\
;; List the places of a row's numbers that are not zero, in bytes from the row's first; return the
;; list's end, or 0 where they are many. A table at place 0 has, for each choice of zeros among four
;; numbers, the places of the others: four are written, and those that are no places overwritten.
(func $listed (param $x i32) (param $size i32) (param $list i32) (result i32)
  (local $end i32) (local $to i32) (local $zeros i32)
  (local $before v128) (local $zero v128) (local $step v128)
  (local.set $step (i32x4.splat (i32.const {VECTOR})))
  (local.set $end (i32.add (local.get $x) (local.get $size)))
  (local.set $to (local.get $list))
  (loop $next
    (local.set $zeros (i32x4.bitmask (i32x4.eq (v128.load (local.get $x)) (local.get $zero))))
    (v128.store (local.get $to) (i32x4.add (local.get $before)
      (v128.load (i32.shl (local.get $zeros) (i32.const 4)))))
    (local.set $to (i32.sub (i32.add (local.get $to) (i32.const {VECTOR}))
      (i32.shl (i32.popcnt (local.get $zeros)) (i32.const 2))))
    (local.set $before (i32x4.add (local.get $before) (local.get $step)))
    (local.set $x (i32.add (local.get $x) (i32.const {VECTOR})))
    (br_if $next (i32.lt_u (local.get $x) (local.get $end))))
  ;; The last vector may reach past the row.
  (block $done
    (loop $trim
      (br_if $done (i32.eq (local.get $to) (local.get $list)))
      (br_if $done
        (i32.lt_u (i32.load (i32.sub (local.get $to) (i32.const 4))) (local.get $size)))
      (local.set $to (i32.sub (local.get $to) (i32.const 4)))
      (br $trim)))
  (i32.mul (local.get $to) (i32.lt_u
    (i32.mul (i32.sub (local.get $to) (local.get $list)) (i32.const {DENSEST[1]}))
    (i32.mul (local.get $size) (i32.const {DENSEST[0]})))))
"""


# -- a layer --------------------------------------------------------------------------------------


def _tile(n_vectors: int) -> str:
    return (
        f"(call $tile_{n_vectors} (local.get $x_row)"
        " (i32.add (local.get $x_row) (local.get $size))"
        " (local.get $weight) (local.get $bias) (local.get $y))"
    )


def _tile_of_listed(n_vectors: int) -> str:
    return (
        f"(call $listed_{n_vectors} (local.get $x_row) (i32.add (local.get $at) (i32.const 4))"
        " (local.get $end) (local.get $weight) (local.get $bias) (local.get $y))"
    )


def _moved(place: str, by: str) -> str:
    return f"(local.set ${place} (i32.add (local.get ${place}) (local.get ${by})))"


def _layer(widths: Sequence[int], of_listed: Sequence[int]) -> str:
    """Return the layer; it takes 0 for `list` where none are to be made."""
    one = "\n".join(
        f"      (if (i32.eq (local.get $width) (i32.const {n})) (then\n"
        + (f"        (if (local.get $end) (then {_tile_of_listed(n)}))\n" * (n in of_listed))
        + f"        (if (i32.eqz (local.get $end)) (then {_tile(n)}))))"
        for n in widths
    )
    return f"""\
;; First a list for each row, after a number that is its end or 0. Then panel by panel: of those
;; that are left, each takes its share of the vectors.
(func $dense (export "dense") (param $x i32) (param $row i32) (param $n_rows i32)
  (param $n_in i32) (param $weight i32) (param $bias i32) (param $n_vectors i32) (param $out i32)
  (param $list i32)
  (local $size i32) (local $out_row i32) (local $panels i32) (local $width i32) (local $step i32)
  (local $left i32) (local $x_row i32) (local $y i32)
  (local $at i32) (local $list_row i32) (local $end i32)
  (local.set $size (i32.mul (local.get $n_in) (i32.const 4)))
  (local.set $out_row (i32.mul (local.get $n_vectors) (i32.const {VECTOR})))
  (local.set $list_row (i32.add (local.get $size) (i32.const {VECTOR})))
  (local.set $left (local.get $n_rows))
  (local.set $x_row (local.get $x))
  (local.set $at (local.get $list))
  (if (local.get $list) (then
    (loop $find
      (i32.store (local.get $at) (call $listed (local.get $x_row) (local.get $size)
        (i32.add (local.get $at) (i32.const 4))))
      {_moved("x_row", "row")}
      {_moved("at", "list_row")}
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $find (local.get $left)))))
  (local.set $panels
    (i32.div_u (i32.add (local.get $n_vectors) (i32.const {WIDEST - 1})) (i32.const {WIDEST})))
  (loop $panel
    (local.set $width (i32.div_u
      (i32.sub (i32.add (local.get $n_vectors) (local.get $panels)) (i32.const 1))
      (local.get $panels)))
    (local.set $step (i32.mul (local.get $width) (i32.const {VECTOR})))
    (local.set $left (local.get $n_rows))
    (local.set $x_row (local.get $x))
    (local.set $at (local.get $list))
    (local.set $y (local.get $out))
    (loop $rows
      (if (local.get $list) (then (local.set $end (i32.load (local.get $at)))))
{one}
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      {_moved("x_row", "row")}
      {_moved("at", "list_row")}
      {_moved("y", "out_row")}
      (br_if $rows (local.get $left)))
    (local.set $weight
      (i32.add (local.get $weight) (i32.mul (local.get $n_in) (local.get $step))))
    {_moved("bias", "step")}
    {_moved("out", "step")}
    (local.set $n_vectors (i32.sub (local.get $n_vectors) (local.get $width)))
    (local.set $panels (i32.sub (local.get $panels) (i32.const 1)))
    (br_if $panel (local.get $panels))))
"""
