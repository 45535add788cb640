"""EnsembleModel: many models of one architecture, as a value.

Files and pickles store an `EnsembleModel`; `fastnn.Ensemble` adds computation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.architecture import Architecture, Array, aligned_zeros
from fastnn.model.initialization import Initializer, draw_of
from fastnn.model.model import Learner, Model
from fastnn.rows.generators import Generators
from fastnn.rows.trained_on import TrainedOn


class Shared:
    """What an ensemble, its slices and their networks know together.

    Parameters
    ----------
    architecture : Architecture

    Attributes
    ----------
    class_labels : tuple or None
    trained_on : TrainedOn or None
    chooses_scale : bool
        These three as of `Learner`.
    members : mapping
        The networks that are referenced somewhere, by number.
    claims : dict
        By number, the claim of the fit that trains a model; its item is False once that has ended.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.class_labels: tuple[Any, ...] | None = None
        self.trained_on: TrainedOn | None = None
        self.chooses_scale = False
        self.members: WeakValueDictionary[int, Model] = WeakValueDictionary()
        self.claims: dict[int, list[bool]] = {}

    def learn_from(self, learner: Learner) -> None:
        """Take what a network has learned of its rows, and tell the others."""
        self.architecture, self.trained_on = learner.architecture, learner.trained_on
        self.chooses_scale, self.class_labels = learner.chooses_scale, learner._class_labels
        self.tell_all()

    def tell(self, model: Model) -> None:
        """Tell a network."""
        model.architecture, model._class_labels = self.architecture, self.class_labels
        model.trained_on, model.chooses_scale = self.trained_on, self.chooses_scale

    def tell_all(self) -> None:
        """Tell the networks that are referenced."""
        for model in list(self.members.values()):
            self.tell(model)


def _known(name: str) -> property:
    """Return an attribute that an ensemble shares with its slices and networks."""

    def get(ensemble: EnsembleModel) -> Any:
        return getattr(ensemble._shared, name)

    def put(ensemble: EnsembleModel, value: Any) -> None:
        setattr(ensemble._shared, name, value)
        ensemble._shared.tell_all()

    return property(get, put)


class EnsembleModel(Learner):
    """An architecture with the parameters and random generators of many models.

    Parameters
    ----------
    architecture : Architecture
    parameters : ndarray of shape (n_models, n_slots)
        Used, not copied.
    generators : Generators
    class_labels : sequence of str or numbers, optional
        Names of the classes.
    group_labels : tuple of str or int, optional
        A name for each model.

    Attributes
    ----------
    architecture : Architecture
    group_labels : tuple or None
    seeds : ndarray of shape (n_models,) uint64 or None
        Of the generators, where they were made from numbers.
    trained_on : TrainedOn or None
        Properties of the training rows; None before the first fit.
    """

    seeds: NDArray[np.uint64] | None = None
    architecture = _known("architecture")
    trained_on = _known("trained_on")
    chooses_scale = _known("chooses_scale")
    _class_labels = _known("class_labels")

    def __init__(
        self,
        architecture: Architecture,
        parameters: Array,
        generators: Generators,
        *,
        class_labels: Sequence[Any] | None = None,
        group_labels: tuple[Any, ...] | None = None,
    ) -> None:
        self._shared = Shared(architecture)
        self._parameters, self._generators = parameters, generators
        self.class_labels, self.group_labels = class_labels, group_labels

    @property
    def n_models(self) -> int:
        """Number of models."""
        return len(self._parameters)

    @property
    def parameters(self) -> Array:
        """Weights and biases (n_models, n_slots); assigning copies into it."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: Any) -> None:
        if np.shape(values) != self._parameters.shape:
            raise ValueError(
                f"parameters must have shape {self._parameters.shape}, got {np.shape(values)}"
            )
        rows = list(zip(values, self._parameters, strict=True))
        checked = [validation.check_parameters(row, own) for row, own in rows]
        for (_, own), row in zip(rows, checked, strict=True):
            own[...] = row

    @property
    def weights(self) -> list[Array]:
        """Views (n_models, n_in, n_out) of each layer's weights."""
        return [self._stacked(layer.weight_offset, layer.n_in, layer.stride)[..., : layer.n_out]
                for layer in self.architecture.layers]  # fmt: skip

    @property
    def biases(self) -> list[Array | None]:
        """Views (n_models, n_out) of each layer's biases; None where there are none."""
        return [
            None
            if layer.bias_offset is None
            else self._parameters[:, layer.bias_offset : layer.bias_offset + layer.n_out]
            for layer in self.architecture.layers
        ]

    def _stacked(self, first: int, n_in: int, stride: int) -> Array:
        flat = self._parameters[:, first : first + n_in * stride]
        return flat.reshape(self.n_models, n_in, stride)

    def seed_with(self, seed: Any, init: Initializer) -> None:
        """Draw a seed for each model, and its initial weights from that."""
        drawn = validation.check_seed(seed).integers(2**63, size=self.n_models)
        self.seeds = drawn.astype(np.uint64)
        weights = self.weights
        draws = [draw_of(layer, init) for layer in self.architecture.layers]
        for i, one in enumerate(drawn.tolist()):
            rng = np.random.default_rng(one)
            for weight, draw in zip(weights, draws, strict=True):
                weight[i] = draw(rng)
            self._generators.put(i, rng)

    def seed_anew(self) -> None:
        """Seed the generators from the system."""
        self._generators.seed_anew()

    def model(self, i: int) -> Model:
        """Return model i, which shares its row of the parameters, with a generator of its own."""
        model = Model.__new__(Model)
        self._shared.tell(model)
        model._shared = self._shared
        model.seed = None if self.seeds is None else int(self.seeds[i])
        model.rng = self._generators.restore(i, np.random.default_rng(0))
        model._parameters, model._running = self._parameters[i], None
        return model


def room_for(architecture: Architecture, n_models: int) -> Array:
    """Return zeros (n_models, n_slots), each row aligned."""
    flat = aligned_zeros(n_models * architecture.n_slots, architecture.dtype)
    return flat.reshape(n_models, architecture.n_slots)
