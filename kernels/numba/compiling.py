"""How the kernels of this folder are compiled, and where the machine code is kept.

Every function is compiled the first time it is called with new types, without the GIL, and its
machine code is kept on disk. Numba's own cache has three problems that `_Store` avoids:

* it does not detect changes of a function called from another file: here the key covers the
  source of the whole folder;
* it numbers its files with an index that two processes can write at once, after which a
  signature may load the wrong code: here the file name is the hash of everything that determines
  its content, and files are written atomically;
* a folder that is not writable is an error, at import or when it fills up: here the
  code is compiled again by the next process.

Folders are tried in Numba's order: ``NUMBA_CACHE_DIR``, ``__pycache__`` next to the
source, the user's cache folder.
"""

import contextlib
import hashlib
import os
import pickle
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import njit
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

# Sums may be reordered, which allows vectorizing them, and products and sums fused. Not nnan or
# ninf: NaN must be preserved.
REORDERED = frozenset({"contract", "nsz", "reassoc"})

# A process forked while another thread compiles would wait forever for Numba's lock, whose holder
# does not exist in it. So a fork waits until the lock is free.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )

DIGEST_SIZE = hashlib.sha256().digest_size


def kernel(function):
    """Compile `function` on first use, in whatever calls it; its sums may be reordered."""
    return _linked(function, fastmath=set(REORDERED))


def exact_kernel(function):
    """Compile `function` as `kernel` does, its arithmetic in the order it is written in."""
    return _linked(function, fastmath=False)


def program(function):
    """Compile `function`, which Python calls, on first use; its sums may be reordered."""
    compiled = _compiled(function, fastmath=set(REORDERED))
    if compiled is function:
        # NUMBA_DISABLE_JIT=1. Compiled code overflows without a warning, and so must this.
        return np.errstate(all="ignore")(function)
    with contextlib.suppress(RuntimeError):  # no writable folder
        compiled._cache = _FolderCache(function)
    return compiled


def inlined(function):
    """Inline `function`, which returns a view, wherever it is called."""
    return njit(inline="always")(function)


def _linked(function, **options):
    compiled = _compiled(function, pipeline_class=_Linked, no_cpython_wrapper=True, **options)
    if compiled is function:
        return np.errstate(all="ignore")(function)  # as in `program`
    compiled.__class__ = _Kernel
    return compiled


class _Kernel(CPUDispatcher):
    """A function to be inlined in others; one called from Python becomes a separate program."""

    def __call__(self, *arguments):
        return _as_program(self.py_func)(*arguments)


@cache
def _as_program(function):
    return program(function)


def _compiled(function, **options):
    # Kernels get all their memory from the caller. Without Numba's runtime (_nrt) they cannot
    # allocate, and no reference-counting code is generated; none is called from C.
    options |= {"error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}
    compiled: Any = njit(nogil=True, **options)(function)
    if compiled is not function:
        compiled._compiler._customize_flags = _the_same
    return compiled


def _the_same(flags, known={}):  # noqa: B006
    """Return one object for equal flags, since Numba compares them often, faster if identical."""
    return known.setdefault(repr(flags), flags)


class _Linked(Compiler):
    """Compiles to code that is inlined in other functions, and optimized there."""

    def define_pipelines(self):
        self.state.library = _LinkedLibrary(self.state.targetctx.codegen(), "linked")
        return super().define_pipelines()


class _LinkedLibrary(JITCodeLibrary):
    """Code that is compiled to machine code only in the libraries it is linked to."""

    @property
    def codegen(self):
        return _NoMachineCode()

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name):
        self._ensure_finalized()
        return 0


class _NoMachineCode:
    """Placeholder for the machine code in which Numba would set a variable of the function."""

    def set_env(self, name, env):
        pass


class _FolderCache(FunctionCache):
    """Numba's cache of one function, its files kept by `_Store`."""

    def __init__(self, function):
        super().__init__(function)
        self._cache_file: Any = _Store(Path(self._cache_path), self._impl.filename_base)

    def save_overload(self, signature, data):
        with contextlib.suppress(OSError):  # full, or no longer writable
            super().save_overload(signature, data)


class _Store:
    """The compiled versions of one function: one file each, named by the hash of its inputs.

    A file begins with the hash of the rest, so that a damaged one is not executed.
    """

    def __init__(self, folder, name):
        self._folder = folder
        self._name = name
        self._stamp = _source_stamp()

    def load(self, key):
        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        digest, data = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
        return pickle.loads(data) if hashlib.sha256(data).digest() == digest else None

    def save(self, key, data):
        aside = self._folder / f"{uuid.uuid4().hex}.tmp"
        data = numba.core.serialize.dumps(data)
        try:
            aside.write_bytes(hashlib.sha256(data).digest() + data)
            os.replace(aside, self._path(key))
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        for path in self._all():
            if self._stamp not in path.name:  # of an older version
                path.unlink(missing_ok=True)

    def flush(self):
        for path in self._all():
            path.unlink(missing_ok=True)

    def _all(self):
        # Numba's name has the line on which the function begins: module.function-line.py311
        function, _, line_and_python = self._name.rpartition("-")
        python = line_and_python.partition(".")[2]
        return self._folder.glob(f"{function}-*.{python}.*.nbc")

    def _path(self, key):
        # NUMBA_BOUNDSCHECK=1 changes the code, but not Numba's key
        config: Any = numba.config
        content = _short_hash(repr((key, config.BOUNDSCHECK)).encode())
        return self._folder / f"{self._name}.{self._stamp}.{content}.nbc"


def _source_stamp():
    """Return a hash of Numba's version and of every source file of this folder."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return _short_hash(numba.__version__.encode(), *(path.read_bytes() for path in sources))


def _short_hash(*parts):
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
