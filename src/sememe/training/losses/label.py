"""Label loss: a text's label from its vector, by a layer that is trained with the encoder."""

import torch
from torch import nn

from sememe.training.losses.loss import Loss, Outputs, Tensor, unit


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
        """The loss of labelled texts."""
        vectors = outputs.columns[0][:, : self.weight.shape[1]]
        vectors = unit(vectors) if self.normalize else vectors
        logits = nn.functional.linear(vectors, self.weight, self.bias)
        return nn.functional.cross_entropy(logits, outputs.targets)
