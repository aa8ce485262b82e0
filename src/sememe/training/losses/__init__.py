"""Losses, and their names on the command line and in `loss=`."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sememe.arguments import did_you_mean
from sememe.errors import InputError
from sememe.training.losses.batches import BatchRankingLoss, BatchTripletLoss
from sememe.training.losses.cross import (
    CandidateMarginMSELoss,
    CandidateRankingLoss,
    LabelCrossEntropyLoss,
    ScoreBCELoss,
    ScoreMSELoss,
)
from sememe.training.losses.loss import Loss
from sememe.training.losses.pairs import (
    ContrastiveLoss,
    CoSENTLoss,
    CosineMSELoss,
    RankingLoss,
    SoftmaxLoss,
    TripletLoss,
)
from sememe.training.losses.taught import KLLoss, MarginMSELoss


@dataclass(frozen=True)
class Entry:
    """A loss, and the kinds of data it learns from."""

    loss: Callable[..., Loss]
    kinds: tuple[str, ...]

    def options(self) -> list[str]:
        """The names of the options that the user may set."""
        parameters = inspect.signature(self.loss).parameters.values()
        named = [each.name for each in parameters if each.kind == each.POSITIONAL_OR_KEYWORD]
        return [name for name in named if name not in ("dim", "labels", "mining")]


def check_options(name: str, entry: Entry, options: Mapping[str, Any]) -> None:
    """InputError for an option that a loss does not have, or a value that it cannot take."""
    names = entry.options()
    for option in options:
        if option not in names:
            raise InputError(
                f"{option} is no option of the loss {name}{did_you_mean(option, names)}; it has "
                f"{', '.join(names) or 'none'}."
            )
    if options:
        sizes = {"dim": 1, "labels": 2} if entry.loss is SoftmaxLoss else {}
        entry.loss(**sizes, **options)


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
