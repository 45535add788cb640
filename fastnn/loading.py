"""Networks from files and from other libraries' models: `load`, and one function per library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.backends import check_backend
from fastnn.ensemble import Ensemble
from fastnn.network import Network
from fastnn.vocabulary import BackendName, Output


def load(path: Any, *, backend: BackendName = "auto") -> Any:
    """Load what was saved, by `Network.save` or `Ensemble.save`.

    Parameters
    ----------
    path : path-like
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use.

    Returns
    -------
    Network or Ensemble
        With the saved parameters, and newly seeded random generators.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not such a file, or is damaged; nothing in a file is ever executed.
    BackendUnavailableError
        If that backend cannot run here.

    Warns
    -----
    UserWarning
        If the file is of an older fastnn and has no checksum.
    """
    from fastnn.model.ensemble_model import EnsembleModel
    from fastnn.model.ensemble_persistence import read_either
    from fastnn.model.persistence import load as load_file

    check_backend(backend)  # before reading anything
    stored = load_file(path, read_either)
    if isinstance(stored, EnsembleModel):
        stored.seed_anew()
        return Ensemble.from_model(stored, backend=backend)
    return Network.from_model(stored, backend=backend, copy=False)


def from_onnx(path: Any, *, output: Output | None = None, backend: BackendName = "auto") -> Network:
    """Import a network from an ONNX model that is a plain MLP.

    Supported are Gemm or MatMul and Add, with or without a bias; fastnn's activations, as written
    by fastnn, PyTorch, Keras and scikit-learn's converters; Dropout, Identity, casts to other
    floating-point types; flattening of the input; a final Softmax, Sigmoid or Exp, and the
    selection of a class after it; scikit-learn's linear models (``ai.onnx.ml``).

    Scales and shifts of the columns, also as BatchNormalization or Scaler, are folded
    into neighbouring layers, in float64. Activations that can be expressed with fastnn's are
    converted, exactly up to rounding: LeakyRelu and PRelu of any slope and Abs become a relu layer
    of twice the width; Clip and HardSigmoid two relu layers; Elu and Selu of another alpha an elu,
    then a relu layer; a final tanh, softplus, relu or other activation becomes a hidden layer,
    followed by a diagonal output layer of ones.

    Parameters
    ----------
    path : path-like
        Weights in files beside the model's are read too; in other folders they are not.
    output : {"softmax", "sigmoid", "identity", "exp", "tanh", "relu"}, optional
        What turns the graph's last numbers into predictions, where it ends in plain logits: such
        a graph has otherwise the output identity, or softmax if it chooses the largest. "softmax"
        also reads a graph that ends in LogSoftmax.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use.

    Returns
    -------
    Network
        float64 if the weights are, otherwise float32 (half precision is widened); also float64 if
        the model subtracts a mean of more than 256 spreads from a column, so that folding loses no
        precision. Its `input_scale` is the model's scale for uint8 rows, or 1 if it has none. A
        single sigmoid output is kept even if the model returns the probabilities of both classes.
        Names of several sigmoid outputs (ZipMap) cannot be stored in a network and are dropped.

    Raises
    ------
    ImportError
        If onnx is not installed: ``pip install "fastnn[onnx]"``.
    OSError
        If a file cannot be read.
    ValueError
        If it is not an ONNX model, damaged, or not a plain MLP: the error names the node. Or if it
        needs far more memory than the size of its files.
    BackendUnavailableError
        If that backend cannot run here.
    """
    from fastnn.exchange.onnx.reading import from_onnx as read

    check_backend(backend)  # before reading anything
    return Network.from_model(read(path, output=output), backend=backend, copy=False)


def from_torch(
    model: Any,
    *,
    output: Output | None = None,
    class_labels: Sequence[Any] | None = None,
    input_scale: float = 1.0 / 255.0,
    backend: BackendName = "auto",
) -> Network:
    """Return a copy of a PyTorch model made of Linear layers and activations.

    The model is imported as it behaves after ``eval()``: no dropout, and running statistics of
    BatchNorm1d, which are folded into the neighbouring layer, in float64. Activations that can be
    expressed with fastnn's are converted, exactly up to rounding: LeakyReLU and PReLU of any slope
    become a relu layer of twice the width; Hardtanh, ReLU6 and Hardsigmoid two relu layers; ELU of
    another alpha an elu, then a relu layer; a final tanh, softplus, relu or other activation
    becomes a hidden layer, followed by a diagonal output layer of ones.

    Parameters
    ----------
    model : torch.nn.Module
        An nn.Sequential, possibly nested, of Linear, with or without bias, including weight_norm
        and other parametrizations; BatchNorm1d; Sigmoid, Tanh, ReLU, LeakyReLU, PReLU, ELU,
        SELU, exact GELU, SiLU, Mish, Softplus (PyTorch's is linear above 20, fastnn's is not: they
        differ by 2e-9) and others; Dropout, Identity, Flatten; and a final Softmax, Sigmoid or what
        `Network.to_torch` appends for exp. Also a Module of another class whose children, in order,
        are such a chain: its forward is then run on random rows, on a copy, and compared. On any
        device; half precision is widened to float32. DataParallel and what torch.compile returns
        are seen through.
    output : {"softmax", "sigmoid", "identity", "exp", "tanh", "relu"}, optional
        What turns the last Linear's numbers into predictions, where nothing follows it; by default
        identity. "softmax" also reads a model that ends in LogSoftmax.
    class_labels : sequence of str or numbers, optional
        Names of the classes, as for `Network`.
    input_scale : float, default 1/255
        Factor for uint8 inputs, as for `Network`.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use.

    Returns
    -------
    Network
        float64 if a weight is, otherwise float32; with biases if any layer has one, zero for the
        others. Also float64 if the model first subtracts a mean of more than 256 spreads from a
        column, so that folding loses no precision.

    Raises
    ------
    ImportError
        If PyTorch is not installed: ``pip install "fastnn[torch]"``.
    TypeError
        If `model` is not such a model, or contains an unsupported module: the error names it.
    ValueError
        If a module has unsupported settings or an unsupported position; or if forward does not
        apply the children in order.
    BackendUnavailableError
        If that backend cannot run here.

    Examples
    --------
    >>> from torch import nn  # doctest: +SKIP
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))  # doctest: +SKIP
    >>> net = fastnn.from_torch(model, output="softmax")  # doctest: +SKIP
    """
    from fastnn.exchange.torch import from_torch as read

    check_backend(backend)  # before reading anything
    read_model = read(model, output=output, class_labels=class_labels, input_scale=input_scale)
    return Network.from_model(read_model, backend=backend, copy=False)


def from_sklearn(estimator: Any, *, backend: BackendName = "auto") -> Network:
    """Return a network with the predictions of a fitted scikit-learn estimator.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, LogisticRegression, LinearRegression, Ridge, …
        scikit-learn's (Lasso and ElasticNet too), or `fastnn.sklearn`'s `MLPClassifier`,
        `MLPRegressor` or `SoftmaxRegression`; fitted. Or a Pipeline that ends in one, behind
        StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler and "passthrough"; a
        TransformedTargetRegressor of a regressor and such a scaler; a GridSearchCV or
        RandomizedSearchCV, whose best_estimator_ is read.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use.

    Returns
    -------
    Network
        A copy, float64 if the weights are, otherwise float32. Rows of bytes are not scaled
        (`input_scale` is 1). The classes of the estimator become `class_labels`, unless they are
        the ints 0, 1, 2 and so on; two classes become one
        sigmoid output, the probability of the second. Multilabel estimators get one sigmoid output
        per label, without class labels. Scalers are folded into the first layer, those of targets
        into the last, in float64: the network takes the same rows as the pipeline. It is also
        float64 if a mean is more than 256 spreads from zero, so that folding loses no precision.
        Column names of an estimator fitted on a frame are kept (`Network.trained_on`).

    Raises
    ------
    ImportError
        If scikit-learn is not installed: ``pip install "fastnn[sklearn]"``.
    TypeError
        If it is another estimator, or a pipeline has another step.
    ValueError
        If it is not fitted, or a one-vs-rest logistic regression with more than two classes; or if
        a scaler clips.
    BackendUnavailableError
        If that backend cannot run here.
    """
    from fastnn.exchange.sklearn import from_sklearn as read

    check_backend(backend)  # before reading anything
    return Network.from_model(read(estimator), backend=backend, copy=False)
