"""What fastnn has and PyTorch has no module for; imported when a network becomes PyTorch's."""

from __future__ import annotations

from typing import Any

import torch


class Exp(torch.nn.Module):
    """``eᶻ``, the output of Poisson regression."""

    def forward(self, z: Any) -> Any:
        """Return e to the power of each number."""
        return torch.exp(z)
