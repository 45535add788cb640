// What a network answers: in words, as bars, and, once it stays the same, spoken.
import { byId, made, percent, shown } from "./elements.js";

const MOST_BARS = 12;

/** Shows the outputs of the network that `about` describes. */
export function answerBoard(about) {
  const { kind, names } = about.outputs;
  const headline = byId("headline"), list = byId("bars");
  const rows = kind === "numbers" || names.length <= MOST_BARS ? names.length : MOST_BARS;
  const bars = Array.from({ length: rows }, () => bar(kind));
  const all = made("li", { class: "all" });
  list.replaceChildren(...bars.map((each) => each.item), ...(rows < names.length ? [all] : []));
  byId("outputs-title").textContent = kind === "numbers" ? "Outputs" : "Probabilities";

  function say(parts) {
    headline.replaceChildren(...parts);
    speak(headline.textContent);
  }

  return {
    /** Show outputs; `null` for none, and then `words` why. */
    show(outputs, words = "", warning = null) {
      const note = byId("warning");
      note.hidden = !warning;
      note.textContent = warning ?? "";
      if (outputs === null) {
        names.slice(0, rows).forEach((name, i) => bars[i].set(name, null, false));
        headline.replaceChildren(words);
        speak(words);
        return;
      }
      const numbers = kind === "classes" && outputs.length === 1 ? [1 - outputs[0], outputs[0]] : outputs;
      const chosen = CHOSEN[kind](numbers);
      const order = names.map((_, i) => i);
      if (rows < names.length) order.sort((i, j) => numbers[j] - numbers[i]);
      bars.forEach((each, at) => {
        const i = order[at];
        each.set(names[i], numbers[i], chosen.includes(i));
      });
      all.textContent = `The ${rows} most likely of ${names.length}`;
      say(WORDS[kind](numbers, chosen, about));
    },
  };
}

// Which outputs are the answer: the first of the largest, or all that are likelier than not.
const CHOSEN = {
  classes: (p) => [p.length === 2 && p[1] === p[0] ? 0 : p.indexOf(Math.max(...p))],
  labels: (p) => p.flatMap((each, i) => (each > 0.5 ? [i] : [])),
  numbers: () => [],
};

const WORDS = {
  classes: (p, [best], { outputs }) => [made("strong", {}, outputs.names[best]), ` at ${percent(p[best])}`],
  labels: (_, chosen, { outputs }) => [
    made("strong", {}, chosen.map((i) => outputs.names[i]).join(", ") || "none of them"),
  ],
  numbers: (values, _, { outputs }) =>
    values.length === 1
      ? [`${outputs.names[0]} `, made("strong", {}, shown(values[0]))]
      : [`${values.length} numbers`],
};

function bar(kind) {
  const name = made("span"), fill = made("span"), share = made("span", { class: "share" });
  const track = made("span", { class: "track", "aria-hidden": "true" }, fill);
  const item = made("li", {}, name, kind === "numbers" ? made("span") : track, share);
  return {
    item,
    set(words, value, isBest) {
      name.textContent = words;
      item.className = isBest ? "best" : "";
      if (kind !== "numbers") fill.style.width = `${100 * (value ?? 0)}%`;
      share.textContent = value === null ? "–" : kind === "numbers" ? shown(value) : percent(value);
    },
  };
}

// Screen readers are told what stays for a moment, and not what they were told last.
const PAUSE = 900; // milliseconds
let waiting;

/** Tell screen readers, once nothing else is to be told. */
export function speak(words) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const spoken = byId("spoken");
    if (spoken.textContent !== words) spoken.textContent = words;
  }, PAUSE);
}
