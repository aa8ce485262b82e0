"""Softmax loss: classify a pair by (u, v, |u − v|), as Sentence-BERT was trained on NLI."""

import torch
from torch import nn

from sememe.arguments import whole_number
from sememe.training.losses.loss import Loss, Outputs, Tensor


class SoftmaxLoss(Loss):
    """Mean cross-entropy of softmax(W (u, v, |u − v|) + b) with the label.

    Columns: two texts; targets: their labels. W and b are the loss's own parameters, to be trained
    with the encoder and thrown away after.
    Paper: Reimers & Gurevych 2019, Sentence-BERT (classification objective).

    Args, else an InputError:
        dim: of the vectors; 1 or more.
        labels: how many there are; 2 or more.

    >>> loss = SoftmaxLoss(dim=2, labels=3)
    >>> loss(Outputs([torch.eye(2), torch.eye(2)], torch.tensor([0, 2]), torch.zeros(2, 2))).shape
    torch.Size([])
    """

    def __init__(self, dim: int, labels: int):
        super().__init__()
        dim, labels = whole_number("dim", dim), whole_number("labels", labels, least=2)
        self.classifier = nn.Linear(3 * dim, labels)

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss of labelled pairs."""
        u, v = outputs.columns
        logits = self.classifier(torch.cat([u, v, (u - v).abs()], dim=1))
        return nn.functional.cross_entropy(logits, outputs.targets)
