"""A Parquet file's claims about its sizes: believed where they are true, refused where not."""

import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.datasets import read_table
from fastnn.datasets.readers.parquet_footer import promise_of, read_footer
from fastnn.datasets.readers.parquet_sizes import check_sizes
from fastnn.datasets.readers.thrift import DEEPEST, Reader

polars = pytest.importorskip("polars")


# -- Thrift ---------------------------------------------------------------------------------------


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def zigzag(n):
    return varint((n << 1) ^ (n >> 63))


def written(value):
    """The type of a value, and its bytes."""
    match value:
        case int():
            return 6, zigzag(value)
        case bytes():
            return 8, varint(len(value)) + value
        case list():
            kind = written(value[0])[0] if value else 3
            n = len(value)
            head = bytes([n << 4 | kind]) if n < 15 else bytes([0xF0 | kind]) + varint(n)
            return 9, head + b"".join(written(v)[1] for v in value)
    return 12, struct(value)


def struct(fields):
    """Bytes of a struct; its fields are numbered up from where they are."""
    out, last = b"", 0
    for number, value in fields.items():
        kind, contents = (2 - value, b"") if isinstance(value, bool) else written(value)
        step = number - last
        near = 0 < step < 16
        out += (bytes([step << 4 | kind]) if near else bytes([kind]) + zigzag(number)) + contents
        last = number
    return out + b"\0"


int64 = st.integers(-(2**63), 2**63 - 1)
plain = st.one_of(int64, st.binary(max_size=5), st.lists(int64, max_size=20))
structs = st.recursive(
    st.dictionaries(st.integers(1, 40), plain | st.booleans(), max_size=5),
    lambda inner: st.dictionaries(
        st.integers(1, 40), inner | st.lists(inner, min_size=1, max_size=3), max_size=4
    ),
    max_leaves=8,
)


def as_python(value):
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, dict):
        return {number: as_python(v) for number, v in value.items()}
    return [as_python(v) for v in value] if isinstance(value, list) else value


@given(fields=structs)
def test_a_struct_is_read_as_it_was_written(fields):
    data = struct(fields)
    reader = Reader(memoryview(data + b"\xff"))
    assert as_python(reader.struct()) == fields
    assert reader.at == len(data)


@given(data=st.binary(max_size=60))
def test_bytes_are_a_struct_or_a_value_error(data):
    try:
        Reader(memoryview(data)).struct()
    except ValueError:
        return


@given(length=st.integers(6, 2**62), kind=st.integers(1, 12))
def test_a_list_of_more_than_there_is_is_refused(length, kind):
    data = bytes([0x19, 0xF0 | kind]) + varint(length) + b"\0" * 5
    with pytest.raises(ValueError, match=r"past the end|unknown"):
        Reader(memoryview(data)).struct()


def test_structs_in_structs_end_somewhere():
    with pytest.raises(ValueError, match=f"{DEEPEST} deep"):
        Reader(memoryview(b"\x1c" * 10_000)).struct()


# -- files ----------------------------------------------------------------------------------------


def frame(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 5, 3000]))
    columns = {
        "numbers": rng.normal(size=n),
        "few": rng.integers(0, 3, n),
        "same": np.zeros(n),
        "text": [str(v) for v in rng.integers(0, 5, n)],
        "flags": rng.random(n) < 0.5,
        "missing": [None if v < 0.5 else float(v) for v in rng.random(n)],
    }
    names = rng.permutation(list(columns))[: rng.integers(1, 7)]
    return {name: columns[name] for name in names.tolist()}


@given(
    seed=st.integers(0, 2**32 - 1),
    packing=st.sampled_from(["uncompressed", "snappy", "gzip", "zstd", "lz4"]),
    group=st.sampled_from([None, 1000]),
    statistics=st.booleans(),
)
def test_what_polars_writes_is_believed(seed, packing, group, statistics):
    file = io.BytesIO()
    polars.DataFrame(frame(seed)).write_parquet(
        file, compression=packing, row_group_size=group, statistics=statistics
    )
    footer = read_footer(file)
    check_sizes(file, footer)
    assert file.tell() == 0
    table = frame(seed)
    assert promise_of(footer)[:2] == (len(next(iter(table.values()))), len(table))


@given(
    seed=st.integers(0, 2**32 - 1),
    packing=st.sampled_from([None, "snappy", "gzip", "zstd", "lz4"]),
    options=st.fixed_dictionaries(
        {
            "data_page_version": st.sampled_from(["1.0", "2.0"]),
            "use_dictionary": st.booleans(),
            "data_page_size": st.sampled_from([100, 10**6]),
            "row_group_size": st.sampled_from([700, 10**6]),
        }
    ),
)
def test_what_pyarrow_writes_is_believed(seed, packing, options):
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    file = io.BytesIO()
    pandas.DataFrame(frame(seed)).to_parquet(file, compression=packing, **options)
    check_sizes(file, read_footer(file))


READ_DAMAGED = """
import sys
import numpy as np
from fastnn.datasets import read_table
path, seed, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
whole = np.fromfile(path, np.uint8)
for bit in np.random.default_rng(seed).choice(whole.size * 8, n, replace=False):
    damaged = whole.copy()
    damaged[bit // 8] ^= 1 << bit % 8
    damaged.tofile(path)
    try:
        read_table(path)
    except ValueError as error:
        assert path in str(error)
print("done")
"""


def test_no_flipped_bit_ends_the_process(tmp_path):
    path = tmp_path / "table.parquet"
    polars.DataFrame(frame(3)).with_columns(label=1).write_parquet(path)
    done = subprocess.run(
        [sys.executable, "-c", READ_DAMAGED, path, "0", "1000"], capture_output=True, text=True
    )
    assert done.stdout == "done\n", done.stderr[-2000:]


@pytest.mark.parametrize("n", [0, 3, 11, 12, 60, 200])
def test_a_file_cut_anywhere_is_refused_with_its_name(tmp_path, n):
    path = tmp_path / "table.parquet"
    polars.DataFrame({"a": [1.0, 2.0], "b": [1, 2]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:n])
    with pytest.raises(ValueError, match=r"table\.parquet"):
        read_table(path)
