"""ExecuTorch: PyTorch's model exported, lowered to XNNPACK, and run by the Python bindings."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.extension.pybindings import portable_lib

from cases import Array, Net
from peers import pytorch


class Predictor(pytorch.Predictor):
    """`forward` on float32 tensors, its output not cloned."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        portable_lib._unsafe_reset_threadpool(int(os.environ["OMP_NUM_THREADS"]))
        exported = torch.export.export(self.model, (torch.zeros(n_rows, net.sizes[0]),))
        lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
        self.buffer = lowered.to_executorch().buffer  # the module reads its weights from there
        self.module = portable_lib._load_for_executorch_from_buffer(self.buffer)

    @property
    def call(self) -> Callable[[Any], Any]:
        forward = self.module.forward
        return lambda x: forward([x], clone_outputs=False)[0]
