"""The functions of a network in plain JavaScript, for engines without vectors in WebAssembly.

Each has the parameters of its twin in `fastnn.exchange.javascript.kernel`, and works on the same
numbers: places are bytes, ``f32`` is the memory, and columns are padded to vectors of four. Numbers
are JavaScript's, float64, and rounded to float32 where they are stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastnn.architecture import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from fastnn.exchange.javascript.kernel import CDF, CDF_SHIFT

DENSE = """\
  // out = bias + x @ weight, whose columns lie in panels of at most 4 * WIDEST columns.
  dense(x, xRow, nRows, nIn, weight, bias, nVectors, out) {
    const step = 4 * nVectors;
    x /= 4, xRow /= 4, weight /= 4, bias /= 4, out /= 4;
    for (let panels = Math.ceil(nVectors / WIDEST); panels > 0; panels--) {
      const width = 4 * Math.ceil(nVectors / panels);
      for (let row = 0; row < nRows; row++) {
        const first = x + row * xRow;
        for (let j = 0; j < width; j += 4) {
          let a = f32[bias + j], b = f32[bias + j + 1];
          let c = f32[bias + j + 2], d = f32[bias + j + 3];
          for (let i = first, w = weight + j; i < first + nIn; i++, w += width) {
            const x_i = f32[i];
            a += x_i * f32[w];
            b += x_i * f32[w + 1];
            c += x_i * f32[w + 2];
            d += x_i * f32[w + 3];
          }
          const y = out + row * step + j;
          f32[y] = a, f32[y + 1] = b, f32[y + 2] = c, f32[y + 3] = d;
        }
      }
      weight += nIn * width, bias += width, out += width, nVectors -= width / 4;
    }
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


def elementwise(name: str) -> str:
    """Return the method that applies an activation in place."""
    return f"""\
  {name}(at, nRows, nVectors) {{
    for (let i = at / 4, end = i + 4 * nRows * nVectors; i < end; i++) {{
      const z = f32[i];
      f32[i] = {EXPRESSIONS[name]};
    }}
  }},
"""


def plain_kernel(functions: Iterable[str]) -> str:
    """Return the object ``plain`` with `dense` and the activations that a network needs."""
    needed = [name for name in dict.fromkeys(functions) if name != "identity"]
    scalar = dict.fromkeys(SCALAR[name] for name in needed if name in SCALAR)
    methods = [SOFTMAX if name == "softmax" else elementwise(name) for name in needed]
    plain = "const plain = {\n" + DENSE + "".join(methods) + "};\n"
    return "\n".join([*scalar, plain])
