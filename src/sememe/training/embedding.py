"""A word table whose gradient costs what the batch's words do, not what the vocabulary does.

torch makes a gradient of the whole table for each batch: of all-MiniLM-L6-v2 47 MB, nearly all of
it zeros, an eighth of a small step's time on a CPU. Here one such buffer is kept, and only the rows
that were written are set back to zero; the optimiser sees the same gradient.
"""

from typing import Any

import torch
from torch import nn

Tensor = Any  # torch's types are not read


class WordTable(nn.Embedding):  # type: ignore[misc]
    """nn.Embedding with a gradient that is kept; made of one by `keep_gradients`."""

    kept: Tensor
    written: Tensor

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of any shape (…): vectors (…, dim)."""
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(ids)
        # The weight itself is no input: what flows back is added to its gradient by hand.
        rows = self.weight.detach()[ids].requires_grad_()
        rows.register_hook(lambda gradient: self._add(ids, gradient))
        return rows

    def _add(self, ids: Tensor, gradient: Tensor) -> None:
        ids, gradient = ids.flatten(), gradient.flatten(0, -2)
        if self.weight.grad is None:  # the first part since the optimiser's last step
            if self.kept is None:
                self.kept = torch.zeros_like(self.weight)
            self.kept[self.written] = 0
            self.weight.grad, self.written = self.kept, ids[:0]
        if self.padding_idx is not None:
            gradient = gradient * (ids != self.padding_idx)[:, None]
        self.weight.grad.index_add_(0, ids, gradient.to(self.weight.dtype))
        self.written = torch.cat([self.written, ids])


def keep_gradients(transformer: Any) -> None:
    """Turn a transformer's table of words into one that keeps its gradient."""
    table = transformer.get_input_embeddings()
    if type(table) is nn.Embedding and not table.sparse and table.max_norm is None:
        table.__class__ = WordTable
        table.kept, table.written = None, torch.zeros(0, dtype=torch.long)
