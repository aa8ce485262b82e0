"""Candidates that learn from the sample: each part of it is answered by what the rest taught."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from sememe.errors import CostWarning, InputError, SememeWarning, warn
from sememe.evaluation.kinds import FOLDS, PairTask, Task, TextTask, TripletTask, folds
from sememe.evaluation.systems import EncoderSystem, Pair
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.selection.candidates import Candidate

TUNED = {"pairs": ("tuned",), "classify": ("few-shot", "fine-tune")}
"""How encoders can learn, by the work."""


def check_trainable(task: Task | None) -> None:
    """Refuse to train where nothing can be learned.

    Raises:
        InputError: no labels, or a kind of them that no encoder is tuned on.
        MissingExtra: without torch.
    """
    is_classes = isinstance(task, TextTask) and task.kind == "classes"
    if not is_classes and not isinstance(task, PairTask | TripletTask):
        kind = "texts without labels" if task is None else task.kind
        raise InputError(
            f"train=True (--train) tunes encoders on pairs, triplets and classes, and these data "
            f"are {kind}: leave it out, or train an encoder yourself and name it with --model."
        )
    from sememe.training import train_bi  # noqa: F401 - says what is not installed


def warn_of_trainings(task: Any, candidates: Iterable["Candidate"]) -> None:
    """Say how many trainings there will be, before they begin."""
    tuned = [each.name for each in candidates if each.how]
    if tuned:
        count = counted(len(tuned), "candidate")
        warn(
            f"{count} tuned on the {len(task):,} items, {FOLDS} times each, "
            f"to be measured on what was not seen: {FOLDS * len(tuned)} trainings, which take "
            f"seconds to minutes each ({', '.join(tuned)}).",
            CostWarning,
        )


class TunedEncoder:
    """Scores of a task's pairs by an encoder, each fifth by what was tuned on the other four.

    Args:
        name: what tables call it.
        model: a bi-encoder or a regular transformer.
        task: the pairs, scored pairs or triplets; those with the same first text stay together.
    """

    def __init__(self, name: str, model: Any, task: PairTask | TripletTask) -> None:
        self.name = name
        self._scores: dict[Pair, float] = {}
        rows = task.pairs if isinstance(task, PairTask) else task.rows
        fold = folds([row[0] for row in rows], np.zeros(len(rows), int))
        for each in np.unique(fold):
            part = [row for row, place in zip(rows, fold, strict=True) if place == each]
            pairs = [(row[0], other) for row in part for other in row[1:]]
            with _trained(task.subset(np.flatnonzero(fold != each)), model) as system:
                self._scores.update(zip(pairs, system.score(pairs).tolist(), strict=True))

    def score(self, pairs: Sequence[Pair], *, search: bool = False) -> Any:  # noqa: ARG002
        """The cosines of vectors that were learned without these pairs."""
        return np.array([self._scores[pair] for pair in pairs])


@contextmanager
def _trained(task: PairTask | TripletTask, model: Any) -> Iterator[EncoderSystem]:
    from sememe.encoders import BiEncoder
    from sememe.training.runs import train_bi

    if isinstance(task, PairTask):
        first, second = zip(*task.pairs, strict=True)
        word = "score" if task.kind == "similarity" else "label"
        columns = {"sentence1": first, "sentence2": second, word: task.gold.tolist()}
    else:
        names = chain(("anchor", "positive", "negative"), map("negative_{}".format, range(2, 99)))
        columns = dict(zip(names, zip(*task.rows, strict=True), strict=False))
    data = {name: list(column) for name, column in columns.items()}
    with TemporaryDirectory(prefix="sememe-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", SememeWarning)  # what each fold chose
        train_bi(data, Path(folder) / "encoder", model=model, dev="none", progress=False)
        yield EncoderSystem(BiEncoder(Path(folder) / "encoder"))


class TunedClassifier:
    """A classifier whose encoder learns from the labelled texts too."""

    def __init__(self, name: str, model: Any, how: str) -> None:
        self.name = name
        self._model, self._how = model, how

    def classify(self, texts: Sequence[str], labels: Any, new_texts: Sequence[str]) -> Any:
        """Labels of new texts, int (m,), after training on others."""
        from sememe.classification.classifier import Classifier
        from sememe.classification.training import train_classifier

        codes = np.asarray(labels).tolist()
        data = {"text": list(texts), "label": [f"class {code}" for code in codes]}
        with TemporaryDirectory(prefix="sememe-") as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", SememeWarning)  # what each fold chose
            target = Path(folder) / "classifier"
            train_classifier(data, target, how=self._how, model=self._model, dev="none",
                             progress=False)  # fmt: skip
            answers = Classifier(target).predict(list(new_texts), progress=False)
        return np.array([int(str(each).removeprefix("class ")) for each in answers])
