"""Where sentence-transformers has the same formula, it gives the same number."""

from typing import Any

import pytest
import torch
from loss_data import random_outputs
from sentence_transformers.sentence_transformer import losses as theirs
from sentence_transformers.util import pairwise_cos_sim

from sememe.training.losses.batches import BatchTripletLoss
from sememe.training.losses.loss import Loss, Outputs
from sememe.training.losses.pairs import (
    ContrastiveLoss,
    CoSENTLoss,
    CosineMSELoss,
    RankingLoss,
    TripletLoss,
)
from sememe.training.losses.taught import KLLoss, MarginMSELoss

Distances = theirs.BatchHardTripletLossDistanceFunction
Metric = theirs.TripletDistanceMetric
BOTH_WAYS = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}


def theirs_of(name: str, **options: Any) -> Any:
    return getattr(theirs, name)(model=None, **options)


@pytest.mark.parametrize(
    ("kind", "ours", "other"),
    [
        ("pairs", RankingLoss(), theirs_of("MultipleNegativesRankingLoss")),
        ("triplets", RankingLoss(), theirs_of("MultipleNegativesRankingLoss")),
        (
            "triplets",
            RankingLoss(10, symmetric=True),
            theirs_of("MultipleNegativesRankingLoss", scale=10, **BOTH_WAYS),
        ),
        ("scored pairs", CoSENTLoss(), theirs_of("CoSENTLoss")),
        ("scored pairs", CosineMSELoss(), theirs_of("CosineSimilarityLoss")),
        ("binary pairs", ContrastiveLoss(), theirs_of("ContrastiveLoss")),
        (
            "triplets",
            TripletLoss(0.3),
            theirs_of("TripletLoss", distance_metric=Metric.COSINE, triplet_margin=0.3),
        ),
        (
            "triplets",
            TripletLoss(1.0, "euclidean"),
            theirs_of("TripletLoss", triplet_margin=1.0),
        ),
        ("taught triplets", MarginMSELoss("dot"), theirs_of("MarginMSELoss")),
        (
            "taught triplets",
            MarginMSELoss(),
            theirs_of("MarginMSELoss", similarity_fct=pairwise_cos_sim),
        ),
        (
            "taught triplets",
            KLLoss(scale=8),
            theirs_of("DistillKLDivLoss", similarity_fct=lambda a, b: 8 * pairwise_cos_sim(a, b)),
        ),
        (
            "labelled texts",
            BatchTripletLoss("hard", 0.4),
            theirs_of(
                "BatchHardTripletLoss", distance_metric=Distances.cosine_distance, margin=0.4
            ),
        ),
        (
            "labelled texts",
            BatchTripletLoss("hard", 2, "euclidean"),
            theirs_of("BatchHardTripletLoss", margin=2),
        ),
        (
            "labelled texts",
            BatchTripletLoss("semi-hard", 0.4),
            theirs_of(
                "BatchSemiHardTripletLoss", distance_metric=Distances.cosine_distance, margin=0.4
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_same_number(kind: str, ours: Loss, other: Any) -> None:
    for seed in range(5):
        outputs = batch(kind, seed)
        targets = outputs.targets if outputs.targets is not None else torch.zeros(8)
        expected = other.compute_loss_from_embeddings(outputs.columns, targets)
        assert ours(outputs).item() == pytest.approx(expected.item(), rel=1e-6)


def batch(kind: str, seed: int) -> Outputs:
    """Eight examples in which no text comes twice, and each label four times."""
    made = random_outputs(kind.replace("binary", "labelled"), 8, seed, negatives=1)
    targets = made.targets
    if kind in ("binary pairs", "labelled texts"):
        targets = torch.arange(8) % 2
    return Outputs(made.columns, targets, torch.arange(made.keys.numel()).reshape_as(made.keys))
