"""The classifier: opened from its folder, it labels texts without torch."""

import hashlib
import os
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sememe.checkpoint import find
from sememe.checkpoint.write import check_target, new_folder
from sememe.classification.head import Floats, Head, read_head
from sememe.encoders import BiEncoder
from sememe.encoders.pipeline import Work
from sememe.errors import CheckpointError
from sememe.text import check_texts, rows_with_text

if TYPE_CHECKING:
    from sememe.encoders.disk import OnDisk
    from sememe.jobs import FileRows

FORMS = (".csv", ".tsv", ".jsonl", ".parquet", "")
"""What `predict_to` writes: the suffixes of files, "" for a folder of shards."""


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
        found = find(directory)
        self._head = read_head(found)
        self._encoder = BiEncoder(found, precision=precision, engine=engine, device=device)
        if self._encoder.dim != self._head.weight.shape[1]:
            raise CheckpointError(
                f"{found}: the encoder gives vectors of {self._encoder.dim}, and the classifier "
                f"takes {self._head.weight.shape[1]}; they are not of the same training."
            )

    @property
    def labels(self) -> list[str]:
        """The names of the labels, in the order of `predict_proba`'s columns."""
        return list(self._head.labels)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits: of the encoder's fingerprint, the layer and the labels."""
        said = repr((self._encoder.fingerprint, self._head.labels)).encode()
        layer = self._head.weight.tobytes() + self._head.bias.tobytes()
        return hashlib.sha256(said + layer).hexdigest()[:16]

    def predict_proba(self, texts: Iterable[str], *, progress: bool | None = None) -> Floats:
        """The probability of every label: float32 (n, labels), rows that sum to 1.

        A blank text is no text: its row is NaN, and one warning says which they are.

        Raises:
            InputError: a text that is not a str (which one).
        """
        listed = check_texts(texts)
        rows = rows_with_text(listed, "and without a label")
        vectors = self._encoder.encode([listed[row] for row in rows], progress=progress)
        found = np.full((len(listed), len(self._head.labels)), np.nan, np.float32)
        found[rows] = self._head.probabilities(vectors)
        return found

    def predict(self, texts: Iterable[str], *, progress: bool | None = None) -> list[str | None]:
        """The most probable label of each text, None for a blank one; else as `predict_proba`."""
        found = self.predict_proba(texts, progress=progress)
        blank = np.isnan(found).any(axis=1)
        best = np.where(blank, -1, found.argmax(axis=1)).tolist()
        return [None if place < 0 else self._head.labels[place] for place in best]

    def predict_to(
        self,
        texts: "Iterable[str] | FileRows",
        path: str | os.PathLike[str],
        *,
        proba: bool = False,
        progress: bool | None = None,
    ) -> "OnDisk":
        """Label any number of texts to disk in bounded memory; killed, it goes on where it was.

        Args:
            texts: any iterable of str, read once, never held as a whole. (The command passes the
                rows of a file, of which all columns are kept.)
            path: `x.csv`, `.tsv`, `.jsonl` or `.parquet`, with the columns text, label and
                probability; or a folder, for parquet shards. A blank text has neither label nor
                probability.
            proba: a further column for the probability of each label.
            progress: see `BiEncoder.encode_to`, as all errors.
        """
        from sememe.encoders.disk import Task, to_disk

        with Work[str](None, self._encoder.max_length, progress) as work:

            def compute(part: list[str], place: Callable[[int], str]) -> Floats:
                return self._head.probabilities(self._encoder.encode_part(part, place, work))

            def results(found: Floats) -> dict[str, Any]:
                best = [self._head.labels[place] for place in found.argmax(axis=1)]
                named = {"label": best, "probability": found.max(axis=1, initial=0)}
                each = zip(self._head.labels, np.ascontiguousarray(found.T), strict=True)
                return named | {f"probability {name}": p for name, p in each if proba}

            settings = {"fingerprint": self.fingerprint, "proba": proba}
            task = Task(
                "classify",
                settings,
                "texts",
                check_texts,
                compute,
                results,
                "a label",
                FORMS,
                blank=False,
            )
            return to_disk(task, texts, path)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write the classifier into a new or empty folder, whole or not at all.

        Raises:
            InputError: the folder is there and not empty.
            CheckpointError: it cannot be written, as on a full disk.
        """
        save(self._encoder, self._head, check_target(directory))


def save(
    encoder: BiEncoder, head: Head, target: Path, finish: Callable[[Path], None] | None = None
) -> None:
    """Write an encoder, the layer beside it, and what `finish` adds, whole or not at all."""
    with new_folder(target) as whole:
        encoder.save(whole)
        head.write(whole)
        if finish is not None:
            finish(whole)
