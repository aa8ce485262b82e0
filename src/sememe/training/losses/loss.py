"""What a loss is: the outputs of a batch in, one number out."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Tensor = Any  # torch's types are not read


@dataclass(frozen=True)
class Outputs:
    """What a tower gave for a batch of n examples, gathered from all devices.

    Attributes:
        columns: one tensor a column of the data, in the data's order. Of a bi-encoder vectors as
            its pooling gives them, float32 (n, dim); of a cross-encoder logits, float32
            (n, labels).
        targets: scores, float32 (n,); a teacher's scores of each candidate, float32 (n, m); or
            labels, int64 (n,); None where the data have none.
        keys: int64 (n, columns): two items have one key if, and only if, they are the same.
    """

    columns: list[Tensor]
    targets: Tensor | None
    keys: Tensor


class Loss(nn.Module):  # type: ignore[misc]
    """Base of all losses.

    A loss is a mean over the examples of a batch, and knows nothing of models: a big batch may
    have been computed in parts (see `sememe.training.steps`).
    """

    def forward(self, outputs: Outputs) -> Tensor:
        """Outputs of n examples: a scalar, float32."""
        raise NotImplementedError


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of each row of a (n, dim) with each row of b (m, dim): (n, m)."""
    return nn.functional.normalize(a, dim=-1) @ nn.functional.normalize(b, dim=-1).T


def paired_cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of each row of a (n, dim) with the same row of b: (n,)."""
    return torch.sum(nn.functional.normalize(a, dim=-1) * nn.functional.normalize(b, dim=-1), -1)
