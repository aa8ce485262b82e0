"""What a cross-encoder's scores are: how many, what they are called, what is done to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sememe.checkpoint.modules import torch_name
from sememe.errors import CheckpointError, GuessWarning, warn

ACTIVATIONS = ("identity", "sigmoid", "softmax")

_BEFORE_4 = "sbert_ce_default_activation_function"
KEYS = ("id2label", "label2id", "num_labels", "sentence_transformers", _BEFORE_4)
"""What config.json says of the scoring, in all its layouts."""


@dataclass(frozen=True)
class Scoring:
    """The head of a cross-encoder.

    Attributes:
        labels: the name of each score.
        activation: identity, sigmoid or softmax, applied to the head's logits.
    """

    labels: tuple[str, ...]
    activation: str

    @property
    def activation_fn(self) -> str:
        """The activation by torch's name, as checkpoints store it."""
        return torch_name(self.activation.capitalize())


def read_scoring(path: Path, config: Mapping[str, Any], face: Mapping[str, Any]) -> Scoring:
    """Read a classifier's config.json and, from 5.4 on, config_sentence_transformers.json.

    Where they name no activation, one score goes through a sigmoid and several stay as they are,
    as in sentence-transformers.
    """
    labels = _labels(path, config)
    name = _activation_name(config, face)
    default = "sigmoid" if len(labels) == 1 else "identity"
    activation = name.rsplit(".", 1)[-1].lower() if name else default
    if activation not in ACTIVATIONS:
        warn(
            f"{path}: the activation {name!r} is not known and never run; {default} is used. "
            f"Known are {', '.join(ACTIVATIONS)}.",
            GuessWarning,
            once=True,
        )
        activation = default
    return Scoring(labels, activation)


def scoring_config(scoring: Scoring) -> dict[str, Any]:
    """What config.json says of a scoring, to versions from 4.0 on and to those before."""
    return {
        "id2label": {str(i): label for i, label in enumerate(scoring.labels)},
        "label2id": {label: i for i, label in enumerate(scoring.labels)},
        # The version is the layout's, so that a later reader does not take it for its own.
        "sentence_transformers": {"activation_fn": scoring.activation_fn, "version": "4.0.0"},
        _BEFORE_4: scoring.activation_fn,
    }


def _activation_name(config: Mapping[str, Any], face: Mapping[str, Any]) -> str:
    """The activation's name in any generation: 5.4 on, 4.0 to 5.3, before 4.0."""
    section = config.get("sentence_transformers")
    for settings in (face, section if isinstance(section, dict) else {}):
        if settings.get("activation_fn"):
            return str(settings["activation_fn"])
    return str(config.get(_BEFORE_4) or "")


def _labels(path: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label")
    if names is None:
        count = config.get("num_labels", 2)
        if not isinstance(count, int) or not 0 < count < 1_000_000:
            raise CheckpointError(f"{path}: num_labels is {count!r}; a positive number is needed.")
        return tuple(f"LABEL_{i}" for i in range(count))
    numbers = [str(i) for i in range(len(names))] if isinstance(names, dict) else []
    if not numbers or names.keys() != set(numbers):
        raise CheckpointError(f"{path}: id2label must name the labels 0, 1, … without a gap.")
    labels = tuple(str(names[number]) for number in numbers)
    if len(set(labels)) < len(labels):
        raise CheckpointError(f"{path}: id2label gives two labels one name: {', '.join(labels)}.")
    return labels
