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
    targets: Tensor
    keys: Tensor


class Loss(nn.Module):  # type: ignore[misc]
    """Base of all losses.

    A loss is of a whole batch (a mean over its examples, but for CoSENT), and knows nothing of
    models: a big batch may have been computed in parts (see `sememe.training.steps`).
    """

    def forward(self, outputs: Outputs) -> Tensor:
        """Outputs of n examples: a scalar, float32."""
        raise NotImplementedError


def unit(vectors: Tensor) -> Tensor:
    """Vectors (..., dim) of length 1; a vector of zeros stays zero and gets no gradient."""
    lengths = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / lengths.masked_fill(lengths == 0, torch.inf)


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of each row of a (n, dim) with each row of b (m, dim): (n, m)."""
    return unit(a) @ unit(b).T


def paired_cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of each vector of a (..., dim) with the one of b in the same place: (...)."""
    return torch.sum(unit(a) * unit(b), dim=-1)
