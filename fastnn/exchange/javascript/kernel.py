"""The WebAssembly module of a network: a dense layer, and the activations that it needs.

The text is WebAssembly's own, assembled by `fastnn.exchange.javascript.assembler`. Everything is
float32 in vectors of four, in one memory that JavaScript lays out and fills. WebAssembly rounds
the same everywhere, so that all engines return the same; fused multiplications and additions, which
not all have, are not used, and would gain a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.exchange.javascript.activations import activation
from fastnn.exchange.javascript.assembler import assembled
from fastnn.exchange.javascript.dense import dense

WITH_ZEROS = ("relu",)
"""Activations whose outputs are zero often enough for the next layer to look for them."""

BYTES = """\
;; Rows of bytes, times the scale: whole vectors of them, which may reach past the last row.
(func $bytes (export "bytes") (param $from i32) (param $end i32) (param $scale i32)
  (param $to i32)
  (local $factor v128)
  (local.set $factor (v128.load32_splat (local.get $scale)))
  (loop $next
    (v128.store (local.get $to) (f32x4.mul (local.get $factor)
      (f32x4.convert_i32x4_s (i32x4.extend_low_i16x8_u (i16x8.extend_low_i8x16_u
        (v128.load32_zero (local.get $from)))))))
    (local.set $from (i32.add (local.get $from) (i32.const 4)))
    (local.set $to (i32.add (local.get $to) (i32.const 16)))
    (br_if $next (i32.lt_u (local.get $from) (local.get $end)))))
"""


def kernel(layers: Sequence[tuple[int, str]]) -> bytes:
    """Return the module for a network.

    Parameters
    ----------
    layers : sequence of (int, str)
        Of each layer, its outputs and its activation; identity has no function.
    """
    return assembled(module_text(layers))


def module_text(layers: Sequence[tuple[int, str]]) -> str:
    """Return the text of the module of `kernel`."""
    before = ["", *(name for _, name in layers)]
    vectors = [(-(-n // 4), not i or before[i] in WITH_ZEROS) for i, (n, _) in enumerate(layers)]
    needed = [name for name in dict.fromkeys(before[1:]) if name != "identity"]
    texts = [dense(vectors), BYTES, *map(activation, needed)]
    return '(module (import "" "memory" (memory 1))\n' + "\n".join(texts) + ")"
