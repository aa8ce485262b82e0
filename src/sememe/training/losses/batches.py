"""Losses of labelled texts: pairs and triplets are found within the batch."""

import torch
from torch import nn
from torch.nn import functional

from sememe.arguments import one_of, real_number
from sememe.training.losses.loss import Loss, Outputs, Tensor, cosines, unit
from sememe.training.losses.pairs import TripletLoss


class BatchTripletLoss(TripletLoss):
    """Mean of max(0, d(a, p) − d(a, n) + margin) over triplets chosen within the batch.

    Columns: vectors; targets: their labels. Positives have the anchor's label, negatives another
    (never the same text, however it is labelled). Chosen are:

    - "hard": for each anchor its farthest positive and its nearest negative;
    - "semi-hard": for each anchor and each of its positives the nearest negative beyond the
      positive, or if none lies beyond, the farthest negative there is.

    An anchor without a positive or without a negative takes no part. Batches should hold few
    labels, and several texts of each.
    Papers: Hermans, Beyer & Leibe 2017, In Defense of the Triplet Loss (batch-hard); Schroff et
    al. 2015, FaceNet (semi-hard).

    Args, else an InputError:
        mining: "hard" or "semi-hard".
        margin, distance: as in `TripletLoss`.

    >>> vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> outputs = Outputs([vectors], torch.tensor([0, 0, 1, 1]), torch.arange(4)[:, None])
    >>> BatchTripletLoss("hard", margin=0.3)(outputs)
    tensor(0.3000)
    """

    def __init__(self, mining: str = "hard", margin: float | None = None, distance: str = "cosine"):
        super().__init__(margin, distance)
        self.mining = one_of("mining", mining, ("hard", "semi-hard"))

    def forward(self, outputs: Outputs) -> Tensor:
        distances = self._distances(outputs.columns[0])
        positive, negative = sides(outputs)
        if self.mining == "hard":
            anchors = positive.any(1)
            to_negative = distances.masked_fill(~negative, torch.inf).amin(1)[anchors]
            to_positive = distances.masked_fill(~positive, -torch.inf).amax(1)[anchors]
        else:
            to_negative = _semi_hard(distances, negative)[positive]
            to_positive = distances[positive]
        losses = torch.relu(to_positive - to_negative + self.margin)
        return losses.sum() / max(len(losses), 1)

    def _distances(self, vectors: Tensor) -> Tensor:
        if self.distance == "cosine":
            return 1 - cosines(vectors, vectors)
        # Not by products, which lose the small distances.
        return torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")


def sides(outputs: Outputs) -> tuple[Tensor, Tensor]:
    """Each anchor's positives and negatives, bool (n, n); without a negative it has neither."""
    labels, keys = outputs.targets, outputs.keys
    same_label = labels[:, None] == labels
    negative = ~same_label & (keys != keys.T)
    return same_label.fill_diagonal_(False) & negative.any(1, keepdim=True), negative


def _semi_hard(distances: Tensor, negative: Tensor) -> Tensor:
    """Distance of the negative chosen for each anchor and each positive: (n, n)."""
    fixed = distances.detach()
    nearest_first, order = fixed.masked_fill(~negative, torch.inf).sort(1)
    beyond = torch.searchsorted(nearest_first, fixed, right=True)
    farthest = negative.sum(1, keepdim=True) - 1
    places = torch.minimum(beyond, farthest).clamp(min=0)
    return distances.gather(1, order.gather(1, places))


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
        scores = self.scale * cosines(outputs.columns[0], outputs.columns[0])
        positive, negative = sides(outputs)
        to_beat = scores.masked_fill(~negative, -torch.inf).logsumexp(1, keepdim=True)
        losses = functional.softplus(to_beat - scores)[positive]
        return losses.sum() / max(len(losses), 1)


class LabelLoss(Loss):
    """Mean of −log softmax(W v + b) at the label.

    Columns: texts; targets: their labels. W and b are the loss's own parameters. Where they begin
    as those of a probe on the vectors as they were, the encoder is not torn down by the gradients
    of a random layer (Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features).

    Args:
        weight: float32 (labels, dim); of longer vectors the first dim components are taken.
        bias: float32 (labels,).
        normalize: whether v has length 1.

    >>> loss = LabelLoss(torch.eye(2), torch.zeros(2), normalize=True)
    >>> loss(Outputs([torch.tensor([[3.0, 0.0]])], torch.tensor([0]), torch.zeros(1, 1)))
    tensor(0.3133, grad_fn=<NllLossBackward0>)
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, normalize: bool):
        super().__init__()
        self.weight, self.bias = (nn.Parameter(torch.as_tensor(x).clone()) for x in (weight, bias))
        self.normalize = normalize

    def forward(self, outputs: Outputs) -> Tensor:
        vectors = outputs.columns[0][:, : self.weight.shape[1]]
        vectors = unit(vectors) if self.normalize else vectors
        logits = functional.linear(vectors, self.weight, self.bias)
        return functional.cross_entropy(logits, outputs.targets)
