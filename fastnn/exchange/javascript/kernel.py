"""The WebAssembly module of a network: a dense layer, and the activations that it needs.

The text is WebAssembly's own, assembled by `fastnn.exchange.javascript.assembler`. Everything is
float32 in vectors of four. A layer

    out (n_rows, 4 n_vectors) = bias + x (n_rows, n_in) @ weight,    sums from the first input on

keeps its weights in *panels* of at most 8 vectors of columns, row by row, so that one row of x
streams through them and a panel serves all rows while it is in the cache. A tile of the result is
in registers: one row times a panel, or four rows times two vectors. Each number is summed in the
same order in both, so that a row has the same bits alone or among others; and WebAssembly rounds
the same everywhere, so that all engines return the same.

exp and what rests on it are those of the compiled kernels, ``kernels/cython/simd/exponential.h``.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastnn.architecture import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from fastnn.exchange.javascript.assembler import assembled

WIDEST = 8
"""Vectors of a panel: with two for a product, the accumulators leave some of 16 registers."""

VECTOR = 16  # bytes

CDF_SHIFT = 3.0
CDF = (
    5.185632e-05, -2.0389947e-04, -9.4675075e-04, 1.0171296e-03, 6.9374652e-03, -1.0462445e-02,
    -4.7258191e-02, 2.3001771e-01, -5.0933218e-01, 7.2908372e-01,
)  # fmt: skip
"""Of the normal distribution: Φ(−u) = e^(−u²/2) P(q) / (u + 3) with q = (u − 3) / (u + 3), where
P is the polynomial of least relative error, 2e-8, for 0 ≤ u ≤ 14.5; highest power first."""

EXP = (
    1.98756915e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    0.50000001201,
)
"""Of e^r = 1 + r + r² P(r), |r| ≤ ln 2 / 2: Moshier's minimax coefficients (Cephes, expf)."""

LN2_HIGH, LN2_LOW = 0.693145751953125, 1.428606765330187e-06
"""ln 2 to 15 bits, so that times a whole number it is exact, and the next 16."""

LOG1P_TERMS = 8
"""Of 2 atanh(s) = 2 s (1 + s²/3 + s⁴/5 + …) for s ≤ 1/3: the next is below 1e-9."""


def kernel(functions: Iterable[str]) -> bytes:
    """Return the module for a network with these activations and outputs."""
    return assembled(module_text(functions))


def module_text(functions: Iterable[str]) -> str:
    """Return the module's text.

    Parameters
    ----------
    functions : iterable of str
        Activations and outputs; identity has no function.
    """
    texts = [tile(1, n) for n in range(1, WIDEST + 1)] + [tile(4, 2), tile(4, 1), DENSE]
    needed = [name for name in dict.fromkeys(functions) if name != "identity"]
    called: list[str] = []
    for name in needed:
        called += CALLED.get(name, ())
    texts += [INNER[name] for name in INNER if name in called]
    texts += [SOFTMAX if name == "softmax" else elementwise(name) for name in needed]
    return '(module (import "" "memory" (memory 1))\n' + "\n".join(texts) + ")"


# -- a dense layer --------------------------------------------------------------------------------


def tile(n_rows: int, n_vectors: int) -> str:
    """Return the function for `n_rows` rows times `n_vectors` vectors of columns.

    Its parameters, in bytes: the place of a row's first number and of its end, the distance of two
    rows, the weights, the distance from one input's weights to the next one's, the biases, the
    outputs and the distance of two rows of them.
    """
    rows, vectors = range(n_rows), range(n_vectors)
    sums = [(i, v) for i in rows for v in vectors]
    lines = [
        f"(func $tile_{n_rows}x{n_vectors} (param $x i32) (param $end i32) (param $row i32)",
        "  (param $weight i32) (param $step i32) (param $bias i32) (param $out i32)",
        "  (param $out_row i32)",
        *(f"  (local $x{i} i32) (local $x_i{i} v128)" for i in rows),
        *(f"  (local $sum{i}_{v} v128)" for i, v in sums),
        *(f"  (local $w{v} v128)" for v in vectors),
        "  (local.set $x0 (local.get $x))",
        *(
            f"  (local.set $x{i} (i32.add (local.get $x{i - 1}) (local.get $row)))"
            for i in rows[1:]
        ),
        *(
            f"  (local.set $sum{i}_{v} (v128.load offset={VECTOR * v} (local.get $bias)))"
            for i, v in sums
        ),
        "  (loop $next",
        *(
            f"    (local.set $w{v} (v128.load offset={VECTOR * v} (local.get $weight)))"
            for v in vectors
            if n_rows > 1
        ),
    ]
    for i in rows:
        lines.append(f"    (local.set $x_i{i} (v128.load32_splat (local.get $x{i})))")
        lines.append(f"    (local.set $x{i} (i32.add (local.get $x{i}) (i32.const 4)))")
        for v in vectors:
            weight = f"(local.get $w{v})"
            if n_rows == 1:
                weight = f"(v128.load offset={VECTOR * v} (local.get $weight))"
            lines.append(
                f"    (local.set $sum{i}_{v} (f32x4.add (local.get $sum{i}_{v})"
                f" (f32x4.mul (local.get $x_i{i}) {weight})))"
            )
    lines += [
        "    (local.set $weight (i32.add (local.get $weight) (local.get $step)))",
        "    (br_if $next (i32.lt_u (local.get $x0) (local.get $end))))",
    ]
    for i in rows:
        lines += [
            f"  (v128.store offset={VECTOR * v} (local.get $out) (local.get $sum{i}_{v}))"
            for v in vectors
        ]
        lines.append("  (local.set $out (i32.add (local.get $out) (local.get $out_row)))")
    return "\n".join(lines) + ")"


def _call(n_rows: int, n_vectors: int, beyond: str = "") -> str:
    """Return the call of a tile, for the vectors of the panel after the first `beyond` bytes."""
    moved = [
        f"(i32.add (local.get ${place}) {beyond})" if beyond else f"(local.get ${place})"
        for place in ("weight", "bias", "y")
    ]
    return (
        f"(call $tile_{n_rows}x{n_vectors} (local.get $x_row)"
        f" (i32.add (local.get $x_row) (local.get $size)) (local.get $row) {moved[0]}"
        f" (local.get $step) {moved[1]} {moved[2]} (local.get $out_row))"
    )


_WIDTHS = "\n".join(
    f"        (if (i32.eq (local.get $width) (i32.const {n})) (then {_call(1, n)}))"
    for n in range(1, WIDEST + 1)
)

DENSE = f"""\
;; A layer, panel by panel: of those that are left, each takes its share of the vectors.
(func $dense (export "dense") (param $x i32) (param $row i32) (param $n_rows i32)
  (param $n_in i32)
  (param $weight i32) (param $bias i32) (param $n_vectors i32) (param $out i32)
  (local $size i32) (local $out_row i32) (local $panels i32) (local $width i32) (local $step i32)
  (local $left i32) (local $x_row i32) (local $y i32) (local $v i32)
  (local.set $size (i32.mul (local.get $n_in) (i32.const 4)))
  (local.set $out_row (i32.mul (local.get $n_vectors) (i32.const {VECTOR})))
  (local.set $panels
    (i32.div_u (i32.add (local.get $n_vectors) (i32.const {WIDEST - 1})) (i32.const {WIDEST})))
  (loop $panel
    (local.set $width (i32.div_u
      (i32.sub (i32.add (local.get $n_vectors) (local.get $panels)) (i32.const 1))
      (local.get $panels)))
    (local.set $step (i32.mul (local.get $width) (i32.const {VECTOR})))
    (local.set $left (local.get $n_rows))
    (local.set $x_row (local.get $x))
    (local.set $y (local.get $out))
    (block $few
      (loop $four
        (br_if $few (i32.lt_u (local.get $left) (i32.const 4)))
        (local.set $v (i32.const 0))
        (block $odd
          (loop $pair
            (br_if $odd (i32.gt_u (i32.add (local.get $v) (i32.const {2 * VECTOR}))
              (local.get $step)))
            {_call(4, 2, "(local.get $v)")}
            (local.set $v (i32.add (local.get $v) (i32.const {2 * VECTOR})))
            (br $pair)))
        (if (i32.lt_u (local.get $v) (local.get $step)) (then {_call(4, 1, "(local.get $v)")}))
        (local.set $left (i32.sub (local.get $left) (i32.const 4)))
        (local.set $x_row
          (i32.add (local.get $x_row) (i32.mul (local.get $row) (i32.const 4))))
        (local.set $y (i32.add (local.get $y) (i32.mul (local.get $out_row) (i32.const 4))))
        (br $four)))
    (block $done
      (loop $one
        (br_if $done (i32.eq (local.get $left) (i32.const 0)))
{_WIDTHS}
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (local.set $x_row (i32.add (local.get $x_row) (local.get $row)))
        (local.set $y (i32.add (local.get $y) (local.get $out_row)))
        (br $one)))
    (local.set $weight
      (i32.add (local.get $weight) (i32.mul (local.get $n_in) (local.get $step))))
    (local.set $bias (i32.add (local.get $bias) (local.get $step)))
    (local.set $out (i32.add (local.get $out) (local.get $step)))
    (local.set $n_vectors (i32.sub (local.get $n_vectors) (local.get $width)))
    (local.set $panels (i32.sub (local.get $panels) (i32.const 1)))
    (br_if $panel (local.get $panels))))
"""


# -- functions of a vector ------------------------------------------------------------------------


def _splat(value: float) -> str:
    return f"(f32x4.splat (f32.const {value!r}))"


def _polynomial(x: str, coefficients: Iterable[float]) -> str:
    """Return Horner's scheme, the highest power first."""
    first, *rest = coefficients
    text = _splat(first)
    for coefficient in rest:
        text = f"(f32x4.add (f32x4.mul {text} {x}) {_splat(coefficient)})"
    return text


_Z, _E, _R, _N, _S = (f"(local.get ${name})" for name in "zerns")
_ONE, _TWO, _ZERO = _splat(1.0), _splat(2.0), _splat(0.0)
_MINUS_ABS = f"(f32x4.neg (f32x4.abs {_Z}))"
_NEGATIVE = f"(f32x4.lt {_Z} {_ZERO})"
_POSITIVE = f"(f32x4.gt {_Z} {_ZERO})"
_SQUARE = f"(f32x4.mul {_S} {_S})"


def _choose(mask: str, yes: str, no: str) -> str:
    return f"(v128.bitselect {yes} {no} {mask})"


def _power_of_two(whole: str) -> str:
    """Return 2^n for whole numbers in the range of normal ones, made in the exponent's bits."""
    return f"(i32x4.shl (i32x4.add {whole} (i32x4.splat (i32.const 127))) (i32.const 23))"


# z = n ln 2 + r: n goes to $e, r to $r and the whole n to $n.
_REDUCE = f"""\
  (local.set $e (f32x4.nearest (f32x4.mul {_Z} {_splat(1.4426950408889634)})))
  (local.set $r (f32x4.sub (f32x4.sub {_Z} (f32x4.mul {_E} {_splat(LN2_HIGH)}))
    (f32x4.mul {_E} {_splat(LN2_LOW)})))
  (local.set $n (i32x4.trunc_sat_f32x4_s {_E}))
"""
_EXPM1_R = f"(f32x4.add (f32x4.mul {_polynomial(_R, EXP)} (f32x4.mul {_R} {_R})) {_R})"
_HALF = f"(i32x4.shr_s {_N} (i32.const 1))"

INNER = {
    "exp_of": f"""\
;; e^z: 2^n · e^r, with 2^n in two factors, so that results overflow to infinity and go down to
;; zero. Beyond -104 and 89 it is zero and infinity; NaN stays, which pmin and pmax let pass.
(func $exp_of (param $z v128) (result v128) (local $e v128) (local $r v128) (local $n v128)
  (local.set $z (f32x4.pmin (f32x4.pmax {_Z} {_splat(-104.0)}) {_splat(89.0)}))
{_REDUCE}
  (f32x4.mul (f32x4.mul (f32x4.add {_EXPM1_R} {_ONE}) {_power_of_two(_HALF)})
    {_power_of_two(f"(i32x4.sub {_N} {_HALF})")}))
""",
    "expm1_of": f"""\
;; e^z - 1 for z <= 0, which keeps its digits near zero.
(func $expm1_of (param $z v128) (result v128) (local $e v128) (local $r v128) (local $n v128)
  (local.set $z (f32x4.pmax {_Z} {_splat(-63.5)}))
{_REDUCE}
  (local.set $e {_power_of_two(_N)})
  (f32x4.add (f32x4.mul {_EXPM1_R} {_E}) (f32x4.sub {_E} {_ONE})))
""",
    "sigmoid_of": f"""\
;; 1 / (1 + e^-z), from e^-|z|, so that nothing overflows.
(func $sigmoid_of (param $z v128) (result v128) (local $e v128)
  (local.set $e (call $exp_of {_MINUS_ABS}))
  (f32x4.div {_choose(_NEGATIVE, _E, _ONE)} (f32x4.add {_ONE} {_E})))
""",
}
"""Functions that others call, in the order in which they call each other."""

CALLED = {
    "sigmoid": ("exp_of", "sigmoid_of"), "silu": ("exp_of", "sigmoid_of"), "tanh": ("expm1_of",),
    "elu": ("expm1_of",), "selu": ("expm1_of",), "gelu": ("exp_of",), "mish": ("exp_of",),
    "softplus": ("exp_of",), "exp": ("exp_of",), "softmax": ("exp_of",),
}  # fmt: skip

_BELOW = f"(f32x4.pmin {_Z} {_ZERO})"
_E_MINUS_ABS = f"(local.set $e (call $exp_of {_MINUS_ABS}))"
_SIGN = f"(v128.and {_Z} (i32x4.splat (i32.const -0x80000000)))"

# log(1 + e) for 0 <= e <= 1: 2 atanh(s), s = e / (e + 2).
_LOG1P_SERIES = _polynomial(_R, [1 / (2 * k + 1) for k in range(LOG1P_TERMS, 0, -1)])

EXPRESSIONS = {
    "sigmoid": ("", f"(call $sigmoid_of {_Z})"),
    "tanh": (  # -m / (m + 2) with m = e^(-2|z|) - 1, and z's sign
        f"(local.set $e (call $expm1_of (f32x4.mul {_MINUS_ABS} {_TWO})))",
        f"(v128.or (f32x4.abs (f32x4.div {_E} (f32x4.add {_E} {_TWO}))) {_SIGN})",
    ),
    "relu": ("", f"(f32x4.pmax {_Z} {_ZERO})"),
    "leaky_relu": ("", _choose(_POSITIVE, _Z, f"(f32x4.mul {_Z} {_splat(LEAKY_SLOPE)})")),
    "elu": ("", _choose(_POSITIVE, _Z, f"(call $expm1_of {_BELOW})")),
    "selu": (
        "",
        _choose(
            _POSITIVE,
            f"(f32x4.mul {_Z} {_splat(SELU_SCALE)})",
            f"(f32x4.mul (call $expm1_of {_BELOW}) {_splat(SELU_SCALE * SELU_ALPHA)})",
        ),
    ),
    "gelu": (  # z Φ(z), with Φ(-|z|) = e^(-z²/2) P(q) / (|z| + 3), and 1 - that where z > 0
        f"""(local.set $s (f32x4.pmin (f32x4.abs {_Z}) {_splat(15.0)}))
    (local.set $r (f32x4.div {_ONE} (f32x4.add {_S} {_splat(CDF_SHIFT)})))
    (local.set $e (f32x4.mul (f32x4.sub {_S} {_splat(CDF_SHIFT)}) {_R}))
    (local.set $e (f32x4.mul (f32x4.mul {_polynomial(_E, CDF)} {_R})
      (call $exp_of (f32x4.mul {_SQUARE} {_splat(-0.5)}))))""",
        f"(f32x4.mul {_Z} {_choose(_POSITIVE, f'(f32x4.sub {_ONE} {_E})', _E)})",
    ),
    "silu": ("", f"(f32x4.mul {_Z} (call $sigmoid_of {_Z}))"),
    "mish": (  # z p / q with e = e^-|z|, p = 2 e + (z < 0 ? e² : 1), q = p + 2 (z < 0 ? 1 : e²)
        f"""{_E_MINUS_ABS}
    (local.set $s (f32x4.mul {_E} {_E}))
    (local.set $r (f32x4.add (f32x4.add {_E} {_E}) {_choose(_NEGATIVE, _S, _ONE)}))
    (local.set $s (f32x4.mul {_choose(_NEGATIVE, _ONE, _S)} {_TWO}))""",
        f"(f32x4.mul (f32x4.pmax {_Z} {_splat(-104.0)}) (f32x4.div {_R} (f32x4.add {_R} {_S})))",
    ),
    "softplus": (  # max(z, 0) + log(1 + e^-|z|)
        f"""{_E_MINUS_ABS}
    (local.set $s (f32x4.div {_E} (f32x4.add {_E} {_TWO})))
    (local.set $r {_SQUARE})
    (local.set $s (f32x4.add {_S} {_S}))""",
        f"(f32x4.add (f32x4.pmax {_Z} {_ZERO})"
        f" (f32x4.add (f32x4.mul (f32x4.mul {_S} {_R}) {_LOG1P_SERIES}) {_S}))",
    ),
    "exp": ("", f"(call $exp_of {_Z})"),
}
"""Of each activation what comes first, and y = f(z), for z in $z; $e, $r and $s are at hand."""


def elementwise(name: str) -> str:
    """Return the function that applies an activation in place, to whole vectors."""
    first, y = EXPRESSIONS[name]
    return f"""\
(func ${name} (export "{name}") (param $at i32) (param $n_rows i32) (param $n_vectors i32)
  (local $end i32) (local $z v128) (local $e v128) (local $r v128) (local $s v128)
  (local.set $end (i32.add (local.get $at)
    (i32.mul (i32.mul (local.get $n_rows) (local.get $n_vectors)) (i32.const {VECTOR}))))
  (loop $next
    (local.set $z (v128.load (local.get $at)))
    {first}
    (v128.store (local.get $at) {y})
    (local.set $at (i32.add (local.get $at) (i32.const {VECTOR})))
    (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))
"""


def _across(function: str) -> str:
    """Combine the four numbers of $r, so that each is the result."""
    swapped = (
        f"(local.set $r ({function} {_R} (i8x16.shuffle {order} {_R} {_R})))"
        for order in ("8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7",
                      "4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11")
    )  # fmt: skip
    return " ".join(swapped)


def _each_vector(*lines: str) -> str:
    body = "\n      ".join(lines)
    return f"""\
(local.set $p (local.get $at))
    (loop $next
      {body}
      (local.set $p (i32.add (local.get $p) (i32.const {VECTOR})))
      (br_if $next (i32.lt_u (local.get $p) (local.get $end))))"""


_AT_P = "(v128.load (local.get $p))"

SOFTMAX = f"""\
;; softmax, row by row; the columns of the padding are -infinity, and become zero.
(func $softmax (export "softmax") (param $at i32) (param $n_rows i32) (param $n_vectors i32)
  (local $end i32) (local $p i32) (local $z v128) (local $e v128) (local $r v128)
  (loop $row
    (local.set $end (i32.add (local.get $at)
      (i32.mul (local.get $n_vectors) (i32.const {VECTOR}))))
    (local.set $r (v128.load (local.get $at)))
    {_each_vector(f"(local.set $r (f32x4.max {_R} {_AT_P}))")}
    {_across("f32x4.max")}
    (local.set $z {_R})
    (local.set $r {_ZERO})
    {
    _each_vector(
        f"(local.set $e (call $exp_of (f32x4.sub {_AT_P} {_Z})))",
        f"(v128.store (local.get $p) {_E})",
        f"(local.set $r (f32x4.add {_R} {_E}))",
    )
}
    {_across("f32x4.add")}
    {_each_vector(f"(v128.store (local.get $p) (f32x4.div {_AT_P} {_R}))")}
    (local.set $at (local.get $end))
    (local.set $n_rows (i32.sub (local.get $n_rows) (i32.const 1)))
    (br_if $row (local.get $n_rows))))
"""
