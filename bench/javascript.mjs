// Times one row a call, all candidates in turn in one process: node javascript.mjs FOLDER SECONDS
// FOLDER has net.mjs, net.onnx, and of each set of rows NAME.x and NAME.p, float32.
import fs from "node:fs";
import { createRequire } from "node:module";

const [folder, seconds] = [process.argv[2], Number(process.argv[3])];
const SETS = ["digits", "dense"], N_OUT = 10, BOUND = 5e-6;
const numbers = (name) => new Float32Array(Uint8Array.from(fs.readFileSync(`${folder}/${name}`)).buffer);
const rowsOf = (all, n) => Array.from({ length: all.length / n }, (_, i) => all.slice(i * n, (i + 1) * n));

const ours = { wasm: await imported("wasm"), plain: await imported("plain") };
const session = await onnxruntime();
const candidates = [];
for (const set of SETS) {
  const rows = rowsOf(numbers(`${set}.x`), ours.wasm.info.nIn), expected = rowsOf(numbers(`${set}.p`), N_OUT);
  const out = new Float32Array(N_OUT);
  const add = (name, call, read = (found) => found) => {
    candidates.push({ name, set, call, read, n: rows.length, expected, times: [] });
  };
  for (const [engine, { predict }] of Object.entries(ours)) add(engine, (i) => predict(rows[i]));
  add("wasm, predict(x, out)", (i) => ours.wasm.predict(rows[i], out));
  if (set === "digits") {
    const bytes = rows.map((row) => Uint8Array.from(row, (x) => Math.round(x / ours.wasm.info.inputScale)));
    add("wasm, from bytes", (i) => ours.wasm.predict(bytes[i]));
  }
  if (!session) continue;
  const feeds = rows.map((row) => ({ x: new session.Tensor("float32", row, [1, row.length]) }));
  add("onnxruntime-web", (i) => session.run(feeds[i]), (found) => found.probabilities.data);
}

for (const { name, set, call, read, n, expected } of candidates) {
  for (let i = 0; i < n; i++) {
    const right = read(await call(i)).every((p, j) => Math.abs(p - expected[i][j]) <= BOUND);
    if (!right) throw new Error(`${name} is wrong on ${set}`);
  }
}
for (let round = 0, end = performance.now() + 1000 * seconds; performance.now() < end; round++) {
  for (let k = 0; k < candidates.length; k++) {
    await timed(candidates[(round + k) % candidates.length]);
  }
}
const times = candidates.map(({ name, set, times }) => {
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(share * (times.length - 1))];
  return { name, set, median: at(0.5), least: at(0), quartiles: [at(0.25), at(0.75)], rounds: times.length };
});
const versions = `Node ${process.version}${session ? `, onnxruntime-web ${session.version}` : ""}`;
console.log(JSON.stringify({ versions, times }));

// Times a call of every row, after one that brings weights back into the caches.
async function timed({ call, n, name, times }) {
  const run = name.startsWith("onnx") ? awaited : called;
  await run(call, n);
  const start = performance.now();
  await run(call, n);
  times.push((performance.now() - start) * 1000 / n);
}

function called(call, n) {
  for (let i = 0; i < n; i++) call(i);
}

async function awaited(call, n) {
  for (let i = 0; i < n; i++) await call(i);
}

async function imported(engine) {
  const { WebAssembly } = globalThis;
  if (engine === "plain") delete globalThis.WebAssembly;
  const net = await import(`${folder}/net.mjs?${engine}`);
  globalThis.WebAssembly = WebAssembly;
  if (net.info.engine !== engine) throw new Error(`engine ${net.info.engine}`);
  return net;
}

async function onnxruntime() {
  if (!fs.existsSync(`${folder}/node_modules/onnxruntime-web`)) return null;
  const ort = createRequire(`${folder}/package.json`)("onnxruntime-web");
  Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, simd: true });
  const session = await ort.InferenceSession.create(fs.readFileSync(`${folder}/net.onnx`), {
    executionProviders: ["wasm"], graphOptimizationLevel: "all", executionMode: "sequential",
    enableCpuMemArena: true, enableMemPattern: true,
  });
  return { Tensor: ort.Tensor, run: session.run.bind(session), version: ort.env.versions.web };
}
