"""Find the texts that mean (nearly) the same: all pairs of them, exactly, in linear memory."""

from __future__ import annotations  # so that help() shows short types

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.arguments import flag, real_number, whole_number
from sememe.cascade import Cascade, as_teacher, teach
from sememe.cascade.edges import Edges
from sememe.cascade.labelled import Rescorer, teach_by_labels
from sememe.cascade.labels import Labels
from sememe.costs import Budget
from sememe.data import Data
from sememe.errors import InputError
from sememe.neighbors import ClosePairs, closer_than, closest, normalized, self_join
from sememe.neighbors.communities import neighborhood_size
from sememe.pairs.result import Pairs
from sememe.progress import counted
from sememe.protocols import EncoderLike, Scorer
from sememe.tables import series_index
from sememe.text import check_texts, rows_with_text

Floats = NDArray[np.float32]

_CONSEQUENCE = "and in no pair"
_SAMPLE = 2000  # texts from which a threshold is suggested
_FEWEST = 20  # below, they tell nothing
_FEWEST_CENTRED = 100
_CANDIDATES = 2  # times as many as are wanted, where they are scored again
_WAY = 0.7  # from unrelated to equal
_CAUTION = (
    " It was judged by groups of texts, and nothing vouches for it among duplicates: give labels= "
    "(from 50 labelled pairs), and its gain is measured."
)


def find_pairs(
    texts: Iterable[str],
    encoder: EncoderLike | None = None,
    *,
    vectors: ArrayLike | None = None,
    threshold: float | None = None,
    top: int | None = None,
    centre: bool = False,
    cross: Scorer | str | os.PathLike[str] | None = None,
    budget: Budget | str | int | None = None,
    labels: Data | None = None,
    progress: bool | None = None,
) -> Pairs:
    """Find the texts that say (nearly) the same.

    The search is exact: it misses no pair. Memory is that of the vectors and of the pairs. Equal
    vectors in the same order give an equal result.

    Args:
        texts: the texts. A copy of a text is paired, with score 1, with its first copy alone; a
            blank text is no text: it is not encoded, and is in no pair.
        encoder: a bi-encoder's name or directory, or anything with `.encode(texts)`, such as a
            `BiEncoder`. None is all-MiniLM-L6-v2, or, with `vectors`, no encoder.
        vectors: float (n, dim), the texts' vectors, if you have them already: of any length, since
            they are compared by their cosine. Of identical texts the first one's counts.
        threshold: the least cosine of a pair, above -1 and up to 1. Without it and without `top`
            one is suggested from the texts' own similarities, and `Pairs.why` says how.
        top: so many pairs, the closest ones.
        centre: subtract the mean of the texts' unit vectors first, which all of them share and
            which tells none apart (Mu & Viswanath, 2018); scores, and so `threshold`, are cosines
            of what remains. docs/duplicates.md says when it pays.
        cross: a cross-encoder's name or directory, or anything with `.score(pairs)`, that teaches
            the vectors what it knows about some pairs. Scores, and so `threshold`, are cosines of
            the vectors that it has moved. `Pairs.cascade` says what that cost and whether it is
            trusted; where not, the pairs are the bi-encoder's.
        budget: how many pairs it may read: "3n" (three for each text, the default), a number, a
            time such as "2min", or "all" (of the neighbours' graph).
        labels: from 50 labelled pairs, of these texts or others, by which the cross-encoder is
            judged: a file, a DataFrame, a dict of columns or a list of dicts with two texts and a
            label, 1 for duplicates and 0 for others. It then scores the closest pairs itself, too.
        progress: progress bars: True, False, or None for some on a terminal.

    Returns:
        Pairs: `first`, `second` int32 (pairs,), `score` float32 (pairs,), to six decimals,
        the closest first.

    Raises:
        InputError: a text that is not a string, what is no encoder, both arguments or one out of
            its range, more than 20 million pairs, vectors or scores that are not finite, too few
            texts to centre, what is no cross-encoder, or labels that cannot be used.
        ModelNotFound: there is no model of that name.

    Example:
        >>> class Letters:
        ...     def encode(self, texts):
        ...         return [[text.count("a"), text.count("b")] for text in texts]
        >>> pairs = find_pairs(["aaab", "aab", "b"], Letters(), threshold=0.9)
        >>> pairs.first.tolist(), pairs.second.tolist()
        ([0], [1])
    """
    from sememe.encoders.opening import encoded, unit_vectors  # on use: an engine comes with it

    index, texts = series_index(texts), check_texts(texts)
    if threshold is not None and top is not None:
        raise InputError("threshold= and top= were both given: give one of them at most.")
    if threshold is not None:
        threshold = real_number("threshold", threshold, above=-1, most=1, example=0.8)
    top = None if top is None else whole_number("top", top)
    teacher = as_teacher(cross, budget)
    if teacher is None and labels is not None:
        raise InputError("labels judge a cross-encoder: give that too (--cross, cross=).")
    if flag("centre", centre) and teacher is not None:
        raise InputError(
            "centre= beside cross=: what moves the vectors centres them. Leave it out."
        )
    judges = None if labels is None else Labels.read(labels, groups=False)
    filled = rows_with_text(texts, _CONSEQUENCE)
    opened, points = unit_vectors(texts, filled, encoder, vectors, progress)
    different, original = _different(texts, filled)
    if len(different) < len(points):
        points = points[original[filled] == filled]
    some = [texts[row] for row in different]
    of_labels = np.empty((0, 0), np.float32)
    if judges is not None:
        encode = None if opened is None else partial(encoded, opened, progress=False)
        of_labels = judges.vectors(some, points, encode)
    mean = why = cascade = rescorer = None
    if centre:
        if len(points) < _FEWEST_CENTRED:
            raise InputError(
                f"centre=True with {counted(len(points), 'different text')}: their mean says "
                f"little. Give at least {_FEWEST_CENTRED}, or leave it out."
            )
        mean = np.asarray(points.mean(axis=0))
        points = normalized(points - mean)
    if teacher is not None and some:
        cascade, rescorer = _taught(some, points, teacher, judges, of_labels, progress)
        points = cascade.vectors
    if top is not None:
        close = closest(points, top * (1 if rescorer is None else _CANDIDATES), progress)
    else:
        if threshold is None:
            threshold, why = suggest_threshold(points)
        close = closer_than(points, threshold, progress)
    if rescorer is not None:
        close = rescorer.rescore(close, -1.0 if threshold is None else threshold)
    first, second, score = _with_copies(close, different, original)
    score = score[:top]
    if threshold is None:
        threshold = float(score.min(initial=1))
    report = None if cascade is None else cascade.report
    return Pairs(first[:top], second[:top], score, texts, threshold, why, mean, index, report)


def _different(texts: list[str], filled: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of the texts that differ, and of each text the first row with it; of a blank, -1."""
    first_rows: dict[str, int] = {}
    original = np.full(len(texts), -1, np.int64)
    original[filled] = [first_rows.setdefault(texts[row], row) for row in filled]
    return np.flatnonzero(original == np.arange(len(texts))), original


def _with_copies(
    pairs: ClosePairs, different: NDArray[np.int64], original: NDArray[np.int64]
) -> ClosePairs:
    """Pairs of different texts, and each copy with its original (a blank text has none: -1)."""
    copies = np.flatnonzero((original >= 0) & (original != np.arange(len(original))))
    first = np.concatenate([original[copies], different[pairs.first]]).astype(np.int32)
    second = np.concatenate([copies, different[pairs.second]]).astype(np.int32)
    ones = np.ones(len(copies), np.float32)
    score = np.concatenate([ones, pairs.similarity])
    order = np.lexsort((second, first, -score))
    return ClosePairs(first[order], second[order], score[order])


def suggest_threshold(rows: Floats) -> tuple[float, str]:
    """A threshold, and a sentence that explains it.

    Two random texts hardly ever say the same, so their median cosine is what this encoder gives to
    unrelated texts of this kind: about 0 with one encoder, 0.7 with another. The threshold is a
    fixed part of the way from there to 1.
    """
    if len(rows) < _FEWEST:
        return _WAY, f"too few texts ({len(rows)}) to learn a threshold from: {_WAY} is taken"
    sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64)]
    unrelated = float(np.median((sample @ sample.T)[np.tri(len(sample), k=-1, dtype=bool)]))
    threshold = round(unrelated + _WAY * (1 - unrelated), 3)
    return threshold, (
        f"two of these texts taken at random usually have a cosine of {unrelated:.2f}; "
        f"{threshold:.3f} is {_WAY * 100:.0f} % of the way from there to 1"
    )


def _taught(
    texts: Sequence[str],
    points: Floats,
    teacher: tuple[Scorer, Budget],
    labels: Labels | None,
    of_labels: Floats,
    progress: bool | None,
) -> tuple[Cascade, Rescorer | None]:
    """What a cross-encoder makes of the vectors of texts, and, with labels, of close pairs."""
    size = neighborhood_size(len(texts))
    if labels is None:
        cascade = teach(texts, points, self_join(points, size), *teacher, progress)
        why = cascade.report.why + _CAUTION
        return replace(cascade, report=replace(cascade.report, why=why)), None
    present = set(texts)
    more = [row for row, text in enumerate(labels.texts) if text not in present]
    every = [*texts, *(labels.texts[row] for row in more)]
    row_of = {text: row for row, text in enumerate(every)}
    rows = np.array([row_of[text] for text in labels.texts])
    ends = np.sort([rows[labels.pairs.first], rows[labels.pairs.second]], axis=0)
    labels = replace(labels, texts=every, pairs=Edges(ends[0], ends[1], len(every)))
    vectors = np.concatenate([points, of_labels[more]])
    neighbors = self_join(vectors, size)
    cascade, rescorer = teach_by_labels(vectors, neighbors, *teacher, labels, progress)
    if cascade.map is None:
        return replace(cascade, vectors=points), None
    return replace(cascade, vectors=cascade.vectors[: len(texts)]), rescorer
