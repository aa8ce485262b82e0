"""What a loss is, the arithmetic that losses share, and the one around any other: Matryoshka."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sememe.errors import InputError

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
    models: a big batch may have been computed in parts (see `sememe.training.trainer`).
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


class Matryoshka(Loss):
    """Σₖ loss(the first dimₖ dimensions of all vectors), around any bi-encoder's loss.

    What is cut off is set to zero, so that a softmax loss uses a part of its classifier
    (Kusupati's MRL-E).
    Paper: Kusupati et al. 2022, Matryoshka Representation Learning.

    Args, else an InputError:
        loss: of a bi-encoder.
        dims: from the largest down, none above that of the vectors: [384, 256, 128, 64].

    >>> import torch
    >>> from sememe.training.losses.pairs import CosineMSELoss
    >>> a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    >>> Matryoshka(CosineMSELoss(), [2, 1])(Outputs([a, b], torch.zeros(1), torch.zeros(1, 2)))
    tensor(1.5000)
    """

    def __init__(self, loss: Loss, dims: Sequence[int]):
        super().__init__()
        if not dims or any(a <= b for a, b in pairwise(dims)):
            raise InputError(f"dims must decrease, such as 256 128, not {dims}")
        self.loss = loss
        self.dims = [*dims]

    def forward(self, outputs: Outputs) -> Tensor:
        full = outputs.columns[0].shape[1]
        if self.dims[0] > full:
            raise InputError(f"The vectors have {full} dimensions: there is no dim {self.dims[0]}")
        total = 0
        for dim in self.dims:
            cut = [functional.pad(v[:, :dim], (0, full - dim)) for v in outputs.columns]
            total = total + self.loss(replace(outputs, columns=cut))
        return total
