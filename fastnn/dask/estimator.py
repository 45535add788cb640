"""What the estimators on a cluster share: the fit of a perceptron to partitions.

An estimator here is one of `fastnn.sklearn` whose rows lie elsewhere. Its checks are made by
workers, with a copy of it that knows the classes; its epochs are rounds over the partitions; and
what ends a fit, or is recorded of it, is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import copy, deepcopy
from dataclasses import replace
from functools import partial
from inspect import Parameter, signature
from typing import Any

import numpy as np
from sklearn.base import _clone_parametrized, is_classifier
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import check_is_fitted

from fastnn.backends import wanted
from fastnn.backends.minibatch import TrainingOptions
from fastnn.cluster import Cluster, checked_client
from fastnn.dask.collections import partitions
from fastnn.dask.estimator_rows import EstimatorChecks, offset_of
from fastnn.dask.fitting import Outer, Rounds
from fastnn.dask.gradients import Gradients
from fastnn.dask.held import Partitions, check_persist
from fastnn.dask.inference import checked_totals
from fastnn.dask.network import warn_of_few_classes
from fastnn.dask.partitions import joined, taken
from fastnn.dask.prediction import predicted
from fastnn.dask.reduction import reduced
from fastnn.dask.rounds import Plan, add_totals
from fastnn.dask.scaling import Scaling
from fastnn.dask.scoring import score
from fastnn.dask.watched import Watched
from fastnn.model.evaluation import Totals
from fastnn.sklearn.callback_support import FitTasks
from fastnn.sklearn.problem import Problem
from fastnn.sklearn.training import undone_if_it_fails
from fastnn.sklearn.validation_rows import ValidationRows, validation_rows
from fastnn.validation import check_same_network

BATCH_SIZE = 200
"""Rows per update on one machine, as in scikit-learn."""

OWN = {
    "client": None,
    "rounds_per_epoch": "auto",
    "rate_factor": "auto",
    "outer": "auto",
    "persist": "auto",
}
"""Parameters that the estimators of `fastnn.sklearn` do not have, and their defaults."""


def on_cluster(local: type) -> Callable[[Any], Any]:
    """Return a decorator for the estimator of a cluster that corresponds to `local`.

    Its constructor has the parameters of `local`, and those of `OWN`.
    """

    def decorated(cls: Any) -> Any:
        of_local = signature(local)
        ours = [Parameter(name, Parameter.KEYWORD_ONLY, default=v) for name, v in OWN.items()]
        first = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
        whole = of_local.replace(parameters=[first, *of_local.parameters.values(), *ours])

        def init(self: Any, *arguments: Any, **values: Any) -> None:
            for name in values.keys() - whole.parameters.keys():
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument {name!r}"
                )
            for name, default in OWN.items():
                setattr(self, name, values.pop(name, default))
            local.__init__(self, *arguments, **values)  # type: ignore[misc]

        init.__signature__ = whole  # type: ignore[attr-defined]
        cls.__init__, cls._local = init, local
        return cls

    return decorated


class OnCluster:
    """A perceptron whose rows lie on a cluster; mixed into one of `fastnn.sklearn`."""

    client: Any
    rounds_per_epoch: Any
    rate_factor: Any
    outer: Any
    persist: Any
    _local: type
    _watched: Watched | None = None

    # -- learning -------------------------------------------------------------------------------

    def fit(self: Any, X: Any, y: Any, sample_weight: Any = None, *, eval_set: Any = None) -> Any:
        """Train on X and y.

        Parameters
        ----------
        X : dask array (n_samples, n_features), dask dataframe, or list of delayed tables
            Cut by rows; blocks may be dense or sparse.
        y : dask array, series or dataframe, or list of delayed arrays
            Class labels, or numbers, cut at the same rows.
        sample_weight : the same as y, optional
            By default every sample has weight 1.
        eval_set : (X, y), optional
            Collections, evaluated after each epoch; required by `early_stopping`. Not for "lbfgs".

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the rows of a partition are invalid.
        RuntimeError
            If there is no client or no worker, or they cannot agree on a backend.
        fastnn.dask.LostError
            If the scheduler or all workers are lost.
        """
        return self._fit_on(X, y, sample_weight, False, validation_rows(eval_set))

    def _fit_on(
        self: Any,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool,
        watched: ValidationRows | None,
        classes: Any = None,
    ) -> Any:
        """Train for one or several epochs; an error leaves the estimator as it was."""
        scaling, persist = self._checked_parameters(watched)
        with undone_if_it_fails(self) as keep, ExitStack() as stack:
            self._random_state, self._seeded_by = self._seeded(), None
            starts = not hasattr(self, "network_") or not (self.warm_start or incremental)
            cluster = stack.enter_context(Cluster(self.client, backend=wanted(self.backend)))
            first = incremental and is_classifier(self) and self._is_first_call(classes)
            held = Partitions(
                cluster, X, y, sample_weight,
                classifies=is_classifier(self), sums=False, persist=persist,
            )  # fmt: skip
            few = self._problem_of_few(held, starts, incremental, first)
            if starts:
                self._start(few)
                self._n_rounds = 0
            a = self.network_.architecture
            check_same_network(a, self._architecture(a.sizes[0], a.dtype))
            checks = EstimatorChecks(self._for_workers(held))
            held.check(checks, stacklevel=4)
            if self.solver != "lbfgs" and is_classifier(self):
                warn_of_few_classes(held, stacklevel=4)
            self.network_.backend = self.backend
            if not starts:
                keep()
            try:
                self._run(cluster, held, checks, few, scaling, watched, incremental)
            finally:
                self._eval_set = self._watched = None
            if not np.isfinite(self.network_.parameters).all():
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may contain "
                    "large values and need to be preprocessed."
                )
        return self

    def _checked_parameters(self: Any, watched: ValidationRows | None) -> tuple[Scaling, Any]:
        try:
            self._check_parameters()
            scaling = Scaling(self.rounds_per_epoch, self.batch_size, self.rate_factor, self.outer)
            persist = check_persist(self.persist)
        except (TypeError, ValueError) as error:  # scikit-learn's is both
            raise InvalidParameterError(str(error)) from None
        self._check_solver_can(watched)
        if self.early_stopping and watched is None and self.solver != "lbfgs":
            raise ValueError(
                "early_stopping on a cluster needs fit(…, eval_set=(X, y)): no rows are held out "
                "of the partitions"
            )
        return scaling, persist

    def _problem_of_few(
        self: Any, held: Partitions, starts: bool, incremental: bool, first: bool
    ) -> Problem:
        """Check rows that show what all are like, and know the columns and classes from them."""
        x, y = joined(held.facts)
        classes = held.classes
        if classes:  # several rows of each: few rows per class make scikit-learn warn
            labels = held.labels
            n = 3 * len(labels)
            rows = np.arange(max(n, x.shape[0]))
            x, y = taken(x, rows % x.shape[0]), labels[rows % len(labels)]
        if first:
            self._start_labels(np.asarray(y))
        few: Problem = self._checked(x, y, None, starts, incremental)
        return few

    def _for_workers(self: Any, held: Partitions) -> Any:
        """Return a copy that checks rows, without what only a client has."""
        twin = copy(self)
        twin.client, twin.callbacks, twin.warm_start, twin.random_state = None, (), False, None
        for name in ("_stochastic", "_history", "_random_state"):
            twin.__dict__.pop(name, None)
        if is_classifier(self) and isinstance(self.class_weight, str):
            classes = held.classes
            if not classes:
                raise ValueError("class_weight='balanced' needs one label per sample")
            total = sum(classes.values())
            twin.class_weight = {k: total / (len(classes) * n) for k, n in classes.items() if n}
        return twin

    def _run(
        self: Any,
        cluster: Cluster,
        held: Partitions,
        checks: EstimatorChecks,
        few: Problem,
        scaling: Scaling,
        watched: ValidationRows | None,
        incremental: bool,
    ) -> None:
        """Train on checked partitions."""
        told = offset_of(cluster, held, checks)
        if self.solver == "lbfgs":
            self._minimize_on(cluster, held, told.weight, told.mean)
            return
        if watched is not None:
            self._eval_set = self._watched = Watched(self, cluster, checks, watched)
        _, held_out = self._prepare_minibatches(few, incremental)
        stochastic = self._stochastic
        batch_size = scaling.rows(BATCH_SIZE, len(held.numbers))
        stochastic.options = replace(stochastic.options, batch_size=batch_size)
        stochastic.total_weight, stochastic.offset = told.weight, told.mean
        losses = self._losses(cluster, held, scaling)
        stochastic.fit(self, self._history, losses, held.n_rows, held_out, FitTasks(), incremental)

    def _minimize_on(
        self: Any, cluster: Cluster, held: Partitions, weight: float, constant: float
    ) -> None:
        sums = Gradients(
            cluster, held, Plan.of_measuring(self.network_.architecture, cluster.computing.backend)
        )
        self._minimize_sums(sums, weight, constant, FitTasks())

    def _plan(self: Any, cluster: Cluster, options: TrainingOptions, n_rounds: int) -> Plan:
        strength = self._strength(self._stochastic.total_weight)
        alpha = strength if self._divides_l2 else None
        a, backend = self.network_.architecture, cluster.computing.backend
        options = replace(options, l2=strength)
        return Plan(a, options, backend, bool(self.shuffle), n_rounds, alpha)

    def _losses(self: Any, cluster: Cluster, held: Partitions, scaling: Scaling) -> Iterator[float]:
        """Train the network for epoch after epoch without end, and yield each loss."""
        n, network, stochastic = len(held.numbers), self.network_, self._stochastic
        seed = int(self._random_state.randint(2**31))
        n_rounds = scaling.rounds(n, max(held.sizes), stochastic.options.batch_size)
        stepping = Outer(scaling.outer_of(n))
        options, rounds = None, None
        while True:
            if stochastic.options is not options:  # the first time, or at another rate
                options = stochastic.options
                optimizer = scaling.optimizer(options.optimizer, BATCH_SIZE, n)
                plan = self._plan(cluster, replace(options, optimizer=optimizer), n_rounds)
                rounds = Rounds(cluster, held, None, plan, stepping, self._n_rounds, seed)
            assert rounds is not None
            loss = penalty = weight = 0.0
            for _ in range(n_rounds):
                result = rounds.train_epoch(
                    network.architecture, network.parameters, stochastic.running.state,
                    None, None, None, None,
                )  # fmt: skip
                self._n_rounds += 1
                loss += result.loss * rounds.weight
                penalty += result.penalty * rounds.weight
                weight += rounds.weight
            mean = loss / weight if weight else np.nan
            yield float(mean * self._loss_factor + stochastic.offset + penalty / (weight or 1.0))

    # -- for the local estimator's code ---------------------------------------------------------

    def _eval_loss(self: Any) -> float:
        assert self._watched is not None
        return float(self._watched.loss())

    def _score(self: Any, problem: Any) -> float:
        assert self._watched is not None
        return float(self._watched.score())

    # -- using ----------------------------------------------------------------------------------

    @property
    def client_(self) -> Any:
        """The client that is used: `client`, or the current one of Dask."""
        return checked_client(self.client)

    def to_local(self: Any) -> Any:
        """Return the estimator of `fastnn.sklearn` for rows that are here, with copies of all."""
        return self._without(())

    def _to_predict(self: Any) -> Any:
        """Return the same without what only training needs."""
        return self._without(("_stochastic", "_history", "_random_state"))

    def _without(self: Any, names: tuple[str, ...]) -> Any:
        check_is_fitted(self)
        parameters = self.get_params(deep=False)
        local = self._local(**{k: v for k, v in parameters.items() if k not in OWN})
        kept = {
            k: v for k, v in vars(self).items()
            if k not in parameters and k not in ("_eval_set", "_watched", "_n_rounds", *names)
        }  # fmt: skip
        local.__dict__.update(deepcopy(kept))
        return local

    def predict(self: Any, X: Any) -> Any:
        """Return predictions as a lazy collection of the kind of X.

        Parameters
        ----------
        X : dask array (n_samples, n_features), dask dataframe, or list of delayed tables

        Returns
        -------
        dask array, series or dataframe, or list of delayed arrays
            Classes or numbers, (n_samples,), or (n_samples, n_outputs).
        """
        local = self._to_predict()
        a = self.network_.architecture
        dtype: Any = a.dtype
        several = a.n_out > 1
        if is_classifier(self):
            single = local._label_binarizer.y_type_ in ("multiclass", "binary")
            dtype, several = (self.classes_.dtype if single else np.int64), not single
        columns = range(a.n_out) if several else None
        return predicted(
            partial(called, "predict"), local, X, n_in=a.n_in, dtype=dtype, columns=columns
        )

    def score(self: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy, or R², of predictions, computed by the workers.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        """
        local = self._to_predict()
        nodes = partitions(X, y, sample_weight)
        with Cluster(self.client, backend=wanted(self.backend)) as cluster:
            shared = cluster.share(local)
            found: Totals | None = reduced(
                cluster, add_totals, lambda i: cluster.call(score, nodes[i], i, shared),
                len(nodes), lambda leaves: [shared],
            )  # fmt: skip
        totals = checked_totals(found, len(nodes))
        if is_classifier(self):
            return float(totals.right / totals.weight)
        return totals.measures(self.network_.architecture)["r2"]

    def __getstate__(self: Any) -> Any:
        state: Any = super().__getstate__()
        return {k: None if k == "client" else v for k, v in state.items()}

    def __sklearn_clone__(self: Any) -> Any:
        client, self.client = self.client, None  # which cannot be copied
        try:
            twin = _clone_parametrized(self)
        finally:
            self.client = client
        twin.client = client
        return twin


def called(name: str, model: Any, x: Any) -> Any:
    """Return what a method of an estimator says of rows."""
    return getattr(model, name)(x)
