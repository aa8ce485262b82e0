"""Losses, and their names on the command line and in `loss=`."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sememe.arguments import did_you_mean
from sememe.errors import InputError
from sememe.training.losses import batches, cross, pairs, taught
from sememe.training.losses.loss import Loss


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
        sizes = {"dim": 1, "labels": 2} if entry.loss is pairs.SoftmaxLoss else {}
        entry.loss(**sizes, **options)


BI = {
    "triplet": Entry(pairs.TripletLoss, ("triplets",)),
    "contrastive": Entry(pairs.ContrastiveLoss, ("labelled pairs",)),
    "ranking": Entry(pairs.RankingLoss, ("pairs", "triplets")),
    "cosent": Entry(pairs.CoSENTLoss, ("scored pairs",)),
    "cosine-mse": Entry(pairs.CosineMSELoss, ("scored pairs",)),
    "softmax": Entry(pairs.SoftmaxLoss, ("labelled pairs",)),
    "margin-mse": Entry(taught.MarginMSELoss, ("taught triplets",)),
    "kl": Entry(taught.KLLoss, ("taught triplets",)),
    "batch-ranking": Entry(batches.BatchRankingLoss, ("labelled texts",)),
    "batch-hard": Entry(partial(batches.BatchTripletLoss, "hard"), ("labelled texts",)),
    "batch-semi-hard": Entry(partial(batches.BatchTripletLoss, "semi-hard"), ("labelled texts",)),
}
CROSS = {
    "bce": Entry(cross.ScoreBCELoss, ("scored pairs", "labelled pairs")),
    "mse": Entry(cross.ScoreMSELoss, ("scored pairs",)),
    "cross-entropy": Entry(cross.LabelCrossEntropyLoss, ("labelled pairs",)),
    "ranking": Entry(cross.CandidateRankingLoss, ("pairs", "triplets")),
    "margin-mse": Entry(cross.CandidateMarginMSELoss, ("taught triplets",)),
}
