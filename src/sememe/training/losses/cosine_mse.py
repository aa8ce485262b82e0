"""Cosine MSE: the cosine of two texts is their score."""

from torch.nn import functional

from sememe.training.losses.loss import Loss, Outputs, Tensor, paired_cosines


class CosineMSELoss(Loss):
    """Mean of (cos(a, b) − score)².

    Columns: two texts; targets: their scores, between −1 and 1 (out of reach otherwise).
    Paper: Reimers & Gurevych 2019, Sentence-BERT (regression objective).

    >>> import torch
    >>> outputs = Outputs([torch.eye(2), torch.eye(2)], torch.tensor([1.0, 0.5]), torch.zeros(2, 2))
    >>> CosineMSELoss()(outputs)
    tensor(0.1250)
    """

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss of scored pairs."""
        return functional.mse_loss(paired_cosines(*outputs.columns), outputs.targets)
