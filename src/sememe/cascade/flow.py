"""The cascade: what a cross-encoder knows, for the price of three pairs a text.

propose: the edges of the bi-encoder's neighbour graph, in random order
score:   the cross-encoder reads as many of them as the budget allows
fit:     a linear map explains, on the bi-encoder's vectors, what the cosine leaves of the scores
trust:   the scores must tell more about the bi-encoder's clusters than the cosine does
move:    the map moves all vectors and weighs all edges; without trust, nothing moves
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from sememe.cascade.edges import Edges, Floats, Values, standardized
from sememe.cascade.labels import Evidence, Gain
from sememe.cascade.linear import LinearMap, Space, fit
from sememe.cascade.report import CascadeReport, report
from sememe.cascade.scores import Reader
from sememe.cascade.trust import FEWEST, RESOLUTIONS, Partitions, Trust, judged, weight_of_map
from sememe.costs import Budget
from sememe.neighbors import Neighbors, self_join
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
) -> Cascade:
    """Let a cross-encoder teach vectors what it knows about their neighbours.

    Args:
        texts: n different texts.
        vectors: float32 (n, dim), of unit length.
        neighbors: the nearest neighbours of each.
        scorer: anything with `.score(pairs)`.
        budget: how many pairs it may read: "3n", a number, a time such as "2min", or "all".
        progress: a progress bar: True, False, or None for one on a terminal.
        evidence: labels, which decide where their interval is clear of 0, and the gain wanted.

    Raises:
        InputError: a budget, a scorer or a score that cannot be used.
    """
    size = neighbors.indices.shape[1]
    lesson = Lesson.planned(Edges.between(neighbors))
    most = len(lesson.edges) + size * len(texts)
    reader = Reader(scorer, texts, Budget.parse(budget), most, progress)

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
    for goal in _looks(len(texts), reader, target):
        lesson = lesson.read(goal, reader)
        trust = lesson.judged(space, witnesses)
        if target is not None:
            student = Student.of(lesson, space, trust, witnesses, evidence)
            if student.gain is None or not student.gain.low < target <= student.gain.high:
                break
        elif (evidence is None and trust.is_hopeless) or (
            goal > _FIRST_LOOK * len(texts) and trust.tau >= _SECOND_ROUND_FROM
        ):
            break
        if len(lesson.logits) < goal:
            break
    if target is None:
        student = Student.of(lesson, space, trust, witnesses, evidence)
    if student.rho == 0:
        return unmoved(trust, student.gain)
    form, rho, gain = student.form, student.rho, student.gain

    rounds = 1
    if trust.tau >= _SECOND_ROUND_FROM and reader.remaining and target is None:
        moved = _map(space, form, rho, lesson.edges).move(vectors)
        lesson = lesson.joined_by(Edges.between(self_join(moved, size, progress)))
        lesson = lesson.read(len(lesson.edges), reader)
        form = fit(space, lesson.scored, lesson.logits)
        rounds = 2

    linear_map = _map(space, form, rho, lesson.edges)
    if evidence is not None:
        gain = evidence.gain(linear_map, rho)
    moved = linear_map.move(vectors)
    indices, weights = lesson.edges.best(_certainty(space, form, rho, lesson), size)
    rows = np.repeat(np.arange(len(texts)), size)
    similarity = Edges(rows, indices.ravel(), len(texts)).products(moved, moved)
    best = Neighbors(
        indices.astype(np.int32),
        similarity.reshape(indices.shape).astype(np.float32),
        neighbors.recall,
    )
    return Cascade(
        moved,
        best,
        weights.astype(np.float32),
        linear_map,
        report(reader, trust, rho, rounds, gain, target),
        lesson,
    )


def _looks(texts: int, reader: Reader, target: float | None) -> Iterator[int]:
    """After how many pairs the scores are looked at; a budget of time is known as it is spent."""
    if target is None:
        yield _FIRST_LOOK * texts
        yield max(_FIRST_LOOK * texts, round(_FIRST_ROUND * (reader.spent + reader.remaining)))
        yield reader.spent + reader.remaining
    else:
        while reader.remaining:
            yield reader.spent + _step(texts)


def _step(texts: int) -> int:
    """How many pairs are read between two looks at the gain."""
    return max(FEWEST, round(_STEP * texts))


@dataclass(frozen=True)
class Student:
    """What was learned from the pairs that were read.

    Attributes:
        form: the bilinear form of the map.
        rho: how much it counts beside the cosine; 0 where it should not be listened to.
        gain: what labels say, where there are some.
    """

    form: Floats
    rho: float
    gain: Gain | None

    @classmethod
    def of(
        cls,
        lesson: "Lesson",
        space: Space,
        trust: Trust,
        witnesses: Partitions,
        evidence: Evidence | None,
    ) -> "Student":
        """Fit the map, and decide how much it counts: by labels where they are clear, or by tau."""
        if evidence is None and not trust.is_enough:
            return cls(np.empty((0, 0), np.float32), 0.0, None)
        form = fit(space, lesson.scored, lesson.logits)
        rho = weight_of_map(lesson.edges, *_signals(space, form, lesson.edges), witnesses)
        gain, is_trusted = None, trust.is_enough
        if evidence is not None:
            weight = max(rho, _LEAST_BY_LABELS)
            gain = evidence.gain(_map(space, form, weight, lesson.edges), weight)
            if gain.is_clear:
                is_trusted, rho = gain.low > 0, weight
        return cls(form, rho if is_trusted else 0.0, gain)


@dataclass(frozen=True)
class Lesson:
    """Edges in random order, of which the cross-encoder has read the first.

    Attributes:
        edges: all of them.
        logits: float64, of those that were read.
    """

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

    def joined_by(self, edges: Edges) -> "Lesson":
        """The lesson with more edges, those that are new, which are read next."""
        new = _shuffled(edges - self.edges)
        return Lesson(self.scored + new + self.edges[len(self.logits) :], self.logits)

    def judged(self, space: Space, witnesses: Partitions) -> Trust:
        """The trust in what was read so far."""
        cosine = self.edges.centered(space.cosines(self.edges))[: len(self.logits)]
        return judged(self.scored, cosine, self.logits, witnesses)


def _shuffled(edges: Edges) -> Edges:
    return edges[np.random.default_rng(0).permutation(len(edges))]


def _signals(space: Space, form: Floats, edges: Edges) -> tuple[Values, Values]:
    """Cosine and map over each edge, centred by node and standardised."""
    cosine, change = space.cosines(edges), space.form(form, edges)
    return standardized(edges.centered(cosine)), standardized(edges.centered(change))


def _map(space: Space, form: Floats, rho: float, edges: Edges) -> LinearMap:
    """The map that adds rho times the form to the cosine, both in standard deviations."""
    cosine, change = space.cosines(edges), space.form(form, edges)
    return space.moving(form, rho * float(cosine.std() / max(change.std(), 1e-12)))


def _certainty(space: Space, form: Floats, rho: float, lesson: Lesson) -> Values:
    """How probable it is that the ends of each edge belong together, 0 to 1."""
    cosine, change = _signals(space, form, lesson.edges)
    share = expit(lesson.logits).mean()
    return np.asarray(expit(_SHARPNESS * standardized(cosine + rho * change) + logit(share)))
