"""What a run will do: its data, what is held out of them, and the choices that were made."""

from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from sememe.errors import ChoiceWarning, InputError, warn
from sememe.tables.table import did_you_mean
from sememe.training.data import Examples, load, split
from sememe.training.data.sources import Data
from sememe.training.defaults import ASKED, Choice, choose
from sememe.training.settings import Settings

_HELD_OUT, _MOST_HELD_OUT = 0.2, 2000
_EVALUATIONS = 4
"""At least so many in all: the best weights may come before the end."""
_SETTINGS = [field.name for field in fields(Settings)]
_OTHERS = ("loss", "weights", "score_range", "positive", "lora", "progress")
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
        alike: the place of the label that means that two texts are alike.
        weights: how often each data set is drawn.
    """

    parts: list[Examples]
    choices: list[list[Choice]]
    settings: Settings
    dev: Examples | None
    test: Examples | None
    alike: int | None
    weights: list[float | None]
    lora: int | None
    progress: bool | None

    def value(self, name: str, part: int = 0) -> Any:
        """What was chosen."""
        return next(choice.value for choice in self.choices[part] if choice.name == name)

    def targets(self, part: int) -> Examples:
        """A data set with its targets as its loss takes them."""
        examples = self.parts[part]
        if examples.kind == "labelled pairs" and self.value("loss", part) in ("contrastive", "bce"):
            alike = np.asarray(examples.targets) == self.alike
            return replace(examples, targets=alike.astype(np.float32))
        return examples

    def say(self) -> None:
        """Say what was chosen and why."""
        chosen = [
            f"{choice.name} {choice.value} ({choice.why})"
            for choice in dict.fromkeys(c for choices in self.choices for c in choices)
            if choice.why != ASKED
        ]
        if chosen:
            warn(f"Chosen for these data: {'; '.join(chosen)}.", ChoiceWarning)

    def identity(self) -> dict[str, Any]:
        """All that what comes out depends on, beside the model."""
        said = {name: getattr(self.settings, name) for name in _SETTINGS}
        return {
            "data": [_digest(part) for part in [*self.parts, self.dev, self.test] if part],
            "losses": [self.value("loss", i) for i in range(len(self.parts))],
            "weights": self.weights,
            "lora": self.lora,
            **{name: value for name, value in said.items() if name not in _WITHOUT_EFFECT},
        }


def make_plan(data: Data, dev: Any, options: dict[str, Any], *, cross: bool) -> Plan:
    """Load and check everything, and choose what was not said; raises before any work is done."""
    known = (*_SETTINGS, *_OTHERS)
    for name in options:
        if name not in known:
            raise InputError(
                f"{name} is no option of training{did_you_mean(name, known)}; there are "
                f"{', '.join(known)}."
            )
    loaded = [load(each, score_range=options.get("score_range")) for each in _several(data)]
    alike = _alike(loaded[0], options.get("positive"))
    parts, dev_part, test = _held_out(loaded, dev, options)
    weights = options.get("weights") or [None] * len(parts)
    if len(weights) != len(parts):
        raise InputError(f"{len(weights)} weights for {len(parts)} data sets; give one for each.")
    choices = [choose(part, options, cross=cross, alike=alike) for part in parts]
    chosen = {c.name: c.value for c in choices[0] if c.name in _SETTINGS}
    evaluations = max(1, round(_EVALUATIONS / chosen["epochs"]))
    given = {name: options[name] for name in _SETTINGS if options.get(name) is not None}
    settings = Settings(**{"evaluations": evaluations, **chosen, **given})
    others = options.get("lora"), options.get("progress")
    return Plan(parts, choices, settings, dev_part, test, alike, weights, *others)


def _several(data: Data) -> list[Any]:
    if isinstance(data, list | tuple) and data and not isinstance(data[0], dict):
        return list(data)
    return [data]


def _alike(examples: Examples, positive: str | None) -> int | None:
    if positive is None:
        return examples.alike
    if positive not in examples.labels:
        listed = ", ".join(examples.labels) or "none"
        raise InputError(f"positive={positive!r} is no label of {examples.name}: it has {listed}.")
    return examples.labels.index(positive)


def _held_out(
    loaded: list[Examples], dev: Any, options: dict[str, Any]
) -> tuple[list[Examples], Examples | None, Examples | None]:
    seed = options.get("seed") or 0
    if isinstance(dev, str) and dev == "none":
        return loaded, None, None
    if dev is None:
        first = loaded[0]
        size = min(_MOST_HELD_OUT, max(2, round(_HELD_OUT * len(first))))
        trained, held = split(first, size, seed)
        loaded = [trained, *loaded[1:]]
    else:
        held = load(dev, score_range=options.get("score_range"))
        if held.kind != loaded[0].kind or held.labels != loaded[0].labels:
            raise InputError(
                f"{held.name} holds {held.kind} {list(held.labels) or ''}, and {loaded[0].name} "
                f"{loaded[0].kind} {list(loaded[0].labels) or ''}; the two must agree."
            )
    return loaded, *split(held, len(held) // 2, seed)


def _digest(examples: Examples) -> str:
    digest = blake2b(np.ascontiguousarray(examples.keys()).tobytes(), digest_size=16)
    if examples.targets is not None:
        digest.update(np.ascontiguousarray(examples.targets).tobytes())
    return digest.hexdigest()
