"""A table that keeps its gradient trains as torch's own does."""

import pytest
import torch
from torch import nn

from sememe.engines.torch.speed import keep_gradients


class Holder(nn.Module):  # type: ignore[misc]
    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.table = table

    def get_input_embeddings(self) -> nn.Embedding:
        return self.table


def tables(padding_idx: int | None) -> tuple[nn.Embedding, nn.Embedding]:
    torch.manual_seed(0)
    usual, keeping = (nn.Embedding(50, 8, padding_idx=padding_idx) for _ in range(2))
    keeping.load_state_dict(usual.state_dict())
    keep_gradients(Holder(keeping))
    assert type(keeping) is not nn.Embedding
    return usual, keeping


@pytest.mark.parametrize("padding_idx", [None, 0])
def test_steps_of_several_parts_move_the_same_rows(padding_idx: int | None) -> None:
    both = tables(padding_idx)
    optimizers = [torch.optim.AdamW(table.parameters(), lr=0.1, fused=True) for table in both]
    for _ in range(6):
        for _ in range(2):
            ids, weights = torch.randint(0, 50, (3, 7)), torch.randn(3, 7, 8)
            for table in both:
                (table(ids) * weights).sum().backward()
        torch.testing.assert_close(both[0].weight.grad, both[1].weight.grad)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    torch.testing.assert_close(both[0].weight, both[1].weight)


def test_rows_that_no_text_has_get_no_gradient() -> None:
    _, table = tables(None)
    for ids in ([1, 2], [3]):
        table.zero_grad()
        table(torch.tensor(ids)).sum().backward()
    assert table.weight.grad is not None
    assert table.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [3]


def test_a_frozen_table_stays_as_it_is() -> None:
    _, table = tables(None)
    table.weight.requires_grad_(False)
    assert not table(torch.tensor([1])).requires_grad
    assert table.weight.grad is None
