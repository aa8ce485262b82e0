"""Ranking of labelled texts: each positive of a text is to beat all its negatives in the batch."""

import torch
from torch.nn import functional

from sememe.arguments import real_number
from sememe.training.losses.batch_triplet import sides
from sememe.training.losses.loss import Loss, Outputs, Tensor, cosines


class BatchRankingLoss(Loss):
    """Mean over anchors and positives of log(1 + Σₙ exp(s (cos(a, n) − cos(a, p)))).

    Columns: vectors; targets: their labels. Positives have the anchor's label, negatives another
    (never the same text, however it is labelled). It is multiple negatives ranking with labels: a
    smooth batch-hard, in which every positive and every negative has a say, the near ones the most.
    Paper: Khosla et al. 2020, Supervised Contrastive Learning; here an anchor's other positives
    are not among what its positive is to beat.

    Args, else an InputError:
        scale: s, the inverse of the temperature; above 0.

    >>> outputs = Outputs([torch.eye(3)], torch.tensor([0, 0, 1]), torch.arange(3)[:, None])
    >>> BatchRankingLoss()(outputs)  # positive and negative are equally near: log(2)
    tensor(0.6931)
    """

    def __init__(self, scale: float = 20.0):
        super().__init__()
        self.scale = real_number("scale", scale, above=0)

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss of labelled vectors."""
        scores = self.scale * cosines(outputs.columns[0], outputs.columns[0])
        positive, negative = sides(outputs)
        to_beat = scores.masked_fill(~negative, -torch.inf).logsumexp(1, keepdim=True)
        losses = functional.softplus(to_beat - scores)[positive]
        return losses.sum() / max(len(losses), 1)
