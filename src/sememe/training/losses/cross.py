"""Losses of cross-encoders, whose columns are logits (n, labels), a column a pair of texts."""

import torch
from torch.nn import functional

from sememe.training.losses.loss import Loss, Outputs, Tensor
from sememe.training.losses.taught import margin_mse


class ScoreBCELoss(Loss):
    """Mean of −y log σ(x) − (1 − y) log(1 − σ(x)): a pair's probability is its score.

    Columns: logits x (n, 1) of a pair; targets: its score y, between 0 and 1.
    Paper: Nogueira & Cho 2019, Passage Re-ranking with BERT.

    >>> ScoreBCELoss()(Outputs([torch.zeros(2, 1)], torch.tensor([0.0, 1.0]), torch.zeros(2, 1)))
    tensor(0.6931)
    """

    def forward(self, outputs: Outputs) -> Tensor:
        logits, scores = outputs.columns[0][:, 0], outputs.targets
        return functional.binary_cross_entropy_with_logits(logits, scores)


class ScoreMSELoss(Loss):
    """Mean of (σ(x) − y)², for σ(x) is what `CrossEncoder.score` gives.

    Columns: logits x (n, 1) of a pair; targets: its score y, between 0 and 1. Where σ(x) is far
    off its gradient vanishes, and that of `ScoreBCELoss` does not; it in turn does not shrink the
    errors' squares. Logits of a teacher are learnt by `CandidateMarginMSELoss`.

    >>> ScoreMSELoss()(Outputs([torch.zeros(2, 1)], torch.tensor([0.0, 0.5]), torch.zeros(2, 1)))
    tensor(0.1250)
    """

    def forward(self, outputs: Outputs) -> Tensor:
        return functional.mse_loss(torch.sigmoid(outputs.columns[0][:, 0]), outputs.targets)


class LabelCrossEntropyLoss(Loss):
    """Mean of −log softmax(x) at the label: a classifier of pairs.

    Columns: logits x (n, labels) of a pair; targets: its label.

    >>> LabelCrossEntropyLoss()(Outputs([torch.zeros(1, 2)], torch.tensor([1]), torch.zeros(1, 1)))
    tensor(0.6931)
    """

    def forward(self, outputs: Outputs) -> Tensor:
        return functional.cross_entropy(outputs.columns[0], outputs.targets)


class CandidateRankingLoss(Loss):
    """Mean of −log(exp(x₀) / Σₖ exp(xₖ)): of a query's candidates the first is the right one.

    Columns: logits (n, 1) of (query, positive), (query, negative)[, ...]. A negative that is the
    same as the positive does not count.
    Paper: Gao, Dai & Callan 2021, Rethink Training of BERT Rerankers (localized contrastive
    estimation).

    >>> outputs = Outputs([torch.ones(1, 1), torch.zeros(1, 1)], None, torch.tensor([[0, 1]]))
    >>> CandidateRankingLoss()(outputs)  # log(1 + exp(-1))
    tensor(0.3133)
    """

    def forward(self, outputs: Outputs) -> Tensor:
        logits, keys = torch.cat(outputs.columns, dim=1), outputs.keys
        same = torch.cat([torch.zeros_like(keys[:, :1]), keys[:, 1:] == keys[:, :1]], dim=1)
        logits = logits.masked_fill(same.bool(), -torch.inf)
        return -functional.log_softmax(logits, dim=1)[:, 0].mean()


class CandidateMarginMSELoss(Loss):
    """`margin_mse` of the logits of a query's candidates, and a teacher's scores of them.

    Columns: logits (n, 1) of (query, positive), (query, negative)[, ...]; targets: the teacher's
    scores, the positive's first, such as the mean logits of several cross-encoders.
    Paper: Hofstätter et al. 2020, Improving Efficient Neural Ranking Models with
    Cross-Architecture Knowledge Distillation.

    >>> columns, taught = [torch.ones(1, 1), torch.zeros(1, 1)], torch.tensor([[5.0, 2.0]])
    >>> CandidateMarginMSELoss()(Outputs(columns, taught, torch.tensor([[0, 1]])))
    tensor(4.)
    """

    def forward(self, outputs: Outputs) -> Tensor:
        return margin_mse(torch.cat(outputs.columns, dim=1), outputs.targets)
