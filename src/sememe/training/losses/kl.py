"""KL distillation: the student spreads its belief over the candidates as its teacher does."""

import torch
from torch.nn import functional

from sememe.arguments import real_number
from sememe.training.losses.loss import Loss, Outputs, Tensor, paired_cosines


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
        """The loss of taught triplets."""
        anchors, *candidates = outputs.columns
        cosines = paired_cosines(anchors[:, None], torch.stack(candidates, dim=1))
        student = functional.log_softmax(self.scale * cosines, dim=1)
        teacher = functional.log_softmax(outputs.targets / self.temperature, dim=1)
        return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
