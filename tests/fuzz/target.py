"""What a target is, and the refusals that its oracle takes for right."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FOUND = Path(__file__).parent / "found"
"""What once failed, a folder for each target."""

LONGEST_MESSAGE = 2000


@dataclass(frozen=True)
class Target:
    """One reader under test.

    Parameters
    ----------
    name : str
    seeds : callable
        Returns the inputs to begin from, the same each time.
    check : callable
        Takes an input and a folder for files; returns whether it was read, not refused, and raises
        unless fastnn does right by it.
    mutate : callable
        Takes an input and a `Mutator`, and returns another input.
    """

    name: str
    seeds: Callable
    check: Callable
    mutate: Callable

    def found(self):
        """Return the inputs that once failed."""
        return [path.read_bytes() for path in sorted((FOUND / self.name).glob("*"))]

    def keep(self, data):
        """Store an input that fails, for good; return its path."""
        path = FOUND / self.name / hashlib.sha256(data).hexdigest()[:16]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


def read_or_refused(read, path):
    """Return what `read()` returns, or None where it refuses the file `path` in words.

    That is by a ValueError, or one of fastnn's own kinds of it, which names the file in no more
    than a paragraph. Every other error is raised: a UnicodeDecodeError or JSONDecodeError too,
    whose words are Python's.
    """
    try:
        return read()
    except ValueError as error:
        is_own = type(error) is ValueError or type(error).__module__.startswith("fastnn.")
        if not is_own or str(path) not in str(error):
            raise
        if len(str(error)) > LONGEST_MESSAGE:
            raise AssertionError(f"a message of {len(str(error))} characters") from error
        return None
