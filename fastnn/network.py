"""`Network`, the main class of fastnn."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.architecture import Architecture, Array
from fastnn.backends import check_backend, get_backend
from fastnn.backends.base import PREDICT_ROWS
from fastnn.backends.minibatch import TrainingOptions, largest_product
from fastnn.backends.predictor import Predictor, TablePredictor
from fastnn.backends.threads import blas_limited
from fastnn.model.evaluation import evaluate
from fastnn.model.initialization import Initializer, initialize
from fastnn.model.model import Model
from fastnn.model.prediction import answers, outputs
from fastnn.optimizers import Adam, Optimizer, RunningOptimizer, checked_optimizer
from fastnn.rows.checked import RowReader, Rows, checked_rows, checked_x
from fastnn.rows.passes import Passes
from fastnn.rows.trained_on import IMAGE_SCALE
from fastnn.training.checkpoints import Checkpoint, Keeper, checked_checkpoint
from fastnn.training.fit_description import description
from fastnn.training.held_steps import HeldSteps, one_minibatch
from fastnn.training.history import History, measurements
from fastnn.training.hooks import check_monitors, hooks
from fastnn.training.loop import fit, history_of_one
from fastnn.training.options import Told, checked_options
from fastnn.training.own_loss import LossFunction, OwnLoss, check_loss_function, measures
from fastnn.training.sessions import begin, continued, started, training, training_rows
from fastnn.training.trainer import Trainer
from fastnn.vocabulary import (
    Activation,
    ArithmeticType,
    BackendName,
    InputType,
    Loss,
    ModuleWeightType,
    NumberType,
    Output,
    Reduction,
    Shuffle,
    WeightType,
)

if TYPE_CHECKING:
    from fastnn.exchange.c.header import Written
    from fastnn.exchange.javascript.module import WrittenModule
    from fastnn.exchange.page.writing import WrittenPage

_NOT_KEPT = ("_current_fit", "_told", "_held", "_shared")
_IN_FILE = ("architecture", "_parameters", "_class_labels", "trained_on")


class Network(Model):
    """A dense network: architecture, parameters and backend.

    Parameters
    ----------
    sizes : sequence of int
        Widths of the input, of each hidden layer and of the output: ``(784, 100, 10)``;
        ``(784, 10)`` is softmax regression.
    activation : str or sequence of str, default "sigmoid"
        For all hidden layers, or one per layer: identity, sigmoid, tanh, relu, leaky_relu
        (slope 0.01), elu (α = 1), selu, gelu (exact), silu, mish, softplus.
    output : {"softmax", "sigmoid", "identity", "exp", "tanh", "relu"}, default "softmax"
        Classes; yes or no for each output (binary, multi-label); numbers; counts (Poisson); numbers
        from −1 to 1; numbers of at least 0.
    loss : str, optional
        The default is the output's own: cross_entropy, binary_cross_entropy, poisson, and
        squared_error (half of it, ``(h − t)² / 2`` of the output h) of identity, tanh and relu.
        These three also take ``"huber"`` and ``"absolute_error"``, and identity ``"quantile"``, the
        pinball loss. A sigmoid may be trained with
        ``"squared_error"`` too, the quadratic cost of textbooks; its targets are then those of
        binary cross-entropy, 0 and 1 or numbers between, and accuracy is measured as there.
    huber_delta : float, default 1.0
        Where the Huber loss turns from quadratic to linear, in units of the target.
    quantiles : float or sequence of float, optional
        What ``loss="quantile"`` estimates, within (0, 1); by default 0.5, the median. With one,
        each output estimates that quantile of its own target. With several there is one output for
        each, and all estimate those of the one target, (n_rows,) or (n_rows, 1).
    label_smoothing : float, default 0.0
        ε in [0, 1) of a softmax: the cross-entropy is that with ``(1 − ε) onehot + ε / n_classes``,
        as in PyTorch's CrossEntropyLoss. Every loss that is measured is that one, of `evaluate` and
        of validation data too; accuracy is not affected.
    bias : bool, default True
        Whether layers have biases.
    init : "glorot", "he", "lecun", float or callable, default "glorot"
        Initial weights: uniform with a radius from the layer's sizes, uniform in [−r, r], or the
        result of ``init(rng, (n_in, n_out))``. Biases start at zero. It does not depend on the
        activation: choose "he" for relu and similar ones, "lecun" for selu.
    dtype : {"float32", "float64"}, default "float32"
        Of parameters and arithmetic.
    input_scale : float, optional
        Factor for uint8 inputs, so that images stay bytes; other inputs are not scaled. By default
        it is inferred from the first training rows: 1/255 for bytes with values of 128 or more, or
        numbers between 0 and 1 that are not only 0 and 1; otherwise 1, with a warning for other
        bytes. Before training it is 1/255.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use; "auto" is resolved at each call (see `fastnn.use_backend`).
    seed : int, SeedSequence or Generator, optional
        For initial weights, shuffles and dropout. The same seed gives bit-identical results
        on the same backend. None draws one from the system.
    class_labels : sequence of str or numbers, optional
        Names of the classes. With them `fit` and `evaluate` take labels, `predict` returns labels.

    Attributes
    ----------
    architecture : Architecture
        Sizes, activations and parameter layout, as a frozen value.
    seed : int or None
        The given seed, if it was a number.
    parameters : ndarray of shape (architecture.n_slots,)
        All weights and biases in one buffer.
    weights : list of ndarray
        Views (n_in, n_out) into it, one per layer; assigning into them changes the network.
    biases : list of ndarray or None
        Views (n_out,), one per layer; None without biases.
    trained_on : TrainedOn or None
        Properties of the training rows: bytes or numbers, the names of the columns and of the
        label. Saved with the network; later rows are checked against it. None before the first fit.
    columns : Columns or None
        What the columns of a table become (see `fastnn.tabular.learn_columns`). With them, x is
        everywhere a table as it came, of numbers, flags, text and times. Can be assigned; saved
        with the network.

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    >>> y = np.array([0, 1, 1, 0])
    >>> net = fastnn.Network((2, 8, 2), activation="tanh", seed=1)
    >>> history = net.fit(x, y, epochs=500, batch_size=4, optimizer=fastnn.Adam(0.05))
    >>> net.predict(x)
    array([0, 1, 1, 0])
    """

    _told: Told | None = None
    _held: HeldSteps | None = None  # of the last partial_fit on few rows

    def __init__(
        self,
        sizes: Sequence[int],
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
    ) -> None:
        architecture = validation.check_architecture(
            sizes, activation, output, loss, huber_delta, bias, dtype,
            IMAGE_SCALE if input_scale is None else input_scale, quantiles, label_smoothing,
        )  # fmt: skip
        self.backend = backend
        super().__init__(architecture, seed=seed, class_labels=class_labels)
        self.chooses_scale = input_scale is None
        initialize(architecture, init, self.rng, self.parameters)

    @classmethod
    def from_architecture(
        cls,
        architecture: Architecture,
        *,
        backend: BackendName = "auto",
        seed: Any = None,
        class_labels: Sequence[Any] | None = None,
    ) -> Network:
        """Return a network of that architecture with all parameters zero.

        Parameters
        ----------
        architecture : Architecture
        backend, seed, class_labels
            As for `Network`.
        """
        a = architecture
        architecture = validation.check_architecture(
            a.sizes, a.activations, a.output, a.loss, a.huber_delta, a.bias, a.dtype, a.input_scale,
            a.quantiles or None, a.label_smoothing,
        )  # fmt: skip
        model = Model(architecture, seed=seed, class_labels=class_labels)
        return cls.from_model(model, backend=backend, copy=False)

    @classmethod
    def from_model(cls, model: Model, *, backend: BackendName = "auto", copy: bool = True) -> Self:
        """Return a network with a copy of a model.

        Parameters
        ----------
        model : Model
        backend : {"auto", "cython", "numba", "numpy"}, default "auto"
            The backend to use.
        copy : bool, default True
            False uses the parameters and the generator of the model without copying them.

        Raises
        ------
        TypeError
            If `model` is not a model.
        BackendUnavailableError
            If that backend cannot run here.
        """
        validation.check_instance("model", model, Model, "a model, such as a fastnn.Network")
        network = super().from_model(model, copy=copy)
        network.backend = backend
        return network

    def __repr__(self) -> str:
        a = self.architecture
        return (
            f"Network({a.sizes}, activation={a.activations}, output={a.output!r}, "
            f"dtype={a.dtype!r}, backend={self._backend!r})"
        )

    def _repr_html_(self) -> str:
        from fastnn.model.summary import model_html

        return model_html(self, self.backend)

    def summary(self) -> str:
        """Return a table of the layers, with loss, backend and properties of the training rows.

        Returns
        -------
        str
            Shape, activation and number of parameters of each layer; total size and dtype, loss,
            backend; type of inputs, and names of columns and classes if known.

        Examples
        --------
        >>> import fastnn
        >>> print(fastnn.Network((784, 100, 10), backend="numpy").summary())
        layer         shape  activation  parameters
        hidden 1  784 → 100  sigmoid         78,500
        output     100 → 10  softmax          1,010
        <BLANKLINE>
        parameters  79,510, float32, 318 kB
        loss        cross_entropy
        backend     numpy
        inputs      not trained yet; bytes will be multiplied by 0.003922
        """
        from fastnn.model.summary import model_text

        return model_text(self, self.backend)

    # -- parts ----------------------------------------------------------------------------------

    @property
    def backend(self) -> str:
        """Name of the current backend; can be assigned."""
        return get_backend(self._backend).name

    @backend.setter
    def backend(self, name: BackendName) -> None:
        check_backend(name)  # now, not at the first fit
        self._backend = name

    # -- learning -------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any,
        *,
        epochs: int = 10,
        batch_size: int = 100,
        optimizer: Optimizer | None = None,
        reduction: Reduction = "mean",
        shuffle: Shuffle = True,
        validation_data: Iterable[Any] | None = None,
        sample_weight: Any = None,
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | None = None,
        clip_norm: float | None = None,
        dropout: float | Sequence[float] = 0.0,
        loss: LossFunction | None = None,
        callbacks: Any = (),
        checkpoint: Checkpoint | None = None,
        progress: bool = True,
    ) -> History:
        """Train on x and y, starting from the current parameters and a fresh optimizer state.

        Parameters
        ----------
        x : array or CSR matrix of shape (n_rows, n_in)
            float32, float64 or uint8 (times `input_scale`), read directly; bool counts as uint8,
            other real dtypes are converted, one minibatch at a time. The column names of pandas and
            polars frames are stored; later frames are matched by name.
            With `columns`, a table as it came.
        y : array
            Softmax: labels (n_rows,) or one-hot rows. Sigmoid: 0 and 1, (n_rows,) or
            (n_rows, n_out). Else targets, (n_rows,) or (n_rows, n_out): any numbers for identity
            and relu, not negative for exp, within [−1, 1] for tanh. One column for several
            `quantiles`.
        epochs : int, default 10
            Passes over the rows.
        batch_size : int, default 100
            Rows per update; the last minibatch of a pass may have fewer.
        optimizer : Optimizer, default ``Adam()``
            `fastnn.SGD`, `fastnn.RMSprop`, `fastnn.Adam` or `fastnn.AdamW`.
        reduction : {"mean", "sum"}, default "mean"
            Whether to average or sum gradients over the minibatch ("mean" divides by the sum of
            the weights).
        shuffle : bool or "blocks", default True
            Whether to shuffle the rows in each pass. "blocks" is for files larger than memory
            (``np.load(path, mmap_mode="r")``): blocks of 1 MB of consecutive rows are put in random
            order, and the rows of 64 blocks at a time are shuffled together, so that the file is
            read sequentially in long pieces and 64 to 200 MB of it are in memory.
        validation_data : tuple (x, y) or (x, y, sample_weight), optional
            Evaluated after each epoch.
        sample_weight : array of shape (n_rows,), optional
            Weight of each row in the loss.
        l1, l2 : float, default 0.0
            Penalty ``l1 Σ|w| + l2/2 Σw²`` over weights, not biases, added to the reduced loss.
        max_norm : float, optional
            Maximum norm of the weights into one unit, enforced after each update.
        clip_norm : float, optional
            Maximum norm of the gradient; larger gradients are scaled down to it.
        dropout : float or sequence of float, default 0.0
            Probability that a hidden unit is dropped, for all hidden layers or one per layer.
        loss : callable, optional
            A loss of your own instead of the network's: ``loss(outputs, targets, sample_weight)``
            returns the losses (n_rows,) of a minibatch and the derivatives of their sum by the
            outputs (n_rows, n_out). Outputs are the network's predictions, targets the same rows of
            y (any numbers, one-dimensional if y is; with `class_labels`, class indices),
            sample_weight (n_rows,) float64 or None; the losses are to be weighted with it. It is
            called once per minibatch from Python, which costs some 30 µs more than a built-in loss.
        callbacks : Callback, function or sequence of them
            Called after each epoch (see `fastnn.Callback`).
        checkpoint : Checkpoint, optional
            File for the state of the fit, to resume it later; see `fastnn.Checkpoint`.
        progress : bool, default True
            Whether to show a progress bar if it takes over a second.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid; the network is then unchanged.
        RuntimeError
            If this network is already being fitted, in another thread or by the caller of a
            callback; that fit is not affected.
        OSError
            If the checkpoint cannot be written or read, or exists and `resume` is false, or if
            another fit is writing it, or the log of a `fastnn.MetricsLog`.

        Warns
        -----
        RuntimeWarning
            If the fit was interrupted (Ctrl-C; the network keeps what it has learned),
            or stopped because the loss became infinite or NaN.
        UserWarning
            If columns have very different ranges, or are far from 0: they should be standardized.
            If a checkpoint is resumed with another backend or instruction set.
        """
        optimizer = Adam() if optimizer is None else checked_optimizer(optimizer)
        self._told = told = Told.after(
            self._told, self.architecture, optimizer, batch_size, reduction, l1, l2, max_norm,
            clip_norm, dropout,
        )  # fmt: skip
        options = told.options
        epochs = validation.check_count("epochs", epochs, minimum=0)
        shuffle = validation.check_shuffle(shuffle)
        progress = validation.check_flag("progress", progress)
        bound, is_own = hooks(callbacks, self), check_loss_function(loss)
        claim = object()
        try:
            begin(self, claim)
            a, trained_on, data = training_rows(self, x, y, sample_weight, own_loss=is_own)
            watched = None
            if validation_data is not None:
                validation_data = validation.check_validation_data(validation_data)
                try:
                    watched = checked_rows(
                        a, self.class_labels, trained_on, *validation_data, own_loss=is_own
                    )
                except TypeError as error:
                    raise TypeError(f"validation_data: {error}") from None
                except ValueError as error:
                    raise ValueError(f"validation_data: {error}") from None
            measured = measurements(
                training=measures(a, data.y, is_own=is_own),
                validation=None if watched is None else measures(a, watched.y, is_own=is_own),
                penalty=bool(options.l1 or options.l2),
            )
            check_monitors(bound, measured)
            if a.one_class_a_row and not is_own:
                validation.check_two_classes(data.y, self.class_labels)
            if isinstance(data.x, np.ndarray) and trained_on.columns is None:
                validation.warn_of_ranges(data.x, trained_on.feature_names, stacklevel=2)
            backend = get_backend(self._backend)
            own_loss = None if loss is None else OwnLoss(loss, backend)
            keeper = None
            if checkpoint is not None:
                named = None if own_loss is None else own_loss.name
                keeper = Keeper(
                    checked_checkpoint(checkpoint),
                    description(self, a, options, data, watched, shuffle, bound, named),
                    backend,
                    measured,
                )
            held = nullcontext() if keeper is None else keeper.held(self, optimizer.n_state, epochs)
            product = largest_product(a, options.batch_size)
            with held as snapshot, blas_limited(backend.uses_blas, product):
                running = started(self, optimizer)
                self._told = told = told.of(running)
                with training(self, running, a, trained_on):
                    return fit(
                        self,
                        running,
                        backend,
                        Passes.over(data, a, options.batch_size, shuffle),
                        told.options,
                        epochs=epochs,
                        validation=watched,
                        hooks=bound,
                        keeper=keeper,
                        snapshot=snapshot,
                        programs=own_loss,
                        progress=progress,
                    )
        finally:
            if self._current_fit is claim:
                del self._current_fit

    def partial_fit(
        self,
        x: Any,
        y: Any,
        *,
        batch_size: int = 100,
        optimizer: Optimizer | None = None,
        reduction: Reduction = "mean",
        shuffle: Shuffle = True,
        sample_weight: Any = None,
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | None = None,
        clip_norm: float | None = None,
        dropout: float | Sequence[float] = 0.0,
        loss: LossFunction | None = None,
    ) -> History:
        """Train for one pass over x and y, keeping the optimizer's state.

        For incremental training. Parameters are those of `fit`, with one difference:

        Parameters
        ----------
        optimizer : Optimizer, optional
            By default the one used last, or ``Adam()``. An optimizer of the same kind continues
            with that state, with its own learning rate and constants. One of another kind, or SGD
            with momentum after SGD without, starts with a new state, and its schedule from the
            first step.

        Returns
        -------
        History
            Of one epoch.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, or `optimizer_state` was changed in shape or dtype;
            the network is then unchanged.
        RuntimeError
            As for `fit`.
        """  # numpydoc: the shared parameters are described in `fit`
        if optimizer is None:
            optimizer = Adam() if self._running is None else self._running.optimizer
        checked_optimizer(optimizer)
        shuffle = validation.check_shuffle(shuffle)
        self._told = told = Told.after(
            self._told, self.architecture, optimizer, batch_size, reduction, l1, l2, max_norm,
            clip_norm, dropout,
        )  # fmt: skip
        options = told.options
        is_own = check_loss_function(loss)
        if sample_weight is None and not is_own and shuffle != "blocks":
            history = self._one_minibatch(optimizer, options, x, y, bool(shuffle))
            if history is not None:
                return history
        claim = object()
        try:
            begin(self, claim)
            a, trained_on, data = training_rows(self, x, y, sample_weight, own_loss=is_own)
            running = continued(self, optimizer)
            self._told = told = told.of(running)
            backend = get_backend(self._backend)
            product = largest_product(a, options.batch_size)
            with blas_limited(backend.uses_blas, product), training(self, running, a, trained_on):
                return fit(
                    self,
                    running,
                    backend,
                    Passes.over(data, a, options.batch_size, shuffle),
                    told.options,
                    epochs=1,
                    programs=None if loss is None else OwnLoss(loss, backend),
                    progress=False,
                )
        finally:
            if self._current_fit is claim:
                del self._current_fit

    # -- using ----------------------------------------------------------------------------------

    def predict(self, x: Any, *, progress: bool = True) -> NDArray[Any]:
        """Return predictions: classes, yes or no, or numbers.

        Parameters
        ----------
        x : array or CSR matrix of shape (n_rows, n_in)
        progress : bool, default True
            Whether to show a progress bar if it takes over a second.

        Returns
        -------
        ndarray
            Softmax: class indices, or `class_labels`, (n_rows,). Sigmoid: 0 and 1. Else the
            outputs. These have shape (n_rows, n_out), or (n_rows,) for one output.

        Raises
        ------
        TypeError, ValueError
            If x is invalid.
        """
        outputs = self._outputs(x, progress)
        return answers(self.architecture, self.class_labels, outputs)

    def predict_proba(self, x: Any, *, progress: bool = True) -> NDArray[Any]:
        """Return the probability of each class (softmax), or of yes for each output (sigmoid).

        Parameters
        ----------
        x : array or CSR matrix of shape (n_rows, n_in)
        progress : bool, default True
            Whether to show a progress bar if it takes over a second.

        Returns
        -------
        ndarray of shape (n_rows, n_out)
            Of the network's dtype.

        Raises
        ------
        TypeError, ValueError
            If x is invalid, or the network's outputs are not probabilities.
        """
        if not self.architecture.classifies:
            raise ValueError(
                f"the output {self.architecture.output!r} does not give probabilities; use predict"
            )
        return self._outputs(x, progress)

    def hidden(self, x: Any, layer: int = -1, *, progress: bool = True) -> Array:
        """Return the outputs of a hidden layer: features that the network has learned.

        Parameters
        ----------
        x : array or CSR matrix of shape (n_rows, n_in)
        layer : int, default -1
            Which hidden layer, counted as in a list: 0 is the first, -1 the last.
        progress : bool, default True
            Whether to show a progress bar if it takes over a second.

        Returns
        -------
        ndarray of shape (n_rows, n_units)
            Of the network's dtype; the layer's activation is applied, and no dropout.

        Raises
        ------
        TypeError, ValueError
            If x is not as described, or there is no such layer.

        Examples
        --------
        >>> import numpy as np, fastnn
        >>> net = fastnn.Network((784, 100, 50, 10), seed=0)
        >>> net.hidden(np.zeros((3, 784))).shape
        (3, 50)
        """
        n_layers = 1 + validation.check_hidden_layer(layer, len(self.architecture.activations))
        return self._outputs(x, progress, n_layers)

    def evaluate(
        self, x: Any, y: Any, sample_weight: Any = None, *, progress: bool = True
    ) -> dict[str, float]:
        """Evaluate the network on x and y.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`.
        progress : bool, default True
            Whether to show a progress bar if it takes over a second.

        Returns
        -------
        dict
            ``"loss"``, the weighted mean; and ``"accuracy"``, the weighted fraction of rows with
            every output correct. For regressions, each averaged over outputs: ``"r2"``, 1 − the
            squared error divided by the variance; ``"rmse"``, the root mean squared error;
            ``"mae"``, the mean absolute error. With ``loss="quantile"`` only ``"mae"``, of the
            quantile nearest 0.5 if there are several.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        """
        progress = validation.check_flag("progress", progress)
        data = self._checked_rows(x, y, sample_weight)
        backend = get_backend(self._backend)
        product = largest_product(self.architecture, PREDICT_ROWS)
        with blas_limited(backend.uses_blas, product):
            return evaluate(backend, self.architecture, self.parameters, *data, progress=progress)

    def predictor(self) -> Predictor:
        """Return a frozen copy for serving: few checks, preallocated memory, low latency.

        Returns
        -------
        Predictor
            ``predictor(x, out=None)`` returns what `predict_proba` does, or the numbers of an
            output that does not classify, for rows (n_rows, n_in) or one row (n_in,). It holds a
            copy of the parameters and may be called from several threads at once. Of a network with
            `columns` it takes tables; one row is a dict, a list or a series. Subnormal numbers
            (below 2⁻¹²⁶ in float32, 2⁻¹⁰²² in float64) are zero, as in every prediction.

        Examples
        --------
        >>> import numpy as np, fastnn
        >>> fast = fastnn.Network((3, 2), seed=0).predictor()
        >>> fast(np.zeros(3, np.float32))
        array([0.5, 0.5], dtype=float32)
        """
        a, backend = self.architecture, get_backend(self._backend)
        reader = RowReader(a, self.trained_on)
        if reader.makes_rows:
            return TablePredictor(backend.predictor(a, self.parameters), reader)
        return backend.predictor(a, self.parameters, reader)

    def trainer(
        self,
        *,
        optimizer: Optimizer | None = None,
        reduction: Reduction = "mean",
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | None = None,
        clip_norm: float | None = None,
        dropout: float | Sequence[float] = 0.0,
        max_rows: int = 1024,
    ) -> Trainer:
        """Return a `Trainer`, which does single training steps with a few µs of overhead.

        For streams, losses of your own and minimizers. ``trainer(x, y)`` updates the network once
        from one minibatch, or one row, and returns its loss; ``trainer.forward(x)`` and
        ``trainer.backward(delta)`` do the same with a loss of your own, and
        ``trainer.value_and_gradient(x, y)`` does no update. See `fastnn.Trainer`.

        Parameters
        ----------
        optimizer : Optimizer, optional
            As for `partial_fit`: the default is the one used last, or ``Adam()``.
        reduction, l1, l2, max_norm, clip_norm, dropout
            As for `fit`.
        max_rows : int, default 1024
            Most rows of a minibatch.

        Returns
        -------
        Trainer

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.

        Examples
        --------
        >>> import numpy as np, fastnn
        >>> net = fastnn.Network((2, 8, 1), activation="tanh", output="sigmoid", seed=0)
        >>> trainer = net.trainer(optimizer=fastnn.SGD(0.5))
        >>> for step in range(500):
        ...     x = np.random.default_rng(step).random((16, 2), np.float32)
        ...     loss = trainer(x, x[:, 0] > x[:, 1])
        >>> bool(loss < 0.3)
        True
        """
        given = optimizer if optimizer is None else checked_optimizer(optimizer)
        max_rows = validation.check_count("max_rows", max_rows)
        options = checked_options(
            self.architecture, given or Adam(), max_rows, reduction, l1, l2, max_norm, clip_norm,
            dropout,
        )  # fmt: skip
        arguments = {
            "optimizer": optimizer, "reduction": reduction, "l1": l1, "l2": l2,
            "max_norm": max_norm, "clip_norm": clip_norm, "dropout": dropout, "max_rows": max_rows,
        }  # fmt: skip
        return Trainer(self, get_backend(self._backend), given, options, arguments)

    def save(self, path: Any) -> None:
        """Write the network to a safetensors file, atomically; see `fastnn.load`.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError
            If the file cannot be written; an existing file is then unchanged.
        """
        from fastnn.model.persistence import save

        save(self, path)

    def to_c(
        self,
        path: Any,
        *,
        weights: WeightType = "float32",
        arithmetic: ArithmeticType = "float32",
        calibration: Any = None,
        name: str | None = None,
        rows: Any = None,
    ) -> Written:
        """Write the network as one C99 header, for firmware and plugins: no allocation, only libm.

        For a network called digits it defines ``digits_predict(x, out)`` for one row of floats,
        ``digits_predict_bytes`` for one of bytes and, if each row has one class,
        ``digits_classify(x)`` and ``digits_classify_bytes``; `class_labels` are
        ``digits_class_labels``. It is valid C++ too. A comment at the top explains how to call it
        and lists the columns.

        Arithmetic and biases are float32; parameters of a float64 network are rounded.
        If `trained_on` has the means and deviations of the columns, the header subtracts the means
        first, since float has too few digits for columns far from zero. A column whose variation is
        below the resolution of float at its mean is left out.

        With `columns`, of numbers and flags only, a row is ``double x[]``, one for each column that
        is read, in order, NAN where a cell is missing; the header prepares them as `Columns.rows`
        does, in double. There are no functions for bytes.

        With ``arithmetic="int32"``, for microcontrollers without a floating-point unit, there are
        no floats: weights are int8, activations int16, sums int32. For calibration rows in bytes
        the functions are ``digits_predict_bytes`` and ``digits_classify_bytes``; else
        ``digits_predict`` and ``digits_classify`` take int16, which ``digits_quantize`` makes of
        floats (compiled where ``digits_FLOAT`` is defined). The outputs are int32, in units of
        ``2**-digits_FRACTION_BITS``: logits instead of probabilities, and the logarithms of counts.

        Parameters
        ----------
        path : path-like
            Such as ``"digits.h"``; an existing file is replaced.
        weights : {"float32", "int8"}, default "float32"
            How weights are stored. int8 takes a quarter of the memory: each column is stored as
            integers from −127 to 127 and a scale, with an error of at most half the scale; inputs
            of very different scales get one factor each. `fastnn.exchange.quantization.dequantized`
            returns the equivalent network.
        arithmetic : {"float32", "int32"}, default "float32"
            "int32" needs ``weights="int8"`` and `calibration`.
        calibration : array (n_rows, n_in), or tuple (x, y), optional
            For ``arithmetic="int32"``: some hundred rows such as the network will meet. They give
            the ranges of inputs and activations, of which values twice as large can be
            represented; larger ones are bounded. They are also the default of `rows`.
        name : str, optional
            Prefix of every name in the header; by default the name of the file.
        rows : array (n_rows, n_in), or tuple (x, y), optional
            Rows on which to compare the header with the network; with `columns`, x is a table. If
            the network has no column means, they are measured on these rows too.

        Returns
        -------
        Written
            The ``name``, ``n_bytes`` and ``largest_weight_error`` of the header, and its
            ``agreement`` with the network: ``agreement.agreement``, and, with y,
            ``agreement.network`` and ``agreement.header``, the accuracy or R² of each. Without rows
            it is measured on synthetic rows, drawn with the columns' means and deviations; None if
            these are unknown. With ``arithmetic="int32"`` also ``largest_logit_error``.

        Raises
        ------
        TypeError, ValueError
            If `name` is not a C identifier, `weights` or `arithmetic` is not a valid choice, a
            parameter is not finite in float32, a class label cannot be written in C, or the rows
            are invalid; if a column holds text or times; or, for ``arithmetic="int32"``, if there
            is no calibration, there are columns, or the sums of a layer do not fit in int32.
        OSError
            If the file cannot be written; an existing file is then unchanged.

        Warns
        -----
        UserWarning
            If the header loses more than 0.01 in accuracy, R² or agreement, or leaves out a column.
        """
        from fastnn.exchange.c.arithmetic import computes_in_integers
        from fastnn.exchange.c.header import write
        from fastnn.exchange.c.integers.header import write_integers
        from fastnn.exchange.c.table_header import write_table

        if computes_in_integers(self, weights, arithmetic, calibration):
            return write_integers(self, path, name=name, calibration=calibration, rows=rows)
        return (write if self.columns is None else write_table)(
            self, path, weights=weights, name=name, rows=rows
        )

    def to_javascript(
        self, path: Any, *, weights: ModuleWeightType = "float32", rows: Any = None
    ) -> WrittenModule:
        """Write the network as one ES module, for browsers, Node, Deno and workers.

        The module needs nothing else: the weights are in it, in base64. It exports
        ``predict(x, out)`` for one row or several, one after the other, in a Float32Array, or in a
        Uint8Array of bytes, which are multiplied by `input_scale`; ``info``, which describes the
        network; and, if each row has one class, ``predictClass(x)`` and ``predictClasses(x)``,
        which return `class_labels` or, without any, numbers from 0. Types for TypeScript are
        written beside it. It computes in WebAssembly where the engine has vectors there, with the
        same bits in each, else in JavaScript.

        Arithmetic is float32. As in a C header (`to_c`), the means of the columns are subtracted
        first if `trained_on` has them. Inputs that are zero are left out, which changes no bit;
        rows that are not finite in float32 are refused, as is whatever is not rows.

        Parameters
        ----------
        path : path-like
            Such as ``"digits.js"`` or ``"digits.mjs"``, with types in ``"digits.d.ts"`` or
            ``"digits.d.mts"``; existing files are replaced.
        weights : {"float32", "float16", "int8"}, default "float32"
            How weights are stored. float16 takes half the bytes, with a relative error of at most
            2⁻¹¹ from 6e-5 on; int8 a quarter: integers from −127 to 127 and a scale for each
            unit. They become float32 when the module is loaded.
        rows : array (n_rows, n_in), or tuple (x, y), optional
            Rows on which to compare the module with the network. If the network has no column
            means, they are measured on these rows too.

        Returns
        -------
        WrittenModule
            The path of the ``types``, ``n_bytes`` and ``n_weight_bytes`` of the module, its
            ``largest_weight_error`` and its ``agreement`` with the network, as from `to_c`.

        Raises
        ------
        TypeError, ValueError
            If `path` does not end in .js or .mjs, `weights` is not a valid choice, a parameter is
            not finite in float32, or a weight in float16, a class label is beyond 2⁵³, the rows
            are invalid, or the network has `columns`.
        OSError
            If a file cannot be written.

        Warns
        -----
        UserWarning
            If the module loses more than 0.01 in accuracy, R² or agreement, or leaves out a column.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.Network((784, 100, 10), seed=0)
        >>> net.to_javascript("digits.js", weights="int8").n_bytes  # doctest: +SKIP
        122100
        """
        from fastnn.exchange.javascript.module import write

        return write(self, path, weights=weights, rows=rows)

    def to_html(
        self, path: Any, *, weights: ModuleWeightType = "float32", rows: Any = None
    ) -> WrittenPage:
        """Write the network as one HTML file: a page to try it in a browser.

        Inputs that look like an image are drawn, the columns of a table (`columns`) are a form, and
        other rows are lines of numbers; outputs follow while one draws or types. Beside them stands
        what the network is. The network is in the page, as from `to_javascript`: it opens from a
        disk or a mail, and requests nothing. ``fastnn serve`` shows the same page.

        Parameters
        ----------
        path : path-like
            Such as ``"digits.html"``, whose name without ending is the title; an existing file is
            replaced.
        weights : {"float32", "float16", "int8"}, default "float32"
            How weights are stored, as of `to_javascript`.
        rows : array (n_rows, n_in), or tuple (x, y), optional
            Rows on which to compare the page with the network; with `columns`, x is a table. The
            page states the accuracy, or R², on rows with y; files of networks do not record it.

        Returns
        -------
        WrittenPage
            Its ``n_bytes``, ``n_weight_bytes``, ``largest_weight_error`` and ``agreement`` with the
            network, as from `to_javascript`.

        Raises
        ------
        TypeError, ValueError
            If `path` does not end in .html or .htm, `weights` is not a valid choice, a parameter is
            not finite in float32, or a weight in float16, or the rows are invalid.
        OSError
            If the file cannot be written; an existing file is then unchanged.

        Warns
        -----
        UserWarning
            If the page loses more than 0.01 in accuracy, R² or agreement, or leaves out a column.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.Network((784, 100, 10), seed=0)
        >>> net.to_html("digits.html", weights="int8").n_weight_bytes  # doctest: +SKIP
        80280
        """
        from fastnn.exchange.page.writing import write

        return write(self, path, weights=weights, rows=rows)

    def to_onnx(
        self, path: Any, *, input_dtype: InputType | np.dtype[Any] | type[np.generic] | None = None
    ) -> None:
        """Write the network as an ONNX model, atomically; see `fastnn.from_onnx`.

        The model takes ``x`` (rows, n_in), any number of rows. A classifier has the outputs
        ``label`` (as from `predict`) and ``probabilities`` (as from `predict_proba`); other
        networks have ``prediction`` (rows, n_out). It computes in the network's dtype.

        With `columns` it takes a table as it came: instead of ``x`` one input (rows, 1) for each
        column that is read, of its name. Numbers and flags (1 and 0) are float64, NaN where they
        are missing; text is a string tensor, "" where it is missing, a category that was a number
        in training being text too, such as "7"; times are int64, microseconds since 1970 in UTC,
        −2⁶³ (NumPy's NaT) where they are missing. The model prepares them as `Columns.rows` does,
        but cannot refuse anything: infinite numbers are bounded as large ones are.

        Parameters
        ----------
        path : path-like
        input_dtype : {"float32", "float64", "uint8"}, optional
            Dtype of ``x``; by default the network's. Float rows are not scaled; uint8 rows
            are multiplied by `input_scale` inside the model. With `columns`, the dtype of numbers
            and flags, by default float64; float32 is refused if columns would lose digits.

        Raises
        ------
        ImportError
            If onnx is not installed: ``pip install "fastnn[onnx]"``.
        TypeError, ValueError
            If an argument is invalid, the network exceeds the size limit of the format (2 GB), or a
            class label cannot be stored in it.
        OSError
            If the file cannot be written; an existing file is then unchanged.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.Network((784, 100, 10), seed=0)
        >>> net.to_onnx("digits.onnx", input_dtype="uint8")  # doctest: +SKIP
        """
        from fastnn.exchange.onnx.export import to_onnx

        to_onnx(self, path, input_dtype=input_dtype)

    def to_torch(self, *, logits: bool = False) -> Any:
        """Return the network as a PyTorch model; see `fastnn.from_torch`.

        Parameters
        ----------
        logits : bool, default False
            Whether to omit the final softmax, sigmoid or exp, as required by PyTorch's losses for
            further training: CrossEntropyLoss, BCEWithLogitsLoss, PoissonNLLLoss. A final tanh or
            relu is kept, since MSELoss compares its values with the targets.

        Returns
        -------
        torch.nn.Sequential
            Linear modules with copies of the parameters, on the CPU and in the network's dtype,
            and the activations. For float rows its results are those of `predictor`.

        Raises
        ------
        ImportError
            If PyTorch is not installed: ``pip install "fastnn[torch]"``.
        TypeError
            If `logits` is not True or False.
        """
        from fastnn.exchange.torch import to_torch

        return to_torch(self, logits=logits)

    def __copy__(self) -> Network:
        """Copy everything: a copy must not share the optimizer state."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle and copy with the safe file format, and the training state in addition."""
        from fastnn.model.persistence import to_bytes

        state = {k: v for k, v in self.__dict__.items() if k not in (*_IN_FILE, *_NOT_KEPT)}
        return state | {"file": to_bytes(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from fastnn.model.persistence import from_bytes

        loaded = from_bytes(state["file"])
        self._running = None
        self.__dict__.update({k: v for k, v in state.items() if k != "file"})
        if "_chooses_scale" in self.__dict__:  # an older version's name
            self.chooses_scale = self.__dict__.pop("_chooses_scale")
        optimizer = self.__dict__.pop("_optimizer", None)  # of an older version's pickle
        optimizer_state = self.__dict__.pop("_optimizer_state", None)
        if optimizer is not None and optimizer_state is not None:
            self._running = RunningOptimizer(optimizer, optimizer_state)
        self.__dict__.update({k: loaded.__dict__[k] for k in _IN_FILE})

    # -- inside ---------------------------------------------------------------------------------

    def _outputs(self, x: Any, progress: bool, n_layers: int | None = None) -> Array:
        a, backend = self.architecture, get_backend(self._backend)
        progress = validation.check_flag("progress", progress)
        x = checked_x(a, self.trained_on, x)
        with blas_limited(backend.uses_blas, largest_product(a, PREDICT_ROWS)):
            return outputs(backend, a, self.parameters, x, progress=progress, n_layers=n_layers)

    def _checked_rows(self, x: Any, y: Any, sample_weight: Any = None) -> Rows:
        return checked_rows(
            self.architecture, self.class_labels, self.trained_on, x, y, sample_weight
        )

    def _one_minibatch(
        self, optimizer: Optimizer, options: TrainingOptions, x: Any, y: Any, shuffle: bool
    ) -> History | None:
        """Do `partial_fit` on plain rows that are one minibatch; None if they are not."""
        backend, held = get_backend(self._backend), self._held
        if type(x) is not np.ndarray or x.ndim != 2 or backend.uses_blas:
            return None
        if held is None or held.options is not options or held.backend is not backend:
            held = self._held = HeldSteps(backend, optimizer, options)
        start = time.perf_counter()
        result = one_minibatch(self, held, x, y, shuffle)
        return None if result is None else history_of_one(result, options, start)
