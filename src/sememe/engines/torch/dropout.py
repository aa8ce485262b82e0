"""Dropout that does not cost a sixth of a training step on a CPU.

torch draws one float a value; here it is one byte, so the rate is rounded to a 256th (0.1 becomes
0.1016, and what stays is scaled for that). Each mask's seed is drawn from torch's generator, whose
state is therefore all that a computation needs to be repeated.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

Tensor = Any  # torch's types are not read
_STEPS = 256


class QuickDropout(nn.Dropout):  # type: ignore[misc]
    """nn.Dropout (Srivastava et al., 2014), quick on a CPU and torch's own elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape: the same."""
        return dropped(x, self.p) if self.training else x


def dropped(x: Tensor, rate: float) -> Tensor:
    """Zero a share of the values and scale the others, so that the mean stays."""
    cut = round(rate * _STEPS)
    if x.device.type != "cpu" or not 0 < cut < _STEPS:
        return nn.functional.dropout(x, rate)
    seed = int(torch.randint(2**62, (1,)))
    words = np.random.Generator(np.random.SFC64(seed)).integers(
        0, 2**64, -(-x.numel() // 8), np.uint64
    )
    chance = torch.from_numpy(words.view(np.uint8)[: x.numel()]).view(x.shape)
    return x * (chance >= cut).to(x.dtype).mul_(_STEPS / (_STEPS - cut))


def quicken(module: nn.Module) -> None:
    """Replace every nn.Dropout within a module."""
    for inner in list(module.modules()):
        for name, child in inner.named_children():
            if type(child) is nn.Dropout:
                setattr(inner, name, QuickDropout(child.p))
