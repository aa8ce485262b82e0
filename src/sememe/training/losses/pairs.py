"""Losses of pairs and triplets of vectors."""

import torch
from torch import nn
from torch.nn import functional

from sememe.arguments import flag, one_of, real_number
from sememe.errors import InputError
from sememe.training.losses.loss import Loss, Outputs, Tensor, paired_cosines, unit


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
        block_size: how many scores are held at once; larger batches are computed in blocks of rows.

    >>> vectors, keys = torch.eye(2), torch.tensor([[0, 1], [2, 3]])
    >>> RankingLoss(scale=1)(Outputs([vectors, vectors], None, keys))  # log(1 + exp(-1))
    tensor(0.3133)
    >>> RankingLoss()(Outputs([vectors, vectors], None, keys % 2))  # two rows of the same texts
    tensor(0.)
    """

    def __init__(self, scale: float = 20.0, symmetric: bool = False, *, block_size: int = 2**20):
        super().__init__()
        self._block_size = block_size
        self.scale = real_number("scale", scale, above=0)
        self.symmetric = flag("symmetric", symmetric)

    def forward(self, outputs: Outputs) -> Tensor:
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
        for rows in torch.arange(len(a), device=a.device).split(max(self._block_size // len(c), 1)):
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


_MARGINS = {"cosine": 0.5, "euclidean": 1.0}


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
        self.distance = one_of("distance", distance, _MARGINS)
        self.margin = real_number(
            "margin", _MARGINS[distance] if margin is None else margin, least=0
        )

    def forward(self, outputs: Outputs) -> Tensor:
        anchors, *others = (column[:, None] for column in outputs.columns)
        distances = self.distances(anchors, torch.cat(others, 1))
        return torch.relu(distances[:, :1] - distances[:, 1:] + self.margin).mean()

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances of vectors (..., dim) that stand in the same place: (...)."""
        if self.distance == "cosine":
            return 1 - paired_cosines(a, b)
        return torch.linalg.vector_norm(a - b, dim=-1)


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
        labels = outputs.targets
        if not ((labels == 0) | (labels == 1)).all():
            raise InputError(
                "The contrastive loss knows the labels 1 (alike) and 0 (not), and these are others;"
                " for more labels take softmax, for scores cosent"
            )
        distances = 1 - paired_cosines(*outputs.columns)
        gaps = torch.relu(self.margin - distances)
        return 0.5 * torch.where(labels == 1, distances, gaps).square().mean()


class CoSENTLoss(Loss):
    """log(1 + Σ exp(s (cosⱼ − cosᵢ))), over all pairs i, j of the batch where scoreᵢ > scoreⱼ.

    Columns: two texts; targets: their scores, of which only the order counts. Equal scores give no
    term. Not a mean: the loss grows with the batch, and its gradient hardly does.
    Source: Su Jianlin 2022, CoSENT, https://kexue.fm/archives/8847

    Args, else an InputError:
        scale: s, the inverse of the temperature; above 0.

    >>> a, b = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])  # cosines 1 and 0
    >>> CoSENTLoss(scale=1)(Outputs([a, b], torch.tensor([0.1, 0.9]), torch.zeros(2, 2)))
    tensor(1.3133)
    """

    def __init__(self, scale: float = 20.0):
        super().__init__()
        self.scale = real_number("scale", scale, above=0)

    def forward(self, outputs: Outputs) -> Tensor:
        logits, scores = self.scale * paired_cosines(*outputs.columns), outputs.targets
        wrong = (logits - logits[:, None]).masked_fill(scores[:, None] <= scores, -torch.inf)
        return torch.cat([logits.new_zeros(1), wrong.flatten()]).logsumexp(0)


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
        return functional.mse_loss(paired_cosines(*outputs.columns), outputs.targets)


class SoftmaxLoss(Loss):
    """Mean cross-entropy of softmax(W (u, v, |u − v|) + b) with the label, of so many labels.

    Columns: two texts; targets: their labels. W and b are the loss's own parameters, to be trained
    with the encoder and thrown away after.
    Paper: Reimers & Gurevych 2019, Sentence-BERT (classification objective).

    >>> loss = SoftmaxLoss(dim=2, labels=3)
    >>> loss(Outputs([torch.eye(2), torch.eye(2)], torch.tensor([0, 2]), torch.zeros(2, 2))).shape
    torch.Size([])
    """

    def __init__(self, dim: int, labels: int):
        super().__init__()
        self.classifier = nn.Linear(3 * dim, labels)

    def forward(self, outputs: Outputs) -> Tensor:
        u, v = outputs.columns
        logits = self.classifier(torch.cat([u, v, (u - v).abs()], dim=1))
        return functional.cross_entropy(logits, outputs.targets)
