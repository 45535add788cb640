// A form with a field for each column of a table, and the record that it holds.
import { made, numberOf, shown } from "./elements.js";

const MISSING = "(missing)";

/** Fields in `form`; `changed` is called with a record, or null while a field is wrong. */
export function tableForm(form, columns, changed) {
  const fields = columns.map((column, i) => FIELDS[column.kind](column, `field-${i}`));
  form.replaceChildren(
    made("p", { class: "note" }, "It begins with medians, and the first of each choice."),
    ...fields.map((field) => field.element),
  );
  form.onsubmit = (event) => event.preventDefault();
  form.oninput = update;

  function update() {
    const record = {};
    let isRight = true;
    fields.forEach((field, i) => {
      try {
        record[columns[i].name] = field.read();
        field.complain("");
      } catch (error) {
        field.complain(error.message);
        isRight = false;
      }
    });
    changed(isRight ? record : null);
  }
  return { update };
}

// Only whether there is a cell says anything of such a column.
const isOnlyMissing = (column) => column.tag === "missing";

const FIELDS = {
  number(column, id) {
    if (isOnlyMissing(column)) return choice(column, id, [["any number", 0]]);
    const { edges, center, scale } = column;
    const input = made("input", {
      id, autocomplete: "off", value: shown(center),
      // keyboards of phones for decimals may have no minus
      inputmode: edges?.[0] >= 0 ? "decimal" : "text",
    });
    const [low, high] = edges ? [edges[0], edges.at(-1)] : [center - 2 * scale, center + 2 * scale];
    const slider = made("input", {
      type: "range", min: low, max: high, step: "any", "aria-label": `${column.name}, slider`,
    });
    slider.value = center;
    slider.addEventListener("input", () => {
      const step = 10 ** Math.floor(Math.log10((high - low) / 100));
      input.value = shown(Math.round(slider.value / step) * step);
    });
    input.addEventListener("input", () => {
      const number = Number(input.value);
      if (input.value.trim() && Number.isFinite(number)) slider.value = number;
    });
    const hasSlider = Number.isFinite(high - low) && high > low;
    const range = edges ? `${shown(low)} to ${shown(high)} in training, ` : "";
    const missing = column.may_miss ? ", may be empty" : "";
    const note = `${range}median ${shown(center)}${missing}`;
    return field(column, id, hasSlider ? [input, slider] : [input], input, note, () => {
      if (input.value.trim()) return numberOf(input.value);
      if (column.may_miss) return null;
      throw new RangeError("A number is needed: no training row was without one");
    });
  },
  flag(column, id) {
    return choice(column, id, [["no", false], ["yes", true]]);
  },
  text(column, id) {
    const { values = [] } = column;
    const options = values.map((value) => [value, value]);
    if (isOnlyMissing(column)) options.push(["any text", "text"]);
    if (column.has_other) {
      let other = "any other";
      while (values.includes(other)) other += "…";
      options.push(["any other", other]);
    }
    return choice(column, id, options);
  },
  time(column, id) {
    const zone = column.has_zone ? "Z" : "";
    if (isOnlyMissing(column)) return choice(column, id, [["any time", `2000-01-01T00:00${zone}`]]);
    const input = made("input", { id, type: "datetime-local", step: 1 });
    const center = new Date(column.center / 1000);
    if (!Number.isNaN(center.getTime())) input.value = center.toISOString().slice(0, 19);
    const note = [zone ? "in UTC" : "", column.may_miss ? "may be empty" : ""];
    return field(column, id, [input], input, note.filter(Boolean).join(", "), () => {
      if (input.value) return input.value + zone;
      if (column.may_miss && !input.validity.badInput) return null;
      throw new RangeError("A date and a time are needed");
    });
  },
};

// A choice among [words, cell] and, where it is allowed, no cell.
function choice(column, id, options) {
  const all = column.may_miss ? [...options, [MISSING, null]] : options;
  const select = made("select", { id }, ...all.map(([words]) => made("option", {}, words)));
  return field(column, id, [select], select, "", () => all[select.selectedIndex][1]);
}

function field(column, id, controls, main, note, read) {
  const error = made("p", { class: "error", id: `${id}-error` });
  const described = [error.id];
  const parts = [made("label", { for: id }, column.name), ...controls, error];
  if (note) {
    parts.push(made("p", { class: "note", id: `${id}-note` }, note));
    described.push(`${id}-note`);
  }
  main.setAttribute("aria-describedby", described.join(" "));
  function complain(words) {
    if (error.textContent !== words) error.textContent = words;
    main.setAttribute("aria-invalid", String(words !== ""));
  }
  return { element: made("div", {}, ...parts), read, complain };
}
