"""What kind of file some bytes are, by their beginning, and what to do with such a file.

Files are opened for two reasons, to read a table and to read a network. Whoever finds something
else there names it, and says what turns it into what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

HEAD_BYTES = 512
"""How much of a file's beginning tells its kind."""

_TO_CSV = "write its table as CSV with whatever reads it, pandas for one"
_EXPORT = "export the network as ONNX and read that with fastnn.from_onnx"


class FileKind(NamedTuple):
    """A row of the table below.

    Parameters
    ----------
    key : str
        What code calls it.
    name : str
        What a person calls it, with its article.
    begins : bytes
        A regular expression that its beginning matches; b"" where that tells nothing.
    members : str
        A regular expression that the name of a member matches, of kinds that are zip files.
    suffixes : tuple of str
        How the names of such files end. They decide only if the beginning is not text and tells
        nothing.
    for_table : str
        What to do to get a table out of it; "" for what `fastnn.datasets` has a reader for.
    for_network : str
        What to do to get a network out of it.
    """

    key: str
    name: str
    begins: bytes
    members: str
    suffixes: tuple[str, ...]
    for_table: str
    for_network: str


_NO_NETWORK = "it holds no network"
_UNPACK = "unpack it first"

# The first row that fits is the kind: what is special stands above what is general.
KINDS = tuple(
    FileKind(*row)
    for row in (
        # key, name, begins, members, suffixes, for a table, for a network
        ("lfs", "a pointer of Git LFS, not the file itself", rb"version https://git-lfs", "", (),
         "fetch the file: git lfs pull", "fetch the file: git lfs pull"),
        ("safetensors", "a safetensors file", rb".{3}\0{5}\s*\{", "", (".safetensors",),
         "it holds a network's weights, not rows", "it is not one of fastnn's"),
        ("torch", "a PyTorch file", rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", r".*/data\.pkl",
         (".pt", ".pth"), "save arrays: numpy.savez(path, x=x.numpy(), y=y.numpy())",
         "load the module with torch and pass it to fastnn.from_torch"),
        ("keras", "a Keras model", b"", r".*\.weights\.h5", (".keras",),
         "it holds a network, not rows", _EXPORT),
        ("xlsx", "an Excel workbook", b"", r"xl/.*", (".xlsx", ".xlsm"),
         "save the sheet as CSV UTF-8", _NO_NETWORK),
        ("ods", "an OpenDocument file", b"", r"mimetype", (".ods",),
         "save the sheet as CSV UTF-8", _NO_NETWORK),
        ("npz", "an NPZ file", b"", r".*\.npy", (".npz",), "",
         "arrays alone are no network: build one and set its `weights` and `biases`"),
        ("zip", "a zip file", rb"PK(\x03\x04|\x05\x06)", "", (".zip",), _UNPACK, _UNPACK),
        ("parquet", "a Parquet file", rb"PAR1", "", (".parquet", ".pq"), "", _NO_NETWORK),
        ("arrow", "an Arrow or Feather file", rb"(ARROW1|FEA1)", "", (".feather", ".arrow"),
         _TO_CSV, _NO_NETWORK),
        ("hdf5", "an HDF5 file", rb"\x89HDF\r\n\x1a\n", "", (".h5", ".hdf5"),
         "save arrays: numpy.savez(path, x=x, y=y)", _EXPORT),
        ("onnx", "an ONNX model", rb"\x08[\x01-\x1f][\x12\x1a\x22\x28\x32\x3a\x42\x72]", "",
         (".onnx",), "it holds a network, not rows", "read it with fastnn.from_onnx"),
        ("tflite", "a TensorFlow Lite model", rb"....TFL3", "", (".tflite",),
         "it holds a network, not rows", _EXPORT),
        ("pickle", "a pickle, which can run any code and is not opened",
         rb"\x80[\x02-\x05]", "", (".pkl", ".pickle", ".joblib"),
         "if you trust it, load it and write its table as CSV, or its arrays with numpy.savez",
         "if you trust it, load it and pass the model to fastnn.from_sklearn or from_torch"),
        ("npy", "an NPY file", rb"\x93NUMPY", "", (".npy",), "",
         "an array alone is no network: build one and set its `weights`"),
        ("idx", "an IDX file", rb"\0\0[\x08-\x0e][\x01-\x04]", "",
         (".idx", ".idx1", ".idx3"), "", _NO_NETWORK),
        ("gzip", "a gzip file", rb"\x1f\x8b", "", (".gz", ".tgz"), _UNPACK, _UNPACK),
        ("bzip2", "a bzip2 file", rb"BZh[1-9]", "", (".bz2",), _UNPACK, _UNPACK),
        ("xz", "an xz file", rb"\xfd7zXZ\0", "", (".xz",), _UNPACK, _UNPACK),
        ("zstandard", "a Zstandard file", rb"\x28\xb5\x2f\xfd", "", (".zst",), _UNPACK, _UNPACK),
        ("rar or 7z", "a packed archive", rb"(Rar!|7z\xbc\xaf)", "", (".rar", ".7z"), _UNPACK,
         _UNPACK),
        ("xls", "an old Excel workbook", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "", (".xls",),
         "save the sheet as CSV UTF-8", _NO_NETWORK),
        ("sqlite", "an SQLite database", rb"SQLite format 3\0", "", (".sqlite", ".db"),
         _TO_CSV, _NO_NETWORK),
        ("matlab", "a MATLAB file", rb"MATLAB [57]\.", "", (".mat",),
         "save arrays: numpy.savez(path, x=x, y=y)", _NO_NETWORK),
        ("picture", "a picture", rb"(\x89PNG|\xff\xd8\xff|GIF8|BM.{4}\0\0\0\0)", "",
         (".png", ".jpg", ".jpeg", ".gif", ".bmp"),
         "stack the pictures' pixels as rows: numpy.savez(path, x=pixels, y=labels)", _NO_NETWORK),
        ("PDF", "a PDF", rb"%PDF-", "", (".pdf",), "a table must be CSV text", _NO_NETWORK),
        ("HTML", "a web page", rb"(?i)\s*<(!doctype|html|\?xml)", "", (".html", ".htm"),
         "download the raw file, not the page that shows it",
         "download the raw file, not the page that shows it"),
        ("arff", "an ARFF table", rb"(?i)(%[^\n]*\n|\s)*@relation", "", (".arff",),
         "write it as CSV: the names of its attributes, then the lines below @data", _NO_NETWORK),
        ("json", "JSON", rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\d\]-])", "", (".json", ".jsonl", ".ipynb"),
         _TO_CSV, "a network's file is what Network.save wrote"),
        ("C", "source code in C", rb"\s*(/\*|#(ifndef|include|pragma|define)\b)", "", (),
         "it holds no rows", "a C header is for compilers: load the file that it was made from"),
    )
)  # fmt: skip
BY_KEY = {kind.key: kind for kind in KINDS}


def kind_of(head: bytes, path: Path, members: Iterable[str] = ()) -> FileKind | None:
    """Return the kind of a file, or None: that of text, and of bytes that nothing is known about.

    Parameters
    ----------
    head : bytes
        Its beginning.
    path : Path
        Its name, whose ending counts if the bytes tell nothing.
    members : iterable of str
        The names of what is in it, if it is a zip file.
    """
    members = list(members)
    for kind in KINDS:
        if kind.begins and re.match(kind.begins, head, re.DOTALL):
            return kind
        if kind.members and any(re.fullmatch(kind.members, member) for member in members):
            return kind
    if is_text(head):
        return None
    return next((kind for kind in KINDS if path.suffix.lower() in kind.suffixes), None)


def is_text(head: bytes) -> bool:
    """Tell whether bytes may be the beginning of UTF-8 text; of nothing, they may not."""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not just cut inside a character
            return False
    return bool(head) and b"\0" not in head


def zip_members(file: BinaryIO) -> list[str]:
    """Return the names of what is in a zip file, none if it is damaged."""
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except Exception:  # whatever damage does to the reader
        return []


def said_of_no_network(path: Path, file: BinaryIO, head: bytes, reason: str) -> str:
    """Return why a file, open and with this beginning, is no network: its kind, or the reason."""
    kind = kind_of(head, path, zip_members(file) if head.startswith(b"PK") else ())
    if not head:
        return "it is empty"
    if kind is not None and kind.key != "safetensors":
        return f"it is {kind.name}; {kind.for_network}"
    if kind is None and is_text(head):
        return "it is text, and networks are saved as safetensors; is it the data?"
    return reason
