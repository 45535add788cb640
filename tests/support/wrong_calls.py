"""Command lines drawn at random: right ones, of which some words were replaced by nasty ones."""

import numpy as np
from hypothesis import strategies as st

import fastnn
from support.command_line import NAMES, table, write_csv

NASTY = (
    "", "-", "--", "0", "-1", "1", "2", "1.5", "1e400", "-inf", "nan", "9" * 400, "9" * 5000,
    "2147483647", "x" * 300, "x" * 5000, "two\nlines", "tab\tbed", "\x1b[2Jred", "\u202egnp",
    "\x7f", "縦", "\udcff", "a,b", "'", '"', "%s", "{}", ".", "..", "/", "no/such/folder/file",
    "absent", "http://localhost/t.csv", "~", "*", "label", "a", "None", "true", "folder", "cut",
    "empty", "good.npz", "x.npy", "net", "pets.csv",
)  # fmt: skip

FILES = {
    "train": ("pets.csv",),
    "evaluate": ("net", "pets.csv"),
    "predict": ("net", "features.csv"),
    "export": ("net",),
    "info": (),
}

PRINTED = {"--quiet": (), "--json": ()}
DATA = {"--data-dir": ("folder",), "--label": ("label", "-1"), "--targets": ("y.npy",),
        "--header": (), "--no-header": ()}  # fmt: skip
BACKEND = {"--backend": ("numpy", "auto"), "--threads": ("1", "2147483647")}
OPTIONS = {
    "train": DATA | BACKEND | PRINTED | {
        "--layers": ("none", "3,2"), "--activation": ("tanh",), "--optimizer": ("sgd",),
        "--batch-size": ("7",), "--learning-rate": ("0.1",), "--task": ("classification",),
        "--seed": ("3",), "--output": ("out", "/dev/null"), "--checkpoint": ("kept",),
        "--checkpoint-every": ("2",), "--resume": (), "--early-stopping": ("3",),
        "--log": ("log.csv", "log.jsonl"),
    },
    "evaluate": DATA | BACKEND | PRINTED,
    "predict": BACKEND | PRINTED | {
        "--output": ("out", "-", "/dev/null"), "--header": (), "--data-dir": ("folder",),
    },
    "export": DATA | PRINTED | {
        "--weights": ("int8",), "--name": ("net",), "--rows": ("pets.csv", "features.csv"),
        "--input-dtype": ("uint8",), "--output": ("out.h",),
    },
    "info": {"--json": ()},
}  # fmt: skip
"""Of each command its options and right values of them; none for those that take no value."""


@st.composite
def calls(draw):
    """Draw the words behind ``fastnn``: a command, its files and some options; or any words."""

    def word(*right):
        is_nasty = draw(st.integers(0, 3)) == 0
        return draw(st.sampled_from(NASTY if is_nasty else right))

    if draw(st.integers(0, 9)) == 0:
        return draw(st.lists(st.sampled_from((*FILES, *NASTY, "--help")), max_size=4))
    command = draw(st.sampled_from(sorted(FILES)))
    options = OPTIONS[command]
    words = [command, *(word(file) for file in FILES[command])]
    for option in draw(st.lists(st.sampled_from(sorted(options)), max_size=3, unique=True)):
        words += [option, *([word(*options[option])] if options[option] else [])]
    if command == "train":
        words += ["--epochs", word("1", "2") if draw(st.booleans()) else "3"]
    if command == "export":
        words += ["--format", word("c", "onnx", "javascript")]
    return words


def write_files(folder):
    """Write the files that calls name."""
    x, y = table(60)
    write_csv(folder / "pets.csv", x, NAMES[y])
    write_csv(folder / "features.csv", x)
    np.savez(folder / "good.npz", x=x, y=NAMES[y])
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    (folder / "empty").touch()
    (folder / "folder").mkdir(exist_ok=True)
    fastnn.Network((3, 3), class_labels=NAMES, backend="numpy").save(folder / "net")
    (folder / "cut").write_bytes((folder / "net").read_bytes()[:-1])
