"""MarginMSE: the student keeps a positive as far above a negative as its teacher does."""

import torch
from torch.nn import functional

from sememe.errors import InputError
from sememe.training.losses.loss import Loss, Outputs, Tensor, one_of, unit


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
        similarity: "cosine", for vectors compared by their cosines and a teacher whose scores are
            probabilities (margins out of their reach: an InputError); or "dot", for vectors whose
            length counts too, and a teacher's logits.

    >>> outputs = Outputs(
    ...     [torch.eye(2), torch.eye(2), torch.eye(2).flip(0)],
    ...     torch.tensor([[0.9, 0.4], [1.0, 0.5]]),
    ...     torch.arange(6).reshape(2, 3),
    ... )
    >>> MarginMSELoss()(outputs)  # margins of 1, and the teacher's 0.5
    tensor(0.2500)
    """

    def __init__(self, similarity: str = "cosine"):
        super().__init__()
        self.similarity = one_of("similarity", similarity, ("cosine", "dot"))

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss of taught triplets."""
        vectors, taught = torch.stack(outputs.columns, dim=1), outputs.targets
        if self.similarity == "cosine":
            vectors = unit(vectors)
            widest = float((taught[:, :1] - taught).abs().max())
            if widest > 2:
                raise InputError(
                    f"The teacher's scores of one row lie {widest:.3g} apart, and two cosines 2 at"
                    ' most: give its probabilities, or take margin-mse with similarity="dot"'
                )
        return margin_mse(torch.sum(vectors[:, :1] * vectors[:, 1:], dim=-1), taught)
