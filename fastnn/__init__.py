"""fastnn: small dense networks, trained and served at the speed of the CPU.

>>> import fastnn
>>> data = fastnn.datasets.digits()
>>> net = fastnn.Network((784, 100, 10), activation="relu", seed=0)
>>> history = net.fit(*data.train, epochs=5, progress=False)
>>> net.evaluate(*data.test)["accuracy"] > 0.95
True
"""

from fastnn.system import interrupts  # noqa: F401  isort: skip  before anything slow

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if find_spec("fastnn.kernels") is None:
    raise ImportError(
        f"fastnn was imported from its source folder {__path__[0]!r}, where it is not installed: "
        "run `pip install -e .` there, or leave the folder to use a fastnn installed elsewhere"
    )

from fastnn import callbacks, schedules
from fastnn.architecture import Architecture
from fastnn.backends import (
    BackendUnavailableError,
    available_backends,
    get_backend,
    set_backend,
    use_backend,
    warmup,
)
from fastnn.backends.predictor import Predictor
from fastnn.backends.threads import get_num_threads, set_num_threads
from fastnn.callbacks.base import Callback, EarlyStopping
from fastnn.callbacks.logs import MetricsLog, TensorBoard
from fastnn.ensemble import Ensemble
from fastnn.loading import from_onnx, from_sklearn, from_torch, load
from fastnn.network import Network
from fastnn.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from fastnn.system.version import __version__
from fastnn.training.checkpoints import Checkpoint
from fastnn.training.ensemble_history import EnsembleHistory
from fastnn.training.history import History
from fastnn.training.trainer import Trainer

if TYPE_CHECKING:
    from fastnn import datasets, plots, report, tabular

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Architecture",
    "BackendUnavailableError",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "Ensemble",
    "EnsembleHistory",
    "History",
    "MetricsLog",
    "Network",
    "Optimizer",
    "Predictor",
    "RMSprop",
    "TensorBoard",
    "Trainer",
    "__version__",
    "available_backends",
    "callbacks",
    "datasets",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "get_backend",
    "get_num_threads",
    "load",
    "plots",
    "report",
    "schedules",
    "set_backend",
    "set_num_threads",
    "tabular",
    "use_backend",
    "warmup",
]

_ROOMS = (
    "datasets",
    "plots",
    "report",
    "sklearn",
    "tabular",
)  # imported on first use: they are slow to import


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"fastnn.{name}")
    raise AttributeError(f"module 'fastnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, without internal modules."""
    return sorted({*__all__, *_ROOMS})
