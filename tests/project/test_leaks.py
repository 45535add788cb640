"""A process that predicts and trains for months holds no more at the end than after a minute.

What is held is counted three ways: references to the objects that every call is handed, blocks of
Python's allocator (every object that is kept is one), and, for memory that C asked for, what is
resident. ``FASTNN_TEST_PROFILE=thorough`` makes a million calls and a hundred thousand objects.
"""

import json
import os
import subprocess
import sys

import pytest

THOROUGH = os.environ.get("FASTNN_TEST_PROFILE") == "thorough"
N_CALLS, N_OBJECTS = (1_000_000, 100_000) if THOROUGH else (3000, 400)

MOST_BLOCKS = 300
"""Blocks by which caches of Python's and NumPy's may grow meanwhile."""

MOST_BYTES = 8 << 20
"""By which what is resident may. malloc takes at least 32 bytes: 32 MB in a million calls."""

WORK = """
import contextlib, gc, json, pickle, sys, threading, warnings
import numpy as np
from scipy import sparse
import fastnn

warnings.simplefilter("ignore")
backend, n_calls, n_objects = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(0)
net = fastnn.Network((8, 6, 3), backend=backend, seed=0)
fast = net.predictor()
row, rows = rng.random(8, np.float32), rng.random((5, 8), np.float32)
y, weight = np.arange(5) % 3, np.ones(5)
wrong, csr = rows[:, :7], sparse.csr_array(rows)
lying = csr.copy()
lying.indices = lying.indices + 100
out = np.empty(3, np.float32)
shared = [net, fast, row, rows, y, weight, wrong, csr, csr.indptr, csr.indices, lying.indices, out,
          net.parameters, rows.dtype, y.dtype, net.architecture]

def refused(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except (TypeError, ValueError):
        return
    raise AssertionError("taken")

def made(seed):
    other = fastnn.Network((8, 6, 3), backend=backend, seed=seed)
    other.predictor()(row)
    pickle.loads(pickle.dumps(other.predictor()))

def callback(network, epoch, record):
    return False

def trained(seed):
    optimizer = (fastnn.SGD(0.1), fastnn.Adam(0.01))[seed % 2]
    other = fastnn.Network((8, 6, 3), backend=backend, seed=seed)
    other.fit((rows, csr)[seed % 2], y, epochs=1, optimizer=optimizer, sample_weight=weight,
              callbacks=[callback], progress=False)

trainer, csr_trainer = net.trainer(optimizer=fastnn.SGD(0.01)), net.trainer()
delta, gradient = np.ones((5, 3), np.float32), np.ones(net.parameters.shape, np.float32)
shared += [trainer, delta, gradient]

def stepped(seed):
    trainer(rows, y, weight)
    if seed % 8 == 0:
        trainer(row, 1)
        trainer(rows.tolist(), y)
    elif seed % 8 == 1:
        trainer.forward(rows)
        trainer.backward(delta, input_gradient=seed % 16 == 1)
    elif seed % 8 == 2:
        trainer.apply(gradient)
        trainer.gradient()
    elif seed % 8 == 3:
        trainer.value_and_gradient(rows, y)
        trainer.value_and_gradient(rows, y, weight, parameters=net.parameters, out=gradient)
    elif seed % 8 == 4:
        refused(trainer, wrong, y)
        refused(trainer, rows, y + 1)
        refused(trainer, lying, y)
        refused(trainer.apply, rows)
    elif seed % 8 == 5:
        trainer(csr, y)
    gradient[...] = 1

def trainers(seed):
    other = fastnn.Network((8, 6, 3), backend=backend, seed=seed) if seed % 2 else net
    made = other.trainer(optimizer=(fastnn.SGD(0.01), fastnn.Adam(0.01))[seed % 2], l2=0.01)
    made((rows, csr)[seed // 2 % 2], y)
    if seed % 10 == 0:
        made = pickle.loads(pickle.dumps(made))
        made.forward(rows)

def by_threads(seed):
    if seed % 100:
        return
    threads = [threading.Thread(target=lambda: [fast(row, out.copy()) for _ in range(25)])
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

calls = {
    "rows": lambda seed: fast(row),
    "rows into an array": lambda seed: fast(row, out),
    "lists": lambda seed: fast([0.5] * 8),
    "sparse rows": lambda seed: fast(csr),
    "wrong rows": lambda seed: (refused(fast, wrong), refused(fast, row, rows), refused(fast, "x")),
    "lying rows": lambda seed: refused(fast, lying),
    "threads": by_threads,
    "steps": stepped,
}
objects = {
    "objects": made,
    "fits": trained,
    "trainers": trainers,
    "wrong fits": lambda seed: (refused(net.fit, wrong, y, progress=False),
                                refused(net.partial_fit, lying, y),
                                refused(net.partial_fit, rows, y + 1)),
}

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def held():
    gc.collect()
    return [sys.getrefcount(one) for one in shared], sys.getallocatedblocks(), resident()

def growth(do, n, n_first):
    for seed in range(n_first):  # after which all caches are full, Numba's last
        do(seed)
    references, blocks, bytes_ = held()
    for seed in range(n):
        do(seed)
    references_after, blocks_after, bytes_after = held()
    return {
        "references": [b - a for a, b in zip(references, references_after)],
        "blocks": blocks_after - blocks,
        "bytes": bytes_after - bytes_,
    }

for do in (*calls.values(), *objects.values()):  # each fills caches that others use too
    for seed in range(200):
        do(seed)
print(json.dumps(
    {name: growth(do, n_calls, max(n_calls // 10, 1500)) for name, do in calls.items()}
    | {name: growth(do, n_objects, max(n_objects // 10, 400)) for name, do in objects.items()}
))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(14_400)
@pytest.mark.slow
def test_nothing_is_held_after_many_calls_and_objects(backend):
    done = subprocess.run(
        [sys.executable, "-c", WORK, backend.name, str(N_CALLS), str(N_OBJECTS)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for kind, grown in json.loads(done.stdout).items():
        assert not any(grown["references"]), (kind, grown)
        assert grown["blocks"] < MOST_BLOCKS, (kind, grown)
        assert grown["bytes"] < MOST_BYTES, (kind, grown)
