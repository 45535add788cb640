"""The partitions of a fit on a cluster: looked at, checked, and held by workers or recomputed.

Partitions stay on the workers that computed them. If all of them do not fit in the workers' memory,
each is recomputed whenever it is used, within the task that uses it: a worker then has as many
partitions in memory as it has threads.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnn.cluster import Cluster, Shared, Task
from fastnn.dask.collections import made, n_bytes, partitions, recipe
from fastnn.dask.partitions import Checks, Facts, Raw, alike, check, look
from fastnn.rows.checked import Rows
from fastnn.rows.trained_on import TrainedOn
from fastnn.validation.values import describe

log = logging.getLogger("fastnn.dask")

Persist = bool | Literal["auto"]

SHARE_OF_MEMORY = 0.4
"""Of the workers' memory that partitions may take: a worker begins to spill at 0.6."""


class Held:
    """What a worker holds of a partition."""

    def __init__(self, cluster: Cluster, task: Task) -> None:
        self._cluster, self._task = cluster, task

    @property
    def needs(self) -> list[Task | Shared]:
        """What its nodes need."""
        return [self._task]

    def node(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the call of ``function(held, *arguments)``."""
        return self._cluster.call(function, self._task, *arguments)

    def release(self) -> None:
        """Let the worker forget it."""
        self._task.release()


class Recipe:
    """How a partition is made, and, once that is known, how it is checked."""

    def __init__(
        self, cluster: Cluster, number: int, recipe: bytes, checks: Shared | None = None
    ) -> None:
        self._cluster, self._number, self._recipe, self._checks = cluster, number, recipe, checks

    @property
    def needs(self) -> list[Task | Shared]:
        """What its nodes need."""
        return [] if self._checks is None else [self._checks]

    def node(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the call of ``function(made, *arguments)``, which also makes the partition."""
        call, checks = self._cluster.call, self._checks
        if checks is None:
            return call(from_recipe, function, self._recipe, *arguments)
        return call(from_checked, function, self._recipe, self._number, checks, *arguments)

    def checked_by(self, checks: Shared) -> Recipe:
        """Return the recipe of the checked rows."""
        return Recipe(self._cluster, self._number, self._recipe, checks)

    def release(self) -> None:
        """Do nothing: nobody holds it."""


class Partitions:
    """The partitions of one set of rows.

    Parameters
    ----------
    cluster : Cluster
    x, y, sample_weight
        As for `fastnn.dask.fit`.
    classifies : bool
        Whether y holds labels.
    sums : bool
        Whether to compute checksums.
    persist : bool or "auto"
        As for `fastnn.dask.fit`.
    known : TrainedOn, optional
        Of a network that carries columns: they make rows of the tables.

    Attributes
    ----------
    facts : list of Facts
        Of all partitions.
    numbers : list of int
        Of those that have rows.

    Raises
    ------
    TypeError, ValueError
        If the collections are not as described, have no rows, or partitions of different forms.
    """

    def __init__(
        self,
        cluster: Cluster,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        classifies: bool,
        sums: bool,
        persist: Persist,
        known: TrainedOn | None = None,
    ) -> None:
        self._cluster = cluster
        self._looking = classifies, sums, known
        nodes = partitions(x, y, sample_weight)
        self._parts = self._held_or_not(nodes, persist, n_bytes(x, y))
        looks = [self._submit(number, look, number, *self._looking) for number in self._parts]
        self.facts: list[Facts] = cluster.results(looks)
        self.numbers = alike(self.facts)

    @property
    def n_rows(self) -> int:
        """Rows of all partitions."""
        return sum(fact.n_rows for fact in self.facts)

    @property
    def sizes(self) -> list[int]:
        """Rows of each partition that has any."""
        return [self.facts[number].n_rows for number in self.numbers]

    @property
    def is_held(self) -> bool:
        """Whether workers hold the rows."""
        return isinstance(self._parts[0], Held)

    @property
    def labels(self) -> NDArray[Any]:
        """The labels of all partitions, sorted; none if y does not hold one per row."""
        found = [fact.classes for fact in self.facts if fact.classes is not None]
        return np.unique(np.concatenate(found)) if found else np.empty(0)

    @property
    def classes(self) -> dict[Any, float]:
        """The weight of the rows of each label, by label."""
        weights = dict.fromkeys(self.labels.tolist(), 0.0)
        for fact in self.facts:
            if fact.classes is not None and fact.weights is not None:
                for label, weight in zip(fact.classes.tolist(), fact.weights, strict=True):
                    weights[label] += float(weight)
        return weights

    def fingerprints(self) -> dict[str, Any]:
        """Return what a checkpoint compares of the rows, as JSON values."""
        return {"partitions": [[fact.n_rows, fact.checksum] for fact in self.facts]}

    def check(self, checks: Checks, stacklevel: int = 3) -> None:
        """Check the rows of all partitions; from now on they are `Rows`.

        Raises
        ------
        TypeError, ValueError
            If those of a partition are invalid.

        Warns
        -----
        UserWarning
            What workers warned of.
        """
        shared = self._cluster.share(checks)
        found = self._check_held(shared) if self.is_held else self._check_made(shared)
        for text in dict.fromkeys(text for of_one in found for text in of_one):
            warnings.warn(text, UserWarning, stacklevel=stacklevel)

    def node(self, number: int, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the call of ``function(rows, *arguments)`` for a partition, as a node."""
        return self._parts[number].node(function, *arguments)

    def needs(self, numbers: Sequence[int]) -> list[Task | Shared]:
        """Return what the nodes of partitions need."""
        return [needed for number in numbers for needed in self._parts[number].needs]

    # -- inside ---------------------------------------------------------------------------------

    def _check_held(self, checks: Shared) -> list[list[str]]:
        """Check partitions, hold their rows in place of what they were made of, return warnings."""
        cluster = self._cluster
        checked = {n: self._submit(n, check, n, checks) for n in self.numbers}
        texts = {n: self._after(task, texts_of) for n, task in checked.items()}
        rows = {n: self._after(task, rows_of) for n, task in checked.items()}
        number_of = {task: n for n, task in texts.items()}
        for task in cluster.done(texts.values()):
            self._parts[number_of[task]].release()
        for _ in cluster.done(rows.values()):
            pass
        found = cluster.results(list(texts.values()))
        for number, task in checked.items():
            task.release()
            self._parts[number] = Held(cluster, rows[number])
        return found

    def _check_made(self, checks: Shared) -> list[list[str]]:
        """Check partitions, of which workers keep nothing but the warnings, and return these."""
        texts = [self._submit(n, complaints, n, checks) for n in self.numbers]
        found: list[list[str]] = self._cluster.results(texts)
        for number in self.numbers:
            part = self._parts[number]
            assert isinstance(part, Recipe)
            self._parts[number] = part.checked_by(checks)
        return found

    def _submit(self, number: int, function: Callable[..., Any], *arguments: Any) -> Task:
        """Have a function of a partition computed."""
        part = self._parts[number]
        shared = [a for a in arguments if isinstance(a, Shared)]
        return self._cluster.submit(lambda: part.node(function, *arguments), [*part.needs, *shared])

    def _after(self, task: Task, function: Callable[..., Any]) -> Task:
        """Have a function of a task's result computed."""
        return self._cluster.submit(lambda: self._cluster.call(function, task), [task])

    def _held_or_not(
        self, nodes: Sequence[Any], persist: Persist, n_bytes: float
    ) -> dict[int, Held | Recipe]:
        """Return the partitions, held by workers or as recipes."""
        cluster = self._cluster
        recipes = {} if persist is True else dict(enumerate(map(recipe, nodes)))
        recomputed = {
            n: Recipe(cluster, n, found) for n, found in recipes.items() if found is not None
        }
        can_be_recomputed = len(recomputed) == len(nodes)
        if persist is False and not can_be_recomputed:
            raise ValueError(
                "persist=False recomputes each partition whenever it is used, which is impossible "
                "if workers or the graph of the collection hold the data: read them from files, or "
                "persist"
            )
        if persist == "auto" and can_be_recomputed:
            persist = self._fit_in_memory(recomputed[0], len(nodes), n_bytes)
        if persist is False:
            return dict(recomputed)
        tasks = [cluster.submit(partial(_itself, node)) for node in nodes]
        return {n: Held(cluster, task) for n, task in enumerate(tasks)}

    def _fit_in_memory(self, first: Recipe, n_partitions: int, n_bytes: float) -> bool:
        limit = self._cluster.memory_limit()
        if limit is None:
            return True
        if math.isnan(n_bytes):  # taken to be like the first
            looked = self._cluster.submit(lambda: first.node(look, 0, *self._looking))
            (facts,) = self._cluster.results([looked])
            n_bytes = float(facts.n_bytes * n_partitions)
        if n_bytes <= SHARE_OF_MEMORY * limit:
            return True
        log.warning(
            "the rows, about %.3g GB, take more than %.0f %% of the workers' %.3g GB: each "
            "partition is recomputed whenever it is used, in every round (persist=True holds them; "
            "rounds_per_epoch=1 recomputes them once per pass)",
            n_bytes / 1e9,
            100 * SHARE_OF_MEMORY,
            limit / 1e9,
        )
        return False


def from_recipe(function: Callable[..., Any], recipe: bytes, *arguments: Any) -> Any:
    """Return ``function(made, *arguments)`` for the partition that a recipe makes."""
    return function(made(recipe), *arguments)


def from_checked(
    function: Callable[..., Any], recipe: bytes, number: int, checks: Checks, *arguments: Any
) -> Any:
    """Return ``function(rows, *arguments)`` for the checked rows of that partition."""
    rows, _ = check(made(recipe), number, checks)
    return function(rows, *arguments)


def complaints(raw: Raw, number: int, checks: Checks) -> list[str]:
    """Check a partition, and return the warnings alone."""
    return check(raw, number, checks)[1]


def rows_of(checked: tuple[Rows, list[str]]) -> Rows:
    """Return the rows that `check` returned."""
    return checked[0]


def texts_of(checked: tuple[Rows, list[str]]) -> list[str]:
    """Return the warnings that `check` returned."""
    return checked[1]


def _itself(node: Any) -> Any:
    return node


def check_persist(persist: Any) -> Persist:
    """Return True, False or "auto", or raise ValueError."""
    if persist == "auto" and isinstance(persist, str):
        return "auto"
    if not isinstance(persist, bool | np.bool_):
        raise TypeError(f'persist must be True, False or "auto", got {describe(persist)}')
    return bool(persist)
