"""File formats, detected from the first bytes, with advice for error messages.

Files are opened to read a table or a network. For any other file, the error names its format and
how to convert it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

HEAD_BYTES = 512
"""Number of first bytes used to detect the format."""

_TO_CSV = "convert its table to CSV, for example with pandas"
_EXPORT = "export the network as ONNX and read that with fastnn.from_onnx"


class FileKind(NamedTuple):
    """A row of the table below.

    Parameters
    ----------
    key : str
        The name in code.
    name : str
        The name in messages, with its article.
    begins : bytes
        A regular expression for the first bytes; b"" if they are not characteristic.
    members : str
        A regular expression for the name of a member, for formats that are zip files.
    suffixes : tuple of str
        File extensions, used only if the first bytes are neither text nor characteristic.
    for_table : str
        How to get a table from it; "" if `fastnn.datasets` has a reader.
    for_network : str
        How to get a network from it.
    """

    key: str
    name: str
    begins: bytes
    members: str
    suffixes: tuple[str, ...]
    for_table: str
    for_network: str


_NO_NETWORK = "it contains no network"
_UNPACK = "unpack it first"

# The first row that matches is used: specific formats come before general ones.
KINDS = tuple(
    FileKind(*row)
    for row in (
        # key, name, begins, members, suffixes, for a table, for a network
        ("lfs", "a pointer of Git LFS, not the file itself", rb"version https://git-lfs", "", (),
         "fetch the file: git lfs pull", "fetch the file: git lfs pull"),
        ("safetensors", "a safetensors file", rb".{3}\0{5}\s*\{", "", (".safetensors",),
         "it contains the weights of a network, not rows", "it was not written by fastnn"),
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
         "it contains only arrays: create a network and set its `weights` and `biases`"),
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
         "it contains only an array: create a network and set its `weights`"),
        ("idx", "an IDX file", rb"\0\0[\x08-\x0e][\x01-\x04]", "",
         (".idx", ".idx1", ".idx3"), "", _NO_NETWORK),
        ("gzip", "a gzip file", rb"\x1f\x8b", "", (".gz", ".tgz"), _UNPACK, _UNPACK),
        ("bzip2", "a bzip2 file", rb"BZh[1-9]", "", (".bz2",), _UNPACK, _UNPACK),
        ("xz", "an xz file", rb"\xfd7zXZ\0", "", (".xz",), _UNPACK, _UNPACK),
        ("zstandard", "a Zstandard file", rb"\x28\xb5\x2f\xfd", "", (".zst",), _UNPACK, _UNPACK),
        ("rar or 7z", "an archive", rb"(Rar!|7z\xbc\xaf)", "", (".rar", ".7z"), _UNPACK,
         _UNPACK),
        ("xls", "an old Excel workbook", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "", (".xls",),
         "save the sheet as CSV UTF-8", _NO_NETWORK),
        ("sqlite", "an SQLite database", rb"SQLite format 3\0", "", (".sqlite", ".db"),
         _TO_CSV, _NO_NETWORK),
        ("matlab", "a MATLAB file", rb"MATLAB [57]\.", "", (".mat",),
         "save arrays: numpy.savez(path, x=x, y=y)", _NO_NETWORK),
        ("picture", "an image", rb"(\x89PNG|\xff\xd8\xff|GIF8|BM.{4}\0\0\0\0)", "",
         (".png", ".jpg", ".jpeg", ".gif", ".bmp"),
         "stack the pixels of the images as rows: numpy.savez(path, x=pixels, y=labels)",
         _NO_NETWORK),
        ("PDF", "a PDF", rb"%PDF-", "", (".pdf",), "a table must be CSV text", _NO_NETWORK),
        ("HTML", "a web page", rb"(?i)\s*<(!doctype|html|\?xml)", "", (".html", ".htm"),
         "download the raw file, not the page that shows it",
         "download the raw file, not the page that shows it"),
        ("arff", "an ARFF table", rb"(?i)(%[^\n]*\n|\s)*@relation", "", (".arff",),
         "convert it to CSV: the attribute names, then the lines below @data", _NO_NETWORK),
        ("json", "JSON", rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\d\]-])", "", (".json", ".jsonl", ".ipynb"),
         _TO_CSV, "networks are files written by Network.save"),
        ("C", "source code in C", rb"\s*(/\*|#(ifndef|include|pragma|define)\b)", "", (),
         "it contains no rows", "load the file from which the C header was exported"),
    )
)  # fmt: skip
BY_KEY = {kind.key: kind for kind in KINDS}


def kind_of(head: bytes, path: Path, members: Iterable[str] = ()) -> FileKind | None:
    """Return the kind of a file, or None for text and unknown formats.

    Parameters
    ----------
    head : bytes
        The first bytes.
    path : Path
        Its path, whose extension is used if the bytes are not characteristic.
    members : iterable of str
        The names of its members, if it is a zip file.
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
    """Return whether bytes may be the beginning of UTF-8 text; False if there are none."""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not just truncated within a character
            return False
    return bool(head) and b"\0" not in head


def zip_members(file: BinaryIO) -> list[str]:
    """Return the names of the members of a zip file, none if it is damaged."""
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except Exception:  # a damaged file may raise anything
        return []


def said_of_no_network(path: Path, file: BinaryIO, head: bytes, reason: str) -> str:
    """Return why an open file is not a network: its format, or the given reason."""
    kind = kind_of(head, path, zip_members(file) if head.startswith(b"PK") else ())
    if not head:
        return "it is empty"
    if kind is not None and kind.key != "safetensors":
        return f"it is {kind.name}; {kind.for_network}"
    if kind is None and is_text(head):
        return "it is text, but networks are saved as safetensors; is it the data file?"
    return reason
