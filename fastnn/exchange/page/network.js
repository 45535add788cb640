// The page of one network: its input by drawing, by a form or by numbers, its answer, what it is.
import { showAbout } from "./about.js";
import { answerBoard, speak } from "./answer.js";
import { CELLS, drawingBoard } from "./drawing.js";
import { byId, made, numberOf } from "./elements.js";
import { tableForm } from "./form.js";
import { pictureOf } from "./image.js";
import { newestOnly } from "./newest.js";
import { numbersOf, requestOf } from "./rows.js";

let board = null; // one for all networks
let drawn = () => {}; // called when it changes
let shownNetwork = null;

/** Say what is wrong; nothing with "". */
export function complain(words) {
  const trouble = byId("trouble");
  if (trouble.textContent !== words) trouble.textContent = words;
  trouble.hidden = words === "";
}

/** Show a network; `ask` returns a promise of its outputs, `fail` is called with what went wrong. */
export function openNetwork(about, ask, fail = () => {}) {
  shownNetwork?.forget();
  complain("");
  showAbout(about);
  const { inputs } = about, answers = answerBoard(about);
  const newest = shownNetwork = newestOnly(
    ask,
    ({ numbers, warning }) => {
      complain("");
      answers.show(numbers, "", warning);
    },
    (error) => {
      answers.show(null, "No answer");
      complain(error.message);
      fail(error);
    },
  );
  let last = null; // numbers of the input, which those who switch to numbers begin with

  function put(request, why) {
    last = request?.bytes ?? request?.numbers ?? last;
    if (request !== null) {
      newest.ask(request);
    } else {
      newest.forget();
      answers.show(null, why);
    }
  }

  const openers = {
    table() {
      byId("input-title").textContent = "A row of the table";
      tableForm(byId("fields"), inputs.columns, (record) =>
        put(record && { record }, "See the fields that are marked")).update();
    },
    draw() {
      byId("input-title").textContent = "A drawing";
      openDrawing(inputs.image, put);
    },
    row() {
      byId("input-title").textContent = "A row of numbers";
      openRow(inputs, last, put);
    },
  };
  const parts = { table: "fields", draw: "draw", row: "row" };
  function open(mode) {
    newest.forget();
    drawn = () => {};
    for (const [other, id] of Object.entries(parts)) byId(id).hidden = other !== mode;
    openers[mode]();
  }
  byId("modes").hidden = !inputs.image;
  const first = inputs.columns ? "table" : inputs.image?.first ?? "row";
  for (const radio of byId("modes").querySelectorAll("input")) {
    radio.checked = radio.value === first;
    radio.onchange = () => open(radio.value);
  }
  byId("main").hidden = false;
  open(first);
}

function openDrawing({ side, guess, ink }, put) {
  const view = byId("view"), fullInk = byId("full-ink");
  view.width = view.height = side;
  view.setAttribute("aria-label", `What the network sees: ${side} by ${side} pixels`);
  byId("view-caption").textContent = `Seen as ${side} × ${side}`;
  byId("guess").textContent = guess;
  byId("full").hidden = ink !== "unknown";
  board ??= drawingBoard(byId("board"), (isEmpty) => drawn(isEmpty), speak);
  byId("undo").onclick = board.undo;
  byId("clear").onclick = board.clear;
  fullInk.oninput = () => drawn(board.isEmpty);
  drawn = (isEmpty) => {
    const picture = pictureOf(board.ink, CELLS, side);
    showPicture(view, picture, side);
    if (isEmpty) put(null, "Draw something");
    else {
      try {
        put(requestOfPicture(picture, ink, fullInk), "");
        byId("full-error").textContent = "";
      } catch (error) {
        byId("full-error").textContent = error.message;
        put(null, "No answer");
      }
    }
  };
  drawn(board.isEmpty);
}

// The picture as the network's training rows were: bytes, or numbers up to that of full ink.
function requestOfPicture(picture, ink, fullInk) {
  if (ink === "bytes") return { bytes: picture };
  if (ink === "flags") return { numbers: Array.from(picture, (byte) => Number(byte >= 128)) };
  const full = ink === "unknown" ? numberOf(fullInk.value) : 1;
  return { numbers: Array.from(picture, (byte) => full * (byte / 255)) };
}

// Dark on light, as the board is drawn, or light on dark.
function showPicture(view, picture, side) {
  const context = view.getContext("2d"), pixels = context.createImageData(side, side);
  const [red, green, blue] = getComputedStyle(view).color.match(/\d+/g).map(Number);
  picture.forEach((byte, i) => pixels.data.set([red, green, blue, byte], 4 * i));
  context.putImageData(pixels, 0, 0);
}

const MOST_NAMES = 200;

function openRow({ n_in: nIn, names, mean, takes_bytes: takesBytes }, last, put) {
  const start = last ?? mean ?? Array(nIn).fill(0);
  const startWords = last ? "the drawing" : mean ? "the means of the training rows" : "zeros";
  const hasNames = names !== null && nIn <= MOST_NAMES;
  const field = byId("numbers"), error = byId("numbers-error"), named = byId("named");
  byId("numbers-label").textContent =
    nIn === 1 ? "One number" : `${nIn.toLocaleString("en")} numbers`;
  byId("numbers-help").textContent =
    `Separated by commas, spaces, tabs or semicolons. It begins with ${startWords}.`
    + (takesBytes ? " Whole numbers from 0 to 255 are bytes, as in training." : "");
  named.hidden = !hasNames;
  field.value = Array.from(start, (x) => Number(x.toPrecision(7))).join(", ");
  field.oninput = update;
  update();

  function update() {
    let numbers = null;
    try {
      numbers = numbersOf(field.value, nIn);
      error.textContent = "";
      field.setAttribute("aria-invalid", "false");
    } catch (wrong) {
      error.textContent = wrong.message;
      field.setAttribute("aria-invalid", "true");
    }
    if (hasNames) {
      named.replaceChildren(...names.flatMap((name, i) =>
        [made("dt", {}, name), made("dd", {}, numbers === null ? "–" : String(numbers[i]))]));
    }
    put(numbers && requestOf(numbers, { takes_bytes: takesBytes }), "See the numbers");
  }
}
