"""Data sets to train on: MNIST, digits made on the spot, IDX and NPY files, CSV and NPZ tables."""

from fastnn.datasets.arrays import read_array, read_arrays
from fastnn.datasets.digits import digits
from fastnn.datasets.idx import read_idx, write_idx
from fastnn.datasets.mnist import cache_folder, mnist
from fastnn.datasets.split import Dataset, Split
from fastnn.datasets.tables import Table, read_table

__all__ = [
    "Dataset",
    "Split",
    "Table",
    "cache_folder",
    "digits",
    "mnist",
    "read_array",
    "read_arrays",
    "read_idx",
    "read_table",
    "write_idx",
]
