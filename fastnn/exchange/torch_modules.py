"""PyTorch modules for functions that PyTorch lacks; imported for `Network.to_torch`."""

from __future__ import annotations

from typing import Any

import torch


class Exp(torch.nn.Module):
    """``eᶻ``, the output of Poisson regression."""

    def forward(self, z: Any) -> Any:
        """Return e to the power of each number."""
        return torch.exp(z)
