"""What is chosen for the user, and why."""

from typing import Any

import numpy as np

from sememe.data import Examples
from sememe.errors import InputError
from sememe.evaluation.choices import Choice, asked_first
from sememe.evaluation.measures import which_is_alike
from sememe.training.losses import BI, CROSS, check_options
from sememe.training.losses.taught import REACH

_BI_LOSS = {
    "pairs": ("ranking", "pairs: each anchor's positive is to beat all others of the batch"),
    "triplets": ("ranking", "triplets: the positive is to beat its negatives and all others'"),
    "taught triplets": ("margin-mse", "a teacher's scores: its margins are learned"),
    "scored pairs": ("cosent", "scores: pairs are to come in their order"),
    "labelled texts": ("batch-ranking", "labels: a text's own are to beat all others of the batch"),
}
_CROSS_LOSS = {
    "pairs": ("ranking", "pairs: each query's document is to beat others of the batch"),
    "triplets": ("ranking", "triplets: the positive is to beat its negatives and others"),
    "taught triplets": ("margin-mse", "a teacher's scores: its margins are learned"),
    "scored pairs": ("bce", "scores from 0 to 1: each is taken for a probability"),
}
OF_ALIKE = ("contrastive", "bce")
"""Of labelled pairs, these learn whether two texts are alike."""
_IN_BATCH = 64
"""More negatives are better up to some hundreds; at 64 a small data set still has many steps."""
_BY_LABEL, _LEAST_OF_A_LABEL = 32, 4
_EXAMPLES_SEEN = 20_000
_WIDE = 0.95
"""So many of a teacher's margins become differences of cosines of at most 1."""


def choose(
    examples: Examples, given: dict[str, Any], *, cross: bool, alike: int | None
) -> list[Choice]:
    """The loss, batch size, learning rate and epochs: what was given, else what suits the data.

    `given["loss_options"]` are the loss's; none of its own where neither user nor data need any.

    Raises:
        InputError: a loss that is not known, or not for this kind of data; an option it has not.
    """
    known, losses = (CROSS, _CROSS_LOSS) if cross else (BI, _BI_LOSS)
    loss, why = losses.get(examples.kind) or _for_labels(examples, cross, alike)
    loss = _checked(given.get("loss") or loss, examples, known)
    if alike is None and examples.kind == "labelled pairs" and loss in OF_ALIKE:
        raise which_is_alike(examples)
    ranks, count = loss == "ranking", len(examples)
    batch, small = (_IN_BATCH, "the batch holds the negatives") if ranks else (16, "as in SBERT")
    each = 0
    rate, usual = (5e-5, "usual for cross-encoders") if cross else (2e-5, "usual for bi-encoders")
    if examples.kind == "labelled texts":
        rate, usual = 5e-5, "labels are learned better than with 2e-5"
    if given.get("lora"):
        rate, usual = 10 * rate, "ten times the usual, as LoRA trains few weights"
    epochs = min(10, max(1, round(_EXAMPLES_SEEN / count)))
    if examples.kind == "labelled texts" and given.get("per_label") != 0:
        there, size = len(np.unique(np.asarray(examples.targets))), given.get("batch_size")
        labels, each = _by_label(there, size or _BY_LABEL, given.get("per_label"))
        batch, small = labels * each, f"{each} texts of each of {labels} labels"
        given = {**given, "batch_size": None, "per_label": None}
    suited = [
        Choice("loss", loss, why),
        Choice("batch_size", batch if each else min(batch, max(2, count // 2)), small),
        Choice("learning_rate", rate, usual),
        Choice("epochs", epochs, f"about {_EXAMPLES_SEEN:,} examples seen, of {count:,}"),
    ]
    if each:
        suited.append(Choice("per_label", each, "so that each text has others of its label"))
    if options := given.get("loss_options") or {}:
        check_options(loss, known[loss], options)
        given = {**given, "loss_options": dict(options)}
        suited.append(Choice("loss_options", {}, ""))
    elif loss == "margin-mse" and not cross and (scale := _scale(examples)):
        why = "the teacher's scores are logits: divided by it, they are within cosines' reach"
        suited.append(Choice("loss_options", {"scale": scale}, why))
    return asked_first(suited, given)


def _scale(examples: Examples) -> float | None:
    """What to divide a teacher's scores by, if its margins are out of cosines' reach."""
    scores = np.asarray(examples.targets)
    margins = np.abs(scores[:, :1] - scores[:, 1:])
    return round(float(np.quantile(margins, _WIDE)), 3) if margins.max() > REACH else None


def _by_label(labels: int, batch_size: int, each: int | None) -> tuple[int, int]:
    """How many labels are in a batch, and how many texts of each."""
    labels = min(labels, max(2, batch_size // (each or _LEAST_OF_A_LABEL)))
    return labels, each or max(2, batch_size // labels)


def _for_labels(examples: Examples, cross: bool, alike: int | None) -> tuple[str, str]:
    if examples.kind == "labelled texts":
        raise InputError(
            f"{examples.name} has single texts with labels, and a cross-encoder reads pairs; "
            "sememe train classifier learns labels, and sememe train bi learns vectors that tell "
            "them apart."
        )
    if alike is not None and len(examples.labels) == 2:
        if cross:
            return "bce", "two labels: the probability that a pair is alike"
        return "contrastive", "two labels: pairs that are alike come together, others part"
    if cross:
        return "cross-entropy", f"{len(examples.labels)} labels: a score each"
    return "softmax", f"{len(examples.labels)} labels: told from both vectors, as in SBERT"


def _checked(loss: str, examples: Examples, known: Any) -> str:
    fitting = [name for name, entry in known.items() if examples.kind in entry.kinds]
    if loss not in fitting:
        other = "is not known" if loss not in known else f"is not for {examples.kind}"
        raise InputError(
            f"The loss {loss!r} {other}; {examples.name} holds {examples.kind}, for which there "
            f"are {', '.join(fitting)}."
        )
    return loss
