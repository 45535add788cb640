"""Runs killed at any moment: files are the old or the new one, and training goes on bit for bit.

Each test is one process that forks the runs it kills, which spares them the imports.
"""

import os
import subprocess
import sys

import pytest

from fastnn.system.files import _unnamed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks the runs that are killed"),
]

FORKED = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
import fastnn

fastnn.set_num_threads(1)
draw = random.Random(7)

def forked(work):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child

def kill_after(seconds, child):
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
"""

SAVES = """
nets = [fastnn.Network((300, 200, 10), seed=seed) for seed in (0, 1)]
path, n_old = Path("net.safetensors"), 0
whole = []
for net in nets:
    net.save(path)
    whole.append(path.read_bytes())

def save_without_end():
    while True:
        for net in nets:
            net.save(path)

for _ in range(200):
    assert kill_after(draw.uniform(0.001, 0.02), forked(save_without_end))
    found = path.read_bytes()
    assert found in whole, len(found)
    n_old += found == whole[0]
    fastnn.load(path)
left = [file for file in os.listdir(".") if file != path.name]
print("old", n_old, "unfinished", len(left))
"""

RESUMES = """
rng = np.random.default_rng(0)
x, y = rng.normal(size=(2000, 20)).astype(np.float32), rng.integers(0, 4, 2000)

def run(name, checkpoint):
    net = fastnn.Network((20, 64, 4), activation="relu", seed=5)
    net.fit(
        x, y, epochs=40, batch_size=8, optimizer=fastnn.Adam(0.002), dropout=0.2, progress=False,
        validation_data=(x[:50], y[:50]), checkpoint=checkpoint,
        callbacks=[fastnn.EarlyStopping(patience=100), fastnn.MetricsLog(f"{name}.csv")],
    )
    net.save(f"{name}.safetensors")

def without_time(log):
    return [line.rsplit(",", 1)[0] for line in Path(log).read_text().splitlines()]

start = time.perf_counter()
run("whole", None)
seconds = time.perf_counter() - start
checkpoint, n_kills, n_runs = fastnn.Checkpoint("run.checkpoint", resume=True), 0, 0
while n_runs < 20 or n_kills < 20 and n_runs < 100:
    n_runs += 1
    again, longest = True, 0.7 * seconds
    while again:  # several kills a run, each at another moment, later ones later
        child = forked(lambda: run("killed", checkpoint))
        again = kill_after(draw.uniform(0.1 * seconds, longest), child)
        n_kills += again
        longest *= 1.2
        seconds *= 1 if again else 0.9  # the whole run may have been slowed down by others
    assert Path("killed.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
    assert without_time("killed.csv") == without_time("whole.csv")
    assert len(without_time("killed.csv")) == 41
    for name in ("run.checkpoint", "killed.safetensors", "killed.csv"):
        os.remove(name)
print("kills", n_kills)
"""


def run(program, folder):
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED + program],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    words = done.stdout.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def test_saving_killed_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path):
    counts = run(SAVES, tmp_path)
    assert 0 < counts["old"] < 200  # both were seen
    unnamed = _unnamed(tmp_path)
    if unnamed is not None:  # else a kill leaves what was begun, most of the time
        unnamed.close()
        assert counts["unfinished"] < 60


def test_a_run_killed_at_random_steps_and_resumed_ends_like_one_never_stopped(tmp_path):
    assert run(RESUMES, tmp_path)["kills"] >= 20
