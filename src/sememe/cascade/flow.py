"""The cascade: what a cross-encoder knows, for the price of three pairs a text.

propose: the edges of the bi-encoder's neighbour graph, in random order
score:   the cross-encoder reads as many of them as the budget allows
fit:     a linear map explains, on the bi-encoder's vectors, what the cosine leaves of the scores
trust:   the scores must tell more about the bi-encoder's clusters than the cosine does
move:    the map moves all vectors and weighs all edges; without trust, nothing moves
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import expit, logit

from sememe.cascade.edges import Edges, Floats, Values, joined, standardized
from sememe.cascade.labels import Evidence, Gain
from sememe.cascade.linear import LinearMap, Space, fit
from sememe.cascade.report import CascadeReport, report
from sememe.cascade.scores import Reader
from sememe.cascade.trust import FEWEST, RESOLUTIONS, Partitions, Trust, judged, weight_of_map
from sememe.costs import Budget
from sememe.neighbors import Neighbors
from sememe.neighbors.communities import partitions
from sememe.protocols import Scorer

_FIRST_LOOK = 1  # pairs a text, after which the trust is looked at
_FIRST_ROUND = 2 / 3  # of the budget, where there is a second round
_SECOND_ROUND_FROM = 0.15  # tau
_SHARPNESS = 2.0
_STEP = 0.5  # pairs a text between two looks, where a gain is wanted
_LEAST_BY_LABELS = 0.2  # rho, where labels vouch for a map that the bi-encoder's clusters don't


@dataclass(frozen=True)
class Cascade:
    """Vectors and neighbours as a cross-encoder has taught them, or as they were.

    Attributes:
        vectors: float32 (n, dim), of unit length.
        neighbors: the best neighbours of every text; their similarity is the vectors' cosine.
        weights: float32 (n, k), how probable it is that each neighbour belongs with its text; None
            where the cross-encoder is not trusted.
        map: what moved the vectors, and moves new ones; None where it is not trusted.
        report: what it cost, and why.
        lesson: all that the cross-encoder read.
    """

    vectors: Floats
    neighbors: Neighbors
    weights: Floats | None
    map: LinearMap | None
    report: CascadeReport
    lesson: "Lesson | None" = None  # labelled pairs keep none


def teach(
    texts: Sequence[str],
    vectors: Floats,
    neighbors: Neighbors,
    scorer: Scorer,
    budget: Budget | str | int = "3n",
    progress: bool | None = None,
    evidence: Evidence | None = None,
    queries: int = 0,
) -> Cascade:
    """Let a cross-encoder teach vectors what it knows about their neighbours.

    Args:
        texts, vectors, neighbors: n different texts, unit vectors float32 (n, dim), their nearest.
        scorer, budget: anything with `.score(pairs)`, and how many pairs it may read.
        progress: a progress bar: True, False, or None for one on a terminal.
        evidence: labels, which decide where their interval is clear of 0, and the gain wanted.
        queries: how many texts, from the first, are queries: neighbours are then between these and
            the others alone (`edges.joined`), and the cross-encoder reads a query first.

    Raises:
        InputError: a budget, a scorer or a score that cannot be used.
    """
    size = neighbors.indices.shape[1]
    lesson = Lesson.planned(Edges.between(neighbors))
    most = len(lesson.edges) + neighbors.indices.size
    reader = Reader(scorer, texts, Budget.parse(budget), most, progress, queries=queries)
    target = None if evidence is None else evidence.target
    if evidence is not None and target is not None:
        evidence = replace(evidence, looks=1 + reader.remaining // _step(len(texts)))

    def unmoved(trust: Trust | None, gain: Gain | None = None) -> Cascade:
        outcome = report(reader, trust, gain=gain, target=target)
        return Cascade(vectors, neighbors, None, None, outcome, lesson)

    if min(len(lesson.edges), reader.remaining) < FEWEST:
        return unmoved(None)

    space = Space(vectors)
    witnesses = partitions(vectors, neighbors, RESOLUTIONS)
    student = None
    for goal in _looks(len(texts), reader, target):
        lesson = lesson.read(goal, reader)
        if len(lesson.logits) < FEWEST:
            return unmoved(None)
        trust = lesson.judged(space, witnesses)
        if evidence is not None and target is not None:
            student = Student.of(lesson, space).weighed(trust, witnesses, evidence)
            is_decided = student.gain is not None and student.gain.is_clear_of(target)
        else:
            is_good = goal > _FIRST_LOOK * len(texts) and trust.tau >= _SECOND_ROUND_FROM
            is_decided = is_good or (evidence is None and trust.is_hopeless)
        if is_decided or len(lesson.logits) < goal:
            break
    if evidence is None and not trust.is_enough:
        return unmoved(trust)
    student = student or Student.of(lesson, space).weighed(trust, witnesses, evidence)
    if student.rho == 0:
        return unmoved(trust, student.gain)

    rounds = 1
    if trust.tau >= _SECOND_ROUND_FROM and reader.remaining and target is None:
        moved = student.map().move(vectors)
        edges = Edges.between(joined(moved, size, queries, progress)) - lesson.edges
        unread = lesson.edges[len(lesson.logits) :]
        lesson = Lesson(lesson.scored + _shuffled(edges) + unread, lesson.logits)
        lesson = lesson.read(len(lesson.edges), reader)
        student = replace(Student.of(lesson, space), rho=student.rho)
        rounds = 2

    linear_map = student.map()
    gain = None if evidence is None else evidence.gain(linear_map, student.rho)
    moved = linear_map.move(vectors)
    best, weights = student.best(moved, size, neighbors.recall)
    outcome = report(reader, trust, student.rho, rounds, gain, target)
    return Cascade(moved, best, weights, linear_map, outcome, lesson)


def _looks(texts: int, reader: Reader, target: float | None) -> Iterator[int]:
    """After how many pairs the scores are looked at; a budget of time is known as it is spent."""
    if target is None:
        yield _FIRST_LOOK * texts
        yield max(_FIRST_LOOK * texts, round(_FIRST_ROUND * (reader.spent + reader.remaining)))
        yield reader.spent + reader.remaining
    else:
        yield _step(texts)
        while reader.remaining:
            yield reader.spent + _step(texts)


def _step(texts: int) -> int:
    return max(FEWEST, round(_STEP * texts))


@dataclass(frozen=True)
class Lesson:
    """Edges in random order, of which the cross-encoder has read the first: their `logits`."""

    edges: Edges
    logits: Values

    @classmethod
    def planned(cls, edges: Edges) -> "Lesson":
        """A lesson that nothing has been read of."""
        return cls(_shuffled(edges), np.empty(0))

    @property
    def scored(self) -> Edges:
        """The edges that the cross-encoder has read."""
        return self.edges[: len(self.logits)]

    def read(self, goal: int, reader: Reader) -> "Lesson":
        """Read on until `goal` edges are scored, there are no more, or the budget is spent."""
        start = len(self.logits)
        new = self.edges[start : min(goal, start + reader.remaining)]
        return Lesson(self.edges, np.append(self.logits, reader.read(new.first, new.second)))

    def judged(self, space: Space, witnesses: Partitions) -> Trust:
        """The trust in what was read so far."""
        cosine = self.edges.centered(space.cosines(self.edges))[: len(self.logits)]
        return judged(self.scored, cosine, self.logits, witnesses)


@dataclass(frozen=True)
class Student:
    """A map that was fitted to a lesson, and how much it counts.

    Attributes:
        form: float32 (dim, dim), the bilinear form of the map.
        rho: its weight beside the cosine, both in standard deviations; 0 where it should not count.
        gain: what labels say, where there are some.
    """

    space: Space
    lesson: Lesson
    form: Floats
    rho: float = 0.0
    gain: Gain | None = None

    @classmethod
    def of(cls, lesson: Lesson, space: Space) -> "Student":
        """Fit the map to what was read."""
        return cls(space, lesson, fit(space, lesson.scored, lesson.logits))

    def weighed(self, trust: Trust, witnesses: Partitions, evidence: Evidence | None) -> "Student":
        """Decide how much the map counts: by labels where they are clear, else by tau."""
        rho = weight_of_map(self.lesson.edges, *self._centered_signals, witnesses)
        gain, is_trusted = None, trust.is_enough
        if evidence is not None:
            weight = max(rho, _LEAST_BY_LABELS)
            gain = evidence.gain(replace(self, rho=weight).map(), weight)
            if gain.is_clear_of(0):
                is_trusted, rho = gain.low > 0, weight
        return replace(self, rho=rho if is_trusted else 0.0, gain=gain)

    def map(self) -> LinearMap:
        """The map that adds rho times the form to the cosine."""
        cosine, change = self._signals
        weight = self.rho * float(cosine.std() / max(change.std(), 1e-12))
        return self.space.moving(self.form, weight)

    def best(self, moved: Floats, size: int, recall: float) -> tuple[Neighbors, Floats]:
        """The best neighbours of each text, and how probable it is that they belong with it."""
        cosine, change = self._centered_signals
        share = expit(self.lesson.logits).mean()
        certainty = expit(_SHARPNESS * standardized(cosine + self.rho * change) + logit(share))
        others, weights = self.lesson.edges.best(certainty, size)
        rows = np.repeat(np.arange(len(moved)), size)
        similarity = Edges(rows, others.ravel(), len(moved)).products(moved, moved)
        neighbors = Neighbors(
            others.astype(np.int32), similarity.reshape(others.shape).astype(np.float32), recall
        )
        return neighbors, weights.astype(np.float32)

    @cached_property
    def _signals(self) -> tuple[Values, Values]:
        """The cosine, and what the map says, of each edge."""
        edges = self.lesson.edges
        return self.space.cosines(edges), self.space.form(self.form, edges)

    @cached_property
    def _centered_signals(self) -> tuple[Values, Values]:
        """Both centred by node and standardised."""
        cosine, change = map(self.lesson.edges.centered, self._signals)
        return standardized(cosine), standardized(change)


def _shuffled(edges: Edges) -> Edges:
    return edges[np.random.default_rng(0).permutation(len(edges))]
