"""What can be measured: a task is labelled data, and its metrics of a system's answers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, chain, pairwise
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from sememe.errors import InputError
from sememe.evaluation import metrics
from sememe.evaluation.measures import TIE, Measurement
from sememe.evaluation.systems import System

Kind = Literal["similarity", "pairs", "triplets", "retrieval", "reranking", "groups", "classes"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Array = npt.NDArray[Any]
Measurements = dict[str, Measurement]

_CUTS = (10, 100)
_DEPTH = 1000
"""So many documents are ranked for each query, as MTEB and trec_eval have it."""
FOLDS = 5
_REPETITIONS, _SHOTS = 10, 8
"""MTEB's: so many classifiers, each of so many texts of each label."""


class Task(ABC):
    """Labelled data of one kind; nothing that a system has encoded is encoded again.

    Attributes:
        kind: which of the seven.
        name: where the data came from.
    """

    kind: Kind
    name: str
    _by_item: ClassVar[tuple[str, ...]]
    """The fields that have an entry for each item."""

    def __len__(self) -> int:
        """How many items: pairs, triplets, queries or texts."""
        return len(getattr(self, self._by_item[0]))

    def subset(self, items: npt.ArrayLike) -> Self:
        """The items at these places, in that order, of all else everything: the whole corpus."""
        rows = np.asarray(items, np.int64)
        fields = {name: getattr(self, name) for name in self._by_item}
        taken = {
            name: values[rows] if isinstance(values, np.ndarray) else [values[i] for i in rows]
            for name, values in fields.items()
        }
        return replace(self, **taken)  # type: ignore[type-var]

    def texts(self) -> list[str]:
        """Every different text that a system has to read."""
        return list(dict.fromkeys(self._texts()))

    @abstractmethod
    def _texts(self) -> Iterable[str]: ...

    @abstractmethod
    def measure(self, system: System) -> Measurements:
        """Each metric by its name, the main one first, all of the same answers.

        Raises:
            InputError: the system cannot do this, or gives what is not a number.
        """


@dataclass(frozen=True, eq=False)
class PairTask(Task):
    """Pairs of texts, with a score each ("similarity") or whether they are alike ("pairs").

    Attributes:
        gold: float (n,), the scores; or int (n,), 1 for pairs that are alike and 0 for others.
    """

    kind: Kind
    name: str
    pairs: list[tuple[str, str]]
    gold: Array
    _by_item = ("pairs", "gold")

    def _texts(self) -> Iterable[str]:
        return chain.from_iterable(self.pairs)

    def measure(self, system: System) -> Measurements:
        """Spearman and Pearson; or average precision, and F1 and accuracy at their thresholds."""
        scores = system.score(self.pairs)
        places = metrics.places(scores)
        if self.kind == "similarity":
            return _named(
                Measurement("Spearman", metrics.spearman, places, (metrics.places(self.gold),)),
                Measurement("Pearson", metrics.pearson, scores, (self.gold,)),
            )
        of = partial(Measurement, values=places, gold=(self.gold,))
        return _named(
            of("average precision", metrics.average_precision),
            of("best F1", metrics.best_f1),
            of("best accuracy", metrics.best_accuracy),
        )


@dataclass(frozen=True, eq=False)
class TripletTask(Task):
    """An anchor, a text that is closer to it, and one or more that are less so."""

    name: str
    rows: Sequence[tuple[str, ...]]
    kind = "triplets"
    _by_item = ("rows",)

    def _texts(self) -> Iterable[str]:
        return chain.from_iterable(self.rows)

    def measure(self, system: System) -> Measurements:
        """Accuracy: how often the positive is more similar than every negative; a tie is wrong."""
        pairs = [(anchor, other) for anchor, *others in self.rows for other in others]
        parts = _parts(_finite(system.score(pairs)), [len(row) - 1 for row in self.rows])
        right = [float(first - max(others) > TIE) for first, *others in parts]
        return _means({"accuracy": np.array(right)})


@dataclass(frozen=True, eq=False)
class RetrievalTask(Task):
    """Queries, a corpus, and which documents answer each query.

    Attributes:
        documents: by falling id, so that a system that puts the first of equal documents first
            breaks ties as trec_eval does.
        grades: of each query, the places of its relevant documents with their grades above 0, and
            below 0 of a document that its ranking leaves out.
    """

    name: str
    queries: list[str]
    documents: list[str]
    grades: list[dict[int, float]]
    kind = "retrieval"
    _by_item = ("queries", "grades")

    def _texts(self) -> Iterable[str]:
        return chain(self.queries, self.documents)

    def measure(self, system: System) -> Measurements:
        """nDCG@10, MAP, MRR, recall and precision of the best 1,000, as trec_eval has them."""
        depth = min(_DEPTH, len(self.documents))
        order, scores = system.rank(self.queries, self.documents, depth)
        # trec_eval compares in single precision, and puts the higher id of equals first.
        sorting = np.lexsort((order, -_finite(scores).astype(np.float32)), axis=-1)
        order = np.take_along_axis(order, sorting, 1)
        gains, grade_of = np.zeros(order.shape), np.zeros(len(self.documents))
        for row, grades in enumerate(self.grades):
            places = list(grades)
            grade_of[places] = list(grades.values())
            ranked = grade_of[order[row]]
            ranked = ranked[ranked >= 0]
            gains[row, : len(ranked)] = ranked
            grade_of[places] = 0
        relevant = [np.array([g for g in each.values() if g > 0]) for each in self.grades]
        return _means(metrics.ranking(gains, relevant, _CUTS))


@dataclass(frozen=True, eq=False)
class RerankingTask(Task):
    """Queries, each with a few candidates and their grades (n,), above 0 for what is relevant."""

    name: str
    queries: list[str]
    candidates: list[list[str]]
    grades: list[Array]
    kind = "reranking"
    _by_item = ("queries", "candidates", "grades")

    def _texts(self) -> Iterable[str]:
        return chain(self.queries, *self.candidates)

    def measure(self, system: System) -> Measurements:
        """MAP and MRR over each query's own candidates; of equal ones the relevant come last."""
        rows = zip(self.queries, self.candidates, strict=True)
        pairs = [(query, text) for query, texts in rows for text in texts]
        sizes = [len(texts) for texts in self.candidates]
        parts = _parts(_finite(system.score(pairs, search=True)), sizes)
        gains = np.zeros((len(self), max(sizes)))
        for row, (scores, grades) in enumerate(zip(parts, self.grades, strict=True)):
            gains[row, : len(grades)] = grades[np.lexsort((grades, -scores))]
        relevant = [each[each > 0] for each in self.grades]
        values = metrics.ranking(np.maximum(gains, 0), relevant, _CUTS[:1])
        return _means({name: values[name] for name in ("MAP", "MRR")})


@dataclass(frozen=True, eq=False)
class TextTask(Task):
    """Texts with a label each, to be grouped ("groups") or classified ("classes").

    Attributes:
        items: the texts that are measured.
        gold: int (n,), places among the labels.
        labels: their names.
        learning: texts and their labels, int (m,), from which classes are learned; None to learn
            each fifth of the items from the others.
        protocol: "mteb" for MTEB's way to measure classes: ten classifiers, each learned from eight
            texts of every label.
        others: texts without a label, with which those that have one are grouped.
    """

    kind: Kind
    name: str
    items: list[str]
    gold: Array
    labels: tuple[str, ...]
    learning: tuple[list[str], Array] | None = None
    protocol: Literal["mteb"] | None = None
    others: Sequence[str] = ()
    _by_item = ("items", "gold")

    def _texts(self) -> Iterable[str]:
        return chain(self.items, self.learning[0] if self.learning else ())

    def measure(self, system: System) -> Measurements:
        """V-measure, ARI and AMI of as many groups as labels; or accuracy and macro F1."""
        if self.kind == "groups":
            texts, count = [*self.items, *self.others], len(np.unique(self.gold))
            groups = system.group(texts, count)[: len(self.items)]
            of = partial(Measurement, values=groups, gold=(self.gold,))
            return _named(
                of("V-measure", metrics.v_measure),
                of("ARI", metrics.adjusted_rand),
                of("AMI", metrics.adjusted_mutual_information),
            )
        if self.protocol == "mteb":
            predicted = np.stack(list(self._repeated(system)), axis=1)
        elif self.learning:
            predicted = system.classify(*self.learning, self.items)
        else:
            predicted = self._cross_validated(system)
        of = partial(Measurement, values=predicted, gold=(self.gold,))
        return _named(of("accuracy", metrics.accuracy), of("macro F1", metrics.macro_f1))

    def _repeated(self, system: System) -> Iterator[Array]:
        texts, labels = self.learning or (self.items, self.gold)
        random = np.random.default_rng(42)
        for _ in range(_REPETITIONS):
            order = random.permutation(len(labels))
            each = [order[labels[order] == label][:_SHOTS] for label in np.unique(labels)]
            rows = np.concatenate(each)
            few = [texts[i] for i in rows]
            yield system.classify(few, labels[rows], self.items, protocol="mteb")

    def _cross_validated(self, system: System) -> Array:
        predicted = np.empty(len(self), np.int64)
        fold = folds(self.items, self.gold)
        for each in np.unique(fold):
            rest, part = np.flatnonzero(fold != each), np.flatnonzero(fold == each)
            learned, new = ([self.items[i] for i in rows] for rows in (rest, part))
            predicted[part] = system.classify(learned, self.gold[rest], new)
        return predicted


def folds(texts: Sequence[str], gold: Array) -> Array:
    """Which fifth each text is in: of each label as many, and identical texts together."""
    _, first, copies = np.unique(np.array(texts, object), return_index=True, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(first))
    order = order[np.argsort(gold[first[order]], kind="stable")]
    fold_of = np.empty(len(first), np.int64)
    fold_of[order] = np.arange(len(first)) % min(FOLDS, len(first))
    return fold_of[copies]


def _parts(values: Array, sizes: Sequence[int]) -> list[Array]:
    """Values (n,) cut into parts of these sizes, one behind the other."""
    return [values[start:end] for start, end in pairwise([0, *accumulate(sizes)])]


def _finite(scores: Array) -> Array:
    if not np.isfinite(scores).all():
        raise InputError(metrics.NOT_FINITE)
    return scores


def _named(*measurements: Measurement) -> Measurements:
    return {each.metric: each for each in measurements}


def _means(values: dict[str, Array]) -> Measurements:
    return _named(*(Measurement(name, np.mean, value) for name, value in values.items()))
