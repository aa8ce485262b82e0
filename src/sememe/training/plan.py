"""What a run will do: its data, what is held out of them, and each choice with its reason."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from typing import Any

import numpy as np

from sememe.arguments import real_number, whole_number
from sememe.data import Data, Examples, hold_out, load, split
from sememe.data.checks import unclear_positive
from sememe.errors import ChoiceWarning, InputError, SememeWarning, warn
from sememe.evaluation.measures import check_measurable
from sememe.evaluation.outcome import Choice, with_requests
from sememe.training.losses import BI, CROSS, check_options
from sememe.training.losses.taught import REACH
from sememe.training.settings import TrainingSettings

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
_OF_SIMILAR_PAIRS = ("contrastive", "bce")
"""Of labelled pairs, these learn whether two texts are alike."""
_IN_BATCH = 64
"""More negatives are better up to some hundreds; at 64 a small data set still has many steps."""
_BY_LABEL, _LEAST_OF_A_LABEL = 32, 4
_EXAMPLES_SEEN = 20_000
_WIDE = 0.95
"""So many of a teacher's margins become differences of cosines of at most 1."""
_EVALUATIONS = 4
"""At least so many in all: the best weights may come before the end."""
_SETTINGS = [field.name for field in fields(TrainingSettings)]
_WITHOUT_EFFECT = ("device", "save_minutes", "log", "log_directory")
"""A run may resume with other values of these."""


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first step.

    Attributes:
        choices: for each data set; all but the loss are the first one's.
        dev, test: examples that choose the best weights, and that judge the model, if any.
        positives: of each data set, the place of the label that means that two texts are alike.
        weights: how often each data set is drawn.
        sources: digests of the data and of the examples to measure on.
        lora: the rank of LoRA's matrices, if any.
    """

    datasets: list[Examples]
    choices: list[list[Choice]]
    settings: TrainingSettings
    dev: Examples | None
    test: Examples | None
    positives: list[int | None]
    weights: Sequence[float | None]
    sources: dict[str, Any]
    lora: int | None
    progress: bool | None

    def losses(self) -> list[tuple[str, dict[str, Any]]]:
        """The loss of each data set, and its options beside the defaults."""
        values = [{choice.name: choice.value for choice in each} for each in self.choices]
        return [(each["loss"], each.get("loss_options", {})) for each in values]

    def targets(self, dataset: int) -> Examples:
        """A data set with its targets as its loss takes them."""
        examples = self.datasets[dataset]
        if examples.kind == "labelled pairs" and self.losses()[dataset][0] in _OF_SIMILAR_PAIRS:
            is_positive = np.asarray(examples.targets) == self.positives[dataset]
            return replace(examples, targets=is_positive.astype(np.float32))
        return examples

    def identity(self) -> dict[str, Any]:
        """All that what comes out depends on, beside the model."""
        return {
            **self.sources,
            "losses": [loss for loss, _ in self.losses()],
            "loss_options": [options for _, options in self.losses()],
            "positive": self.positives,
            "weights": list(self.weights),
            "lora": self.lora,
            **{
                name: getattr(self.settings, name)
                for name in _SETTINGS
                if name not in _WITHOUT_EFFECT
            },
        }


def make_plan(
    data: Data | Sequence[Data], dev: Any, options: Mapping[str, Any], *, cross: bool
) -> Plan:
    """Load and check everything, and choose the rest; raises before any work is done."""
    reading = {"score_range": options.get("score_range"), "columns": options.get("columns")}
    are_several = isinstance(data, list | tuple) and data and not any(map(_is_row, data))
    sources: Any = data if are_several else [data]
    loaded = [load(source, **reading) for source in sources]
    positives = _positives(loaded, options.get("positive"))
    requested = {name: options[name] for name in _SETTINGS if options.get(name) is not None}
    checked = TrainingSettings(**requested)
    options = {**options, **{name: getattr(checked, name) for name in requested}}
    if options.get("lora") is not None:
        options["lora"] = whole_number("lora", options["lora"])
    if dev is not None and not (isinstance(dev, str) and dev == "none"):
        dev = load(dev, **reading, like=loaded[0])
    digests = {
        "data": [examples.digest() for examples in loaded],
        "dev": dev.digest() if isinstance(dev, Examples) else dev,
    }
    weights: Sequence[float | None] = [None] * len(loaded)
    if options.get("weights") is not None:
        weights = [real_number("weights", weight, above=0) for weight in options["weights"]]
    if len(weights) != len(loaded):
        raise InputError(f"{len(weights)} weights for {len(loaded)} data sets; give one for each.")
    datasets, dev_half, test_half = _hold_out(loaded, dev, checked.seed)
    choices = [
        choose(examples, options, cross=cross, positive=positive)
        for examples, positive in zip(datasets, positives, strict=True)
    ]
    values = {choice.name: choice.value for choice in choices[0]}
    labels = len(datasets[0].labels) if values["loss"] == "cross-entropy" else 1
    for held in (dev_half, test_half):
        if held is not None:
            check_measurable(held, positives[0], cross=cross, labels=labels)
    evaluations = {"evaluations": ceil(_EVALUATIONS / values["epochs"])}
    values = {name: value for name, value in values.items() if name in _SETTINGS}
    return Plan(
        datasets,
        choices,
        TrainingSettings(**{**evaluations, **requested, **values}),
        dev_half,
        test_half,
        positives,
        weights,
        digests,
        options.get("lora"),
        options.get("progress"),
    )


def choose(
    examples: Examples, options: Mapping[str, Any], *, cross: bool, positive: int | None
) -> list[Choice]:
    """The loss, batch size, learning rate and epochs: the user's options, else what suits the data.

    Choices have `per_label` and `loss_options` only where the user or the data need them.
    InputError for a loss that does not exist, or is not for this kind of data; or a bad option of
    it.
    """
    losses, defaults = (CROSS, _CROSS_LOSS) if cross else (BI, _BI_LOSS)
    loss, reason = defaults.get(examples.kind) or _for_labels(examples, cross, positive)
    loss = options.get("loss") or loss
    fitting = [name for name, entry in losses.items() if examples.kind in entry.kinds]
    if loss not in fitting:
        problem = "is not known" if loss not in losses else f"is not for {examples.kind}"
        raise InputError(
            f"The loss {loss!r} {problem}; {examples.name} holds {examples.kind}, for which there "
            f"are {', '.join(fitting)}."
        )
    if positive is None and examples.kind == "labelled pairs" and loss in _OF_SIMILAR_PAIRS:
        raise unclear_positive(examples.labels, examples.name)
    count = len(examples)
    epochs = min(10, max(1, round(_EXAMPLES_SEEN / count)))
    suited = [
        Choice("loss", loss, reason),
        *_batch(examples, loss, options),
        Choice("learning_rate", *_learning_rate(examples, cross, bool(options.get("lora")))),
        Choice("epochs", epochs, f"about {_EXAMPLES_SEEN:,} examples seen, of {count:,}"),
    ]
    if any(choice.name == "per_label" for choice in suited):  # which has the user's sizes in it
        options = {**options, "batch_size": None, "per_label": None}
    if loss_options := options.get("loss_options") or {}:
        check_options(loss, losses[loss], loss_options)
        options = {**options, "loss_options": dict(loss_options)}
        suited.append(Choice("loss_options", {}, ""))
    elif loss == "margin-mse" and not cross and (scale := _scale(examples)):
        reason = "the teacher's scores are logits: divided by it, they are within cosines' reach"
        suited.append(Choice("loss_options", {"scale": scale}, reason))
    return with_requests(suited, {k: v for k, v in options.items() if k != "loss_options" or v})


def _batch(examples: Examples, loss: str, options: Mapping[str, Any]) -> list[Choice]:
    """The batch's size; of labelled texts also how many of each label are in it."""
    size, each = options.get("batch_size"), options.get("per_label")
    if examples.kind == "labelled texts" and each != 0:
        labels = len(np.unique(np.asarray(examples.targets)))
        size = size or _BY_LABEL
        labels = min(labels, max(2, size // (each or _LEAST_OF_A_LABEL)))
        each = each or max(2, size // labels)
        return [
            Choice("batch_size", labels * each, f"{each} texts of each of {labels} labels"),
            Choice("per_label", each, "so that each text has others of its label"),
        ]
    size, reason = 16, "as in SBERT"
    if loss == "ranking":
        size, reason = _IN_BATCH, "the batch holds the negatives"
    return [Choice("batch_size", min(size, max(2, len(examples) // 2)), reason)]


def _learning_rate(examples: Examples, cross: bool, with_lora: bool) -> tuple[float, str]:
    rate, reason = (5e-5, "usual for cross-encoders") if cross else (2e-5, "usual for bi-encoders")
    if examples.kind == "labelled texts":
        rate, reason = 5e-5, "labels are learned better than with 2e-5"
    if with_lora:
        rate, reason = 10 * rate, "ten times the usual, as LoRA trains few weights"
    return rate, reason


def _scale(examples: Examples) -> float | None:
    """What to divide a teacher's scores by, if its margins are out of cosines' reach."""
    scores = np.asarray(examples.targets)
    margins = np.abs(scores[:, :1] - scores[:, 1:])
    return round(float(np.quantile(margins, _WIDE)), 3) if margins.max() > REACH else None


def _for_labels(examples: Examples, cross: bool, positive: int | None) -> tuple[str, str]:
    if examples.kind == "labelled texts":
        raise InputError(
            f"{examples.name} has single texts with labels, and a cross-encoder reads pairs; "
            "sememe train classifier learns labels, and sememe train bi learns vectors that tell "
            "them apart."
        )
    if positive is not None and len(examples.labels) == 2:
        if cross:
            return "bce", "two labels: the probability that a pair is alike"
        return "contrastive", "two labels: pairs that are alike come together, others part"
    if cross:
        return "cross-entropy", f"{len(examples.labels)} labels: a score each"
    return "softmax", f"{len(examples.labels)} labels: told from both vectors, as in SBERT"


def _is_row(item: Any) -> bool:
    """Whether a dict holds values, and not columns of them; a label may be a list by mistake."""
    return isinstance(item, Mapping) and not all(
        isinstance(value, Iterable) and not isinstance(value, str | bytes)
        for value in item.values()
    )


def _positives(loaded: list[Examples], positive: Any) -> list[int | None]:
    labels = {label: None for examples in loaded for label in examples.labels}
    if positive is not None and str(positive) not in labels:
        names = ", ".join(examples.name for examples in loaded)
        raise InputError(
            f"positive={positive!r} is no label of {names}: it has {', '.join(labels) or 'none'}."
        )
    return [
        part.labels.index(str(positive)) if str(positive) in part.labels else part.positive_label
        for part in loaded
    ]


def _hold_out(
    loaded: list[Examples], dev: Examples | str | None, seed: int
) -> tuple[list[Examples], Examples | None, Examples | None]:
    """What to train on, what chooses the best weights, and what judges them."""
    first, held = hold_out(loaded[0], dev, seed)
    if held is None:
        return loaded, None, None
    if dev is None:
        datasets, others, place = [first], loaded[1:], "held out of"
    else:
        datasets, others, place = [], loaded, "in"
    for examples in others:
        shared = np.isin(examples.keys(), held.keys()).any(axis=1)
        count = int(np.sum(shared))
        rows = f"{count} of {len(examples)} rows of {examples.name} have a text that is {place}"
        if count and dev is None:
            warn(f"{rows} {held.name}, and are not trained on.", ChoiceWarning)
        elif count:
            problem = "the figures may be better than on new texts"
            warn(f"{rows} {held.name} too: {problem}.", SememeWarning)
        if dev is None and count == len(examples):
            raise InputError(
                f"That leaves nothing of {examples.name}; give examples to measure on."
            )
        datasets.append(examples.subset(np.flatnonzero(~shared)) if dev is None else examples)
    return datasets, *split(held, len(held) // 2, seed)
