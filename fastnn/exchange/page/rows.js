// A line of numbers: one row of a network without columns.
import { numberOf } from "./elements.js";

/** The numbers in text, of which there must be `nIn`; throws a RangeError that says what is wrong. */
export function numbersOf(text, nIn) {
  const trimmed = text.trim().replace(/^\[|\]$/g, "");
  const separator = /[;\t]/.test(trimmed) ? /\s*[;\t]\s*/ : /\s*,\s*|\s+/;
  const cells = trimmed === "" ? [] : trimmed.trim().split(separator);
  const numbers = cells.map((cell, i) => {
    try {
      return numberOf(cell);
    } catch (error) {
      throw new RangeError(`Number ${i + 1}: ${error.message}`);
    }
  });
  if (numbers.length !== nIn) {
    throw new RangeError(`${count(nIn, "number is", "numbers are")} needed, there ` +
      `${count(numbers.length, "is", "are", true)}`);
  }
  return numbers;
}

function count(n, one, many, isLast = false) {
  const words = n === 1 ? one : many;
  return isLast ? `${words} ${n}` : `${n} ${words}`;
}

/** What to ask a network for numbers: bytes, if it was trained on bytes and these are some. */
export function requestOf(numbers, inputs) {
  const areBytes = numbers.every((x) => Number.isInteger(x) && x >= 0 && x <= 255);
  if (inputs.takes_bytes && areBytes) return { bytes: Uint8Array.from(numbers) };
  return { numbers };
}
