"""Matryoshka: the first dimensions of a vector are a good vector by themselves."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from torch.nn import functional

from sememe.arguments import real_number, whole_number
from sememe.errors import InputError
from sememe.training.losses.loss import Loss, Outputs, Tensor


class Matryoshka(Loss):
    """Σₖ weightₖ · loss(the first dimₖ dimensions of all vectors), around any bi-encoder's loss.

    What is cut off is set to zero, so that a softmax loss goes on with a part of its classifier
    (Kusupati's MRL-E).
    Paper: Kusupati et al. 2022, Matryoshka Representation Learning.

    Args, else an InputError:
        loss: of a bi-encoder.
        dims: from the largest down, none above that of the vectors: [384, 256, 128, 64].
        weights: one for each of dims, above 0; None is 1 for all.

    >>> import torch
    >>> from sememe.training.losses.cosine_mse import CosineMSELoss
    >>> a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    >>> Matryoshka(CosineMSELoss(), [2, 1])(Outputs([a, b], torch.zeros(1), torch.zeros(1, 2)))
    tensor(1.5000)
    """

    def __init__(self, loss: Loss, dims: Sequence[int], weights: Sequence[float] | None = None):
        super().__init__()
        dims = [whole_number("dims", dim) for dim in dims]
        if not dims or any(a <= b for a, b in pairwise(dims)):
            raise InputError(f"dims must decrease, such as 256 128, not {dims}")
        if weights is not None and len(weights) != len(dims):
            raise InputError(f"{len(dims)} dims need as many weights, not {len(weights)}")
        self.loss, self.dims = loss, dims
        self.weights = [
            real_number("weights", weight, above=0) for weight in weights or [1.0] * len(dims)
        ]

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss of whatever the loss within takes."""
        full = outputs.columns[0].shape[1]
        if self.dims[0] > full:
            raise InputError(f"The vectors have {full} dimensions: there is no dim {self.dims[0]}")
        return sum(
            weight * self.loss(replace(outputs, columns=[_cut(v, dim) for v in outputs.columns]))
            for dim, weight in zip(self.dims, self.weights, strict=True)
        )


def _cut(vectors: Tensor, dim: int) -> Tensor:
    return functional.pad(vectors[:, :dim], (0, vectors.shape[1] - dim))
