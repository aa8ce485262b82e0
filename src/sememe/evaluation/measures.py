"""How good a model is on examples it has not been trained on: one figure for each kind of data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.data import Examples
from sememe.data.checks import unclear_positive
from sememe.encoders.vectors import unit
from sememe.errors import InputError
from sememe.evaluation.intervals import Comparison, Drawn, Interval, draw
from sememe.evaluation.metrics import average_precision, places, rank_scores, spearman

Floats = npt.NDArray[Any]
Compute = Callable[[Sequence[Any]], Floats]
"""Texts to vectors (n, dim), or pairs to logits (n, labels)."""

_RANKED = 10
_CANDIDATES = 20
"""So many documents a cross-encoder ranks for each query."""
_LEAST = 0.5
TIE = 1e-9
"""Cosines that lie no farther apart are equal: rounding is no merit."""


@dataclass(frozen=True)
class Details:
    """What was measured, example by example, as people read it.

    Attributes:
        meaning: what the answers are.
        texts: of each example.
        right: the right answer to each, "" where there is but one.
        answers: the model's.
        merits: float (n,), the higher the better the answer.
    """

    meaning: str
    texts: Sequence[tuple[str, ...]]
    right: Sequence[str]
    answers: Sequence[str]
    merits: Floats


@dataclass(frozen=True)
class Measurement:
    """A model's figure, and what it gave of each example; a tie or a NaN never speaks for it.

    Attributes:
        metric: the figure's name.
        statistic: of `values` and `gold`, the higher the better.
        values: one an example: a score, or the example's own figure.
        gold: what the scores are compared with, if anything.
        details: the examples with their answers, if they are texts.
        weights: float (n,), the inverse of the chances by which the examples were chosen; None
            where they are a sample like any other.
    """

    metric: str
    statistic: Callable[..., Any]
    values: Floats
    gold: tuple[Floats, ...] = ()
    details: Details | None = None
    weights: Floats | None = None

    @property
    def value(self) -> float:
        """The figure."""
        return float(self.statistic(self.values, *self.gold))

    @property
    def items(self) -> int:
        """How many examples it is of."""
        return len(self.values)

    @cached_property
    def drawn(self) -> Drawn:
        """The figure of samples of the examples, the same examples for every model."""
        return draw(self.statistic, self.values, *self.gold, weights=self.weights)

    @property
    def least(self) -> float:
        """What chance moves at least, half an example, whatever was seen."""
        return _LEAST / self.items

    def interval(self) -> Interval:
        """The figure and its 95 % interval, which make up for `weights`."""
        drawn = self.drawn
        if self.weights is not None:
            drawn = replace(drawn, value=float(np.nanmean(drawn.draws)))
        return drawn.bounded(self.least)

    def against(
        self, before: "Measurement", confidence: float = 0.95, least: float = 0.0
    ) -> Comparison:
        """How much better it is than another model on the same examples; see `Drawn.against`."""
        first, second = self.drawn, before.drawn
        comparison = first.against(second, confidence, least)
        # No figure is above 1.
        low = max(comparison.low, first.floor - 1)
        high = min(comparison.high, 1 - second.floor)
        return replace(comparison, low=low, high=high)


def measure_bi(
    examples: Examples,
    encode: Compute,
    positive_label: int | None = None,
    encode_document: Compute | None = None,
) -> Measurement:
    """Measure a bi-encoder by cosines.

    Spearman of scored pairs; average precision of labelled pairs, where `positive_label` is the
    place of the label that means alike; mean reciprocal rank of each anchor's positive among all;
    accuracy of triplets (whether the positive is nearer than every negative), of labelled texts
    with one triplet each. `encode_document` is of all columns but the first; None for `encode`.
    """
    encode_document = encode_document or encode
    if examples.kind == "pairs":
        return _retrieval(examples, encode, encode_document)
    texts = [example.texts for example in examples]
    if examples.kind == "labelled texts":
        texts = _label_triplets(examples)
    queries, *documents = zip(*texts, strict=True)
    first = _normalized(encode(queries))
    second, *negatives = (_normalized(encode_document(column)) for column in documents)
    cosines = (first * second).sum(1)
    if not negatives:
        return _pairs(examples, cosines, positive_label)
    margins = cosines - np.max([(first * other).sum(1) for other in negatives], axis=0)
    right = (margins > TIE).astype(np.float64)
    meaning = "how much closer the second text is than the third"
    answers = [f"{margin:+.2f}" for margin in margins]
    details = Details(meaning, texts, [""] * len(texts), answers, right)
    return Measurement("triplet accuracy", np.mean, right, details=details)


def measure_cross(
    examples: Examples, score: Compute, positive_label: int | None = None
) -> Measurement:
    """Measure a cross-encoder by its scores, as `measure_bi` does.

    Labelled pairs by accuracy where there is a logit a label; pairs and triplets by the reciprocal
    rank of each query's document among 20, its own negatives and others' documents.
    """
    if examples.kind in ("scored pairs", "labelled pairs"):
        logits = score([example.texts for example in examples])
        if logits.shape[1] > 1:
            gold, places = np.asarray(examples.targets), logits.argmax(1)
            is_highest = logits == logits.max(1, keepdims=True)
            right = is_highest[np.arange(len(logits)), gold] & (is_highest.sum(1) == 1)
            details = label_details(examples, gold, places)
            return Measurement("accuracy", np.mean, right, details=details)
        return _pairs(examples, logits[:, 0], positive_label)
    random, documents = np.random.default_rng(0), [example.texts[1] for example in examples]
    documents_of: dict[str, set[str]] = {}
    for query, *judged in (example.texts for example in examples):
        documents_of.setdefault(query, set()).update(judged)
    pairs, counts = [], []
    for query, *judged in (example.texts for example in examples):
        others = [documents[i] for i in random.permutation(len(documents))[: 2 * _CANDIDATES]]
        others = [text for text in dict.fromkeys(others) if text not in documents_of[query]]
        candidates = [*judged, *others][:_CANDIDATES]
        pairs += [(query, text) for text in candidates]
        counts.append(len(candidates))
    scores = score(pairs)[:, 0]
    ends = np.cumsum(counts)
    ranks = [
        1 + int((~(scores[end - n + 1 : end] < scores[end - n])).sum())
        for end, n in zip(ends, counts, strict=True)
    ]
    details = _rank_details(examples, ranks)
    return Measurement(f"MRR among {_CANDIDATES}", np.mean, 1 / np.array(ranks), details=details)


def check_measurable(
    examples: Examples, positive_label: int | None, *, cross: bool, labels: int
) -> None:
    """Whether any model could be judged by the examples, here one that gives random numbers.

    Raises:
        InputError: they are too few, or too much alike.
    """
    random, size = np.random.default_rng(0), labels if cross else 2
    measurement = (measure_cross if cross else measure_bi)(
        examples, lambda items: random.normal(size=(len(items), size)), positive_label
    )
    try:
        draw(measurement.statistic, measurement.values, *measurement.gold, resamples=200).interval()
    except InputError:
        raise InputError(
            f"{len(examples)} examples of {examples.name} are held out to measure on: too few, or "
            "too much alike, to tell one model from another. Give more data, or examples to "
            'measure on (--dev FILE, dev=...), or measure nothing (--dev none, dev="none").'
        ) from None


def _pairs(examples: Examples, scores: Floats, positive_label: int | None) -> Measurement:
    is_scored, gold = examples.kind == "scored pairs", np.asarray(examples.targets)
    names = [] if is_scored else [examples.labels[place] for place in gold]
    if not is_scored:
        if positive_label is None:
            raise unclear_positive(examples.labels, examples.name)
        gold = gold == positive_label
    ranks, first, last = (
        rank_scores(-1.0 * values, ties)
        for values, ties in ((scores, "min"), (gold, "min"), (gold, "max"))
    )
    details = Details(
        f"place among {len(gold)} pairs, the most similar first",
        [example.texts for example in examples],
        names
        or [f"{place:.0f} (score {score:.2f})" for place, score in zip(first, gold, strict=True)],
        [f"{rank:.0f}" for rank in ranks],
        -np.maximum(0, np.maximum(first - ranks, ranks - last)),
    )
    if is_scored:
        return Measurement("Spearman", spearman, places(scores), (places(gold),), details)
    return Measurement("average precision", average_precision, places(scores), (gold,), details)


def label_details(examples: Examples, gold: Floats, places: Floats) -> Details:
    """Of labels, whole numbers (n,): the true ones and the model's."""
    right, answers = ([examples.labels[i] for i in values] for values in (gold, places))
    texts = [example.texts for example in examples]
    return Details("labels", texts, right, answers, (gold == places).astype(np.float64))


def _rank_details(examples: Examples, ranks: Sequence[float] | Floats) -> Details:
    texts, answers = [example.texts[:2] for example in examples], [f"{rank:.0f}" for rank in ranks]
    merits = 1 / np.asarray(ranks)
    return Details("rank of the right text", texts, ["1"] * len(texts), answers, merits)


def _label_triplets(examples: Examples) -> list[tuple[str, ...]]:
    """Each text with another of its label and one of another label, drawn once for all models."""
    random, labels = np.random.default_rng(0), np.asarray(examples.targets)
    texts = [example.texts[0] for example in examples]
    rows: list[tuple[str, ...]] = []
    for i, label in enumerate(labels):
        same = np.flatnonzero((labels == label) & (np.arange(len(labels)) != i))
        different = np.flatnonzero(labels != label)
        if len(same) and len(different):
            rows.append((texts[i], texts[random.choice(same)], texts[random.choice(different)]))
    if not rows:
        raise InputError(
            f"{examples.name} has no two examples of one label beside another label's to measure "
            "on; hold out more of it."
        )
    return rows


def _retrieval(examples: Examples, encode: Compute, encode_document: Compute) -> Measurement:
    anchors, positives = zip(*(example.texts for example in examples), strict=True)
    documents = list(dict.fromkeys(positives))
    place = {text: i for i, text in enumerate(documents)}
    answers = np.array([place[text] for text in positives])
    answers_of: dict[str, list[int]] = {}
    for text, answer in zip(anchors, answers, strict=True):
        answers_of.setdefault(text, []).append(int(answer))
    queries, vectors = _normalized(encode(anchors)), _normalized(encode_document(documents))
    ranks = np.empty(len(anchors))
    for i, query in enumerate(queries):
        scores = vectors @ query
        threshold = scores[answers[i]] - TIE
        scores[answers_of[anchors[i]]] = -np.inf  # another right answer is no mistake
        ranks[i] = 1 + (~(scores < threshold)).sum()
    values = np.where(ranks <= _RANKED, 1 / ranks, 0.0)
    return Measurement(f"MRR@{_RANKED}", np.mean, values, details=_rank_details(examples, ranks))


def _normalized(vectors: Floats) -> Floats:
    return unit(vectors.astype(np.float64))  # ties are told from near misses
