"""What the options of a loss mean, and what is said when they cannot be."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_data import BI_CASES, DIM, LABELS, Case, arrays, random_outputs

from sememe.errors import InputError
from sememe.training.losses.batches import BatchRankingLoss, BatchTripletLoss
from sememe.training.losses.cross import CandidateMarginMSELoss
from sememe.training.losses.loss import Loss, Matryoshka, Outputs, paired_cosines
from sememe.training.losses.pairs import (
    ContrastiveLoss,
    CoSENTLoss,
    CosineMSELoss,
    RankingLoss,
    SoftmaxLoss,
    TripletLoss,
)
from sememe.training.losses.taught import KLLoss, MarginMSELoss


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TripletLoss(-0.1), "margin=-0.1: give a number of at least 0"),
        (lambda: TripletLoss(float("nan")), "margin=nan: give a number of at least 0"),
        (
            lambda: TripletLoss(distance="dot"),
            "distance='dot' is not known; there are cosine, eu",
        ),
        (lambda: BatchTripletLoss("soft"), "mining='soft' is not known; there are hard, semi-hard"),
        (lambda: BatchTripletLoss(margin=-1), "margin=-1: give a number of at least 0"),
        (lambda: ContrastiveLoss(-1), "margin=-1: give a number of at least 0"),
        (lambda: RankingLoss(0), "scale=0: give a number above 0"),
        (lambda: RankingLoss(float("inf")), "scale=inf: give a number above 0"),
        (lambda: BatchRankingLoss(-1), "scale=-1: give a number above 0"),
        (lambda: CoSENTLoss(-20), "scale=-20: give a number above 0"),
        (
            lambda: MarginMSELoss("euclidean"),
            "='euclidean' is not known; there are cosine, dot",
        ),
        (lambda: KLLoss(temperature=0), "temperature=0: give a number above 0"),
        (lambda: RankingLoss(True), "scale=True: give a number above 0"),
        (lambda: RankingLoss(symmetric=1), "symmetric=1: give True or False"),  # type: ignore[arg-type]
        (lambda: MarginMSELoss(scale=0), "scale=0: give a number above 0"),
        (lambda: KLLoss(scale=0), "scale=0: give a number above 0"),
        (lambda: Matryoshka(CoSENTLoss(), []), "dims must decrease"),
        (lambda: Matryoshka(CoSENTLoss(), [4, 4]), "dims must decrease"),
        (lambda: Matryoshka(CoSENTLoss(), [2, 4]), "dims must decrease"),
    ],
)
def test_what_cannot_be_is_said_when_a_loss_is_made(make: Callable[[], Loss], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize("labels", [[0, 2], [-1, 1], [0.5, 1.0]])
def test_contrastive_refuses_other_labels_than_alike_and_not(labels: list[Any]) -> None:
    outputs = Outputs([torch.eye(2)] * 2, torch.tensor(labels), torch.zeros(2, 2))
    with pytest.raises(InputError, match=r"labels 1 \(alike\) and 0 \(not\)"):
        ContrastiveLoss()(outputs)


def test_margins_that_no_cosines_have_are_refused_and_dot_products_learn_them() -> None:
    taught = torch.tensor([[9.5, -3.0], [7.0, 6.0]])
    outputs = Outputs([torch.eye(2)] * 3, taught, torch.zeros(2, 3))
    with pytest.raises(InputError, match=r'lie 12\.5 apart.*scale=12\.5, or similarity="dot"'):
        MarginMSELoss()(outputs)
    assert MarginMSELoss(scale=12.5)(outputs).item() == pytest.approx((1 + 0.08**2) / 2)
    assert MarginMSELoss("dot")(outputs).item() == pytest.approx((12.5**2 + 1) / 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [c for c in BI_CASES if c.name != "softmax"], ids=lambda case: case.id
)
@settings(max_examples=5)
@given(n=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_matryoshka_is_the_sum_over_first_dimensions(case: Case, n: int, seed: int) -> None:
    outputs = case.outputs(n, seed)
    columns, targets, keys = arrays(outputs)
    cut = {dim: case.reference([c[:, :dim] for c in columns], targets, keys) for dim in (5, 3, 2)}
    loss = Matryoshka(case.loss, [5, 3, 2])(outputs)
    assert loss.item() == pytest.approx(cut[5] + cut[3] + cut[2], rel=1e-9, abs=1e-12)


def test_matryoshka_trains_a_part_of_the_softmax_classifier_for_the_first_dimensions() -> None:
    outputs = random_outputs("labelled pairs", 6, seed=0)
    whole, part = SoftmaxLoss(DIM, LABELS).double(), SoftmaxLoss(2, LABELS).double()
    with torch.no_grad():
        weight = whole.classifier.weight.reshape(LABELS, 3, DIM)
        part.classifier.weight.copy_(weight[:, :, :2].reshape(LABELS, 6))
        part.classifier.bias.copy_(whole.classifier.bias)
    first = Outputs([c[:, :2] for c in outputs.columns], outputs.targets, outputs.keys)
    assert Matryoshka(whole, [2])(outputs).item() == pytest.approx(part(first).item())


def test_matryoshka_carries_the_parameters_and_the_gradient_of_its_loss() -> None:
    loss, outputs = (
        Matryoshka(SoftmaxLoss(DIM, LABELS), [DIM, 2]).double(),
        random_outputs("labelled pairs", 6, seed=0),
    )
    assert torch.autograd.gradcheck(
        lambda *c: loss(Outputs(list(c), outputs.targets, outputs.keys)), tuple(outputs.columns)
    )
    assert sum(parameter.numel() for parameter in loss.parameters()) == 3 * DIM * LABELS + LABELS


def test_matryoshka_says_how_many_dimensions_there_are() -> None:
    outputs = random_outputs("scored pairs", 4, seed=0)
    with pytest.raises(InputError, match=f"The vectors have {DIM} dimensions: there is no dim 8"):
        Matryoshka(CoSENTLoss(), [8, 4])(outputs)


def test_cosent_reads_nothing_but_the_order_of_scores() -> None:
    outputs = random_outputs("scored pairs", 8, seed=1)
    stretched = Outputs(outputs.columns, outputs.targets.exp() * 7 - 3, outputs.keys)
    assert CoSENTLoss()(stretched).item() == CoSENTLoss()(outputs).item()


def test_cosent_of_equal_scores_is_zero_and_has_no_gradient() -> None:
    outputs = random_outputs("scored pairs", 8, seed=2)
    loss = CoSENTLoss()(Outputs(outputs.columns, torch.full((8,), 0.5), outputs.keys))
    loss.backward()
    assert loss.item() == 0
    assert all((column.grad == 0).all() for column in outputs.columns)


@pytest.mark.parametrize("loss", [MarginMSELoss(), MarginMSELoss("dot"), KLLoss()])
def test_what_a_teacher_adds_to_all_scores_of_a_row_does_not_count(loss: Loss) -> None:
    outputs = random_outputs("taught triplets", 6, seed=3)
    raised = Outputs(outputs.columns, outputs.targets + torch.randn(6, 1), outputs.keys)
    assert loss(raised).item() == pytest.approx(loss(outputs).item())


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_a_student_that_scores_as_its_teacher_has_no_loss(seed: int) -> None:
    outputs = random_outputs("taught triplets", 4, seed)
    anchors, *candidates = (column.detach() for column in outputs.columns)
    own = torch.stack([paired_cosines(anchors, c) for c in candidates], dim=1)
    taught = Outputs(outputs.columns, own, outputs.keys)
    assert MarginMSELoss()(taught).item() == pytest.approx(0, abs=1e-12)
    assert KLLoss(temperature=0.1, scale=10)(taught).item() == pytest.approx(0, abs=1e-12)
    assert KLLoss()(outputs).item() > 0


def test_a_perfect_batch_has_no_loss() -> None:
    pairs = Outputs([torch.eye(4)] * 2, torch.ones(4), torch.zeros(4, 2))
    assert CosineMSELoss()(pairs).item() == 0
    assert ContrastiveLoss()(pairs).item() == 0
    triplets = Outputs([torch.eye(4), torch.eye(4), -torch.eye(4)], None, torch.zeros(4, 3))
    assert TripletLoss()(triplets).item() == 0
    logits = Outputs([torch.ones(2, 1), -torch.ones(2, 1)], torch.tensor([[2.0, 0]] * 2), None)
    assert CandidateMarginMSELoss()(logits).item() == 0


@pytest.mark.parametrize(("distance", "margin"), [("cosine", 0.5), ("euclidean", 1.0)])
def test_a_distance_brings_its_margin(distance: str, margin: float) -> None:
    same = Outputs([torch.ones(2, 3)] * 3, None, torch.zeros(2, 3))
    assert TripletLoss(distance=distance)(same).item() == pytest.approx(margin)


def test_a_negative_as_far_as_the_positive_does_not_lie_beyond_it() -> None:
    line = torch.tensor([[0.0], [1.0], [-1.0], [-1.5]])  # the first has 1 and −1 at one distance
    outputs = Outputs([line], torch.tensor([0, 0, 1, 1]), torch.arange(4)[:, None])
    loss = BatchTripletLoss("semi-hard", margin=1, distance="euclidean")
    assert loss(outputs).item() == (0.5 + 0 + 0.5 + 0) / 4
