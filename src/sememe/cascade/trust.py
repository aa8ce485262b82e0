"""Whether a cross-encoder is worth listening to, and how much: judged without labels.

The clusters of the bi-encoder alone are the witness. A cross-encoder that sees what the texts mean
agrees with them *beyond* what the cosine says: of two neighbours with the same cosine, the one in
the same cluster gets the higher score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sememe.cascade.edges import Edges, Values, standardized

Partitions = Sequence[NDArray[np.int64]]

RESOLUTIONS = (1.0, 3.0, 9.0, 20.0)
"""Of the partitions that bear witness, as Leiden takes them: from a few clusters to many."""

FEWEST = 100
"""Scored pairs, below which nothing is judged."""

_BOUND = 0.04
_ERRORS = 2.0  # standard errors, between what is measured and what is sure
_FACTOR, _MOST = 1.6, 1.5
_RIDGE, _ROUNDS = 1e-3, 12


@dataclass(frozen=True)
class Trust:
    """How well scores tell which neighbours share a cluster, where the cosine is the same.

    `tau` is a partial correlation, the mean over several partitions, and `error` is its standard
    error.
    """

    tau: float
    error: float

    @property
    def bound(self) -> float:
        """What tau must be above; higher where few pairs make it uncertain."""
        return max(_BOUND, _ERRORS * self.error)

    @property
    def is_enough(self) -> bool:
        """Whether the scores are worth listening to."""
        return self.tau > self.bound

    @property
    def is_hopeless(self) -> bool:
        """Whether more pairs would hardly change that they are not."""
        return self.tau + _ERRORS * self.error < _BOUND


def judged(edges: Edges, cosine: Values, logits: Values, partitions: Partitions) -> Trust:
    """The trust in the logits (edges,) of at least `FEWEST` edges; `cosine` is centred by node.

    Raw logits are judged, not the map that is fitted to them: a map is a function of the vectors,
    as the clusters are, and even one of shuffled scores would seem to know something.
    """
    if np.ptp(logits) == 0:
        return Trust(0.0, 0.0)
    line = standardized(cosine)
    explained = np.stack([np.ones_like(line), line, line**2], axis=1)
    score = _residual(explained, standardized(edges.centered(logits)))
    taus = [
        _correlation(score, _residual(explained, same.astype(np.float64)))
        for same in _same_cluster(edges, partitions)
    ]
    tau = float(np.mean(taus)) if taus else 0.0
    return Trust(tau, 1 / (len(edges) - 4) ** 0.5)


def weight_of_map(edges: Edges, cosine: Values, change: Values, partitions: Partitions) -> float:
    """Rho, how much the map counts beside the cosine, both in standard deviations; 0 to 1.5.

    A logistic regression of "in one cluster" on both, centred by node and standardised over all
    edges, gives the ratio of their weights. The factor makes good that the bi-encoder's own
    clusters favour its cosine: with gold labels the ratio is about twice as high.
    """
    signals = np.stack([np.ones_like(cosine), cosine, change], axis=1)
    weights = [logistic(signals, same) for same in _same_cluster(edges, partitions)]
    if not weights:
        return 0.0
    _, of_cosine, of_change = np.mean(weights, axis=0)
    ratio = of_change / max(of_cosine, 1e-6)
    return float(np.clip(_FACTOR * ratio, 0, _MOST))


def logistic(
    signals: Values,
    same: NDArray[np.bool_],
    penalty: float | Values = _RIDGE,
    prior: Values | None = None,
) -> Values:
    """The weights (columns,) of a logistic regression of `same` on signals (n, columns).

    By Newton's method; `penalty` is of the squared distance from the prior, or 0, in all columns or
    in each.
    """
    start = np.zeros(signals.shape[1]) if prior is None else prior
    weights = start
    for _ in range(_ROUNDS):
        chance = expit(signals @ weights)
        gradient = signals.T @ (same - chance) - penalty * (weights - start)
        curvature = (signals * (chance * (1 - chance))[:, None]).T @ signals
        step = np.linalg.solve(curvature + penalty * np.eye(len(weights)), gradient)
        weights = weights + step * min(1.0, 3 / max(float(np.abs(step).max()), 1e-12))
    return np.asarray(weights)


def _same_cluster(edges: Edges, partitions: Partitions) -> list[NDArray[np.bool_]]:
    """Whether both ends of each edge share a cluster, by each partition that says so of some."""
    same = [labels[edges.first] == labels[edges.second] for labels in partitions]
    return [each for each in same if each.any() and not each.all()]


def _residual(explained: Values, values: Values) -> Values:
    """What a linear regression on `explained` leaves of the values."""
    return np.asarray(values - explained @ np.linalg.lstsq(explained, values, rcond=None)[0])


def _correlation(one: Values, other: Values) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths > 1e-9 else 0.0
