"""`Ensemble`: many networks of one architecture, trained and evaluated together."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, cast, overload
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.architecture import Architecture, Array
from fastnn.backends import check_backend, get_backend
from fastnn.backends.base import PREDICT_ROWS
from fastnn.backends.fits import Fits, Stopping
from fastnn.backends.minibatch import largest_product
from fastnn.backends.threads import blas_limited
from fastnn.callbacks.base import EarlyStopping
from fastnn.cluster import Cluster
from fastnn.model.ensemble_evaluation import evaluate_each, evaluate_outputs
from fastnn.model.ensemble_model import EnsembleModel, Shared, room_for
from fastnn.model.ensemble_persistence import read, to_bytes
from fastnn.model.ensemble_prediction import (
    outputs_of_each,
    outputs_of_groups,
    outputs_together,
)
from fastnn.model.ensemble_predictor import EnsemblePredictor
from fastnn.model.initialization import Initializer
from fastnn.model.prediction import answers
from fastnn.network import Network
from fastnn.optimizers import Optimizer
from fastnn.rows.checked import RowReader, checked_rows, checked_x
from fastnn.rows.generators import Generators
from fastnn.rows.trained_on import IMAGE_SCALE, TrainedOn
from fastnn.system.ctrl_c import ctrl_c_held
from fastnn.system.files import write_whole
from fastnn.training.ensemble_fits import Told, fits_of, run, stopping_of, told
from fastnn.training.ensemble_history import EnsembleHistory, reasons
from fastnn.training.ensemble_rows import as_table, shares_of, shares_of_folds, watched_rows
from fastnn.training.ensemble_warnings import (
    warn_if_cut_short,
    warn_if_not_finite,
    warn_if_unwatched,
)
from fastnn.training.sessions import begin, training_rows
from fastnn.training.spread_fits import Spread
from fastnn.validation.ensembles import check_active, check_group_labels, check_groups
from fastnn.validation.values import describe
from fastnn.vocabulary import (
    Activation,
    BackendName,
    InputType,
    Loss,
    ModuleWeightType,
    NumberType,
    Output,
    Reduction,
    WeightType,
)

if TYPE_CHECKING:
    from fastnn.exchange.c.header import Written
    from fastnn.exchange.page.writing import WrittenPage

Reduce = Literal["mean", "vote", "std"]


class Ensemble(EnsembleModel):
    """Many networks of one architecture: a model for each customer, or many for one answer.

    Each is a `Network` of its own, with its own initial weights, order of rows and options, and
    has the bits of that network trained alone; but a fit of all is one native call, in which
    threads take whole models.

    Parameters
    ----------
    sizes : sequence of int
        Widths of the layers, as of `Network`.
    n_models : int, optional
        Number of networks; by default as many as `group_labels`.
    activation, output, loss, huber_delta, quantiles, label_smoothing, bias, init, dtype
        As of `Network`, the same for all.
    input_scale : float, optional
        Factor for uint8 inputs, as of `Network`; inferred from the training rows of all.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use.
    seed : int, SeedSequence or Generator, optional
        Draws the seed of each network, see `seeds`.
    class_labels : sequence of str or numbers, optional
        Names of the classes, as of `Network`.
    group_labels : sequence of str or int, optional
        A name for each model, which ``groups=`` then holds. Without, groups are numbers of models.

    Attributes
    ----------
    architecture : Architecture
    parameters : ndarray of shape (n_models, n_slots)
        Weights and biases of all networks, one row each.
    seeds : ndarray of shape (n_models,) uint64 or None
        ``Network(sizes, seed=int(ensemble.seeds[i]))`` has the initial weights of ``ensemble[i]``,
        and, trained alone on the same rows, its bits. None for networks that were not made here.
    group_labels : tuple or None
    trained_on : TrainedOn or None
        Properties of the training rows, as of `Network`.
    columns : Columns or None
        What the columns of a table become, as of `Network`; the same for all networks.

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(600, 2)).astype(np.float32)
    >>> y = x[:, 0] * x[:, 1]
    >>> ensemble = fastnn.Ensemble((2, 16, 1), 5, activation="tanh", output="identity", seed=0)
    >>> history = ensemble.fit(x, y, epochs=30, optimizer=fastnn.Adam(0.01))
    >>> history["loss"].shape
    (5, 30)
    >>> ensemble.predict(x).shape, ensemble.predict(x, reduce="std").shape
    ((600,), (600,))

    A model for each group of rows:

    >>> shop = np.where(x[:, 0] > 0, "east", "west")
    >>> shops = fastnn.Ensemble((2, 8, 1), group_labels=("east", "west"), output="identity", seed=0)
    >>> history = shops.fit(x, y, groups=shop, epochs=5)
    >>> shops.predict(x[:3], groups=shop[:3]).shape
    (3,)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        n_models: int | None = None,
        *,
        activation: Activation | Sequence[Activation] = "sigmoid",
        output: Output = "softmax",
        loss: Loss | None = None,
        huber_delta: float = 1.0,
        quantiles: float | Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        bias: bool = True,
        init: Initializer = "glorot",
        dtype: NumberType | np.dtype[Any] | type[np.floating[Any]] = "float32",
        input_scale: float | None = None,
        backend: BackendName = "auto",
        seed: Any = None,
        class_labels: Sequence[Any] | None = None,
        group_labels: Sequence[Any] | None = None,
    ) -> None:
        architecture = validation.check_architecture(
            sizes, activation, output, loss, huber_delta, bias, dtype,
            IMAGE_SCALE if input_scale is None else input_scale, quantiles, label_smoothing,
        )  # fmt: skip
        if n_models is not None:
            n_models = validation.check_count("n_models", n_models)
        labels = None if group_labels is None else check_group_labels(group_labels, n_models)
        if labels is not None:
            n_models = len(labels)
        if n_models is None:
            raise TypeError("n_models must be given, or group_labels, one for each model")
        self.backend = backend
        super().__init__(
            architecture,
            room_for(architecture, n_models),
            Generators.empty(n_models),
            class_labels=class_labels,
            group_labels=labels,
        )
        self.chooses_scale = input_scale is None
        self._begin()
        self.seed_with(seed, init)

    def _begin(self) -> None:
        self._numbers = np.arange(self.n_models)

    @classmethod
    def from_networks(
        cls,
        networks: Sequence[Network],
        *,
        backend: BackendName = "auto",
        group_labels: Sequence[Any] | None = None,
    ) -> Self:
        """Return an ensemble of copies of networks.

        Parameters
        ----------
        networks : sequence of Network
            At least one; all of the same architecture, class labels and kind of training rows.
        backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        group_labels : sequence of str or int, optional

        Returns
        -------
        Ensemble

        Raises
        ------
        TypeError
            If one is not a network, or has a generator other than NumPy's default.
        ValueError
            If there are none, or they differ in more than their parameters.
        """
        members = list(networks)
        if not members:
            raise ValueError("networks must hold at least one network")
        for i, network in enumerate(members):
            such_as = "a fastnn.Network, such as ensemble[0]"
            validation.check_instance(f"networks[{i}]", network, Network, such_as)
        first = members[0]
        for i, network in enumerate(members):
            for name in ("architecture", "class_labels", "trained_on"):
                ours, theirs = getattr(first, name), getattr(network, name)
                if ours != theirs:
                    raise ValueError(
                        f"networks[{i}] has {name} {theirs}, networks[0] {ours}: networks of an "
                        "ensemble differ in their parameters only"
                    )
        check_backend(backend)
        labels = None if group_labels is None else check_group_labels(group_labels, len(members))
        model = EnsembleModel(
            first.architecture,
            room_for(first.architecture, len(members)),
            Generators.empty(len(members)),
            class_labels=first.class_labels,
            group_labels=labels,
        )
        model.trained_on, model.chooses_scale = first.trained_on, first.chooses_scale
        for i, network in enumerate(members):
            model.parameters[i] = network.parameters
            model._generators.put(i, network.rng)
        return cls.from_model(model, backend=backend)

    @classmethod
    def from_model(cls, model: EnsembleModel, *, backend: BackendName = "auto") -> Self:
        """Return the ensemble of a model, whose parameters and generators it uses.

        Parameters
        ----------
        model : EnsembleModel
        backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        """
        ensemble = cls.__new__(cls)
        EnsembleModel.__init__(
            ensemble,
            model.architecture,
            model.parameters,
            model._generators,
            class_labels=model.class_labels,
            group_labels=model.group_labels,
        )
        ensemble.seeds, ensemble.trained_on = model.seeds, model.trained_on
        ensemble.chooses_scale = model.chooses_scale
        ensemble.backend = backend
        ensemble._begin()
        return ensemble

    # -- parts ----------------------------------------------------------------------------------

    @property
    def backend(self) -> str:
        """Name of the current backend; can be assigned."""
        return get_backend(self._backend).name

    @backend.setter
    def backend(self, name: BackendName) -> None:
        check_backend(name)
        self._backend = name
        if "_shared" in vars(self):  # and not just about to be made
            for _, network in self._in_use():
                network._backend = name

    def __len__(self) -> int:
        return self.n_models

    def __repr__(self) -> str:
        a = self.architecture
        return (
            f"Ensemble({a.sizes}, {self.n_models}, activation={a.activations}, "
            f"output={a.output!r}, dtype={a.dtype!r}, backend={self._backend!r})"
        )

    def __iter__(self) -> Iterator[Network]:
        return (self[i] for i in range(self.n_models))

    @overload
    def __getitem__(self, which: int) -> Network: ...
    @overload
    def __getitem__(self, which: slice | Sequence[int] | NDArray[Any]) -> Ensemble: ...
    def __getitem__(self, which: Any) -> Network | Ensemble:
        """Return one network, or an ensemble of several.

        Parameters
        ----------
        which : int, slice, or array of int or bool
            A number gives a `Network` that shares the row of parameters: to train it is to train
            this ensemble's. A slice gives an ensemble that shares them too; an array of numbers or
            flags one with copies, as in NumPy.
        """
        if isinstance(which, slice):
            return self._part(which)
        if isinstance(which, str):
            raise TypeError(f"ensembles are indexed by number, got {which!r}; see ensemble.group")
        if isinstance(which, tuple) or np.ndim(which) > 1:
            raise TypeError(
                "an ensemble has one axis, of models: index it by a number, a slice, or a list of "
                f"numbers or flags, got {describe(which)}"
            )
        if np.ndim(which):
            which = np.asarray(which)
            return self._part(np.arange(self.n_models)[which if which.size else slice(0)])
        i = validation.check_count("the number of a model", which, minimum=None)
        if not -self.n_models <= i < self.n_models:
            raise IndexError(f"there are {self.n_models} models, got number {i}")
        return self._member(i % self.n_models)

    def group(self, label: Any) -> Network:
        """Return the network of a group, which shares its row of parameters.

        Parameters
        ----------
        label : str or int
            One of `group_labels`.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        if self.group_labels is None or label not in self.group_labels:
            raise KeyError(f"there is no group {label!r}")
        return self[self.group_labels.index(label)]

    def _member(self, i: int) -> Network:
        number, shared = int(self._numbers[i]), self._shared
        network = shared.members.get(number)
        if network is not None:
            return cast(Network, network)
        made = Network.from_model(self.model(i), copy=False)
        made._backend, made._shared = self._backend, shared
        network = shared.members.setdefault(number, made)
        if network is made:  # and no other thread was faster
            put_back = finalize(made, _put_back, shared, number, self._generators, i, vars(made))
            put_back.atexit = False  # nobody will ask
            claim = shared.claims.get(number)
            if claim is not None and claim[0]:
                made._current_fit = claim
        return cast(Network, network)

    def _part(self, which: slice | NDArray[np.int64]) -> Ensemble:
        numbers = self._numbers[which]
        if not len(numbers):
            raise ValueError("an ensemble must hold at least one model, got an empty part")
        labels = None
        if self.group_labels is not None:
            places = np.arange(self.n_models)[which].tolist()
            labels = tuple(self.group_labels[i] for i in places)
            if len(set(labels)) < len(labels):
                raise ValueError("models with group labels cannot be in an ensemble twice")
        self._take_generators()
        model = EnsembleModel(
            self.architecture,
            self._parameters[which],
            Generators(self._generators.states[which]),
            class_labels=self._class_labels,
            group_labels=labels,
        )
        model.trained_on, model.chooses_scale = self.trained_on, self.chooses_scale
        part = Ensemble.from_model(model, backend=self._backend)
        part.seeds = None if self.seeds is None else self.seeds[which]
        if isinstance(which, slice):
            part._numbers, part._shared = numbers, self._shared
        return part

    def _take_generators(self) -> None:
        """Store the states of the generators of networks in use."""
        for i, network in self._in_use():
            self._generators.put(i, network.rng)

    def _in_use(self) -> list[tuple[int, Network]]:
        """Return the networks that somebody holds, and their places here."""
        live = dict(self._shared.members)
        if not live:
            return []
        found = enumerate(self._numbers.tolist())
        return [(i, cast(Network, live[n])) for i, n in found if n in live]

    # -- learning -------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any,
        *,
        groups: Any = None,
        folds: Any = None,
        bootstrap: bool | float = False,
        epochs: int = 10,
        batch_size: int | Sequence[int] = 100,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        reduction: Reduction = "mean",
        shuffle: bool = True,
        validation_data: Any = None,
        validation_groups: Any = None,
        sample_weight: Any = None,
        l1: float | Sequence[float] = 0.0,
        l2: float | Sequence[float] = 0.0,
        max_norm: float | Sequence[float] | None = None,
        clip_norm: float | Sequence[float] | None = None,
        dropout: Any = 0.0,
        callbacks: Any = (),
        active: Any = None,
        client: Any = None,
        progress: bool = True,
    ) -> EnsembleHistory:
        """Train all networks, each from its current parameters and a fresh optimizer state.

        What is said to be one per model is a single value, the same for all, or a sequence
        (n_models,).

        Parameters
        ----------
        x : array or CSR matrix of shape (n_rows, n_in)
            Rows of all models. An array (n_models, n_rows, n_in) holds each one's own.
        y : array
            As for `Network.fit`; with (n_models, n_rows, n_in), one more axis in front.
        groups : array of shape (n_rows,), optional
            Which model learns each row: one of `group_labels`, or the number of a model. A model
            may have any number of rows; one without any is left as it is (see
            `EnsembleHistory.stopped`).
        folds : array of shape (n_rows,), optional
            Which model leaves out each row, or -1 where all learn it: bagging by folds. A model is
            measured, after each epoch, on the rows that it leaves out, and
            ``predict(x, groups=folds)`` has for each of them what a model says that has not
            learned it.
        bootstrap : bool, int or float, default False
            Whether each model draws its rows with replacement: as many as it has, a number, or a
            fraction of them in (0, 1]. `EnsembleHistory.rows` holds them.
        epochs : int, default 10
            Passes over a model's rows.
        batch_size : int, one per model, default 100
        optimizer : Optimizer, one per model, default ``Adam()``
            Learning rates, momentum and decays differ where optimizers do:
            ``[fastnn.Adam(rate) for rate in rates]``.
        reduction : {"mean", "sum"}, default "mean"
        shuffle : bool, default True
            Whether to shuffle a model's rows in each epoch.
        validation_data : tuple (x, y), optional
            Rows on which each model is measured after each epoch; of three dimensions if x is.
        validation_groups : array, optional
            The model of each of these rows, as `groups`.
        sample_weight : array of shape (n_rows,), optional
        l1, l2 : float, one per model, default 0.0
        max_norm, clip_norm : float, one per model, optional
        dropout : float, default 0.0
            Or one per model, one per hidden layer, or (n_models, n_hidden).
        callbacks : EarlyStopping, optional
            Ends the fit of each model by itself, and restores its best weights. Other callbacks
            are for networks.
        active : array, optional
            Which models are trained, as flags (n_models,) or numbers; the others are left alone.
        client : distributed.Client, optional
            Has the workers of a Dask cluster train the models, in chunks, with the same bits;
            requires ``pip install "fastnn[dask]"``.
        progress : bool, default True
            Whether to show a progress bar over models if it takes over a second.

        Returns
        -------
        EnsembleHistory

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid; the networks are then unchanged.
        RuntimeError
            If this ensemble, or one of its networks, is already being fitted; or if workers of the
            cluster cannot compute as this process does, or one died with each worker that tried it.
        ConnectionError
            If the scheduler of the cluster, or all its workers, are lost; models that are done
            stay as they are.

        Warns
        -----
        RuntimeWarning
            If the fit was interrupted (Ctrl-C; models keep what they have learned), or the loss of
            some models became infinite or NaN.
        UserWarning
            As `Network.fit`.
        """
        start = time.perf_counter()
        options = told(
            self, optimizer, epochs, batch_size, reduction, shuffle, bootstrap, l1, l2, max_norm,
            clip_norm, dropout,
        )  # fmt: skip
        progress = validation.check_flag("progress", progress)
        spread = None if client is None else Spread(Cluster(client, backend=self.backend))
        stopping, is_active = _stopping(callbacks), check_active(active, self.n_models)
        claim = [True]  # until the fit has ended
        try:
            self._claim(claim)
            (x, y, sample_weight), shares = as_table(self, x, y, sample_weight, groups)
            a, trained_on, data = training_rows(self, x, y, sample_weight)
            if folds is None:
                shares = shares or shares_of(self, len(data.y), groups)
            else:
                _check_folds_alone(shares, groups, bootstrap, validation_data)
                shares, of_folds = shares_of_folds(self, data, folds)
            if a.one_class_a_row:
                validation.check_two_classes(data.y, self.class_labels)
            if isinstance(data.x, np.ndarray) and trained_on.columns is None:
                validation.warn_of_ranges(data.x, trained_on.feature_names, stacklevel=2)
            watched = watched_rows(self, a, trained_on, validation_data, validation_groups, groups)
            watched = watched if folds is None else of_folds
            _check_measured(stopping, watched is not None, a, options)
            trained = is_active & (shares.n_rows > 0)
            if data.sample_weight is not None and shares.n_rows.any():
                trained &= shares.sums(data.sample_weight) > 0
            warn_if_unwatched(stopping, watched, trained)
            self._take_generators()
            fits, drawn = fits_of(
                self, a, data, shares, np.flatnonzero(trained), options, watched, stopping
            )
            backend = get_backend(self._backend)
            product = largest_product(a, max(one.batch_size for one in fits.options))
            with blas_limited(backend.uses_blas, product), self._learning(a, trained_on, fits):
                run(spread or backend, fits, progress)
            why = reasons(fits, trained, is_active, shares.n_rows)
            history = EnsembleHistory(fits, why, time.perf_counter() - start, drawn)
            warn_if_cut_short(history, trained)
            return history
        finally:
            claim[0] = False  # first of all, and without a call: see `begin`
            with ctrl_c_held():
                self._release(claim)

    def _claim(self, claim: list[bool]) -> None:
        """Refuse a fit of models that another fit trains: of all, of a slice, or of a network."""
        claims = self._shared.claims
        for number in self._numbers.tolist():
            other = claims.setdefault(number, claim)
            if other is not claim and other[0]:
                raise RuntimeError(
                    "a fit of this ensemble, or of a slice of it, has not ended yet: a model is "
                    "trained by one fit at a time; train a copy.deepcopy of the ensemble"
                )
            claims[number] = claim
        for _, network in self._in_use():
            begin(network, claim)

    def _release(self, claim: list[bool]) -> None:
        claims = self._shared.claims
        for number in self._numbers.tolist():
            if claims.get(number) is claim:
                del claims[number]
        for _, network in self._in_use():
            if network._current_fit is claim:
                del network._current_fit

    @contextmanager
    def _learning(self, a: Architecture, trained_on: TrainedOn, fits: Fits) -> Iterator[None]:
        """Remember what the rows are, unless a fit fails before its first epoch is done.

        An interrupt ends the block: what is done is kept.
        """
        before = self.architecture, self.trained_on, self.chooses_scale
        self.architecture, self.trained_on, self.chooses_scale = a, trained_on, False
        try:
            yield
        except KeyboardInterrupt:
            pass
        except BaseException:
            if not fits.outcome.n_epochs.any():
                self.architecture, self.trained_on, self.chooses_scale = before
            raise
        finally:
            for i, network in self._in_use():
                self._generators.restore(i, network.rng)
                network._running = None

    # -- using ----------------------------------------------------------------------------------

    def predict(
        self,
        x: Any,
        *,
        reduce: Reduce | None = "mean",
        groups: Any = None,
        progress: bool = True,
    ) -> NDArray[Any]:
        """Return predictions: classes, yes or no, or numbers.

        Parameters
        ----------
        x : array or CSR matrix of shape (n_rows, n_in)
        reduce : {"mean", "vote", "std"} or None, default "mean"
            "mean": what the mean of the networks' outputs says. "vote": the class, or yes or no,
            that most networks say; equal votes are for the class with the lower number, and for
            no. "std": the standard deviation of the networks' outputs. None: what each says.
        groups : array of shape (n_rows,), optional
            The model that is asked about each row, as in `fit`; `reduce` does not apply.
        progress : bool, default True

        Returns
        -------
        ndarray
            (n_rows,) or (n_rows, n_out) as from `Network.predict`; with ``reduce=None`` of shape
            (n_models, n_rows, …).

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        """
        a, labels = self.architecture, self.class_labels
        if groups is None and reduce == "vote":
            return answers(a, labels, self._votes(x, progress))
        outputs = self._outputs(x, reduce, groups, progress)
        if groups is None and reduce == "std":
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        if groups is None and reduce is None:
            flat = answers(a, labels, outputs.reshape(-1, a.n_out))
            return flat.reshape(*outputs.shape[:2], *flat.shape[1:])
        return answers(a, labels, outputs)

    def predict_proba(
        self,
        x: Any,
        *,
        reduce: Reduce | None = "mean",
        groups: Any = None,
        progress: bool = True,
    ) -> NDArray[Any]:
        """Return probabilities, of each class (softmax), or of yes for each output (sigmoid).

        Parameters
        ----------
        x : array or CSR matrix of shape (n_rows, n_in)
        reduce : {"mean", "vote", "std"} or None, default "mean"
            The mean over networks; the fraction of them whose prediction it is; the standard
            deviation over them; or each one's.
        groups : array of shape (n_rows,), optional
            The model that is asked about each row, as in `fit`; `reduce` does not apply.
        progress : bool, default True

        Returns
        -------
        ndarray of shape (n_rows, n_out), or (n_models, n_rows, n_out)

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, or outputs are not probabilities.
        """
        if not self.architecture.classifies:
            raise ValueError(
                f"the output {self.architecture.output!r} does not give probabilities; use predict"
            )
        if groups is None and reduce == "vote":
            return self._votes(x, progress)
        return self._outputs(x, reduce, groups, progress)

    def evaluate(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        reduce: Literal["mean"] | None = "mean",
        groups: Any = None,
        progress: bool = True,
    ) -> dict[str, Any]:
        """Evaluate the ensemble on x and y.

        Parameters
        ----------
        x, y, sample_weight
            As in `Network.fit`.
        reduce : {"mean"} or None, default "mean"
            "mean": the ensemble, whose outputs are the mean of the networks'. None: each network.
        groups : array of shape (n_rows,), optional
            The model that is asked about each row, as in `fit`; with ``reduce=None`` each network
            is evaluated on its own rows.
        progress : bool, default True

        Returns
        -------
        dict
            The measures of `Network.evaluate`: of the ensemble, or arrays (n_models,), NaN for
            networks without rows.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        """
        progress = validation.check_flag("progress", progress)
        if reduce is not None:
            validation.check_choice("reduce", reduce, ("mean",))
        a = self.architecture
        data = checked_rows(a, self.class_labels, self.trained_on, x, y, sample_weight)
        backend = get_backend(self._backend)
        with blas_limited(backend.uses_blas, largest_product(a, PREDICT_ROWS)):
            if reduce is None:
                shares = shares_of(self, len(data.y), groups)
                return evaluate_each(backend, a, self._parameters, data, shares, progress=progress)
            if groups is not None:
                numbers = check_groups(groups, len(data.y), self.n_models, self.group_labels)
                outputs = outputs_of_groups(
                    backend, a, self._parameters, data.x, numbers, progress=progress
                )
            else:
                warn_if_not_finite(self._parameters)
                outputs = outputs_together(backend, a, self._parameters, data.x, progress=progress)
            return evaluate_outputs(backend, a, outputs, data)

    def predictor(self) -> EnsemblePredictor:
        """Return a frozen copy for serving: few checks, preallocated memory, low latency.

        Returns
        -------
        EnsemblePredictor
            ``predictor(x)`` returns the mean of the networks' outputs, as `predict_proba` does or,
            for an output that does not classify, numbers, for rows (n_rows, n_in) or one (n_in,).
        """
        a, reader = self.architecture, RowReader(self.architecture, self.trained_on)
        if not reader.makes_rows:
            return EnsemblePredictor(network.predictor() for network in self)
        backend = get_backend(self._backend)
        return EnsemblePredictor((backend.predictor(a, own) for own in self._parameters), reader)

    def _outputs(self, x: Any, reduce: str | None, groups: Any, progress: bool) -> Array:
        a, backend = self.architecture, get_backend(self._backend)
        progress = validation.check_flag("progress", progress)
        if reduce is not None:
            validation.check_choice("reduce", reduce, ("mean", "vote", "std"))
        if getattr(x, "ndim", 2) == 3:
            raise ValueError(
                f"x must have shape (n_rows, {a.n_in}), got {x.shape}: rows of each model's own, "
                "(n_models, n_rows, n_in), are for fit; ask ensemble[i].predict(x[i])"
            )
        x = checked_x(a, self.trained_on, x)
        if groups is None and reduce is not None:
            warn_if_not_finite(self._parameters)
        with blas_limited(backend.uses_blas, largest_product(a, PREDICT_ROWS)):
            if groups is not None:
                numbers = check_groups(groups, x.shape[0], self.n_models, self.group_labels)
                return outputs_of_groups(
                    backend, a, self._parameters, x, numbers, progress=progress
                )
            if reduce is None:
                return outputs_of_each(backend, a, self._parameters, x, progress=progress)
            return outputs_together(
                backend, a, self._parameters, x, reduce=reduce, progress=progress
            )

    def _votes(self, x: Any, progress: bool) -> Array:
        if not self.architecture.classifies:
            raise ValueError(
                f'reduce="vote" is for classifiers; the output is {self.architecture.output!r}'
            )
        return self._outputs(x, "vote", None, progress)

    # -- files and copies -----------------------------------------------------------------------

    def save(self, path: Any) -> None:
        """Write the ensemble to one safetensors file, atomically; see `fastnn.load`.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError
            If the file cannot be written; an existing file is then unchanged.
        """
        with write_whole(path) as file:
            file.write(to_bytes(self))

    def to_c(
        self,
        path: Any,
        *,
        weights: WeightType = "float32",
        name: str | None = None,
        rows: Any = None,
    ) -> Written:
        """Write an ensemble that carries `columns` as one C99 header: the mean of its networks.

        The header is that of `Network.to_c`, with the weights of all networks. One that takes rows
        of numbers is written network by network: ``ensemble[i].to_c``.

        Parameters
        ----------
        path : path-like
        weights : {"float32", "int8"}, default "float32"
        name : str, optional
        rows : table, or tuple (table, y), optional
            As of `Network.to_c`.

        Returns
        -------
        Written
            As from `Network.to_c`.

        Raises
        ------
        TypeError, ValueError, OSError
            As from `Network.to_c`; or if there are no columns.

        Warns
        -----
        UserWarning
            If several networks take more than 1 MB; or as `Network.to_c`.
        """
        from fastnn.exchange.c.table_header import write_table

        return write_table(self, path, weights=weights, name=name, rows=rows)

    def to_html(
        self, path: Any, *, weights: ModuleWeightType = "float32", rows: Any = None
    ) -> WrittenPage:
        """Write the ensemble as one HTML file, a page to try it: the mean of the networks' outputs.

        The page is that of `Network.to_html`, with all networks in it.

        Parameters
        ----------
        path : path-like
        weights : {"float32", "float16", "int8"}, default "float32"
        rows : array, table, or tuple of it and y, optional
            As of `Network.to_html`.

        Returns
        -------
        WrittenPage
            As from `Network.to_html`.

        Raises
        ------
        TypeError, ValueError, OSError
            As from `Network.to_html`; or if there is a network for each group of rows.
        """
        from fastnn.exchange.page.writing import write

        return write(self, path, weights=weights, rows=rows)

    def to_onnx(
        self, path: Any, *, input_dtype: InputType | np.dtype[Any] | type[np.generic] | None = None
    ) -> None:
        """Write the ensemble as an ONNX model, atomically: the mean of the networks' outputs.

        Inputs and outputs are those of `Network.to_onnx`, also with `columns`; ``ensemble[i]``
        writes one network.

        Parameters
        ----------
        path : path-like
        input_dtype : {"float32", "float64", "uint8"}, optional
            As of `Network.to_onnx`.

        Raises
        ------
        ImportError, TypeError, ValueError, OSError
            As from `Network.to_onnx`.
        """
        from fastnn.exchange.onnx.export import to_onnx

        to_onnx(self, path, input_dtype=input_dtype)

    def __copy__(self) -> Ensemble:
        """Copy everything."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle and copy with the safe file format, and the generators in addition."""
        self._take_generators()
        return {
            "file": to_bytes(self),
            "states": self._generators.states.copy(),
            "seeds": self.seeds,
            "backend": self._backend,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        model = read(state["file"])
        model._generators, model.seeds = Generators(state["states"]), state["seeds"]
        self.__dict__.update(vars(Ensemble.from_model(model, backend=state["backend"])))


def _put_back(
    shared: Shared, number: int, generators: Generators, i: int, attributes: dict[str, Any]
) -> None:
    """Store the state of the generator of a network that nobody references any more."""
    claim = shared.claims.get(number)
    if claim is None or not claim[0]:  # else a fit goes on with the stored one
        generators.put(i, attributes["rng"])


def _stopping(callbacks: Any) -> Stopping | None:
    """Return when fits end early, from the callbacks of a fit: at most one `EarlyStopping`."""
    if callbacks is None:
        return None
    several = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    if not several:
        return None
    if len(several) > 1 or type(several[0]) is not EarlyStopping:
        raise TypeError(
            "callbacks of an ensemble must be one fastnn.EarlyStopping, which watches each model; "
            f"got {describe(callbacks)}. Others are for Network.fit, such as ensemble[0].fit"
        )
    return stopping_of(several[0])


def _check_folds_alone(shares: Any, groups: Any, bootstrap: Any, validation_data: Any) -> None:
    """Refuse what would say once more which rows a model learns, or is measured on."""
    said = {
        "x of three dimensions": shares is not None,
        "groups=": groups is not None,
        "bootstrap=": bootstrap is not False,
        "validation_data=": validation_data is not None,
    }
    for name, is_said in said.items():
        if is_said:
            raise ValueError(
                f"folds= says which rows each model learns and which it is measured on, and so "
                f"does {name}: pass one of them"
            )


def _check_measured(
    stopping: Stopping | None, watches: bool, a: Architecture, options: Told
) -> None:
    """Check that what early stopping monitors will be measured."""
    if stopping is None:
        return
    if stopping.monitor.startswith("val_") and not watches:
        raise ValueError(
            f"EarlyStopping monitors {stopping.monitor!r}, which needs validation_data=(x, y)"
        )
    penalized = all(l1 or l2 for l1, l2, *_ in options.numbers)
    if stopping.monitor == "penalty" and not penalized:
        raise ValueError("EarlyStopping monitors 'penalty', but l1 and l2 are 0, of some models")
    if stopping.monitor.endswith("accuracy") and not a.classifies:
        raise ValueError(
            f"EarlyStopping monitors {stopping.monitor!r}, which is not measured for the output "
            f"{a.output!r}; monitor the loss"
        )
