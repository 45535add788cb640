"""The kernels' parity tests again, on each instruction set that this processor runs.

`test_parity_kernels` tests the widest one, which is the one that is chosen; the others are what
other processors get.
"""

import platform

import pytest
from test_parity_kernels import *  # noqa: F403
from test_parity_programs import test_train_epoch  # noqa: F401

X86 = platform.machine().lower() in ("x86_64", "amd64")
INSTRUCTION_SETS = ("baseline", "avx2", "avx512") if X86 else ("baseline", "neon")


def forced(cython, isa):
    """The Cython backend as an environment with FASTNN_ISA has it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FASTNN_ISA", isa)
        return type(cython._inside)()


@pytest.fixture(scope="module", params=INSTRUCTION_SETS)
def compiled(request, cython):
    """The Cython backend with one instruction set; not the one tested everywhere else."""
    if request.param == cython.isa:
        pytest.skip("tested already, as the one that is chosen")
    try:
        backend = forced(cython, request.param)
    except ValueError as error:
        if request.param == "baseline":
            raise
        pytest.skip(str(error))
    assert backend.isa == request.param
    return backend


def test_an_unknown_instruction_set_is_refused(cython):
    with pytest.raises(ValueError, match="baseline"):
        forced(cython, "mmx")
