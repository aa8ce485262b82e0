"""The losses as their papers write them: plain numpy, a loop a sum, nothing of torch."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Columns = Sequence[Array]
Reference = Callable[[Columns, Any, Array], float]


def cosine(a: Array, b: Array) -> float:
    dot, aa, bb = 0.0, 0.0, 0.0
    for x, y in zip(a, b, strict=True):
        dot, aa, bb = dot + x * y, aa + x * x, bb + y * y
    return dot / math.sqrt(aa * bb)


def distance(a: Array, b: Array, kind: str) -> float:
    if kind == "cosine":
        return 1 - cosine(a, b)
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def mean(terms: list[float]) -> float:
    return sum(terms) / len(terms) if terms else 0.0


def cross_entropy(logits: Sequence[float], right: int) -> float:
    return -math.log(math.exp(logits[right]) / sum(math.exp(x) for x in logits))


def triplet(columns: Columns, margin: float, kind: str) -> float:
    anchors, positives, *negatives = columns
    return mean(
        [
            max(0.0, distance(a, p, kind) - distance(a, column[row], kind) + margin)
            for row, (a, p) in enumerate(zip(anchors, positives, strict=True))
            for column in negatives
        ]
    )


def batch_hard(vectors: Array, labels: Array, keys: Array, margin: float, kind: str) -> float:
    terms = []
    for a in range(len(vectors)):
        positives, negatives = _sides(a, labels, keys)
        if positives and negatives:
            far = max(distance(vectors[a], vectors[p], kind) for p in positives)
            near = min(distance(vectors[a], vectors[n], kind) for n in negatives)
            terms.append(max(0.0, far - near + margin))
    return mean(terms)


def batch_semi_hard(vectors: Array, labels: Array, keys: Array, margin: float, kind: str) -> float:
    terms = []
    for a in range(len(vectors)):
        positives, negatives = _sides(a, labels, keys)
        to_negatives = [distance(vectors[a], vectors[n], kind) for n in negatives]
        for p in positives:
            to_positive = distance(vectors[a], vectors[p], kind)
            beyond = [d for d in to_negatives if d > to_positive]
            if to_negatives:
                chosen = min(beyond) if beyond else max(to_negatives)
                terms.append(max(0.0, to_positive - chosen + margin))
    return mean(terms)


def batch_ranking(vectors: Array, labels: Array, keys: Array, scale: float) -> float:
    terms = []
    for a in range(len(vectors)):
        positives, negatives = _sides(a, labels, keys)
        scores = [scale * cosine(vectors[a], vectors[n]) for n in negatives]
        terms += [
            cross_entropy([scale * cosine(vectors[a], vectors[p]), *scores], 0)
            for p in positives
            if negatives
        ]
    return mean(terms)


def _sides(anchor: int, labels: Array, keys: Array) -> tuple[list[int], list[int]]:
    """Rows that are positives of an anchor, and rows that are negatives."""
    rows = [row for row in range(len(labels)) if row != anchor]
    positives = [row for row in rows if labels[row] == labels[anchor]]
    others = [row for row in rows if labels[row] != labels[anchor]]
    return positives, [row for row in others if keys[row, 0] != keys[anchor, 0]]


def contrastive(columns: Columns, alike: Array, margin: float) -> float:
    terms = []
    for a, b, same in zip(*columns, alike, strict=True):
        d = 1 - cosine(a, b)
        terms.append(0.5 * d**2 if same else 0.5 * max(0.0, margin - d) ** 2)
    return mean(terms)


def ranking(
    columns: Columns, labels: Array | None, keys: Array, scale: float, symmetric: bool = False
) -> float:
    there = _ranking(columns, labels, keys, scale)
    if not symmetric:
        return there
    back = [columns[1], columns[0]], labels, np.stack([keys[:, 1], keys[:, 0]], axis=1)
    return (there + _ranking(*back, scale)) / 2


def _ranking(columns: Columns, labels: Array | None, keys: Array, scale: float) -> float:
    terms = []
    for row, anchor in enumerate(columns[0]):
        mine = {int(keys[row, 0]), int(keys[row, 1])}
        kept = [scale * cosine(anchor, columns[1][row])]
        for other in range(len(keys)):
            related = keys[other, 0] == keys[row, 0]
            if labels is not None:
                related = related or labels[other] == labels[row]
            if not related and int(keys[other, 1]) not in mine:
                kept.append(scale * cosine(anchor, columns[1][other]))
            kept += [
                scale * cosine(anchor, columns[column][other])
                for column in range(2, len(columns))
                if int(keys[other, column]) not in mine
            ]
        terms.append(cross_entropy(kept, 0))
    return mean(terms)


def cosent(columns: Columns, scores: Array, scale: float) -> float:
    cosines = [cosine(a, b) for a, b in zip(*columns, strict=True)]
    total = 1.0
    for i in range(len(scores)):
        for j in range(len(scores)):
            if scores[i] > scores[j]:
                total += math.exp(scale * (cosines[j] - cosines[i]))
    return math.log(total)


def cosine_mse(columns: Columns, scores: Array) -> float:
    rows = zip(*columns, scores, strict=True)
    return mean([(cosine(a, b) - score) ** 2 for a, b, score in rows])


def softmax(columns: Columns, labels: Array, weight: Array, bias: Array) -> float:
    terms = []
    for u, v, label in zip(*columns, labels, strict=True):
        features = [*u, *v, *(abs(x - y) for x, y in zip(u, v, strict=True))]
        logits = [
            sum(w * x for w, x in zip(row, features, strict=True)) + b
            for row, b in zip(weight, bias, strict=True)
        ]
        terms.append(cross_entropy(logits, int(label)))
    return mean(terms)


def margin_mse(scores: Array, taught: Array) -> float:
    return mean(
        [
            ((s[0] - s[k]) - (t[0] - t[k])) ** 2
            for s, t in zip(scores, taught, strict=True)
            for k in range(1, len(s))
        ]
    )


def candidate_scores(columns: Columns, similarity: str) -> Array:
    return np.array(
        [
            [cosine(a, c) if similarity == "cosine" else float(a @ c) for c in candidates]
            for a, *candidates in zip(*columns, strict=True)
        ]
    )


def kl(columns: Columns, taught: Array, temperature: float, scale: float) -> float:
    terms = []
    for s, t in zip(candidate_scores(columns, "cosine"), taught, strict=True):
        q = [math.exp(x / temperature) for x in t]
        p = [math.exp(scale * x) for x in s]
        q, p = [x / sum(q) for x in q], [x / sum(p) for x in p]
        terms.append(sum(x * math.log(x / y) for x, y in zip(q, p, strict=True)))
    return mean(terms)


def bce(logits: Array, scores: Array) -> float:
    terms = []
    for (x,), y in zip(logits, scores, strict=True):
        p = 1 / (1 + math.exp(-x))
        terms.append(-y * math.log(p) - (1 - y) * math.log(1 - p))
    return mean(terms)


def sigmoid_mse(logits: Array, scores: Array) -> float:
    rows = zip(logits, scores, strict=True)
    return mean([(1 / (1 + math.exp(-x)) - y) ** 2 for (x,), y in rows])


def label_cross_entropy(logits: Array, labels: Array) -> float:
    rows = zip(logits, labels, strict=True)
    return mean([cross_entropy(list(row), int(label)) for row, label in rows])


def candidate_ranking(columns: Columns, keys: Array) -> float:
    terms = []
    for row in range(len(keys)):
        others = [k for k in range(1, len(columns)) if keys[row, k] != keys[row, 0]]
        terms.append(cross_entropy([columns[k][row, 0] for k in [0, *others]], 0))
    return mean(terms)
