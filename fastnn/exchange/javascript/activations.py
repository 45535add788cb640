"""Activations and softmax in WebAssembly, in place, on whole vectors of four float32.

exp and what rests on it are those of the compiled kernels, ``kernels/cython/simd/exponential.h``.
Every function is one loop: what it rests on is written into it, and its constants are put into
locals before it, since V8 makes a constant anew, in three instructions, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastnn.architecture import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE

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

ROUNDING, ROUNDING_BITS = 12582912.0, 0x4B400000
"""1.5 · 2²³: added to a number within ±2²², it leaves the nearest whole number in the low bits."""

LOG1P_TERMS = 8
"""Of 2 atanh(s) = 2 s (1 + s²/3 + s⁴/5 + …) for s ≤ 1/3: the next is below 1e-9."""


# -- expressions ----------------------------------------------------------------------------------


def _splat(value: float) -> str:
    return f"(f32x4.splat (f32.const {value!r}))"


def _whole(value: int) -> str:
    return f"(i32x4.splat (i32.const {value}))"


def _set(name: str, value: str) -> str:
    return f"(local.set ${name} {value})"


def _polynomial(x: str, coefficients: Iterable[float]) -> str:
    """Return Horner's scheme, the highest power first."""
    first, *rest = coefficients
    text = _splat(first)
    for coefficient in rest:
        text = f"(f32x4.add (f32x4.mul {text} {x}) {_splat(coefficient)})"
    return text


_Z, _T, _E, _R, _Q, _N, _S = (f"(local.get ${name})" for name in "zterqns")
_ONE, _TWO, _ZERO = _splat(1.0), _splat(2.0), _splat(0.0)
_MINUS_ABS = f"(v128.or {_Z} {_whole(-0x80000000)})"
_NEGATIVE = f"(f32x4.lt {_Z} {_ZERO})"
_POSITIVE = f"(f32x4.gt {_Z} {_ZERO})"
_SQUARE = f"(f32x4.mul {_S} {_S})"


def _choose(mask: str, yes: str, no: str) -> str:
    return f"(v128.bitselect {yes} {no} {mask})"


def _power_of_two(whole: str) -> str:
    """Return 2^n for whole numbers in the range of normal ones, made in the exponent's bits."""
    return f"(i32x4.shl (i32x4.add {whole} {_whole(127)}) (i32.const 23))"


# t = n ln 2 + r: n goes to $e, r to $r and the whole n to $n. r² to $q. NaN stays in $r.
_REDUCE = (
    _set("n", f"(f32x4.add (f32x4.mul {_T} {_splat(1.4426950408889634)}) {_splat(ROUNDING)})"),
    _set("e", f"(f32x4.sub {_N} {_splat(ROUNDING)})"),
    _set("n", f"(i32x4.sub {_N} {_whole(ROUNDING_BITS)})"),
    _set("r", f"(f32x4.sub (f32x4.sub {_T} (f32x4.mul {_E} {_splat(LN2_HIGH)}))"
              f" (f32x4.mul {_E} {_splat(LN2_LOW)}))"),
    _set("q", f"(f32x4.mul {_R} {_R})"),
)  # fmt: skip

# r + r² P(r), with r² in $q: P in pairs (Estrin's scheme), since exp waits for Horner's latency.
_HIGH, _MIDDLE, _LOW = (_polynomial(_R, EXP[i : i + 2]) for i in (0, 2, 4))
_P = f"(f32x4.add (f32x4.mul (f32x4.add (f32x4.mul {_HIGH} {_Q}) {_MIDDLE}) {_Q}) {_LOW})"
_EXPM1_R = f"(f32x4.add (f32x4.mul {_P} {_Q}) {_R})"
_HALF = f"(i32x4.shr_s {_N} (i32.const 1))"


def _exp(z: str) -> str:
    """Set $e to e^z: 2^n · e^r, with 2^n in two factors.

    Results overflow to infinity and go down to zero, beyond -104 and 89 at once; NaN stays, which
    pmin and pmax let pass.
    """
    return "\n    ".join((
        _set("t", f"(f32x4.pmin (f32x4.pmax {z} {_splat(-104.0)}) {_splat(89.0)})"),
        *_REDUCE,
        _set("e", f"(f32x4.mul (f32x4.mul (f32x4.add {_EXPM1_R} {_ONE}) {_power_of_two(_HALF)})"
                  f" {_power_of_two(f'(i32x4.sub {_N} {_HALF})')})"),
    ))  # fmt: skip


def _exp_below(z: str) -> str:
    """Set $e to e^z for z <= 0.

    From n = -127 on, where z < -87.7, 2^n has the bits of zero, and so have results that would be
    subnormal.
    """
    return "\n    ".join((
        _set("t", f"(f32x4.pmax {z} {_splat(-88.0)})"),
        *_REDUCE,
        _set("e", f"(f32x4.mul (f32x4.add {_EXPM1_R} {_ONE}) {_power_of_two(_N)})"),
    ))  # fmt: skip


def _expm1(z: str) -> str:
    """Set $e to e^z - 1 for z <= 0, which keeps its digits near zero."""
    return "\n    ".join((
        _set("t", f"(f32x4.pmax {z} {_splat(-63.5)})"),
        *_REDUCE,
        _set("e", _power_of_two(_N)),
        _set("e", f"(f32x4.add (f32x4.mul {_EXPM1_R} {_E}) (f32x4.sub {_E} {_ONE}))"),
    ))  # fmt: skip


_SIGMOID = f"(f32x4.div {_choose(_NEGATIVE, _E, _ONE)} (f32x4.add {_ONE} {_E}))"
_BELOW = f"(f32x4.pmin {_Z} {_ZERO})"
_SIGN = f"(v128.and {_Z} {_whole(-0x80000000)})"

# log(1 + e) for 0 <= e <= 1: 2 atanh(s), s = e / (e + 2).
_LOG1P_SERIES = _polynomial(_R, [1 / (2 * k + 1) for k in range(LOG1P_TERMS, 0, -1)])

EXPRESSIONS = {
    "sigmoid": (_exp_below(_MINUS_ABS), _SIGMOID),  # from e^-|z|, so that nothing overflows
    "tanh": (  # -m / (m + 2) with m = e^(-2|z|) - 1, and z's sign
        _expm1(f"(f32x4.mul {_MINUS_ABS} {_TWO})"),
        f"(v128.or (f32x4.abs (f32x4.div {_E} (f32x4.add {_E} {_TWO}))) {_SIGN})",
    ),
    "relu": ("", f"(f32x4.pmax {_Z} {_ZERO})"),
    "leaky_relu": ("", _choose(_POSITIVE, _Z, f"(f32x4.mul {_Z} {_splat(LEAKY_SLOPE)})")),
    "elu": (_expm1(_BELOW), _choose(_POSITIVE, _Z, _E)),
    "selu": (
        _expm1(_BELOW),
        _choose(
            _POSITIVE,
            f"(f32x4.mul {_Z} {_splat(SELU_SCALE)})",
            f"(f32x4.mul {_E} {_splat(SELU_SCALE * SELU_ALPHA)})",
        ),
    ),
    "gelu": (  # z Φ(z), with Φ(-|z|) = e^(-z²/2) P(q) / (|z| + 3), and 1 - that where z > 0
        f"""{_set("s", f"(f32x4.pmin (f32x4.abs {_Z}) {_splat(15.0)})")}
    {_exp_below(f"(f32x4.mul {_SQUARE} {_splat(-0.5)})")}
    {_set("r", f"(f32x4.div {_ONE} (f32x4.add {_S} {_splat(CDF_SHIFT)}))")}
    {_set("s", f"(f32x4.mul (f32x4.sub {_S} {_splat(CDF_SHIFT)}) {_R})")}
    {_set("e", f"(f32x4.mul (f32x4.mul {_polynomial(_S, CDF)} {_R}) {_E})")}""",
        f"(f32x4.mul {_Z} {_choose(_POSITIVE, f'(f32x4.sub {_ONE} {_E})', _E)})",
    ),
    "silu": (_exp_below(_MINUS_ABS), f"(f32x4.mul {_Z} {_SIGMOID})"),
    "mish": (  # z p / q with e = e^-|z|, p = 2 e + (z < 0 ? e² : 1), q = p + 2 (z < 0 ? 1 : e²)
        f"""{_exp_below(_MINUS_ABS)}
    {_set("s", f"(f32x4.mul {_E} {_E})")}
    {_set("r", f"(f32x4.add (f32x4.add {_E} {_E}) {_choose(_NEGATIVE, _S, _ONE)})")}
    {_set("s", f"(f32x4.mul {_choose(_NEGATIVE, _ONE, _S)} {_TWO})")}""",
        f"(f32x4.mul (f32x4.pmax {_Z} {_splat(-104.0)}) (f32x4.div {_R} (f32x4.add {_R} {_S})))",
    ),
    "softplus": (  # max(z, 0) + log(1 + e^-|z|)
        f"""{_exp_below(_MINUS_ABS)}
    {_set("s", f"(f32x4.div {_E} (f32x4.add {_E} {_TWO}))")}
    {_set("r", _SQUARE)}
    {_set("s", f"(f32x4.add {_S} {_S})")}""",
        f"(f32x4.add (f32x4.pmax {_Z} {_ZERO})"
        f" (f32x4.add (f32x4.mul (f32x4.mul {_S} {_R}) {_LOG1P_SERIES}) {_S}))",
    ),
    "exp": (_exp(_Z), _E),
}
"""Of each activation what comes first, and y = f(z), for z in $z; $e, $r, $s, $t and $n are at
hand."""


# -- functions ------------------------------------------------------------------------------------


def activation(name: str) -> str:
    """Return the function that applies an activation or softmax in place, to whole vectors."""
    return SOFTMAX if name == "softmax" else _elementwise(name)


def _with_constants(loop: str) -> tuple[str, str, str]:
    """Return the locals of a loop's constants, what sets them, and the loop with them."""
    splats = dict.fromkeys(re.findall(r"\([fi]32x4\.splat \([fi]32\.const [^()]*\)\)", loop))
    for i, splat in enumerate(splats):
        loop = loop.replace(splat, f"(local.get $c{i})")
    declared = " ".join(f"(local $c{i} v128)" for i in range(len(splats)))
    return declared, "\n  ".join(_set(f"c{i}", splat) for i, splat in enumerate(splats)), loop


def _elementwise(name: str) -> str:
    first, y = EXPRESSIONS[name]
    used = [local for local in "terqnsz" if f"${local} " in first or f"${local})" in first + y]
    declared, constants, loop = _with_constants(f"""\
(loop $next
    (local.set $z (v128.load (local.get $at)))
    {first}
    (v128.store (local.get $at) {y})
    (local.set $at (i32.add (local.get $at) (i32.const {VECTOR})))
    (br_if $next (i32.lt_u (local.get $at) (local.get $end))))""")
    return f"""\
(func ${name} (export "{name}") (param $at i32) (param $n_rows i32) (param $n_vectors i32)
  (local $end i32) {" ".join(f"(local ${local} v128)" for local in used)}
  {declared}
  (local.set $end (i32.add (local.get $at)
    (i32.mul (i32.mul (local.get $n_rows) (local.get $n_vectors)) (i32.const {VECTOR}))))
  {constants}
  {loop})
"""


def _across(function: str) -> str:
    """Combine the four numbers of $s, so that each is the result."""
    swapped = (
        f"(local.set $s ({function} {_S} (i8x16.shuffle {order} {_S} {_S})))"
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
  (local $end i32) (local $p i32) (local $z v128) (local $t v128) (local $e v128) (local $r v128)
  (local $q v128) (local $n v128) (local $s v128)
  (loop $row
    (local.set $end (i32.add (local.get $at)
      (i32.mul (local.get $n_vectors) (i32.const {VECTOR}))))
    (local.set $s (v128.load (local.get $at)))
    {_each_vector(f"(local.set $s (f32x4.max {_S} {_AT_P}))")}
    {_across("f32x4.max")}
    (local.set $z {_S})
    (local.set $s {_ZERO})
    {
    _each_vector(
        _exp_below(f"(f32x4.sub {_AT_P} {_Z})"),
        f"(v128.store (local.get $p) {_E})",
        f"(local.set $s (f32x4.add {_S} {_E}))",
    )
}
    {_across("f32x4.add")}
    {_each_vector(f"(v128.store (local.get $p) (f32x4.div {_AT_P} {_S}))")}
    (local.set $at (local.get $end))
    (local.set $n_rows (i32.sub (local.get $n_rows) (i32.const 1)))
    (br_if $row (local.get $n_rows))))
"""
