"""What can be measured: a task is labelled data, and its metrics of a system's answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, chain, pairwise
from typing import Any, ClassVar, Literal, Protocol, Self, get_args

import numpy as np
import numpy.typing as npt

from sememe.errors import InputError
from sememe.evaluation import metrics
from sememe.evaluation.measures import Details, Measurement
from sememe.evaluation.systems import System

Kind = Literal["similarity", "pairs", "triplets", "retrieval", "reranking", "groups", "classes"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Array = npt.NDArray[Any]
Measurements = dict[str, Measurement]

_CUTS = (10, 100)
_DEPTH = 1000
"""So many documents are ranked for each query, as MTEB and trec_eval have it."""
_TIE = 1e-9
"""Cosines that lie no farther apart are equal: rounding is no merit."""
_FOLDS = 5
_REPETITIONS, _SHOTS = 10, 8
"""MTEB's: so many classifiers, each of so many texts of each label."""
_SLOW_DRAWS = 200


class Task(Protocol):
    """Labelled data of one kind; nothing that a system has encoded is encoded again."""

    @property
    def kind(self) -> Kind:
        """Which of the seven."""

    @property
    def name(self) -> str:
        """Where the data came from."""

    def __len__(self) -> int:
        """How many items: pairs, triplets, queries or texts."""

    def subset(self, items: npt.ArrayLike) -> Self:
        """The items at these places, in that order; of retrieval, with the whole corpus."""

    def texts(self) -> list[str]:
        """Every different text that a system has to read."""

    def measure(self, system: System) -> Measurements:
        """Each metric by its name, the main one first, all of the same answers.

        Raises:
            InputError: the system cannot do this, or gives what is not a number.
        """


@dataclass(frozen=True, eq=False)
class PairTask:
    """Pairs of texts, with a score each ("similarity") or whether they are alike ("pairs").

    Attributes:
        gold: float (n,), the scores; or int (n,), 1 for pairs that are alike and 0 for others.
    """

    kind: Kind
    name: str
    pairs: list[tuple[str, str]]
    gold: Array

    def __len__(self) -> int:
        return len(self.pairs)

    def subset(self, items: npt.ArrayLike) -> Self:
        """See `Task`."""
        rows = np.asarray(items, np.int64)
        return replace(self, pairs=[self.pairs[i] for i in rows], gold=self.gold[rows])

    def texts(self) -> list[str]:
        """See `Task`."""
        return _different(chain.from_iterable(self.pairs))

    def measure(self, system: System) -> Measurements:
        """Spearman and Pearson; or average precision, and F1 and accuracy at their thresholds."""
        scores = system.score(self.pairs)
        order = metrics.places(scores)
        if self.kind == "similarity":
            return _named(
                Measurement("Spearman", metrics.spearman, order, (metrics.places(self.gold),)),
                Measurement("Pearson", metrics.pearson, scores, (self.gold,)),
            )
        return _named(
            Measurement("average precision", metrics.average_precision, order, (self.gold,)),
            Measurement("best F1", metrics.best_f1, order, (self.gold,)),
            Measurement("best accuracy", metrics.best_accuracy, order, (self.gold,)),
        )


@dataclass(frozen=True, eq=False)
class TripletTask:
    """An anchor, a text that is closer to it, and one or more that are less so."""

    name: str
    rows: Sequence[tuple[str, ...]]
    kind: ClassVar[Kind] = "triplets"

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, items: npt.ArrayLike) -> Self:
        """See `Task`."""
        return replace(self, rows=[self.rows[i] for i in np.asarray(items, np.int64)])

    def texts(self) -> list[str]:
        """See `Task`."""
        return _different(chain.from_iterable(self.rows))

    def measure(self, system: System) -> Measurements:
        """Accuracy: how often the positive is more similar than every negative; a tie is wrong."""
        pairs = [(anchor, other) for anchor, *others in self.rows for other in others]
        scores = _finite(system.score(pairs))
        parts = _parts(scores, [len(row) - 1 for row in self.rows])
        right = [float(first - max(others) > _TIE) for first, *others in parts]
        return _named(Measurement("accuracy", np.mean, np.array(right)))


@dataclass(frozen=True, eq=False)
class RetrievalTask:
    """Queries, a corpus, and which documents answer each query.

    Attributes:
        documents: by falling id, so that a system that puts the first of equal documents first
            breaks ties as trec_eval does.
        grades: of each query, the places of its relevant documents with their grades above 0.
    """

    name: str
    queries: list[str]
    documents: list[str]
    grades: list[dict[int, float]]
    kind: ClassVar[Kind] = "retrieval"

    def __len__(self) -> int:
        return len(self.queries)

    def subset(self, items: npt.ArrayLike) -> Self:
        """See `Task`."""
        rows = np.asarray(items, np.int64)
        queries = [self.queries[i] for i in rows]
        return replace(self, queries=queries, grades=[self.grades[i] for i in rows])

    def texts(self) -> list[str]:
        """See `Task`."""
        return _different([*self.queries, *self.documents])

    def measure(self, system: System) -> Measurements:
        """nDCG@10, MAP, MRR, recall and precision of the best 1,000, as trec_eval has them."""
        depth = min(_DEPTH, len(self.documents))
        order, scores = system.rank(self.queries, self.documents, depth)
        # trec_eval compares in single precision, and puts the higher id of equals first.
        sorting = np.lexsort((order, -_finite(scores).astype(np.float32)), axis=-1)
        order = np.take_along_axis(order, sorting, 1)
        gains, grade_of = np.empty(order.shape), np.zeros(len(self.documents))
        for row, grades in enumerate(self.grades):
            places = list(grades)
            grade_of[places] = list(grades.values())
            gains[row] = grade_of[order[row]]
            grade_of[places] = 0
        relevant = [np.array(list(each.values())) for each in self.grades]
        return _means(metrics.ranking(gains, relevant, _CUTS))


@dataclass(frozen=True, eq=False)
class RerankingTask:
    """Queries, each with a few candidates and their grades (n,), above 0 for what is relevant."""

    name: str
    queries: list[str]
    candidates: list[list[str]]
    grades: list[Array]
    kind: ClassVar[Kind] = "reranking"

    def __len__(self) -> int:
        return len(self.queries)

    def subset(self, items: npt.ArrayLike) -> Self:
        """See `Task`."""
        rows = np.asarray(items, np.int64)
        return replace(
            self,
            queries=[self.queries[i] for i in rows],
            candidates=[self.candidates[i] for i in rows],
            grades=[self.grades[i] for i in rows],
        )

    def texts(self) -> list[str]:
        """See `Task`."""
        return _different([*self.queries, *chain.from_iterable(self.candidates)])

    def measure(self, system: System) -> Measurements:
        """MAP and MRR over each query's own candidates; of equal ones the relevant come last."""
        pairs = [
            (query, text)
            for query, texts in zip(self.queries, self.candidates, strict=True)
            for text in texts
        ]
        sizes = [len(texts) for texts in self.candidates]
        parts = _parts(_finite(system.score(pairs, search=True)), sizes)
        gains = np.zeros((len(self), max(sizes)))
        for row, (scores, grades) in enumerate(zip(parts, self.grades, strict=True)):
            gains[row, : len(grades)] = grades[np.lexsort((grades, -scores))]
        relevant = [each[each > 0] for each in self.grades]
        values = metrics.ranking(np.maximum(gains, 0), relevant, _CUTS[:1])
        return _means({name: values[name] for name in ("MAP", "MRR")})


@dataclass(frozen=True, eq=False)
class TextTask:
    """Texts with a label each, to be grouped ("groups") or classified ("classes").

    Attributes:
        items: the texts that are measured.
        gold: int (n,), places among the labels.
        labels: their names.
        learning: texts and their labels, int (m,), from which classes are learned; None to learn
            each fifth of the items from the others.
        protocol: "mteb" for MTEB's way to measure classes: ten classifiers, each learned from eight
            texts of every label.
    """

    kind: Kind
    name: str
    items: list[str]
    gold: Array
    labels: tuple[str, ...]
    learning: tuple[list[str], Array] | None = None
    protocol: Literal["mteb"] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def subset(self, items: npt.ArrayLike) -> Self:
        """See `Task`; what classes are learned from stays as it is."""
        rows = np.asarray(items, np.int64)
        return replace(self, items=[self.items[i] for i in rows], gold=self.gold[rows])

    def texts(self) -> list[str]:
        """See `Task`."""
        return _different([*self.items, *(self.learning[0] if self.learning else ())])

    def measure(self, system: System) -> Measurements:
        """V-measure, ARI and AMI of as many groups as labels; or accuracy and macro F1."""
        if self.kind == "groups":
            groups = system.group(self.items, len(np.unique(self.gold)))
            of = partial(Measurement, values=groups, gold=(self.gold,), centred=True)
            slow = metrics.adjusted_mutual_information
            return _named(
                of("V-measure", metrics.v_measure),
                of("ARI", metrics.adjusted_rand),
                of("AMI", slow, draws=_SLOW_DRAWS),
            )
        predicted = self._predicted(system)
        is_right = (self.gold == predicted.T).T
        first = predicted if predicted.ndim == 1 else predicted[:, 0]
        right, answers = ([self.labels[i] for i in each] for each in (self.gold, first))
        texts = [(text,) for text in self.items]
        merits = is_right.reshape(len(self), -1).mean(1)
        details = Details("labels", texts, right, answers, merits)
        return _named(
            Measurement("accuracy", metrics.accuracy, predicted, (self.gold,), details),
            Measurement("macro F1", metrics.macro_f1, predicted, (self.gold,), details),
        )

    def _predicted(self, system: System) -> Array:
        """Labels (n,), or (n, repetitions) by MTEB's protocol, of texts they were not learned of"""
        if self.protocol == "mteb":
            texts, labels = self.learning or (self.items, self.gold)
            random = np.random.default_rng(42)
            columns = []
            for _ in range(_REPETITIONS):
                rows = _some_of_each(labels, _SHOTS, random)
                few = [texts[i] for i in rows]
                answers = system.classify(few, labels[rows], self.items, protocol="mteb")
                columns.append(answers)
            return np.stack(columns, axis=1)
        if self.learning:
            return system.classify(*self.learning, self.items)
        predicted = np.empty(len(self), np.int64)
        folds = _folds(self.items, self.gold)
        for fold in np.unique(folds):
            rest, part = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            known, new = ([self.items[i] for i in rows] for rows in (rest, part))
            predicted[part] = system.classify(known, self.gold[rest], new)
        return predicted


def _folds(texts: Sequence[str], gold: Array) -> Array:
    """Which fifth each text is in: of each label as many, and identical texts together."""
    _, first, copies = np.unique(np.array(texts, object), return_index=True, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(first))
    order = order[np.argsort(gold[first[order]], kind="stable")]
    fold_of = np.empty(len(first), np.int64)
    fold_of[order] = np.arange(len(first)) % min(_FOLDS, len(first))
    return fold_of[copies]


def _some_of_each(labels: Array, count: int, random: np.random.Generator) -> Array:
    order = random.permutation(len(labels))
    rows = [order[labels[order] == label][:count] for label in np.unique(labels)]
    return np.concatenate(rows)


def _different(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _parts(values: Array, sizes: Sequence[int]) -> list[Array]:
    """Values (n,) cut into parts of these sizes, one behind the other."""
    return [values[start:end] for start, end in pairwise([0, *accumulate(sizes)])]


def _finite(scores: Array) -> Array:
    if not np.isfinite(scores).all():
        raise InputError("a score is not a finite number: the model gives nothing to measure.")
    return scores


def _named(*measurements: Measurement) -> Measurements:
    return {each.metric: each for each in measurements}


def _means(values: dict[str, Array]) -> Measurements:
    return _named(*(Measurement(name, np.mean, value) for name, value in values.items()))
