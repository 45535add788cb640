// Times a module and onnxruntime-web in one process: node javascript.mjs FOLDER SECONDS
import fs from "node:fs";
import { createRequire } from "node:module";

const [folder, seconds] = [process.argv[2], Number(process.argv[3])];
const numbers = (name) => new Float32Array(Uint8Array.from(fs.readFileSync(`${folder}/${name}`)).buffer);
const x = numbers("x.bin"), expected = numbers("expected.bin");

async function timed(call) {
  if (call().some?.((value, i) => Math.abs(value - expected[i]) > 1e-5)) throw new Error("wrong");
  const times = [];
  for (const end = performance.now() + 1000 * seconds; performance.now() < end; ) {
    const start = performance.now();
    for (let i = 0; i < 100; i++) {
      const answer = call();
      if (answer instanceof Promise) await answer;
    }
    times.push((performance.now() - start) * 10); // µs a call
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

const ort = createRequire(`${folder}/package.json`)("onnxruntime-web");
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(fs.readFileSync(`${folder}/net.onnx`), {
  executionProviders: ["wasm"],
});
const feeds = { x: new ort.Tensor("float32", x, [1, x.length]) };
const { probabilities } = await session.run(feeds);
if (probabilities.data.some((value, i) => Math.abs(value - expected[i]) > 1e-5)) throw new Error("wrong");
const result = { "onnxruntime-web": await timed(() => session.run(feeds, ["probabilities"])) };
result.wasm = await timed(await predictor("wasm"));
delete globalThis.WebAssembly;
result.plain = await timed(await predictor("plain"));
console.log(JSON.stringify(result));

async function predictor(engine) {
  const net = await import(`${folder}/net.mjs?${engine}`);
  if (net.info.engine !== engine) throw new Error(`engine ${net.info.engine}`);
  return () => net.predict(x);
}
