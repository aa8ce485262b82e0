"""CoSENT: pairs in the order of their scores, whatever the scores' scale."""

import torch

from sememe.arguments import real_number
from sememe.training.losses.loss import Loss, Outputs, Tensor, paired_cosines


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
        """The loss of scored pairs."""
        logits, scores = self.scale * paired_cosines(*outputs.columns), outputs.targets
        wrong = (logits - logits[:, None]).masked_fill(scores[:, None] <= scores, -torch.inf)
        return torch.cat([logits.new_zeros(1), wrong.flatten()]).logsumexp(0)
