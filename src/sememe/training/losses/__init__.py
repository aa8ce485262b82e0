"""Losses, one idea a file, and their names on the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sememe.training.losses.batch_ranking import BatchRankingLoss
from sememe.training.losses.batch_triplet import BatchTripletLoss
from sememe.training.losses.contrastive import ContrastiveLoss
from sememe.training.losses.cosent import CoSENTLoss
from sememe.training.losses.cosine_mse import CosineMSELoss
from sememe.training.losses.cross import (
    CandidateMarginMSELoss,
    CandidateRankingLoss,
    LabelCrossEntropyLoss,
    ScoreBCELoss,
    ScoreMSELoss,
)
from sememe.training.losses.kl import KLLoss
from sememe.training.losses.loss import Loss
from sememe.training.losses.margin_mse import MarginMSELoss
from sememe.training.losses.ranking import RankingLoss
from sememe.training.losses.softmax import SoftmaxLoss
from sememe.training.losses.triplet import TripletLoss


@dataclass(frozen=True)
class Entry:
    """A loss, and the kinds of data it learns from."""

    loss: Callable[..., Loss]
    kinds: tuple[str, ...]


BI = {
    "triplet": Entry(TripletLoss, ("triplets",)),
    "contrastive": Entry(ContrastiveLoss, ("labelled pairs",)),
    "ranking": Entry(RankingLoss, ("pairs", "triplets")),
    "cosent": Entry(CoSENTLoss, ("scored pairs",)),
    "cosine-mse": Entry(CosineMSELoss, ("scored pairs",)),
    "softmax": Entry(SoftmaxLoss, ("labelled pairs",)),
    "margin-mse": Entry(MarginMSELoss, ("taught triplets",)),
    "kl": Entry(KLLoss, ("taught triplets",)),
    "batch-ranking": Entry(BatchRankingLoss, ("labelled texts",)),
    "batch-hard": Entry(partial(BatchTripletLoss, "hard"), ("labelled texts",)),
    "batch-semi-hard": Entry(partial(BatchTripletLoss, "semi-hard"), ("labelled texts",)),
}
CROSS = {
    "bce": Entry(ScoreBCELoss, ("scored pairs", "labelled pairs")),
    "mse": Entry(ScoreMSELoss, ("scored pairs",)),
    "cross-entropy": Entry(LabelCrossEntropyLoss, ("labelled pairs",)),
    "ranking": Entry(CandidateRankingLoss, ("pairs", "triplets")),
    "margin-mse": Entry(CandidateMarginMSELoss, ("taught triplets",)),
}
