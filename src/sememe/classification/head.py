"""The linear layer of a classifier, and its two files beside the encoder's own."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sememe.checkpoint import Weights
from sememe.checkpoint.files import read_json
from sememe.encoders.vectors import softmax
from sememe.errors import CheckpointError

Floats = npt.NDArray[np.float32]

_WEIGHTS, _FACTS = "classifier.safetensors", "classifier.json"
_FORMAT = 1


@dataclass(frozen=True)
class Head:
    """A linear layer over vectors.

    Attributes:
        labels: their names.
        how: probe, few-shot or fine-tune.
        weight: float32 (labels, dim).
        bias: float32 (labels,).
    """

    labels: tuple[str, ...]
    how: str
    weight: Floats
    bias: Floats

    def probabilities(self, vectors: Floats) -> Floats:
        """Softmax of the layer over vectors (n, dim): float32 (n, labels)."""
        return softmax(vectors @ self.weight.T + self.bias)

    def write(self, directory: Path) -> None:
        """Put both files into a folder."""
        from safetensors.numpy import save_file

        # safetensors writes memory as it lies, and scikit-learn's lies by columns.
        layer = {"weight": np.ascontiguousarray(self.weight), "bias": self.bias}
        save_file(layer, directory / _WEIGHTS)
        facts = {"format": _FORMAT, "how": self.how, "labels": self.labels}
        text = json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
        (directory / _FACTS).write_text(text, encoding="utf-8")


def read_head(directory: Path) -> Head:
    """Read the layer of a classifier; CheckpointError says the file and what is wrong with it."""
    path = directory / _FACTS
    if not path.is_file():
        raise CheckpointError(
            f"{directory} has no {_FACTS}, so it is not a classifier; sememe train classifier "
            "DATA -o DIR makes one."
        )
    facts = read_json(path)
    labels = facts.get("labels")
    if facts.get("format") != _FORMAT or not isinstance(labels, list):
        raise CheckpointError(
            f"{path}: the format is {facts.get('format')!r}, and this version of sememe reads "
            f"{_FORMAT}, with a list of labels."
        )
    weights = Weights(directory / _WEIGHTS)
    dim = weights.shape("weight")[-1]
    return Head(
        tuple(map(str, labels)),
        str(facts.get("how")),
        weights.get("weight", (len(labels), dim)),
        weights.get("bias", (len(labels),)),
    )
