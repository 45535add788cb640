"""What NumPy finds in the processor."""

from __future__ import annotations

from typing import Any

import numpy as np


def processor_features() -> str | None:
    """Return the largest instruction set that NumPy found, such as ``"AVX2"``.

    It represents what NumPy, its BLAS and LLVM select on this processor.
    """
    found: Any = np.show_config(mode="dicts")
    simd = found.get("SIMD Extensions", {})
    names = [*simd.get("baseline", ()), *simd.get("found", ())]
    return str(names[-1]) if names else None
