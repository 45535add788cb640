"""Networks from files and from other libraries' models: `load`, and one function a library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.backends import check_backend
from fastnn.network import Network
from fastnn.vocabulary import BackendName, Output


def load(path: Any, *, backend: BackendName = "auto") -> Network:
    """Read a network from a file that `Network.save` wrote.

    Parameters
    ----------
    path : path-like
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use.

    Returns
    -------
    Network
        With the saved parameters, and randomness seeded anew.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a network's file, or is damaged; nothing in a file is ever executed.
    BackendUnavailableError
        If that backend cannot run here.

    Warns
    -----
    UserWarning
        If the file is of an older fastnn and has no checksum.
    """
    from fastnn.model.persistence import load as load_model

    check_backend(backend)  # before anything is read
    return Network.from_model(load_model(path), backend=backend, copy=False)


def from_onnx(path: Any, *, output: Output | None = None, backend: BackendName = "auto") -> Network:
    """Read a network from an ONNX model that is a plain MLP.

    Read are Gemm or MatMul and Add, with or without a bias; fastnn's activations, as fastnn,
    PyTorch, Keras and scikit-learn's converters write them; Dropout, Identity, casts to other
    floating-point numbers; flattening at the input; Softmax, Sigmoid or Exp at the end, and the
    choice of a class after it; scikit-learn's linear models (``ai.onnx.ml``).

    Scales and shifts of all columns or of each, also as BatchNormalization or Scaler, are folded
    into the layers beside them, in float64. What fastnn's activations can compute with is read
    too, exact but for rounding: LeakyRelu and PRelu of any slope and Abs are relus of a layer twice
    as wide; Clip and HardSigmoid two layers of relus; Elu of any alpha and Selu an elu and then
    relus; and behind an end in tanh, softplus, relu or another activation there is a layer of ones
    on the diagonal.

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
        float64 if the weights are, else float32 (half precision is widened); also float64 if the
        model subtracts a mean of more than 256 spreads from a column, so that folding it loses
        nothing. Its `input_scale` is the model's for uint8 rows, else 1: bytes are the numbers they
        are. One sigmoid output stays one where the model gives both classes' probabilities. Names
        of several sigmoid outputs (ZipMap) have no place in a network and are left out.

    Raises
    ------
    ImportError
        If onnx is not installed: ``pip install "fastnn[onnx]"``.
    OSError
        If a file cannot be read.
    ValueError
        If it is no ONNX model, damaged, or not a plain MLP: the error names the node. Or if it
        takes far more memory than its files do.
    BackendUnavailableError
        If that backend cannot run here.
    """
    from fastnn.exchange.onnx.reading import from_onnx as read

    check_backend(backend)  # before anything is read
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

    What is read is what the model computes after ``eval()``: no dropout, and a BatchNorm1d's
    running statistics, which are folded into the layer beside it, in float64. What fastnn's
    activations can compute with is exact but for rounding: LeakyReLU and PReLU of any slope are
    relus of a layer twice as wide; Hardtanh, ReLU6 and Hardsigmoid two layers of relus; ELU of any
    alpha and SELU an elu and then relus; and behind an end in tanh, softplus, relu or another
    activation there is a layer of ones on the diagonal.

    Parameters
    ----------
    model : torch.nn.Module
        An nn.Sequential, nested as you like, of Linear, with or without bias, weight_norm and
        other parametrizations included; BatchNorm1d; Sigmoid, Tanh, ReLU, LeakyReLU, PReLU, ELU,
        SELU, exact GELU, SiLU, Softplus (PyTorch's ends at a threshold of 20 where fastnn's goes
        on, 2e-9 apart) and others; Dropout, Identity, Flatten; and a last Softmax, Sigmoid or what
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
        What uint8 inputs are multiplied by, as for `Network`.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use.

    Returns
    -------
    Network
        float64 if a weight is, else float32; with biases if a layer has one, the others' zero.
        Also float64 if the model first subtracts a mean of more than 256 spreads from a column, so
        that folding it loses nothing.

    Raises
    ------
    ImportError
        If PyTorch is not installed: ``pip install "fastnn[torch]"``.
    TypeError
        If `model` is not such a model, or holds a module of another kind: the error names it.
    ValueError
        If a module has other settings than fastnn's, or a place that no network has for it; or if
        a forward computes something else than the children in order.
    BackendUnavailableError
        If that backend cannot run here.

    Examples
    --------
    >>> from torch import nn  # doctest: +SKIP
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))  # doctest: +SKIP
    >>> net = fastnn.from_torch(model, output="softmax")  # doctest: +SKIP
    """
    from fastnn.exchange.torch import from_torch as read

    check_backend(backend)  # before anything is read
    read_model = read(model, output=output, class_labels=class_labels, input_scale=input_scale)
    return Network.from_model(read_model, backend=backend, copy=False)


def from_sklearn(estimator: Any, *, backend: BackendName = "auto") -> Network:
    """Return a network that predicts what a fitted scikit-learn estimator does.

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
        A copy, float64 if the estimator's weights are, else float32. Rows of bytes are the numbers
        they are (`input_scale` is 1). The estimator's classes are
        its `class_labels`, where they are not the ints 0, 1, 2 and so on; two classes are one
        sigmoid output, the probability of the second. Several labels a row are as many sigmoid
        outputs, without class labels. Scalers are folded into the first layer, those of targets
        into the last, in float64: the network takes the rows as the pipeline does. It is float64
        too if a mean is more than 256 spreads from zero, so that folding it loses nothing. Columns'
        names, if the estimator was fitted on a frame, are the network's (`Network.trained_on`).

    Raises
    ------
    ImportError
        If scikit-learn is not installed: ``pip install "fastnn[sklearn]"``.
    TypeError
        If it is another estimator, or a pipeline has another step.
    ValueError
        If it is not fitted, or a logistic regression of more than two classes, each against the
        rest; or if a scaler clips.
    BackendUnavailableError
        If that backend cannot run here.
    """
    from fastnn.exchange.sklearn import from_sklearn as read

    check_backend(backend)  # before anything is read
    return Network.from_model(read(estimator), backend=backend, copy=False)
