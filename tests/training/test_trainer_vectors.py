"""Deltas and gradients of any form that people hand in."""

import numpy as np
import pytest
from support.trainer_calls import BACKENDS, OPTIMIZER, everything

import fastnn

pytestmark = pytest.mark.filterwarnings("ignore")

VECTORS = {
    "right": lambda v: v, "float64": lambda v: v.astype("f8"), "list": lambda v: v.tolist(),
    "float16": lambda v: v.astype("f2"), "longdouble": lambda v: v.astype(np.longdouble),
    "swapped": lambda v: v.astype(">f8"), "objects": lambda v: v.astype(object),
    "strided": lambda v: np.repeat(v, 2, axis=-1)[..., ::2],
    "backwards": lambda v: v[..., ::-1].copy()[..., ::-1],
    "Fortran": np.asfortranarray,
    "unaligned": lambda v: np.frombuffer(b" " + v.tobytes(), v.dtype, v.size, 1).reshape(v.shape),
    "integers": lambda v: np.ones(v.shape, int),
}  # fmt: skip
WRONG_VECTORS = {
    "complex": lambda v: v.astype(complex), "text": lambda v: v.astype(str),
    "masked": lambda v: np.ma.masked_array(v, v == v.flat[0]), "short": lambda v: v[..., 1:],
    "deep": lambda v: v[None, None], "number": lambda v: 1.0, "none": lambda v: None,
    "NaN": lambda v: v * np.nan, "infinite": lambda v: v + np.inf, "huge": lambda v: v + 1e300,
    "dates": lambda v: np.zeros(v.shape, "M8[s]"), "records": lambda v: np.zeros(v.shape, "i4,i4"),
    "bool": lambda v: v > 0,
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n_rows", [None, 1, 5])
@pytest.mark.parametrize("what", ["delta", "gradient"])
@pytest.mark.parametrize("form", [*VECTORS, *WRONG_VECTORS])
def test_deltas_and_gradients_of_any_form_are_one_update_or_none(backend, form, what, n_rows):
    rng = np.random.default_rng(3)
    nets = [fastnn.Network((4, 5, 3), seed=1, backend=backend) for _ in range(2)]
    x = rng.random((n_rows, 4) if n_rows else 4).astype(np.float32)
    trainers = [net.trainer(optimizer=OPTIMIZER) for net in nets]
    outputs, _ = (trainer.forward(x) for trainer in trainers)
    shape = outputs.shape if what == "delta" else nets[0].parameters.shape
    vector = np.round(rng.normal(size=shape) * 16).astype(np.float32) / 16
    if form == "integers":
        vector = np.ones_like(vector)
    act = [t.backward if what == "delta" else t.apply for t in trainers]
    odd = (VECTORS | WRONG_VECTORS)[form](vector)
    before = everything(nets[1])
    act[0](vector)
    if form in WRONG_VECTORS:
        with pytest.raises((TypeError, ValueError), match=what):
            act[1](odd)
        assert everything(nets[1]) == before
        act[1](vector)
    else:
        act[1](odd)
    assert everything(nets[0]) == everything(nets[1])
