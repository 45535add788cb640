"""The preparation of tables in JavaScript, which a page carries, compared with `Columns.rows`."""

import datetime as dt
import json
import math
import warnings

import numpy as np
import pytest
from support.javascript_modules import script
from support.table_inputs import random_table

from fastnn.exchange.page import sources
from fastnn.exchange.page.description import columns_of
from fastnn.tabular import as_frame, learn_columns
from fastnn.tabular.kinds import as_kind
from fastnn.tabular.stored import ENCODINGS

SEEDS = range(60)

SCRIPT = """\
import fs from "node:fs";
import { rowOf } from "./table.js";
const jobs = JSON.parse(fs.readFileSync(new URL("jobs.json", import.meta.url)));
console.log(JSON.stringify(jobs.map(({ columns, records }) =>
  records.map((record) => Array.from(rowOf(columns, record))))));
"""


def rows_in_node(folder, jobs):
    """The rows of each (columns, records), as the page computes them."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "table.js").write_text(sources.source("table.js"))
    told = [{"columns": columns_of(columns), "records": records} for columns, records in jobs]
    (folder / "jobs.json").write_text(json.dumps(told))
    return [np.array(rows, np.float32) for rows in script(folder, SCRIPT)]


def records_of(columns, table):
    """A table as the form's records: a cell for each column that is read."""
    frame = as_frame(table)
    cells = {}
    for read in columns.table:
        if read.encoding is not None:
            column = as_kind(frame[read.name], read.encoding.kind)
            cells[read.name] = [cell_of(value, column.kind) for value in column.values.tolist()]
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def cell_of(value, kind):
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind == "flag":
        return bool(value)
    if kind == "text":
        return value if value.strip() else None
    return value.isoformat() if kind == "time" else value


def quiet_rows(columns, table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of cells that training had not
        return columns.rows(table)


def in_calendar(table):
    """The table without times beyond the years 1 to 9999, which a field cannot hold."""
    ends = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31", "us")
    return {
        name: [np.clip(v, *ends) if isinstance(v, np.datetime64) else v for v in cells]
        for name, cells in table.items()
    }


def test_random_tables_become_the_same_rows(tmp_path):
    jobs, expected, met = [], [], set()
    for seed in SEEDS:
        train, later, kinds = random_table(seed)
        columns, later = learn_columns(train, kinds=kinds), in_calendar(later)
        jobs.append((columns, records_of(columns, later)))
        expected.append(quiet_rows(columns, later))
        met |= {column.encoding.tag for column in columns.table if column.encoding is not None}
    for seed, mine, its in zip(SEEDS, rows_in_node(tmp_path, jobs), expected, strict=True):
        np.testing.assert_allclose(mine, its, rtol=2e-7, atol=1e-7, err_msg=f"seed {seed}")
    assert met >= {*ENCODINGS} - {"bins"}


@pytest.mark.parametrize("n_bins", [1, 2, 7, 48])
def test_bins(tmp_path, n_bins):
    rng = np.random.default_rng(n_bins)
    table = {"a": rng.lognormal(size=200).tolist(), "b": (rng.normal(size=200) * 1e300).tolist()}
    columns = learn_columns(table, n_bins=n_bins)
    later = {name: [None, 0.0, -1e308, 1e308, 5.0, *cells[:40]] for name, cells in table.items()}
    (mine,) = rows_in_node(tmp_path, [(columns, records_of(columns, later))])
    np.testing.assert_allclose(mine, quiet_rows(columns, later), rtol=2e-7, atol=1e-7)


@pytest.mark.parametrize("zone", ["", "Z", "+05:30", "-11:00"])
def test_times_of_every_form(tmp_path, zone):
    """At the ends of hours, days, months and years, before and after 1970, in every zone."""
    days = [dt.datetime(y, m, d) for y in (2, 1969, 1970, 2000, 2024, 9998) for m, d in
            ((1, 1), (2, 28), (3, 1), (12, 31))]  # fmt: skip
    moments = [day + dt.timedelta(microseconds=us) for day in days
               for us in (0, 1, 3_599_999_999, 43_200_000_000, 86_399_999_999)]  # fmt: skip
    texts = [moment.isoformat() + zone for moment in moments]
    if not zone:
        texts += ["2024-02-29", "2024-02-29 23:59", "2024-02-29T23:59:58.5"]
    table = {"t": texts}
    columns = learn_columns(table, kinds={"t": "time"})
    assert columns.table[0].encoding.parts == ("month", "day of week", "hour")
    (mine,) = rows_in_node(tmp_path, [(columns, [{"t": text} for text in texts])])
    np.testing.assert_allclose(mine, columns.rows(table), rtol=2e-7, atol=1e-7)
