"""What must never be a negative never pushes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sememe.training.losses.batches import BatchRankingLoss, BatchTripletLoss
from sememe.training.losses.cross import CandidateRankingLoss
from sememe.training.losses.loss import Loss, Outputs
from sememe.training.losses.pairs import RankingLoss

both_ways = pytest.mark.parametrize("symmetric", [False, True])


def vectors(n: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=generator, dtype=torch.float64).requires_grad_()


def of_pairs(keys: list[list[int]], labels: list[int] | None = None) -> Outputs:
    columns = [vectors(len(keys), seed) for seed in range(len(keys[0]))]
    return Outputs(columns, None if labels is None else torch.tensor(labels), torch.tensor(keys))


@both_ways
@pytest.mark.parametrize(
    ("keys", "labels"),
    [
        ([[0, 1]] * 5, None),
        ([[0, 1], [2, 1], [3, 1]], None),
        ([[0, 1], [0, 2], [0, 3]], None),
        ([[0, 1, 0], [0, 1, 1]], None),
        ([[0, 1], [2, 3], [4, 5]], [7, 7, 7]),
    ],
    ids=["all one pair", "one positive", "one anchor", "hard negatives", "one label"],
)
def test_a_batch_without_a_true_negative_has_no_loss_and_no_gradient(
    keys: list[list[int]], labels: list[int] | None, symmetric: bool
) -> None:
    outputs = of_pairs(keys, labels)
    loss = RankingLoss(symmetric=symmetric)(outputs)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert all(column.grad.abs().max() < 1e-12 for column in outputs.columns)


def test_an_anchor_that_stands_among_the_candidates_is_not_pushed_from_itself() -> None:
    outputs = of_pairs([[0, 1], [2, 0]])  # the second row's positive is the first row's anchor
    RankingLoss()(outputs).backward()
    assert outputs.columns[0].grad[0].abs().max() == 0
    assert outputs.columns[0].grad[1].abs().max() > 0


def test_other_labels_are_negatives_still() -> None:
    outputs = of_pairs([[0, 1], [2, 3], [4, 5]], labels=[7, 7, 8])
    one = Outputs(outputs.columns, torch.tensor([7, 7, 7]), outputs.keys)
    none = Outputs(outputs.columns, None, outputs.keys)
    loss = RankingLoss()
    assert loss(one) < loss(outputs) < loss(none)


def test_scores_are_not_labels() -> None:
    outputs = of_pairs([[0, 1], [2, 3]])
    scored = Outputs(outputs.columns, torch.tensor([0.5, 0.5]), outputs.keys)
    assert RankingLoss()(scored).item() == RankingLoss()(outputs).item() > 0


@pytest.mark.slow
@both_ways
@given(n=st.integers(2, 9), block=st.integers(1, 40), seed=st.integers(0, 99))
def test_blocks_of_rows_are_the_batch_at_once(
    n: int, block: int, seed: int, symmetric: bool
) -> None:
    keys = torch.randint(2 * n, (n, 3), generator=torch.Generator().manual_seed(seed)).tolist()
    gradients = []
    for block_size in (2**20, block):
        outputs = of_pairs(keys)
        RankingLoss(symmetric=symmetric, block_size=block_size)(outputs).backward()
        gradients.append(torch.stack([column.grad for column in outputs.columns]))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_text_labelled_twice_is_not_its_own_negative() -> None:
    # Rows 0 and 2 are one text: only row 1 has a negative, and it is as near as its positive.
    rows = vectors(2).detach()[[0, 1, 0]]
    outputs = Outputs([rows], torch.tensor([0, 0, 1]), torch.tensor([[0], [1], [0]]))
    for mining in ("hard", "semi-hard"):
        assert BatchTripletLoss(mining, margin=0.25)(outputs).item() == pytest.approx(0.25)
    assert BatchRankingLoss()(outputs).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    "loss", [BatchTripletLoss("hard"), BatchTripletLoss("semi-hard"), BatchRankingLoss()]
)
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]], ids=["no negatives", "no positives"])
def test_a_batch_without_triplets_has_no_loss_and_no_gradient(
    loss: Loss, labels: list[int]
) -> None:
    outputs = Outputs([vectors(3)], torch.tensor(labels), torch.arange(3)[:, None])
    found = loss(outputs)
    found.backward()
    assert found.item() == 0
    assert outputs.columns[0].grad.abs().max() == 0


def test_a_candidate_that_is_the_positive_is_not_pushed_down() -> None:
    logits = [torch.zeros(1, 1, requires_grad=True) for _ in range(3)]
    CandidateRankingLoss()(Outputs(logits, None, torch.tensor([[4, 4, 5]]))).backward()
    positive, duplicate, negative = (column.grad.item() for column in logits)
    assert (positive, duplicate, negative) == (pytest.approx(-0.5), 0, pytest.approx(0.5))
