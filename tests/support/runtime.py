"""ONNX Runtime on small models, and whether a network predicts what it computes."""

import numpy as np
import onnxruntime


def run(model, x):
    """What the runtime computes first, or None where it takes the graph for invalid."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        return session.run(None, {session.get_inputs()[0].name: x})[0]
    except Exception:  # its exceptions have no class in common
        return None


def rows_of(model, network, x):
    """x in rows: where the model does not say how long they are, as long as the network's.

    None where a model that does not say so takes rows of one number too, and widens them.
    """
    n_in = network.architecture.n_in
    dims = model.graph.input[0].type.tensor_type.shape.dim
    says = len(dims) > 1 and all(dim.dim_value for dim in dims[1:])
    if says:
        return x.reshape(len(x), -1)
    return x.reshape(-1, n_in) if x.size % n_in == 0 else None


def predicts(network, rows, expected):
    """Whether what a model computes is one of all the things that it may be of the network's."""
    return any(_same(expected, found) for found in _predictions(network, rows))


def _predictions(network, rows):
    yield network.predict(rows)
    if network.architecture.classifies:
        p = network.predict_proba(rows)
        yield p
        if p.shape[1] == 1:
            yield np.hstack([1 - p, p])


def _same(expected, found):
    if expected.dtype.kind == "O" or found.dtype.kind == "U":
        return expected.ravel().tolist() == found.ravel().tolist()
    if expected.size != found.size:
        return False
    return np.allclose(expected.ravel(), found.ravel(), rtol=1e-4, atol=1e-5)
