// A record of a table, {name: cell}, as the row of numbers that a network takes: what
// fastnn.tabular's Columns.rows computes, column by column. A cell is a number, true or false, text
// or a time as text in ISO 8601, and null where it is missing.
const BOUND = 3, FAR = 1e30, LARGEST = Number.MAX_VALUE;

/** The row of a record; `columns` are those of the network's description. */
export function rowOf(columns, record) {
  const row = [];
  for (const column of columns) {
    const cell = record[column.name];
    row.push(...ENCODE[column.tag](column, cell));
    if (column.indicator) row.push(cell === null ? 1 : 0);
  }
  return Float32Array.from(row);
}

const ENCODE = {
  scaled: ({ center, scale }, x) => [x === null ? 0 : scaled(x, center, scale)],
  bins: ({ edges, center }, x) => bins(x ?? center, edges),
  flag: (_, is) => [is === null ? 0 : is ? 1 : -1],
  "one-hot": ({ values, has_other: hasOther }, text) => {
    const place = values.indexOf(text), row = values.map((_, i) => Number(i === place));
    return hasOther ? [...row, Number(place < 0 && text !== null)] : row;
  },
  "two values": ({ values }, text) => [[1, -1][values.indexOf(text)] ?? 0],
  ordered: ({ values, steps }, text) => {
    const rank = values.indexOf(text);
    return steps.map((step) => (rank < 0 ? 0 : rank >= step ? 1 : -1));
  },
  time: ({ center, scale, parts }, text) => {
    if (text === null) return Array(1 + 2 * parts.length).fill(0);
    const { microseconds, ...time } = timeOf(text);
    const circles = parts.flatMap((part) => circle(time[part], PERIODS[part]));
    return [scaled(microseconds - center, 0, 1e6 * scale), ...circles];
  },
  missing: () => [],
};

// z / sqrt(1 + (z/3)^2): z near 0, and never beyond -3 or 3.
const bounded = (z) => z / Math.sqrt(1 + (z / BOUND) * (z / BOUND));
const within = (z, low, high) => Math.min(high, Math.max(low, z));
const scaled = (x, center, scale) => bounded(within((x - center) / scale, -FAR, FAR));

// The share of each bin that is below x; the first and the last go on beyond their edges.
function bins(x, edges) {
  const last = edges.length - 2;
  return edges.slice(1).map((high, t) => {
    const low = edges[t], width = Math.min(high - low, LARGEST);
    const share = within((x - low) / width, -FAR, FAR), inside = within(share, 0, 1);
    return inside + bounded(within(share - inside, t > 0 ? 0 : -FAR, t < last ? 0 : FAR));
  });
}

const PERIODS = { month: 12, "day of week": 7, hour: 24 };
function circle(k, period) {
  const angle = (2 * Math.PI / period) * k;
  return [Math.sin(angle), Math.cos(angle)];
}

const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?(?:Z|([+-])(\d\d):(\d\d))?$/;
const MINUTE = 6e7, HOUR = 60 * MINUTE, DAY = 24 * HOUR; // in microseconds

// A time in UTC: its microseconds since 1970, and the parts of the calendar.
function timeOf(text) {
  const found = ISO.exec(text);
  if (found === null) throw new RangeError(`${text} is no time as 2024-12-31T23:59:59`);
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) => Number(part ?? 0));
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const offset = Number(`${found[8] ?? "+"}1`) * (Number(found[9] ?? 0) * HOUR + Number(found[10] ?? 0) * MINUTE);
  const fraction = Number((found[7] ?? "").padEnd(6, "0"));
  const ofDay = hour * HOUR + minute * MINUTE + second * 1e6 + fraction - offset;
  const days = date.getTime() / 864e5 + Math.floor(ofDay / DAY);
  return {
    microseconds: days * DAY + (ofDay - Math.floor(ofDay / DAY) * DAY),
    month: new Date(days * 864e5).getUTCMonth(),
    "day of week": (((days + 3) % 7) + 7) % 7, // 1970 began on a Thursday
    hour: Math.floor((ofDay - Math.floor(ofDay / DAY) * DAY) / HOUR),
  };
}
