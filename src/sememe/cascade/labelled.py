"""The cascade for duplicates: a few labelled pairs say how much each signal counts.

Duplicates have no groups, so nothing but labels tells how far a cross-encoder can be trusted. The
cosine, the map and the cross-encoder's own score, as far as the budget reaches, are weighed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sememe.cascade.edges import Edges, Floats, Values
from sememe.cascade.flow import Cascade, Lesson
from sememe.cascade.labels import Gain, Labels
from sememe.cascade.linear import Space, fit
from sememe.cascade.report import report
from sememe.cascade.scores import Reader
from sememe.cascade.trust import logistic
from sememe.costs import Budget
from sememe.errors import InputError
from sememe.neighbors import ClosePairs, Neighbors
from sememe.protocols import Scorer

_FOLDS = 10
_PRIOR = np.array([0.0, 1.0, 0.0, 0.4])  # of a constant, the cosine, the map and the cross-encoder
_PENALTIES = np.array([1e-3, 5.0, 20.0, 5.0])  # the map generalises least
_FOR_MAP = 0.5  # of the budget; the rest is for the closest pairs


@dataclass(frozen=True)
class Rescorer:
    """Brings the cross-encoder's own score into that of the closest pairs.

    A score stays a cosine where nothing was read. Where something was, `share` of what the logit
    has more than pairs of that cosine usually have, `intercept` + `slope` · cosine, comes to it.
    """

    reader: Reader
    slope: float
    intercept: float
    share: float

    def rescore(self, pairs: ClosePairs, least: float) -> ClosePairs:
        """The pairs of at least a score, after the first of them have got the reader's."""
        count = self.reader.remaining if self.share else 0
        ends = [rows[:count].astype(np.int64) for rows in (pairs.first, pairs.second)]
        logits = self.reader.read(*ends)
        cosine = pairs.similarity.astype(np.float64)
        surplus = logits - self.intercept - self.slope * cosine[: len(logits)]
        cosine[: len(logits)] += self.share * surplus
        score = np.clip(cosine, -1, 1).round(6).astype(np.float32)
        order = np.lexsort((pairs.second, pairs.first, -score))
        order = order[score[order] >= np.float32(least)]
        return ClosePairs(pairs.first[order], pairs.second[order], score[order])


def teach_by_labels(
    vectors: Floats,
    neighbors: Neighbors,
    scorer: Scorer,
    budget: Budget,
    labels: Labels,
    progress: bool | None = None,
) -> tuple[Cascade, Rescorer | None]:
    """Let a cross-encoder teach vectors what duplicates are, as far as labelled pairs bear it out.

    Arguments and errors are `teach`'s; `labels` are pairs of the texts. With the vectors comes what
    brings the cross-encoder's own score into that of close pairs; None where the labels don't bear
    it out, and the vectors are as they were.
    """
    labelled, same = labels.pairs, labels.same
    lesson = Lesson.planned(Edges.between(neighbors) - labelled)
    most = len(lesson.edges) + len(labelled) + neighbors.indices.size
    reader = Reader(scorer, labels.texts, budget, most, progress)
    logits = reader.read(labelled.first, labelled.second)
    if len(logits) < len(labelled):
        raise InputError(
            f"budget= is over before the {len(labelled)} labelled pairs were scored: give a larger "
            "one."
        )
    lesson = lesson.read(round(_FOR_MAP * reader.remaining), reader)
    lesson = Lesson(lesson.scored + labelled, np.append(lesson.logits, logits))

    space = Space(vectors)
    form = fit(space, lesson.scored, lesson.logits)
    cosine = space.cosines(labelled)
    signals = np.stack([cosine, space.form(form, labelled), logits], axis=1)
    spread = np.maximum(signals.std(axis=0), 1e-12)
    signals = (signals - signals.mean(axis=0)) / spread
    weights = signal_weights(signals, same)
    difference = labels.compared(_held_out(signals, same), labelled.products(vectors, vectors))
    of_cosine, of_map, of_cross = weights.tolist()
    gain = Gain(len(labels), of_cosine, of_map, of_cross, *difference)
    if not gain.is_enough:
        return Cascade(vectors, neighbors, None, None, report(reader, None, gain=gain)), None

    slopes = weights / spread  # a unit of each signal
    least = max(slopes[0], 1e-9)
    linear_map = space.moving(form, float(slopes[1] / least))
    moved = linear_map.move(vectors)
    slope, intercept = np.polyfit(labelled.products(moved, moved), logits, 1)
    ratio = slopes[2] / least
    share = ratio / (1 + ratio * max(slope, 0))
    rescorer = Rescorer(reader, float(max(slope, 0)), float(intercept), float(share))
    return Cascade(moved, neighbors, None, linear_map, report(reader, None, gain=gain)), rescorer


def signal_weights(signals: Values, same: NDArray[np.bool_]) -> Values:
    """How much cosine, map and cross-encoder count, none less than nothing.

    A logistic regression of `same` on standardised signals (pairs, 3), drawn towards cosine and
    some cross-encoder, so that few labels do not lead it astray.
    """
    design = np.column_stack([np.ones(len(signals)), signals])
    columns = np.flatnonzero(design.any(axis=0))  # a signal that never varies counts nothing
    while True:
        weights = np.zeros(4)
        weights[columns] = logistic(design[:, columns], same, _PENALTIES[columns], _PRIOR[columns])
        if (weights[1:] >= 0).all():
            return weights[1:]
        columns = columns[(weights[columns] >= 0) | (columns == 0)]


def _held_out(signals: Values, same: NDArray[np.bool_]) -> Values:
    fold = np.random.default_rng(0).permutation(len(same)) % _FOLDS
    combined = np.empty(len(same))
    for each in range(_FOLDS):
        others = fold != each
        combined[~others] = signals[~others] @ signal_weights(signals[others], same[others])
    return combined
