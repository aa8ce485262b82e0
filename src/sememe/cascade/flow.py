"""The cascade: what a cross-encoder knows, for the price of three pairs a text.

propose: the edges of the bi-encoder's neighbour graph, in random order
score:   the cross-encoder reads as many of them as the budget allows
fit:     a linear map explains, on the bi-encoder's vectors, what the cosine leaves of the scores
trust:   the scores must tell more about the bi-encoder's clusters than the cosine does
move:    the map moves all vectors and weighs all edges; without trust, nothing moves
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from sememe.cascade.edges import Edges, Floats, Values, standardized
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
        lesson: all that the cross-encoder read; None where it is not trusted.
    """

    vectors: Floats
    neighbors: Neighbors
    weights: Floats | None
    map: LinearMap | None
    report: CascadeReport
    lesson: "Lesson | None" = None


def teach(
    texts: Sequence[str],
    vectors: Floats,
    neighbors: Neighbors,
    scorer: Scorer,
    budget: Budget | str | int = "3n",
    progress: bool | None = None,
) -> Cascade:
    """Let a cross-encoder teach vectors what it knows about their neighbours.

    Args:
        texts: n different texts.
        vectors: float32 (n, dim), of unit length.
        neighbors: the nearest neighbours of each.
        scorer: anything with `.score(pairs)`.
        budget: how many pairs it may read: "3n", a number, a time such as "2min", or "all".
        progress: a progress bar: True, False, or None for one on a terminal.

    Raises:
        InputError: a budget, a scorer or a score that cannot be used.
    """
    size = neighbors.indices.shape[1]
    lesson = Lesson.planned(Edges.between(neighbors))
    most = len(lesson.edges) + size * len(texts)
    reader = Reader(scorer, texts, Budget.parse(budget), most, progress)

    def unmoved(trust: Trust | None) -> Cascade:
        return Cascade(vectors, neighbors, None, None, report(reader, trust))

    if min(len(lesson.edges), reader.remaining) < FEWEST:
        return unmoved(None)

    space = Space(vectors)
    witnesses = partitions(vectors, neighbors, RESOLUTIONS)
    for share in (0, _FIRST_ROUND, 1):
        goal = max(_FIRST_LOOK * len(texts), share * (reader.spent + reader.remaining))
        lesson = lesson.read(round(goal), reader)
        trust = lesson.judged(space, witnesses)
        if trust.is_hopeless or (share and trust.tau >= _SECOND_ROUND_FROM):
            break
    if not trust.is_enough:
        return unmoved(trust)

    form = fit(space, lesson.scored, lesson.logits)
    rho = weight_of_map(lesson.edges, *_signals(space, form, lesson.edges), witnesses)
    if rho == 0:
        return unmoved(trust)

    rounds = 1
    if trust.tau >= _SECOND_ROUND_FROM and reader.remaining:
        moved = _map(space, form, rho, lesson.edges).move(vectors)
        lesson = lesson.joined_by(Edges.between(self_join(moved, size, progress)))
        lesson = lesson.read(len(lesson.edges), reader)
        form = fit(space, lesson.scored, lesson.logits)
        rounds = 2

    linear_map = _map(space, form, rho, lesson.edges)
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
        report(reader, trust, rho, rounds),
        lesson,
    )


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
