"""The classifier: opened from its folder, it labels texts without torch."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sememe.checkpoint import find
from sememe.checkpoint.files import Weights, read_json
from sememe.checkpoint.write import check_target, new_folder
from sememe.encoders import BiEncoder
from sememe.encoders.pipeline import Work
from sememe.encoders.vectors import softmax
from sememe.errors import CheckpointError
from sememe.text import check_texts, rows_with_text

if TYPE_CHECKING:
    from sememe.encoders.disk import OnDisk
    from sememe.jobs import FileRows

Floats = npt.NDArray[np.float32]

FORMS = (".csv", ".tsv", ".xlsx", ".jsonl", ".parquet", "")
"""What `predict_to` writes: the suffixes of files, "" for a folder of shards."""
_WEIGHTS, _FACTS = "classifier.safetensors", "classifier.json"
_FORMAT = 1


class Classifier:
    """Labels texts by the vectors of a bi-encoder and a linear layer.

    Args:
        directory: what `train_classifier` made: a bi-encoder's checkpoint, which `BiEncoder` and
            sentence-transformers open too, with classifier.safetensors and classifier.json.
        precision: as `BiEncoder`'s, like all that follow.
        engine: see `BiEncoder`.
        device: see `BiEncoder`.

    Raises:
        ModelNotFound: the folder is nowhere.
        CheckpointError: it is no classifier, or damaged; the message names the file.

    Example:
        >>> classifier = Classifier("my-classifier")           # doctest: +SKIP
        >>> classifier.predict(["I want my money back"])       # doctest: +SKIP
        ['refund']
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        precision: str = "auto",
        engine: str = "auto",
        device: str | None = None,
    ) -> None:
        folder = find(directory)
        self._head = read_head(folder)
        self.encoder = BiEncoder(folder, precision=precision, engine=engine, device=device)
        """The bi-encoder whose vectors are labelled."""
        if self.encoder.dim != self._head.weight.shape[1]:
            raise CheckpointError(
                f"{folder}: the encoder gives vectors of {self.encoder.dim}, and the classifier "
                f"takes {self._head.weight.shape[1]}; they are not of the same training."
            )

    @property
    def labels(self) -> list[str]:
        """The names of the labels, in the order of `predict_proba`'s columns."""
        return list(self._head.labels)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits: of the encoder's fingerprint, the layer and the labels."""
        names = repr((self.encoder.fingerprint, self._head.labels)).encode()
        layer = self._head.weight.tobytes() + self._head.bias.tobytes()
        return hashlib.sha256(names + layer).hexdigest()[:16]

    def predict_proba(self, texts: Iterable[str], *, progress: bool | None = None) -> Floats:
        """The probability of every label: float32 (n, labels), rows that sum to 1.

        A blank text is no text: its row is NaN, and one warning says which they are.

        Raises:
            InputError: a text that is not a str (which one).
        """
        texts = check_texts(texts)
        rows = rows_with_text(texts, "and without a label")
        vectors = self.encoder.encode([texts[row] for row in rows], progress=progress)
        probabilities = np.full((len(texts), len(self._head.labels)), np.nan, np.float32)
        probabilities[rows] = self._head.probabilities(vectors)
        return probabilities

    def predict(self, texts: Iterable[str], *, progress: bool | None = None) -> list[str | None]:
        """The most probable label of each text, None for a blank one; else as `predict_proba`."""
        probabilities = self.predict_proba(texts, progress=progress)
        is_blank = np.isnan(probabilities).any(axis=1)
        best = np.where(is_blank, -1, probabilities.argmax(axis=1)).tolist()
        return [None if place < 0 else self._head.labels[place] for place in best]

    def predict_to(
        self,
        texts: "Iterable[str] | FileRows",
        path: str | os.PathLike[str],
        *,
        proba: bool = False,
        vectors: Mapping[str, Floats] | None = None,
        progress: bool | None = None,
    ) -> "OnDisk":
        """Label any number of texts to disk in bounded memory; interrupted, it resumes.

        Args:
            texts: any iterable of str, read once, never held as a whole. (The command passes the
                rows of a file, of which all columns are kept.)
            path: `x.csv`, `.tsv`, `.xlsx`, `.jsonl` or `.parquet`, with the columns text, label and
                probability; or a folder, for parquet shards. A blank text has neither label nor
                probability.
            proba: a further column for the probability of each label.
            vectors: by their texts, if there are any already (see `read_vectors`).
            progress: see `BiEncoder.encode_to`, as all errors.
        """
        from sememe.encoders.disk import Task, to_disk

        with Work[str](None, self.encoder.max_length, progress) as work:

            def compute(part: list[str], place: Callable[[int], str]) -> Floats:
                if vectors is None:
                    return self._head.probabilities(self.encoder.encode_part(part, place, work))
                rows = np.array([vectors[text] for text in part], np.float32)
                return self._head.probabilities(rows.reshape(-1, self.encoder.dim))

            def columns(values: Floats) -> dict[str, Any]:
                best = [self._head.labels[place] for place in values.argmax(axis=1)]
                most_probable = {"label": best, "probability": values.max(axis=1, initial=0)}
                each = zip(self._head.labels, np.ascontiguousarray(values.T), strict=True)
                return most_probable | {f"probability {name}": p for name, p in each if proba}

            has_vectors = vectors is not None
            settings = {"fingerprint": self.fingerprint, "proba": proba, "vectors": has_vectors}
            task = Task(
                "classify", settings, "texts", check_texts, compute, columns, "a label", FORMS,
                blank=False,
            )  # fmt: skip
            return to_disk(task, texts, path)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write the classifier into a new or empty folder, whole or not at all.

        Raises:
            InputError: the folder is there and not empty.
            CheckpointError: it cannot be written, as on a full disk.
        """
        with save(self.encoder, self._head, check_target(directory)):
            pass


@contextmanager
def save(encoder: BiEncoder, head: "Head", target: Path) -> Iterator[Path]:
    """Write an encoder and the layer, and what the block adds, whole or not at all."""
    with new_folder(target) as folder:
        encoder.save(folder)
        with (folder / "README.md").open("a", encoding="utf-8") as card:
            card.write('\nLabels: `sememe.Classifier("path/to/this/folder").predict(["a text"])`\n')
        head.write(folder)
        yield folder


@dataclass(frozen=True)
class Head:
    """A linear layer over vectors: float32, weight (labels, dim) and bias (labels,)."""

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
