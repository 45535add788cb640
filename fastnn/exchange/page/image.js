// A drawing as a picture for a network, prepared as the digits of MNIST were: scaled such that its
// longer side takes 20 of 28 pixels, its center of mass in the middle, every pixel the share of it
// that is covered by ink. Pictures of other sizes are prepared in the same proportions.
const BOX = 20 / 28;

/** The picture (side * side bytes, 255 is ink) of ink in (cells * cells) numbers from 0 to 1. */
export function pictureOf(ink, cells, side) {
  const picture = new Uint8Array(side * side);
  let left = cells, right = -1, top = cells, bottom = -1, mass = 0, xMass = 0, yMass = 0;
  for (let y = 0; y < cells; y++) {
    for (let x = 0; x < cells; x++) {
      const amount = ink[y * cells + x];
      if (amount === 0) continue;
      left = Math.min(left, x), right = Math.max(right, x);
      top = Math.min(top, y), bottom = Math.max(bottom, y);
      mass += amount, xMass += amount * (x + 0.5), yMass += amount * (y + 0.5);
    }
  }
  if (mass === 0) return picture;
  const cellsPerPixel = Math.max(right - left + 1, bottom - top + 1) / Math.round(BOX * side);
  const columns = shares(xMass / mass, cellsPerPixel, cells, side);
  const rows = shares(yMass / mass, cellsPerPixel, cells, side);
  rows.forEach(({ first: y0, share: yShare }, i) => {
    columns.forEach(({ first: x0, share: xShare }, j) => {
      let sum = 0;
      yShare.forEach((yPart, y) => {
        xShare.forEach((xPart, x) => { sum += yPart * xPart * ink[(y0 + y) * cells + x0 + x]; });
      });
      picture[i * side + j] = Math.round(255 * Math.min(sum, 1));
    });
  });
  return picture;
}

// For each pixel of an axis whose middle is at `center`: the cells that it covers, from the first
// on, and the share of the pixel that each of them takes.
function shares(center, cellsPerPixel, cells, side) {
  return Array.from({ length: side }, (_, i) => {
    const start = center + (i - side / 2) * cellsPerPixel, end = start + cellsPerPixel;
    const first = Math.max(0, Math.floor(start)), last = Math.min(cells, Math.ceil(end));
    const share = [];
    for (let cell = first; cell < last; cell++) {
      share.push((Math.min(end, cell + 1) - Math.max(start, cell)) / cellsPerPixel);
    }
    return { first, share };
  });
}
