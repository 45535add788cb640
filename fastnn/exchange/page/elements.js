/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/** A new element with attributes and children, which are elements or text. */
export function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A number as people read it, in six digits at most. */
export function shown(number) {
  return String(Number(number.toPrecision(6)));
}

/** A probability as a percentage; only what is certain to float32 is 0 or 100 %. */
export function percent(p) {
  const text = (100 * p).toFixed(1);
  if (text === "100.0" && p < 1) return ">99.9 %";
  if (text === "0.0" && p > 0) return "<0.1 %";
  return `${text} %`;
}

/** Text as a number; throws a RangeError that says what is wrong with it. */
export function numberOf(text) {
  const trimmed = text.trim();
  const number = Number(trimmed);
  if (trimmed !== "" && Number.isFinite(number) && /^[-+.\deE]+$/.test(trimmed)) return number;
  const hint = /^[-+]?\d*,\d+$/.test(trimmed) ? ": write decimals with a point, as 2.5" : "";
  throw new RangeError(`“${trimmed.slice(0, 30)}” is not a number${hint}`);
}
