"""Losses that learn from a teacher: its scores of each anchor's candidates, or its vectors."""

import torch
from torch.nn import functional

from sememe.arguments import one_of, real_number
from sememe.errors import InputError
from sememe.training.losses.loss import Loss, Outputs, Tensor, paired_cosines, unit

REACH = 2
"""No two cosines lie farther apart."""


def margin_mse(scores: Tensor, taught: Tensor) -> Tensor:
    """Mean of ((s₀ − sₖ) − (t₀ − tₖ))² over rows and k ≥ 1, of scores and a teacher's (n, m)."""
    margins, taught_margins = (rows[:, :1] - rows[:, 1:] for rows in (scores, taught))
    return functional.mse_loss(margins, taught_margins)


class MarginMSELoss(Loss):
    """`margin_mse` of the similarities of an anchor with its candidates, and a teacher's scores.

    Columns: anchor, positive, negative[, further negatives]; targets: the teacher's score of each
    candidate, the positive's first.
    Paper: Hofstätter et al. 2020, Improving Efficient Neural Ranking Models with
    Cross-Architecture Knowledge Distillation (dot products, a teacher's logits).

    Args, else an InputError:
        similarity: "cosine", for vectors that are compared by their cosines; or "dot", for vectors
            whose length counts too.
        scale: what the teacher's scores are divided by, above 0, so that cosines can reach the
            margins of logits; None takes them as they are, and margins beyond 2, which no cosines
            have, are an InputError.

    >>> outputs = Outputs(
    ...     [torch.eye(2), torch.eye(2), torch.eye(2).flip(0)],
    ...     torch.tensor([[0.9, 0.4], [1.0, 0.5]]),
    ...     torch.arange(6).reshape(2, 3),
    ... )
    >>> MarginMSELoss()(outputs)  # margins of 1, and the teacher's 0.5
    tensor(0.2500)
    """

    def __init__(self, similarity: str = "cosine", scale: float | None = None):
        super().__init__()
        self.similarity = one_of("similarity", similarity, ("cosine", "dot"))
        self.scale = None if scale is None else real_number("scale", scale, above=0)

    def forward(self, outputs: Outputs) -> Tensor:
        vectors, taught = torch.stack(outputs.columns, dim=1), outputs.targets
        if self.similarity == "cosine":
            vectors = unit(vectors)
            widest = float((taught[:, :1] - taught).abs().max())
            if self.scale is None and widest > REACH:
                raise InputError(
                    f"A teacher's scores of one row lie {widest:.3g} apart, and two cosines at "
                    f"most {REACH}: give margin-mse the option scale={widest:.3g}, or "
                    'similarity="dot"'
                )
        similarities = torch.sum(vectors[:, :1] * vectors[:, 1:], dim=-1)
        return margin_mse(similarities, taught / (self.scale or 1))


class KLLoss(Loss):
    """Mean over rows of Σₖ qₖ log(qₖ / pₖ), where q = softmax(t / temperature), p = softmax(s cos).

    Columns: anchor, positive, negative[, further negatives]; targets: t, the teacher's score of
    each candidate, the positive's first.
    Papers: Hinton, Vinyals & Dean 2015, Distilling the Knowledge in a Neural Network; Lin, Yang &
    Lin 2021, In-Batch Negatives for Knowledge Distillation (of rankers). Theirs, which has one
    temperature T for both, is temperature=T, scale=s / T, times T².

    Args, else an InputError:
        temperature: of the teacher; above 0. 1 for logits; for probabilities, which say too
            little otherwise, about 0.05.
        scale: s, the inverse of the student's temperature; above 0.

    >>> columns = [torch.eye(2), torch.eye(2), torch.eye(2).flip(0)]  # cosines 1 and 0
    >>> taught = torch.tensor([[7.0, 5.0], [3.0, 1.0]])
    >>> KLLoss(scale=2)(Outputs(columns, taught, torch.arange(6).reshape(2, 3)))
    tensor(0.)
    """

    def __init__(self, temperature: float = 1.0, scale: float = 20.0):
        super().__init__()
        self.temperature = real_number("temperature", temperature, above=0)
        self.scale = real_number("scale", scale, above=0)

    def forward(self, outputs: Outputs) -> Tensor:
        anchors, *candidates = outputs.columns
        cosines = paired_cosines(anchors[:, None], torch.stack(candidates, dim=1))
        student = functional.log_softmax(self.scale * cosines, dim=1)
        teacher = functional.log_softmax(outputs.targets / self.temperature, dim=1)
        return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


class VectorLoss(Loss):
    """Mean of 1 − cos(v, t), half the squared distance of v and t when both have length 1.

    Columns: a text; targets: t, a teacher's vector of it, float32 (n, dim).
    Paper: Vujanic & Rueckstiess 2025, LEAF: Knowledge Distillation of Text Embedding Models with
    Teacher-Aligned Representations.

    >>> VectorLoss()(Outputs([torch.eye(2)], torch.tensor([[2.0, 0.0], [0.0, -1.0]]), torch.eye(2)))
    tensor(1.)
    """

    def forward(self, outputs: Outputs) -> Tensor:
        return 1 - paired_cosines(outputs.columns[0], outputs.targets).mean()
