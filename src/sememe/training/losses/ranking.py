"""Multiple negatives ranking: find the positive among the batch's other positives."""

import torch
from torch.nn import functional

from sememe.arguments import flag, real_number
from sememe.training.losses.loss import Loss, Outputs, Tensor, unit

# Scores held at once: larger batches are computed in blocks of rows.
BLOCK = 2**20


class RankingLoss(Loss):
    """Mean over rows i of −log(exp(s cos(aᵢ, pᵢ)) / Σⱼ exp(s cos(aᵢ, cⱼ))), also called InfoNCE.

    Columns: anchor, positive[, hard negatives]. The candidates c are all positives and all hard
    negatives of the batch, less those that would be punished for being right: the same text as
    the row's anchor or positive; a positive of the same anchor; and, where the targets are labels
    (int64, of anchor and positive), a positive of the same label. The loss of a row that is left
    with no negative is 0.
    Papers: Henderson et al. 2017, Efficient Natural Language Response Suggestion for Smart Reply;
    van den Oord et al. 2018 (InfoNCE).

    Args, else an InputError:
        scale: s, the inverse of the temperature; above 0.
        symmetric: half of the loss is that of finding the anchor of a positive, among the anchors.

    >>> vectors, keys = torch.eye(2), torch.tensor([[0, 1], [2, 3]])
    >>> RankingLoss(scale=1)(Outputs([vectors, vectors], None, keys))  # log(1 + exp(-1))
    tensor(0.3133)
    >>> RankingLoss()(Outputs([vectors, vectors], None, keys % 2))  # two rows of the same texts
    tensor(0.)
    """

    def __init__(self, scale: float = 20.0, symmetric: bool = False):
        super().__init__()
        self.scale = real_number("scale", scale, above=0)
        self.symmetric = flag("symmetric", symmetric)

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss of pairs, or of triplets."""
        loss = self._one_way(outputs)
        if not self.symmetric:
            return loss
        anchors, positives = outputs.columns[:2]
        back = Outputs([positives, anchors], outputs.targets, outputs.keys[:, [1, 0]])
        return (loss + self._one_way(back)) / 2

    def _one_way(self, outputs: Outputs) -> Tensor:
        anchors, candidates = unit(outputs.columns[0]), unit(torch.cat(outputs.columns[1:]))
        # A block's scores live for its own gradient only; `proxy`, of value 0, hands that on.
        a, c = (vectors.detach().requires_grad_() for vectors in (anchors, candidates))
        total = a.new_zeros(())
        for rows in torch.arange(len(a), device=a.device).split(max(BLOCK // len(c), 1)):
            with torch.enable_grad():
                scores = self.scale * a[rows] @ c.T
                scores = scores.masked_fill(_never_negatives(outputs, rows), -torch.inf)
                loss = functional.cross_entropy(scores, rows, reduction="sum") / len(a)
                loss.backward()
            total += loss.detach()
        proxy = torch.sum(anchors * a.grad) + torch.sum(candidates * c.grad)
        return total + (proxy - proxy.detach())


def _never_negatives(outputs: Outputs, rows: Tensor) -> Tensor:
    """Which candidates must not count against these rows: bool (rows, candidates)."""
    keys, labels = outputs.keys, outputs.targets
    texts = keys[:, 1:].T.flatten()
    masked = (texts == keys[rows, 0, None]) | (texts == keys[rows, 1, None])
    positives = masked[:, : len(keys)]
    positives |= keys[rows, 0, None] == keys[:, 0]
    if labels is not None and not labels.is_floating_point():
        positives |= labels[rows, None] == labels
    positives[torch.arange(len(rows), device=rows.device), rows] = False
    return masked
