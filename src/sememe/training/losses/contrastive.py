"""Contrastive loss: like pairs are drawn together, unlike ones pushed out to a margin."""

import torch

from sememe.arguments import real_number
from sememe.errors import InputError
from sememe.training.losses.loss import Loss, Outputs, Tensor, paired_cosines


class ContrastiveLoss(Loss):
    """Mean of ½ (y d² + (1 − y) max(0, margin − d)²), where d = 1 − cos(a, b).

    Columns: two texts; targets: label 1 where they are alike, 0 where not (others: an InputError).
    Paper: Hadsell, Chopra & LeCun 2006, Dimensionality Reduction by Learning an Invariant Mapping.

    Args, else an InputError:
        margin: the distance beyond which unlike pairs are left alone; 0 or more.

    >>> outputs = Outputs([torch.eye(2), torch.eye(2)], torch.tensor([1, 0]), torch.zeros(2, 2))
    >>> ContrastiveLoss(margin=0.5)(outputs)  # (0 + ½ · 0.5²) / 2
    tensor(0.0625)
    """

    def __init__(self, margin: float = 0.5):
        super().__init__()
        self.margin = real_number("margin", margin, least=0)

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss of pairs."""
        alike = outputs.targets
        if not ((alike == 0) | (alike == 1)).all():
            raise InputError(
                "The contrastive loss knows the labels 1 (alike) and 0 (not), and these are others;"
                " for more labels take softmax, for scores cosent"
            )
        distances = 1 - paired_cosines(*outputs.columns)
        short = torch.relu(self.margin - distances)
        return 0.5 * torch.where(alike == 1, distances, short).square().mean()
