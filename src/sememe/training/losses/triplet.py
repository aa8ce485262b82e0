"""Triplet loss: the anchor lies nearer to its positive than to its negative, by a margin."""

import torch

from sememe.arguments import one_of, real_number
from sememe.training.losses.loss import Loss, Outputs, Tensor, paired_cosines

MARGINS = {"cosine": 0.5, "euclidean": 1.0}


class TripletLoss(Loss):
    """Mean over rows and negatives of max(0, d(a, p) − d(a, n) + margin).

    Columns: anchor, positive, negative[, further negatives]. The cosine distance is 1 − cos(a, b);
    half of what FaceNet measures, the squared Euclidean distance of vectors of length 1.
    Papers: Schroff et al. 2015, FaceNet; Reimers & Gurevych 2019, Sentence-BERT (Euclidean,
    margin 1).

    Args, else an InputError:
        margin: 0 or more; None is 0.5 of the cosine distance, 1 of the Euclidean.
        distance: "cosine" or "euclidean" (of vectors as they were pooled).

    >>> outputs = Outputs(list(torch.eye(3)[:, None]), None, torch.tensor([[0, 1, 2]]))
    >>> TripletLoss(margin=0.2)(outputs)  # both are at a distance of 1: the margin is missing
    tensor(0.2000)
    """

    def __init__(self, margin: float | None = None, distance: str = "cosine"):
        super().__init__()
        self.distance = one_of("distance", distance, MARGINS)
        self.margin = real_number(
            "margin", MARGINS[distance] if margin is None else margin, least=0
        )

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss of triplets."""
        anchors, *others = (column[:, None] for column in outputs.columns)
        distances = self.distances(anchors, torch.cat(others, 1))
        return torch.relu(distances[:, :1] - distances[:, 1:] + self.margin).mean()

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances of vectors (..., dim) that stand in the same place: (...)."""
        if self.distance == "cosine":
            return 1 - paired_cosines(a, b)
        return torch.linalg.vector_norm(a - b, dim=-1)
