"""MNIST: 70,000 handwritten digits, from a folder, from the cache, or downloaded into the cache.

The data set is by Yann LeCun and Corinna Cortes, licensed CC BY-SA 3.0. Files in the cache and
downloads are checked against the SHA-256 of the four public files; files in a folder given by the
user are not.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.readers.idx import read_idx
from fastnn.datasets.split import Dataset, Split, held_out_rows, one_hot_rows
from fastnn.validation.parameters import parameter

SIDE = 28
N_CLASSES = 10

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

"""How errors say where to name a folder; the command line puts its own option there."""

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

# SHA-256 of the public files, which are these names with .gz
SHA256 = {
    TRAIN_IMAGES: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    TRAIN_LABELS: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    TEST_IMAGES: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    TEST_LABELS: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def mnist(
    folder: str | os.PathLike[str] | None = None,
    *,
    validation: int | float = 5000,
    one_hot: bool = False,
    flatten: bool = True,
    seed: int = 0,
) -> Dataset:
    """Load MNIST, downloading it once if no folder is given.

    Parameters
    ----------
    folder : str or os.PathLike, optional
        Folder with the four files, under their usual names, with ``.gz`` or unpacked; they may hold
        fewer images than MNIST. By default the environment variable ``FASTNN_MNIST_DIR``; if it is
        not set, the files are in `cache_folder` and are downloaded
        if necessary, which requires ``pip install "fastnn[mnist]"``.
    validation : int or float, default 5000
        Number or fraction of the first training images that are held out for validation, as in
        TensorFlow's MNIST tutorial. The usual split is 55,000,
        5,000 and 10,000 images; with 0 all 60,000 are for training.
    one_hot : bool, default False
        Labels as float32 rows of ten instead of integers.
    flatten : bool, default True
        Images as rows of 784 pixels; otherwise as 28×28.
    seed : int, default 0
        Seed for `next_batch` of the splits.

    Returns
    -------
    Dataset
        ``x`` is uint8 (n_rows, 784) or (n_rows, 28, 28), 0 is paper and 255 ink; ``y`` is int64
        (n_rows,), or float32 (n_rows, 10) if one_hot. Training and validation are views of one
        array.

    Raises
    ------
    FileNotFoundError
        If the folder, or one of its four files, is missing.
    ImportError
        If the files must be downloaded and pooch is not installed.
    OSError
        If no mirror delivers the public files, or a file cannot be read.
    ValueError
        If a file is not IDX, or does not hold 28×28 images or labels 0 to 9, or images and labels
        differ in number; if validation leaves no image for training.
    """
    folder = _named_folder() if folder is None else Path(folder)
    train_x, train_y = _images_and_labels(folder, TRAIN_IMAGES, TRAIN_LABELS)
    test_x, test_y = _images_and_labels(folder, TEST_IMAGES, TEST_LABELS)
    if flatten:
        train_x, test_x = (x.reshape(-1, SIDE * SIDE) for x in (train_x, test_x))
    if one_hot:
        train_y, test_y = (one_hot_rows(y, N_CLASSES) for y in (train_y, test_y))
    n_validation = held_out_rows(validation, len(train_x), "validation")
    return Dataset(
        "mnist",
        Split(train_x[n_validation:], train_y[n_validation:], seed),
        Split(train_x[:n_validation], train_y[:n_validation], seed),
        Split(test_x, test_y, seed),
        np.arange(N_CLASSES),
    )


def cache_folder() -> Path:
    """Return the folder for downloaded data.

    The environment variable FASTNN_DATA_DIR, or otherwise a folder "fastnn" in the user's cache
    folder: ``$XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%``
    on Windows. It need not exist yet.
    """
    if named := os.environ.get("FASTNN_DATA_DIR"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        caches = Path(local) if local else Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "fastnn"


def _named_folder() -> Path | None:
    """Return the folder set in the environment, or None."""
    named = os.environ.get("FASTNN_MNIST_DIR")
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"the environment variable FASTNN_MNIST_DIR is {named!r}, which is not a folder"
        )
    return folder


def _images_and_labels(
    folder: Path | None, images_name: str, labels_name: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return checked images (n, 28, 28) uint8 and labels (n,) int64."""
    paths = [
        _in_cache(name) if folder is None else _in_folder(folder, name)
        for name in (images_name, labels_name)
    ]
    images, labels = (read_idx(path) for path in paths)
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE):
        raise ValueError(
            f"{paths[0]}: expected uint8 images, shape (n, {SIDE}, {SIDE}), got {images.dtype} "
            f"{images.shape}"
        )
    if labels.dtype != np.uint8 or labels.shape != (len(images),):
        raise ValueError(
            f"{paths[1]}: expected one uint8 label for each of the {len(images)} images in "
            f"{paths[0].name}, got {labels.dtype} {labels.shape}"
        )
    wrong = np.flatnonzero(labels >= N_CLASSES)
    if len(wrong):
        raise ValueError(
            f"{paths[1]}: labels are digits 0 to 9, but label {wrong[0]} is {labels[wrong[0]]}"
        )
    return images, labels.astype(np.int64)


def _in_folder(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; expected one with the four MNIST files")
    raise FileNotFoundError(
        f"{folder} has neither {name} nor {name}.gz; expected the four MNIST files: "
        + ", ".join(SHA256)
        + ", each with or without .gz"
    )


def _in_cache(name: str) -> Path:
    """Return the public file's path in the cache, downloaded if it is missing or damaged."""
    import hashlib  # here, as it takes 3 ms that `import fastnn` need not

    folder = cache_folder() / "mnist"
    path = folder / f"{name}.gz"
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[name]:
        return path
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"{path.name} is not in {folder} yet, and downloading it needs pooch: pip install "
            f'"fastnn[mnist]"; or give a folder with the files: {parameter("folder", "DIR")}'
        ) from error
    failures = []
    for mirror in MIRRORS:
        try:
            pooch.retrieve(
                url=mirror + path.name,
                known_hash=f"sha256:{SHA256[name]}",
                fname=path.name,
                path=folder,
            )
        except (OSError, ValueError) as error:  # no connection; or other bytes than the public ones
            failures.append(f"{mirror}: {_reason(error)}")
        else:
            return path
    raise OSError(
        f"{path.name} could not be downloaded; download it elsewhere and give its folder: "
        + "\n  ".join([parameter("folder", "DIR"), *failures])
    )


def _reason(error: Exception) -> str:
    """Return the reason of a failed download in one short line."""
    wrapped = error.args[0] if error.args else None  # requests nests the original error
    text = " ".join(str(getattr(wrapped, "reason", None) or error).split())
    text = re.sub(r"^(<[^>]*>|\w+\([^)]*\)): ", "", text)  # urllib3's connection object
    return text if len(text) <= 100 else text[:97] + "..."
