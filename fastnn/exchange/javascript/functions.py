"""The functions of a network in plain JavaScript, for engines without vectors in WebAssembly.

Each has the parameters of its twin in `fastnn.exchange.javascript.dense`, ``kernel`` or
``activations``, and works on the same numbers: places are bytes, ``f32`` is the memory, and columns
are padded to vectors of four. Numbers are JavaScript's, float64, and rounded to float32 where they
are stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastnn.architecture import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from fastnn.exchange.javascript.activations import CDF, CDF_SHIFT

DENSE = """\
  // out = bias + x @ weight, whose columns lie in panels of at most 4 * WIDEST columns; inputs that
  // are zero are left out.
  dense(x, xRow, nRows, nIn, weight, bias, nVectors, out) {
    x /= 4, xRow /= 4, weight /= 4, bias /= 4, out /= 4;
    const listed = new Int32Array(nIn);
    for (; nRows > 0; nRows--, x += xRow) {
      let n = 0, w = weight, b = bias, left = nVectors;
      for (let i = 0; i < nIn; i++) if (f32[x + i] !== 0) listed[n++] = i;
      for (let panels = Math.ceil(nVectors / WIDEST); panels > 0; panels--) {
        const width = 4 * Math.ceil(left / panels);
        for (let j = 0; j < width; j += 4, b += 4, out += 4) {
          let s = f32[b], t = f32[b + 1], u = f32[b + 2], v = f32[b + 3];
          for (let k = 0; k < n; k++) {
            const i = listed[k], x_i = f32[x + i], at = w + i * width + j;
            s += x_i * f32[at];
            t += x_i * f32[at + 1];
            u += x_i * f32[at + 2];
            v += x_i * f32[at + 3];
          }
          f32[out] = s, f32[out + 1] = t, f32[out + 2] = u, f32[out + 3] = v;
        }
        w += nIn * width, left -= width / 4;
      }
    }
  },
"""

BYTES = """\
  bytes(from, end, scale, to) {
    for (to /= 4; from < end; from++, to++) f32[to] = f32[scale / 4] * u8[from];
  },
"""

SOFTMAX = """\
  softmax(at, nRows, nVectors) {
    for (let start = at / 4; nRows > 0; nRows--, start += 4 * nVectors) {
      const z = f32.subarray(start, start + 4 * nVectors);
      let largest = z[0], sum = 0;
      for (const value of z) largest = Math.max(largest, value);
      for (let i = 0; i < z.length; i++) sum += z[i] = Math.exp(z[i] - largest);
      for (let i = 0; i < z.length; i++) z[i] /= sum;
    }
  },
"""

EXPRESSIONS = {
    "sigmoid": "sigmoid(z)",
    "tanh": "Math.tanh(z)",
    "relu": "z < 0 ? 0 : z",
    "leaky_relu": f"z < 0 ? {LEAKY_SLOPE} * z : z",
    "elu": "z < 0 ? Math.expm1(z) : z",
    "selu": f"z < 0 ? {SELU_SCALE * SELU_ALPHA!r} * Math.expm1(z) : {SELU_SCALE!r} * z",
    "gelu": "z * normalCdf(z)",
    "silu": "z * sigmoid(z)",
    "mish": "Math.max(z, -200) * tanhSoftplus(z)",
    "softplus": "Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)))",
    "exp": "Math.exp(z)",
}
"""y = f(z) of each activation and output except identity and softmax."""

_SIGMOID = """\
// 1 / (1 + e^-z), from e^-|z|, so that nothing overflows.
function sigmoid(z) {
  const e = Math.exp(-Math.abs(z));
  return (z < 0 ? e : 1) / (1 + e);
}
"""

_horner = repr(CDF[0])
for _coefficient in CDF[1:]:
    _horner = f"({_horner}) * q + {_coefficient!r}"

_NORMAL_CDF = f"""\
// The normal distribution's probability of a value below z.
function normalCdf(z) {{
  const u = Math.min(Math.abs(z), 15), q = (u - {CDF_SHIFT:g}) / (u + {CDF_SHIFT:g});
  const p = {_horner};
  const tail = Math.exp(-0.5 * u * u) * p / (u + {CDF_SHIFT:g});
  return z > 0 ? 1 - tail : tail;
}}
"""

_TANH_SOFTPLUS = """\
// tanh(log(1 + e^z)), from e^-|z|, so that nothing overflows.
function tanhSoftplus(z) {
  const e = Math.exp(-Math.abs(z)), square = e * e;
  const p = 2 * e + (z < 0 ? square : 1);
  return p / (p + 2 * (z < 0 ? 1 : square));
}
"""

SCALAR = {
    "sigmoid": _SIGMOID,
    "silu": _SIGMOID,
    "gelu": _NORMAL_CDF,
    "mish": _TANH_SOFTPLUS,
}
"""What the expressions of activations call."""


ELEMENTWISE = """\
// The function that replaces every number by f's.
const each = (f) => (at, nRows, nVectors) => {
  for (let i = at / 4, end = i + 4 * nRows * nVectors; i < end; i++) f32[i] = f(f32[i]);
};
"""


def plain_kernel(functions: Iterable[str]) -> str:
    """Return the object ``plain``, with the functions that a network needs."""
    needed = [name for name in dict.fromkeys(functions) if name != "identity"]
    scalar = dict.fromkeys(SCALAR[name] for name in needed if name in SCALAR)
    methods = [
        SOFTMAX if name == "softmax" else f"  {name}: each((z) => {EXPRESSIONS[name]}),\n"
        for name in needed
    ]
    plain = "const plain = {\n" + DENSE + BYTES + "".join(methods) + "};\n"
    return "\n".join([*scalar, ELEMENTWISE, plain])
