// A board to draw on with finger, pen, mouse or keyboard. The ink is computed here, not read back
// from the canvas, which some browsers falsify to protect their users from being recognised.
export const CELLS = 140; // of the board's ink, in each direction
const PEN = 6; // radius of the pen, in cells
const STEPS = 28; // places of the keyboard's cursor, in each direction

/** A board on a canvas; `changed` is called when its ink changes, `say` tells where the cursor is. */
export function drawingBoard(canvas, changed, say) {
  const ink = new Float32Array(CELLS * CELLS), strokes = [];
  const cursor = { column: STEPS / 2, row: STEPS / 2, shown: false };
  let pointer = null, penIsDown = false;

  function add(stroke, point) {
    const before = stroke.at(-1) ?? point;
    stroke.push(point);
    cover(ink, before, point);
  }

  function begin(point) {
    strokes.push([]);
    add(strokes.at(-1), point);
    update();
  }

  function update() {
    paint();
    changed(board.isEmpty);
  }

  function again() {
    ink.fill(0);
    for (const stroke of strokes) {
      stroke.forEach((point, i) => cover(ink, stroke[Math.max(0, i - 1)], point));
    }
    update();
  }

  // -- finger, pen and mouse

  function placeOf(event) {
    const box = canvas.getBoundingClientRect();
    const within = (z, start, size) => CELLS * Math.min(1, Math.max(0, (z - start) / size));
    return [within(event.clientX, box.left, box.width), within(event.clientY, box.top, box.height)];
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    liftPen();
    begin(placeOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) add(strokes.at(-1), placeOf(each));
    update();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pointer) pointer = null;
    });
  }

  // -- keyboard

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const atCursor = () => [cursor.column, cursor.row].map((k) => (k + 0.5) * CELLS / STEPS);
  const where = () => `column ${cursor.column + 1}, row ${cursor.row + 1}`;
  function liftPen() {
    penIsDown = false;
  }
  function move([dx, dy]) {
    const inside = (k) => Math.min(STEPS - 1, Math.max(0, k));
    cursor.column = inside(cursor.column + dx);
    cursor.row = inside(cursor.row + dy);
    if (penIsDown) add(strokes.at(-1), atCursor());
    say(`${penIsDown ? "Drawing, " : ""}${where()}`);
  }
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key in MOVES) {
      move(MOVES[key]);
      penIsDown ? update() : paint();
    } else if (key === " " || key === "Enter") {
      penIsDown = !penIsDown;
      say(`Pen ${penIsDown ? "down" : "up"}, ${where()}`);
      penIsDown ? begin(atCursor()) : paint();
    } else if (key === "Delete" || key === "Backspace") {
      board.clear();
    } else if (key === "Escape" && penIsDown) {
      liftPen();
      say("Pen up");
      paint();
    } else {
      return;
    }
    event.preventDefault();
  });
  canvas.addEventListener("focus", () => {
    cursor.shown = canvas.matches(":focus-visible");
    paint();
  });
  canvas.addEventListener("blur", () => {
    cursor.shown = false;
    liftPen();
    paint();
  });
  canvas.addEventListener("keydown", () => { cursor.shown = true; }, { capture: true });

  // -- picture

  function paint() {
    const size = Math.round(canvas.clientWidth * devicePixelRatio);
    if (size === 0) return;
    if (canvas.width !== size) canvas.width = canvas.height = size;
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
    context.setTransform(size / CELLS, 0, 0, size / CELLS, 0, 0);
    context.clearRect(0, 0, CELLS, CELLS);
    context.strokeStyle = style.color;
    context.lineWidth = 2 * PEN;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const point of stroke) context.lineTo(...point);
      context.stroke();
    }
    if (!cursor.shown) return;
    const [x, y] = atCursor();
    context.strokeStyle = style.getPropertyValue("--bar");
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(x, y, penIsDown ? 3 : PEN, 0, 2 * Math.PI);
    for (const [dx, dy] of Object.values(MOVES)) {
      context.moveTo(x + 7 * dx, y + 7 * dy);
      context.lineTo(x + 11 * dx, y + 11 * dy);
    }
    context.stroke();
  }
  new ResizeObserver(paint).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);

  const board = {
    ink,
    get isEmpty() {
      return strokes.length === 0;
    },
    clear() {
      strokes.length = 0;
      liftPen();
      again();
      say("The board is empty");
    },
    undo() {
      if (board.isEmpty) return;
      strokes.pop();
      liftPen();
      again();
      say(`${strokes.length} ${strokes.length === 1 ? "stroke is" : "strokes are"} left`);
    },
  };
  return board;
}

// The ink of a line from a to b: of each cell the share that the pen covers, about.
function cover(ink, [ax, ay], [bx, by]) {
  const reach = PEN + 1, dx = bx - ax, dy = by - ay, square = dx * dx + dy * dy;
  const from = (z) => Math.max(0, Math.floor(z - reach));
  const to = (z) => Math.min(CELLS, Math.ceil(z + reach));
  for (let y = from(Math.min(ay, by)); y < to(Math.max(ay, by)); y++) {
    for (let x = from(Math.min(ax, bx)); x < to(Math.max(ax, bx)); x++) {
      const px = x + 0.5 - ax, py = y + 0.5 - ay;
      const along = square ? Math.min(1, Math.max(0, (px * dx + py * dy) / square)) : 0;
      const distance = Math.hypot(px - along * dx, py - along * dy);
      const share = Math.min(1, Math.max(0, PEN + 0.5 - distance));
      if (share > ink[y * CELLS + x]) ink[y * CELLS + x] = share;
    }
  }
}
