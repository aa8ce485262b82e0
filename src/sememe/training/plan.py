"""What a run will do: its data, what is held out of them, and the choices that were made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from typing import Any

import numpy as np

from sememe.arguments import did_you_mean, real_number, whole_number
from sememe.data import Data, Examples, hold_out, load, split
from sememe.errors import ChoiceWarning, InputError, SememeWarning, warn
from sememe.evaluation.measures import check_measurable
from sememe.evaluation.outcome import Choice, report_choices
from sememe.training.defaults import OF_ALIKE, choose
from sememe.training.settings import Settings

_EVALUATIONS = 4
"""At least so many in all: the best weights may come before the end."""
_SETTINGS = [field.name for field in fields(Settings)]
_OTHERS = ("loss", "loss_options", "weights", "score_range", "positive", "lora", "progress")
_WITHOUT_EFFECT = ("device", "save_minutes", "log", "log_directory")
"""On what comes out: a run may go on with others."""


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first step.

    Attributes:
        parts: the examples of each data set.
        choices: for each data set; all but the loss are the first one's.
        settings: of the trainer.
        dev: examples by which the best weights are chosen, if any.
        test: examples by which the model is judged, if any.
        alikes: of each data set, the place of the label that means that two texts are alike.
        weights: how often each data set is drawn.
        sources: what tells the data, and the examples to measure on, from others.
    """

    parts: list[Examples]
    choices: list[list[Choice]]
    settings: Settings
    dev: Examples | None
    test: Examples | None
    alikes: list[int | None]
    weights: list[float | None]
    sources: dict[str, Any]
    lora: int | None
    progress: bool | None

    def value(self, name: str, part: int = 0) -> Any:
        """What was chosen."""
        return next(choice.value for choice in self.choices[part] if choice.name == name)

    def loss_options(self, part: int) -> dict[str, Any]:
        """What a data set's loss is made with, beside its defaults."""
        return next((c.value for c in self.choices[part] if c.name == "loss_options"), {})

    def targets(self, part: int) -> Examples:
        """A data set with its targets as its loss takes them."""
        examples = self.parts[part]
        if examples.kind == "labelled pairs" and self.value("loss", part) in OF_ALIKE:
            alike = np.asarray(examples.targets) == self.alikes[part]
            return replace(examples, targets=alike.astype(np.float32))
        return examples

    def say(self) -> None:
        """Say what was chosen and why."""
        report_choices(choice for choices in self.choices for choice in choices)

    def identity(self) -> dict[str, Any]:
        """All that what comes out depends on, beside the model."""
        said = {name: getattr(self.settings, name) for name in _SETTINGS}
        return {
            **self.sources,
            "losses": [self.value("loss", i) for i in range(len(self.parts))],
            "loss_options": [self.loss_options(i) for i in range(len(self.parts))],
            "positive": self.alikes,
            "weights": list(self.weights),
            "lora": self.lora,
            **{name: value for name, value in said.items() if name not in _WITHOUT_EFFECT},
        }


def make_plan(
    data: Data | Sequence[Data], dev: Any, options: dict[str, Any], *, cross: bool
) -> Plan:
    """Load and check everything, and choose what was not said; raises before any work is done."""
    known = (*_SETTINGS, *_OTHERS)
    for name in options:
        if name not in known:
            raise InputError(
                f"{name} is no option of training{did_you_mean(name, known)}; there are "
                f"{', '.join(known)}."
            )
    loaded = [load(each, score_range=options.get("score_range")) for each in _several(data)]
    alikes = _alikes(loaded, options.get("positive"))
    given = {name: options[name] for name in _SETTINGS if options.get(name) is not None}
    checked = Settings(**given)
    options = {**options, **{name: getattr(checked, name) for name in given}}
    if options.get("lora") is not None:
        options["lora"] = whole_number("lora", options["lora"])
    if dev is not None and not (isinstance(dev, str) and dev == "none"):
        dev = load(dev, score_range=options.get("score_range"), like=loaded[0])
    sources = {
        "data": [part.digest() for part in loaded],
        "dev": dev.digest() if isinstance(dev, Examples) else dev,
    }
    parts, dev_part, test = _held_out(loaded, dev, options.get("seed") or 0)
    weights = options.get("weights")
    weights = [None] * len(parts) if weights is None else list(weights)
    weights = [each if each is None else real_number("weights", each, above=0) for each in weights]
    if len(weights) != len(parts):
        raise InputError(f"{len(weights)} weights for {len(parts)} data sets; give one for each.")
    choices = [
        choose(part, options, cross=cross, alike=alike)
        for part, alike in zip(parts, alikes, strict=True)
    ]
    chosen = {c.name: c.value for c in choices[0]}
    chosen.pop("loss_options", None)
    labels = len(parts[0].labels) if chosen.pop("loss") == "cross-entropy" else 1
    for held in (dev_part, test):
        if held is not None:
            check_measurable(held, alikes[0], cross=cross, labels=labels)
    evaluations = ceil(_EVALUATIONS / chosen["epochs"])
    settings = Settings(**{"evaluations": evaluations, **given, **chosen})
    others = sources, options.get("lora"), options.get("progress")
    return Plan(parts, choices, settings, dev_part, test, alikes, weights, *others)


def _several(data: Data | Sequence[Data]) -> list[Any]:
    if isinstance(data, list | tuple) and data and not any(map(_is_row, data)):
        return list(data)
    return [data]


def _is_row(item: Any) -> bool:
    """Whether a dict holds values, and not columns of them; a label may be a list by mistake."""
    return isinstance(item, Mapping) and not all(
        isinstance(value, Iterable) and not isinstance(value, str | bytes)
        for value in item.values()
    )


def _alikes(loaded: list[Examples], positive: Any) -> list[int | None]:
    labels = {label: None for part in loaded for label in part.labels}
    if positive is not None and str(positive) not in labels:
        listed, names = ", ".join(labels) or "none", ", ".join(part.name for part in loaded)
        raise InputError(f"positive={positive!r} is no label of {names}: it has {listed}.")
    return [
        part.labels.index(str(positive)) if str(positive) in part.labels else part.positive_label
        for part in loaded
    ]


def _held_out(
    loaded: list[Examples], dev: Examples | str | None, seed: int
) -> tuple[list[Examples], Examples | None, Examples | None]:
    first, held = hold_out(loaded[0], dev, seed)
    if held is None:
        return loaded, None, None
    if dev is None:
        loaded = [first, *(_without(part, held) for part in loaded[1:])]
    else:
        for part in loaded:
            if shared := int(_sharing(part, held).sum()):
                warn(
                    f"{shared} of {len(part)} rows of {part.name} have a text that is in "
                    f"{held.name} too: the figures may be better than on new texts.",
                    SememeWarning,
                )
    return loaded, *split(held, len(held) // 2, seed)


def _without(examples: Examples, held: Examples) -> Examples:
    """Another data set, less what has a text that is held out."""
    shared = _sharing(examples, held)
    if shared.any():
        warn(
            f"{shared.sum()} of {len(examples)} rows of {examples.name} have a text that is held "
            f"out of {held.name}, and are not trained on.",
            ChoiceWarning,
        )
    if shared.all():
        raise InputError(f"That leaves nothing of {examples.name}; give examples to measure on.")
    return examples.subset(np.flatnonzero(~shared))


def _sharing(examples: Examples, held: Examples) -> Any:
    """Which rows have a text of the others."""
    return np.isin(examples.keys(), held.keys()).any(axis=1)
