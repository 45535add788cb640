"""A network behind FastAPI: V2 JSON to ONNX Runtime and back; uvicorn runs `application`.

It imports nothing of this benchmark, as it runs in a Python of its own. FastAPI is used as by users
who want speed: the route reads the body itself, without models of pydantic, orjson parses and
writes, and the session is called in the event loop, as a thread would take longer than the call.
"""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

OUTPUTS = ["probabilities"]


def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    path = os.environ["FASTNN_BENCH_ONNX"]
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


session = _session()
application = FastAPI(openapi_url=None)


@application.get("/v2/health/ready")
async def ready() -> Response:
    """Answer that the session is there."""
    return Response()


@application.post("/v2/models/net/infer")
async def infer(request: Request) -> Response:
    """Answer one tensor by probabilities."""
    (tensor,) = orjson.loads(await request.body())["inputs"]
    x = np.array(tensor["data"], np.float32).reshape(tensor["shape"])
    (p,) = session.run(OUTPUTS, {"x": x})
    output = {"name": "probabilities", "datatype": "FP32", "shape": p.shape, "data": p.ravel()}
    answer = {"model_name": "net", "outputs": [output]}
    written = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(written, media_type="application/json")
