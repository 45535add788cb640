"""Elements without questions: read as they lie, and arrays that lie otherwise refused."""

import os

import numpy as np
import pytest

pytest.importorskip("numba")

from fastnn.kernels.numba.compiling import kernel
from fastnn.kernels.numba.elements import number
from numba.core.errors import TypingError

DISABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"


@kernel
def second(x):
    return number(x, 1)


def test_reads_the_element():
    assert second(np.arange(6.0)) == 1.0


@pytest.mark.skipif(DISABLED, reason="nothing is compiled")
def test_refuses_an_array_with_gaps_between_elements():
    with pytest.raises(TypingError, match="elements of row-major arrays only"):
        second(np.arange(6.0)[::2])
