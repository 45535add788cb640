"""The module's own functions, as text: unpacking, the kernel, and what it exports.

``LAYERS``, ``DATA`` and the other constants in capitals are written by
`fastnn.exchange.javascript.module`.
"""

UNPACK = """\
function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
"""

PLACES = """\
// Where everything lies in memory, in bytes. The columns of weights and outputs are padded to whole
// vectors of four numbers. The rows of a call are taken ROWS at a time.
const ROWS = 64;
let end = 0;
function place(nNumbers) {
  const start = end;
  end += 64 * Math.ceil(nNumbers / 16); // lines of a cache
  return start;
}
// The first place is the table by which numbers that are not zero are listed; 0 stands for no list.
const TABLE = place(64), SCALE = place(1), RAW = place(ROWS * N_IN / 4);
const INPUT = place(ROWS * N_IN), LIST = place(ROWS * (4 + Math.max(...LAYERS.map((l) => l.nIn))));
const layers = LAYERS.map(({ nIn, nOut, activation }, l) => {
  const nVectors = Math.ceil(nOut / 4), columns = 4 * nVectors;
  return {
    nIn, nOut, activation, nVectors, activate: null,
    weight: place(nIn * columns), bias: place(columns), out: place(ROWS * columns),
    list: l === 0 || LAYERS[l - 1].activation === "relu" ? LIST : 0, // what has zeros
  };
});
const memory = allocated();
const buffer = memory instanceof ArrayBuffer ? memory : memory.buffer;
const f32 = new Float32Array(buffer), u8 = new Uint8Array(buffer);

function allocated() {
  try {
    return new WebAssembly.Memory({ initial: Math.ceil(end / 65536) });
  } catch {
    return new ArrayBuffer(end); // no WebAssembly here
  }
}

// The place of each column of a layer, and the distance from one input's weights to the next one's:
// columns lie in panels of at most 4 * WIDEST.
function* columnsOf({ nIn, nOut, nVectors, weight }) {
  let start = weight / 4, first = 0;
  for (let panels = Math.ceil(nVectors / WIDEST); panels > 0; panels--) {
    const width = 4 * Math.ceil(nVectors / panels);
    for (let j = 0; j < width && first + j < nOut; j++) yield [first + j, start + j, width];
    start += nIn * width, first += width, nVectors -= width / 4;
  }
}
"""

# Numbers in float32 come first in DATA, for each layer its scales and biases; then the weights.
LOAD = """\
function load() {
  const bytes = bytesOf(DATA), view = new DataView(bytes.buffer);
  let at = 0;
  const float32s = (n) => {
    const result = new Float32Array(n);
    for (let i = 0; i < n; i++, at += 4) result[i] = view.getFloat32(at, true);
    return result;
  };
  const inputs = { mean: MEAN ? float32s(N_IN) : null, factor: FACTOR ? float32s(N_IN) : null };
  const scales = [];
  for (const { nOut, nVectors, activation, bias } of layers) {
    if (SCALES) scales.push(float32s(nOut));
    if (activation === "softmax") f32.fill(-Infinity, bias / 4, bias / 4 + 4 * nVectors);
    f32.set(BIAS ? float32s(nOut) : new Float32Array(nOut), bias / 4);
  }
  layers.forEach((layer, l) => {
    for (const [j, place, step] of columnsOf(layer)) {
      const scale = SCALES ? scales[l][j] : 1;
      for (let i = 0; i < layer.nIn; i++) {
        f32[place + i * step] = scale * weightAt(view, at + SIZE * (i * layer.nOut + j));
      }
    }
    at += SIZE * layer.nIn * layer.nOut;
  });
  return inputs;
}
"""

WEIGHT_AT = {
    "float32": """\
const SIZE = 4, SCALES = false; // bytes of a weight, and whether each column has a scale
const weightAt = (view, at) => view.getFloat32(at, true);
""",
    "float16": """\
const SIZE = 2, SCALES = false; // bytes of a weight, and whether each column has a scale
function weightAt(view, at) {
  const bits = view.getUint16(at, true), exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
  return bits >> 15 ? -size : size;
}
""",
    "int8": """\
const SIZE = 1, SCALES = true; // bytes of a weight, and whether each column has a scale
const weightAt = (view, at) => view.getInt8(at);
""",
}

START = """\
// The kernel in WebAssembly where the engine has its vectors, else the one above.
function started() {
  try {
    const module = new WebAssembly.Module(bytesOf(KERNEL));
    return new WebAssembly.Instance(module, { "": { memory } }).exports;
  } catch {
    return plain;
  }
}

const kernel = started();
const inputs = load();
f32[SCALE / 4] = INPUT_SCALE;
// For each choice of zeros among four numbers, the places of the others, in bytes.
for (let zeros = 0; zeros < 16; zeros++) {
  for (let i = 0, to = TABLE + 16 * zeros; i < 4; i++) {
    if (!((zeros >> i) & 1)) u8[to] = 4 * i, to += 4;
  }
}
for (const layer of layers) layer.activate = kernel[layer.activation] ?? null;
const last = layers[layers.length - 1];
info.engine = kernel === plain ? "plain" : "wasm";
Object.freeze(info);
"""

PREDICT = """\
function refuse(what, Type = RangeError) {
  throw new Type(`${what}: pass rows of ${N_IN} numbers, one after the other`);
}

const BYTES = ["Uint8Array", "Uint8ClampedArray"], NUMBERS = ["Float32Array", "Float64Array"];

// Whether rows are bytes; refuses what are no rows.
function checked(x) {
  const type = isFloat32(x) ? "Float32Array" : typeName(x);
  if (BYTES.includes(type)) return checkedLength(x, true);
  if (Array.isArray(x)) {
    const wrong = x.findIndex((value) => typeof value !== "number");
    if (wrong >= 0) refuse(`x[${wrong}] is of type ${typeof x[wrong]}`, TypeError);
  } else if (!NUMBERS.includes(type)) {
    refuse(`x is of type ${type}, not ${[...NUMBERS, "Array", ...BYTES].join(", ")}`, TypeError);
  }
  if (TAKES_BYTES && areLikeBytes(x)) {
    throw new TypeError("x holds whole numbers up to 255, and the network was trained on bytes: " +
      "pass a Uint8Array, or the numbers times info.inputScale");
  }
  return checkedLength(x, false);
}

function areLikeBytes(x) {
  let largest = 0;
  for (const value of x) {
    if (!Number.isInteger(value) || value < 0) return false;
    largest = Math.max(largest, value);
  }
  return largest >= 128 && largest <= 255;
}

// Also of an array from another page or worker.
const typeName = (x) => Object.prototype.toString.call(x).slice(8, -1);
const isFloat32 = (x) => x instanceof Float32Array || typeName(x) === "Float32Array";

function checkedLength(x, isBytes) {
  if (x.length === 0 || x.length % N_IN) refuse(`x holds ${x.length} numbers`);
  return isBytes;
}

// Rows of x from the number `from` on, as what the first layer takes.
function read(x, from, n, isBytes) {
  const to = INPUT / 4;
  if (!FACTOR) {
    const rows = x.length === n ? x : x.slice(from, from + n);
    if (!isBytes) return f32.set(rows, to);
    u8.set(rows, RAW);
    return kernel.bytes(RAW, RAW + n, SCALE, INPUT);
  }
  const { mean, factor } = inputs, scale = isBytes ? INPUT_SCALE : 1;
  for (let i = 0, k = 0; i < n; i++, k = k + 1 === N_IN ? 0 : k + 1) {
    f32[to + i] = (scale * x[from + i] - (mean ? mean[k] : 0)) * factor[k];
  }
}

// An input that is not finite makes all sums of its row so, since no weight is.
function checkFinite(x, from, nRows) {
  const { nVectors, out } = layers[0];
  for (let row = 0, sum = out / 4; row < nRows; row++, sum += 4 * nVectors) {
    if (Number.isFinite(f32[sum])) continue;
    for (let i = row * N_IN; i < (row + 1) * N_IN; i++) {
      if (Number.isFinite(f32[INPUT / 4 + i])) continue;
      throw new RangeError(`x[${from + i}] is ${x[from + i]}: pass numbers within float32's range`);
    }
  }
}

/** The outputs of rows of numbers, or of bytes, which count as inputScale times their value. */
export function predict(x, out) {
  const isBytes = checked(x), nRows = x.length / N_IN;
  if (out === undefined) {
    out = new Float32Array(nRows * N_OUT);
  } else if (!isFloat32(out) || out.length !== nRows * N_OUT) {
    throw new TypeError(`out must be a Float32Array of ${nRows * N_OUT} numbers`);
  } else if (nRows > ROWS && out.buffer === x.buffer) {
    x = x.slice(); // out may overlap it
  }
  for (let row = 0; row < nRows; row += ROWS) {
    const n = Math.min(ROWS, nRows - row);
    read(x, row * N_IN, n * N_IN, isBytes);
    let source = INPUT, rowBytes = 4 * N_IN;
    for (const { nIn, weight, bias, nVectors, out: target, list, activate } of layers) {
      kernel.dense(source, rowBytes, n, nIn, weight, bias, nVectors, target, list);
      if (source === INPUT) checkFinite(x, row * N_IN, n);
      if (activate !== null) activate(target, n, nVectors);
      source = target;
      rowBytes = 16 * nVectors;
    }
    const step = 4 * last.nVectors;
    for (let i = 0, from = source / 4, to = row * N_OUT; i < n; i++, from += step, to += N_OUT) {
      for (let j = 0; j < N_OUT; j++) out[to + j] = f32[from + j];
    }
  }
  return out;
}
"""

DECIDE = {
    "softmax": """\
// The first of the largest outputs of a row.
function decide(out, start) {
  let best = start;
  for (let j = start + 1; j < start + N_OUT; j++) if (out[j] > out[best]) best = j;
  return best - start;
}
""",
    "sigmoid": """\
// Class 1 if its probability is above one half.
const decide = (out, start) => (out[start] > 0.5 ? 1 : 0);
""",
}

CLASSES = """\
/** The class of each row. */
export function predictClasses(x) {
  const out = predict(x), classes = [];
  for (let start = 0; start < out.length; start += N_OUT) {
    if (Number.isNaN(out[start])) {
      throw new RangeError(`row ${start / N_OUT} has no class: numbers overflow in the network`);
    }
    classes.push(info.classes[decide(out, start)]);
  }
  return classes;
}

/** The class of one row. */
export function predictClass(x) {
  const classes = predictClasses(x);
  if (classes.length > 1) throw new RangeError(`predictClass takes one row of ${N_IN} numbers`);
  return classes[0];
}
"""
