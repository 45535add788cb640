"""Data sets: MNIST, synthetic digits, tables, arrays in IDX and NPY files."""

from fastnn.datasets.arrays import read_array, read_arrays
from fastnn.datasets.digits import digits
from fastnn.datasets.frame_reading import read_frame
from fastnn.datasets.mnist import cache_folder, mnist
from fastnn.datasets.readers.idx import read_idx, write_idx
from fastnn.datasets.reading import read_table
from fastnn.datasets.split import Dataset, Split
from fastnn.datasets.tables import Table
from fastnn.datasets.task import TaskChoice

__all__ = [
    "Dataset",
    "Split",
    "Table",
    "TaskChoice",
    "cache_folder",
    "digits",
    "mnist",
    "read_array",
    "read_arrays",
    "read_frame",
    "read_idx",
    "read_table",
    "write_idx",
]
