"""Coverage-guided fuzzing of what fastnn reads from others: files of every kind, rows, matrices.

Each module here is a target: files to begin from, made by its code; a mutation that knows the
format, so that most of what it makes gets past the first checks; and an oracle, which says of any
bytes at all whether fastnn did right: it refused them in words, or read what they hold.

`run` feeds them to Atheris (libFuzzer), as ``bash .ci/fuzz`` does for all of them;
``tests/project/test_fuzz.py`` replays the first files, what once failed (``found/TARGET/``) and
some random mutations without it.
"""

TARGETS = (
    "networks",
    "checkpoints",
    "csv_tables",
    "headers",
    "npz_files",
    "npy_files",
    "idx_files",
    "parquet_files",
    "onnx_models",
    "predictors",
)
