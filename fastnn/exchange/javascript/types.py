"""The types of a JavaScript module, for TypeScript and for editors."""

from __future__ import annotations

from fastnn.exchange.c.introduction import MEANINGS
from fastnn.model.model import Model

TYPES = """\
/** Rows, one after the other; bytes count as inputScale times their value. */
export type Rows =
  | Float32Array
  | Float64Array
  | readonly number[]
  | Uint8Array
  | Uint8ClampedArray;

/** What the network takes and returns, and what computes it. */
export declare const info: {
  /** Numbers of a row. */
  readonly nIn: number;
  /** Outputs of a row. */
  readonly nOut: number;
  readonly layers: readonly {
    readonly nIn: number;
    readonly nOut: number;
    readonly activation: string;
  }[];
  readonly output: string;
  readonly classes: CLASSES;
  /** What the network was trained on, where that is known. */
  readonly inputs: "bytes" | "fractions" | "flags" | "numbers" | null;
  /** What bytes are multiplied by. */
  readonly inputScale: number;
  /** The names of the inputs, and of what is predicted, where they are known. */
  readonly columns: readonly string[] | null;
  readonly label: string | null;
  /** WebAssembly with vectors, or plain JavaScript. */
  readonly engine: "wasm" | "plain";
  /** Of fastnn. */
  readonly version: string;
};

/** The outputs of each row: OUTPUTS. They are written into `out`, if it is given. */
export declare function predict(x: Rows, out?: Float32Array): Float32Array;
"""

CLASSES = """
/** The class of one row. */
export declare function predictClass(x: Rows): Class;

/** The class of each row. */
export declare function predictClasses(x: Rows): Class[];
"""


def types(network: Model) -> str:
    """Return the text of the types, in ASCII."""
    a = network.architecture
    text = TYPES.replace("OUTPUTS", MEANINGS[a.output])
    if not a.n_classes:
        return text.replace("CLASSES", "null")
    labels = network.class_labels or (0,)
    kinds = {
        "boolean" if isinstance(label, bool) else "string" if isinstance(label, str) else "number"
        for label in labels
    }
    return (
        f"export type Class = {' | '.join(sorted(kinds))};\n\n"
        + text.replace("CLASSES", "readonly Class[]")
        + CLASSES
    )
