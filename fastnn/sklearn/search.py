"""MLPSearchCV: scikit-learn's searches, with the candidates of all folds trained together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import numpy as np
from joblib import parallel_config
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.base import _clone_parametrized, clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel

from fastnn.sklearn.alone import Done, Wanted
from fastnn.sklearn.cluster_fits import Workers
from fastnn.sklearn.together import fit_each
from fastnn.validation import check_choice

Distributions = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Splits = list[tuple[NDArray[Any], NDArray[Any]]]


class MLPSearchCV(BaseSearchCV):  # type: ignore[misc]
    """Search for parameters by cross-validation, with all candidates trained together.

    A drop-in replacement for scikit-learn's `GridSearchCV`, `RandomizedSearchCV` and
    `HalvingRandomSearchCV` where the estimator is one of this package: the same candidates, folds,
    scores, attributes and errors. Perceptrons of one architecture are trained in one native call,
    in which threads take whole networks; each gets the bits of its own `fit`.

    Trained together are estimators, also as the last step of a pipeline, that use minibatches and
    have no `early_stopping`, `callbacks`, `class_weight`, `verbose`, or learning rate of "sgd" that
    adapts, if `fit` is given no `sample_weight`. All others are fitted one by one, or in `n_jobs`
    processes.

    Parameters
    ----------
    estimator : estimator
        An `MLPClassifier`, `MLPRegressor` or `SoftmaxRegression`, a pipeline that ends with one, or
        any other, which then gains nothing. With ``random_state=None`` each fit that is trained
        with others has a generator of its own, seeded by NumPy's global one.
    param_distributions : dict or list of dict, optional
        For "random" and "halving": lists or distributions by parameter. For "grid" it may take the
        place of `param_grid`, as the second argument of `GridSearchCV` does.
    search : {"grid", "random", "halving"}, default "random"
        Which of scikit-learn's searches it is: `GridSearchCV`, `RandomizedSearchCV` or
        `HalvingRandomSearchCV`.
    param_grid : dict or list of dict, optional
        For "grid": lists of values by parameter.
    n_iter : int, default 10
        For "random": number of candidates.
    n_candidates, factor, resource, max_resources, min_resources, aggressive_elimination
        For "halving", as in `HalvingRandomSearchCV`.
    scoring : str, callable, list, tuple, dict or None, default None
        As in scikit-learn.
    n_jobs : int or None, default None
        Processes for candidates that cannot be trained together. The others use the threads of
        their backend.
    refit : bool, str or callable, default True
    cv : int, cross-validation generator or iterable, default None
    verbose : int, default 0
    random_state : int, RandomState or None, default None
        Draws the candidates of "random" and "halving", and the samples of the latter.
    error_score : "raise" or float, default NaN
    return_train_score : bool, optional
        By default as in scikit-learn: only with "halving".
    client : distributed.Client, optional
        Has the workers of a Dask cluster fit the candidates on all folds, with the same scores as
        here; `n_jobs` does not apply. Scores are computed here, and so is the last fit to all
        samples. Clones have the same client; a copy that was pickled, or made by
        ``copy.deepcopy``, has none.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As in scikit-learn. `mean_fit_time` is made of shares of the time in which all candidates
        were trained, in proportion to their work.
    best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, refit_time_
        As in scikit-learn, and so are `multimetric_`, `classes_`, `n_features_in_` and
        `feature_names_in_`.
    n_candidates_, n_resources_, n_iterations_, min_resources_, max_resources_
        After "halving", with its other attributes.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from fastnn.sklearn import MLPClassifier, MLPSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = MLPSearchCV(
    ...     MLPClassifier((16,), max_iter=50, learning_rate_init=0.01, random_state=0),
    ...     {"alpha": loguniform(1e-6, 1e-1), "activation": ["relu", "identity"], "tol": [0.0]},
    ...     n_iter=6,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> len(search.cv_results_["params"]), bool(search.best_score_ > 0.9)
    (6, True)
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Distributions | None = None,
        *,
        search: str = "random",
        param_grid: Distributions | None = None,
        n_iter: int = 10,
        n_candidates: int | str = "exhaust",
        factor: float = 3,
        resource: str = "n_samples",
        max_resources: int | str = "auto",
        min_resources: int | str = "smallest",
        aggressive_elimination: bool = False,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[..., Any] = True,
        cv: Any = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        error_score: float | str = np.nan,
        return_train_score: bool | None = None,
        client: Any = None,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.search = search
        self.param_grid = param_grid
        self.n_iter = n_iter
        self.n_candidates = n_candidates
        self.factor = factor
        self.resource = resource
        self.max_resources = max_resources
        self.min_resources = min_resources
        self.aggressive_elimination = aggressive_elimination
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.random_state = random_state
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.client = client

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {"client": None}  # a connection belongs to this process

    def __sklearn_clone__(self) -> Self:
        made: Self = _clone_parametrized(copy.copy(self))  # without the client
        made.client = self.client
        return made

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Evaluate the candidates, and fit the best one to all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional
        **params : dict
            As in scikit-learn: `groups` for the splitter, others for `fit` of the estimator.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter is invalid, as in scikit-learn.
        RuntimeError
            If the workers of `client` cannot compute as this process does.
        ConnectionError
            If the scheduler of `client`, or all its workers, are lost.
        """
        search = self._search()
        with nullcontext() if search.workers is None else search.workers:
            search.fit(X, y, **params)
        for name in [name for name in vars(self) if _is_fitted(name)]:
            delattr(self, name)
        self.__dict__.update({k: v for k, v in vars(search).items() if _is_fitted(k)})
        return self

    def _wanted_parameters(self) -> Distributions:
        """Return what to search: of "grid" the grid, which may be the second argument too."""
        of_search, other = self.param_distributions, self.param_grid
        if self.search == "grid" and other is not None:
            of_search, other = other, of_search
        if of_search is None or other is not None:
            name = "param_grid" if self.search == "grid" else "param_distributions"
            raise ValueError(
                f"search={self.search!r} needs {name}, and nothing in the place of the other: see "
                "MLPSearchCV"
            )
        return of_search

    def _search(self) -> Any:
        """Return scikit-learn's search with these parameters."""
        check_choice("search", self.search, tuple(_SEARCHES))
        values = self._wanted_parameters()
        options = {
            name: getattr(self, name)
            for name in ("scoring", "refit", "cv", "verbose", "error_score")
        }
        if self.return_train_score is not None:
            options["return_train_score"] = self.return_train_score
        if self.search != "grid":
            options["random_state"] = self.random_state
        if self.search == "random":
            options["n_iter"] = self.n_iter
        if self.search == "halving":
            for name in ("n_candidates", "factor", "resource", "max_resources", "min_resources",
                         "aggressive_elimination"):  # fmt: skip
                options[name] = getattr(self, name)
        search: Any = _SEARCHES[self.search](self.estimator, values, **options)
        search.n_jobs_alone = self.n_jobs
        search.workers = None if self.client is None else Workers(self.client)
        return search


def _is_fitted(name: str) -> bool:
    return name.endswith("_") and not name.startswith("_")


class _Together:
    """What makes one of scikit-learn's searches fit all candidates at once.

    It still evaluates each by its own code, in turn: clones the estimator, sets its parameters,
    fits it to the rows of a fold, and scores it. But what it gets as a clone has been fitted
    already.
    """

    n_jobs_alone: int | None = None
    workers: Workers | None = None
    estimator: Any
    _checked_cv_orig: Any

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        self._X, self._y = indexable(X, y)
        self._original = clone(self.estimator)
        self._done: Iterator[Done] | None = None
        self._seconds: list[float] = []
        self.n_jobs, self._parallel = 1, Parallel(n_jobs=self.n_jobs_alone)
        self.estimator = copy = _cloned_as(self.estimator, self._base)
        try:
            with _in_this_process():
                return super().fit(self._X, self._y, **params)  # type: ignore[misc]
        finally:
            del copy.__sklearn_clone__  # a scorer may hold it

    def _base(self) -> Any:
        return _cloned_as(self._original, self._candidate)

    def _candidate(self) -> Any:
        """Return the clone that is to be evaluated next; after all, one to fit to all samples."""
        if self._done is None:
            return clone(self._original)
        done = next(self._done)
        self._seconds.append(done.seconds)
        return _already_fitted(done)

    def _get_routed_params_for_fit(self, params: Any) -> Any:
        self._routed = super()._get_routed_params_for_fit(params)  # type: ignore[misc]
        return self._routed

    def _run_search(self, evaluate_candidates: Any, *, callback_ctx: Any = None) -> None:
        def together(candidate_params: Any, cv: Any = None, **more: Any) -> Any:
            candidates = list(candidate_params)
            cv = cv or self._checked_cv_orig
            splits = list(cv.split(self._X, self._y, **self._routed.splitter.split))
            self._done = fit_each(
                self._wanted(candidates, splits), parallel=self._parallel, workers=self.workers
            )
            try:
                return evaluate_candidates(candidates, _Drawn(splits), **more)
            finally:
                self._done = None

        # older versions of scikit-learn have no callbacks
        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(together, **context)  # type: ignore[misc]

    def _wanted(self, candidates: Sequence[Any], splits: Splits) -> Iterator[Wanted]:
        trains = [np.asarray(train) for train, _ in splits]
        for parameters in candidates:
            for rows in trains:
                estimator = clone(self._original).set_params(**clone(parameters, safe=False))
                yield Wanted(estimator, self._X, self._y, rows, self._routed.estimator.fit)

    def _format_results(self, candidate_params: Any, n_splits: int, out: Any, *more: Any) -> Any:
        for result, seconds in zip(out, self._seconds, strict=True):
            result["fit_time"] = seconds
        return super()._format_results(candidate_params, n_splits, out, *more)  # type: ignore[misc]


_SEARCHES = {
    name: type("MLPSearchCV", (_Together, of_scikit_learn), {})  # as its errors are to call it
    for name, of_scikit_learn in {
        "grid": GridSearchCV,
        "random": RandomizedSearchCV,
        "halving": HalvingRandomSearchCV,
    }.items()
}


def _in_this_process() -> AbstractContextManager[Any]:
    """Have joblib heed ``n_jobs=1``, which its Dask backend does not."""
    backend, _ = get_active_backend()
    return parallel_config("sequential") if backend.effective_n_jobs(1) != 1 else nullcontext()


class _Drawn:
    """A splitter whose splits were drawn once."""

    def __init__(self, splits: Splits) -> None:
        self._splits = splits

    def split(self, X: Any, y: Any = None, **params: Any) -> Splits:
        return self._splits


def _cloned_as(estimator: Any, cloned: Callable[[], Any]) -> Any:
    """Return a copy of an estimator whose clones are what a function returns."""
    copy = clone(estimator)
    copy.__sklearn_clone__ = cloned
    return copy


def _already_fitted(done: Done) -> Any:
    """Return an estimator whose next `set_params` and `fit` have been done."""
    estimator = done.estimator

    def fit(*args: Any, **params: Any) -> Any:
        del estimator.set_params, estimator.fit
        if done.error is not None:
            raise done.error
        return estimator

    estimator.set_params, estimator.fit = (lambda **parameters: estimator), fit
    return estimator
