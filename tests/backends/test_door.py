"""Whoever calls a backend with what does not fit gets an error, and nothing is written."""

import contextlib
import copy
import threading
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.backend_calls import METHODS, right_call, spoils
from support.backends import under_test
from support.examples import same_bits

import fastnn
from fastnn.architecture import OUTPUTS
from fastnn.optimizers import SGD, Adam, OptimizerState, RMSprop
from fastnn.schedules import Schedule

REFUSED = (TypeError, ValueError)


def draw_call(data):
    method = data.draw(st.sampled_from(METHODS))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    output = data.draw(st.sampled_from(OUTPUTS))
    return right_call(rng, method, dtype, data.draw(st.booleans()), output)


@given(data=st.data())
def test_a_call_that_fits_is_made(backend, data):
    call = draw_call(data)
    call.of(backend)


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_an_argument_that_does_not_fit_is_refused_and_nothing_is_written(backend, method, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    output = data.draw(st.sampled_from(["softmax", "sigmoid", "identity"]))
    call = right_call(rng, method, dtype, data.draw(st.booleans()), output)
    name = data.draw(st.sampled_from(sorted(call.arguments)))
    wrong = spoils(call, name)
    what = data.draw(st.sampled_from(sorted(wrong)))
    call.arguments[name] = wrong[what]()
    before = call.memory()
    with pytest.raises(REFUSED) as error:
        call.of(backend)
    assert str(error.value)
    assert call.memory() == before, f"{name}: {what}"


@pytest.mark.parametrize("method", METHODS)
def test_every_way_not_to_fit_is_refused(backend, method):
    """All that the test above draws from."""
    for csr in (False, True):
        for output in ("softmax", "identity"):
            rng = np.random.default_rng(0)
            call = right_call(rng, method, "float32", csr, output)
            for name, right in call.arguments.items():
                for what, make in spoils(call, name).items():
                    call.arguments[name] = make()
                    before = call.memory()
                    refused = None
                    try:
                        call.of(backend)
                    except REFUSED as error:
                        refused = error
                    assert str(refused or ""), f"took {name}: {what}, csr={csr}, {output}"
                    assert call.memory() == before, f"{name}: {what}"
                    call.arguments[name] = right
            call.of(backend)


@pytest.mark.parametrize("method", METHODS)
def test_the_extension_writes_nowhere_else_whatever_it_is_handed(cython, method):
    """Behind the door too: compiled code checks again what could lead it outside."""
    for csr in (False, True):
        for output in ("softmax", "identity"):
            names = right_call(np.random.default_rng(0), method, "float32", csr, output).arguments
            for name in names:
                kinds = spoils(
                    right_call(np.random.default_rng(0), method, "float32", csr, output), name
                )
                for what in kinds:
                    call = right_call(np.random.default_rng(0), method, "float32", csr, output)
                    call.arguments[name] = spoils(call, name)[what]()
                    with contextlib.suppress(Exception):
                        call.of(cython._inside)
                    assert call.bands_are_whole(), f"{name}: {what}"


@dataclass(frozen=True)
class Meddling(Schedule):
    """A learning rate that does something when it is asked for, in the middle of a call."""

    meddle: Any
    n_missing: int = 0

    def __call__(self, steps):
        self.meddle()
        return np.full(len(steps) - self.n_missing, 0.1)

    def _check(self):
        pass

    def _decayed(self, t):
        raise NotImplementedError


@pytest.mark.parametrize("csr", [False, True])
def test_what_is_replaced_during_a_pass_is_not_what_the_pass_uses(backend, csr):
    def trained(meddles):
        call = right_call(np.random.default_rng(1), "train_epoch", "float64", csr)
        x, n_slots = call.arguments["x"], call.arguments["params"].size
        state = OptimizerState(np.zeros((1, n_slots)), 2)

        def meddle():
            if meddles:
                state.slots = np.zeros((0, n_slots))
                if csr:
                    x.indices = np.full(10, 10**8)
                    x.indptr, x.data = x.indptr[:0], np.zeros(3)

        call.arguments["state"] = state
        optimizer = SGD(Meddling(meddle), momentum=0.9)
        call.arguments["options"] = replace(call.arguments["options"], optimizer=optimizer)
        result = call.of(backend)
        return result, call.arguments["params"].tobytes(), state.step

    assert trained(True) == trained(False)


def test_a_schedule_that_gives_too_few_rates_is_refused(backend):
    call = right_call(np.random.default_rng(1), "train_epoch", "float64")
    call.arguments["state"] = OptimizerState(np.zeros((0, call.arguments["params"].size)), 0)
    options = replace(call.arguments["options"], optimizer=SGD(Meddling(list, 1)))
    call.arguments["options"] = options
    before = call.memory()
    with pytest.raises(ValueError, match="schedule must return one rate"):
        call.of(backend)
    assert call.memory() == before


# -- one fit at a time ----------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [SGD(0.1), SGD(0.1, momentum=0.5), RMSprop(0.01), Adam()])
@pytest.mark.parametrize("outer", [SGD(0.1), SGD(0.1, momentum=0.5), RMSprop(0.01), Adam()])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_fit_in_a_callback_of_the_same_network_is_refused_and_disturbs_nothing(
    backend, outer, inner, method
):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)).astype(np.float32), np.arange(20) % 2
    net, twin = (fastnn.Network((4, 8, 2), seed=0, backend=backend.name) for _ in range(2))

    def callback(network, epoch, record):
        with pytest.raises(RuntimeError, match="one fit at a time"):
            getattr(network, method)(x, y, optimizer=inner)

    net.fit(x, y, epochs=2, optimizer=outer, callbacks=[callback], progress=False)
    twin.fit(x, y, epochs=2, optimizer=outer, progress=False)
    for network in (net, twin):  # and the next fit is free to begin
        network.partial_fit(x, y)
    assert np.array_equal(net.parameters, twin.parameters)


def test_a_fit_in_a_callback_of_a_copy_is_free_to_go_on(backend):
    x, y = np.eye(4, dtype=np.float32), np.arange(4) % 2
    net = fastnn.Network((4, 8, 2), seed=0, backend=backend.name)

    def callback(network, epoch, record):
        copy.deepcopy(network).fit(x, y, epochs=1, optimizer=SGD(0.1), progress=False)

    history = net.fit(x, y, epochs=2, callbacks=[callback], progress=False)
    assert len(history["loss"]) == 2


@pytest.mark.parametrize("backend_name", ["cython", "numba", "numpy"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_threads_that_fit_one_network_fit_it_one_after_another_or_not_at_all(backend_name, method):
    under_test(backend_name)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 16)).astype(np.float32), np.arange(200) % 2
    net, twin = (fastnn.Network((16, 32, 2), seed=0, backend=backend_name) for _ in range(2))
    refused = []

    def work():
        for _ in range(20):
            try:
                getattr(net, method)(x, y, optimizer=SGD(0.1))
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("one fit at a time" in error for error in refused)
    for _ in range(60 - len(refused)):
        getattr(twin, method)(x, y, optimizer=SGD(0.1))
    assert same_bits(net.parameters, twin.parameters)
