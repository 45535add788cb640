// What the network is.
import { byId, made } from "./elements.js";

/** Show the layers and the facts of a description. */
export function showAbout({ layers, facts }) {
  byId("layers").replaceChildren(
    ...layers.map((cells) => made("tr", {}, ...cells.map((cell) => made("td", {}, cell)))),
  );
  byId("facts").replaceChildren(
    ...facts.flatMap(([term, words]) => [made("dt", {}, term), made("dd", {}, words)]),
  );
}
