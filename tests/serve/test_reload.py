"""A file that changes replaces its model, between requests; a broken one does not."""

import asyncio
import json
import os

import numpy as np
import pytest
from support.served import asked, infer, tensor

import fastnn
import fastnn.serve

X = np.ones((1, 3), np.float32)


def answer(application):
    found = infer(application, {"inputs": [tensor(X)]}).json["outputs"]
    return np.array(found[1]["data"], np.float32).tobytes()


def write(path, contents):
    """Replace a file, with another time."""
    before = path.stat().st_mtime_ns
    path.write_bytes(contents)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_a_changed_file_is_loaded_and_a_broken_one_is_not(tmp_path, caplog):
    path = tmp_path / "m.safetensors"
    first, second = (fastnn.Network((3, 2), seed=seed) for seed in (0, 1))
    first.save(path)
    application = fastnn.serve.app(path, poll_seconds=0)
    assert answer(application) == first.predict_proba(X).tobytes()
    whole = path.read_bytes()
    write(path, whole[:-5])
    application.models.refresh()
    application.models.refresh()
    assert answer(application) == first.predict_proba(X).tobytes()
    assert caplog.text.count("cannot be loaded") == 1
    second.save(path)
    application.models.refresh()
    assert answer(application) == second.predict_proba(X).tobytes()
    path.unlink()
    application.models.refresh()
    assert answer(application) == second.predict_proba(X).tobytes()


def test_no_request_is_lost_while_models_are_replaced(tmp_path):
    path = tmp_path / "m.safetensors"
    networks = [fastnn.Network((3, 2), seed=seed) for seed in range(2)]
    expected = {network.predict_proba(X).tobytes() for network in networks}
    networks[0].save(path)
    application = fastnn.serve.app(path, poll_seconds=0.001)
    body = json.dumps({"inputs": [tensor(X)]}).encode()

    async def run():
        seen = set()
        for i in range(300):
            if i % 30 == 0:
                networks[i // 30 % 2].save(path)
                await asyncio.sleep(0.01)
            response = await asked(application, "POST", "/v2/models/m/infer", body)
            assert response.status == 200
            seen.add(np.array(response.json["outputs"][1]["data"], np.float32).tobytes())
            await asyncio.sleep(0)
        await application.close()
        return seen

    assert asyncio.run(run()) == expected


def test_models_from_words(tmp_path):
    path = tmp_path / "net.v1.safetensors"
    fastnn.Network((3, 2), seed=0).save(path)
    application = fastnn.serve.app([str(path), f"b={path}", f"b:4={path}"])
    found = [(one.name, one.version) for one in application.models.all]
    assert found == [("net.v1", "1"), ("b", "1"), ("b", "4")]
    with pytest.raises(ValueError, match="two models"):
        fastnn.serve.app([str(path), str(path)])
    with pytest.raises(ValueError, match="whole number"):
        fastnn.serve.app([f"b:x={path}"])
