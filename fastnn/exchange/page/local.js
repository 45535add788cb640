// The networks in this page: one, or several whose outputs are averaged.
import { rowOf } from "./table.js";

/** A function that asks them. */
export function localNetwork(networks, { inputs }) {
  return async ({ bytes, numbers, record }) => {
    const x = record ? rowOf(inputs.columns, record) : bytes ?? Float64Array.from(numbers);
    const outputs = networks.map((network) => network.predict(x));
    const mean = Array.from(outputs[0], (_, j) =>
      outputs.reduce((sum, each) => sum + each[j], 0) / outputs.length);
    if (!mean.every(Number.isFinite)) {
      throw new RangeError("The network's answer is not a finite number: the inputs are too large.");
    }
    return { numbers: mean, warning: null };
  };
}
