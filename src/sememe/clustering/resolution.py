"""Which grain the data has: the resolution of Leiden, from at most 12 runs and no settings."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sememe.neighbors import Neighbors, normalized
from sememe.neighbors.communities import Labels, sums

_COARSEST, _FINEST = 0.05, 33.0
_FIRST_RUNS, _LATER_RUNS = 8, 4
RUNS = _FIRST_RUNS + _LATER_RUNS
_CLOSEST = 3


@dataclass(frozen=True)
class Grain:
    """One partition of the texts, the resolution it came from, and how well its clusters hold."""

    resolution: float
    labels: Labels
    score: float

    @property
    def count(self) -> int:
        """How many clusters of more than one text."""
        return int((np.bincount(self.labels) > 1).sum())


def grains(
    vectors: NDArray[np.float32], neighbors: Neighbors, partition: Callable[[float], Labels]
) -> list[Grain]:
    """Partition at 8 resolutions from 0.05 to 33, then at 4 more around the best: coarsest first.

    Args:
        vectors: unit vectors of different texts, float32 (n, dim).
        neighbors: the nearest neighbours of each.
        partition: gives the labels (n,) at a resolution.
    """
    centred = normalized(vectors - vectors.mean(axis=0))

    def at(resolution: float) -> Grain:
        labels = partition(resolution)
        return Grain(resolution, labels, score(centred, neighbors, labels))

    first = np.geomspace(_COARSEST, _FINEST, _FIRST_RUNS)
    tried = [at(float(resolution)) for resolution in first]
    best = int(np.argmax([grain.score for grain in tried]))
    low, high = first[max(best - 1, 0)], first[min(best + 1, len(first) - 1)]
    between = np.geomspace(low, high, _LATER_RUNS + 3)
    new = [each for each in between if not np.isclose(each, first, rtol=1e-5).any()]
    tried += [at(float(resolution)) for resolution in new[:_LATER_RUNS]]
    return sorted(tried, key=lambda grain: grain.resolution)


def score(centred: NDArray[np.float32], neighbors: Neighbors, labels: Labels) -> float:
    """How well the clusters hold: silhouette times the square of the neighbours' agreement.

    The silhouette alone grows as clusters shrink, and so does the agreement of neighbours as they
    grow; their product has its maximum where clusters are both tight and whole. One cluster
    or none scores 0.
    """
    if labels.max(initial=-1) < 1:
        return 0.0
    closest = neighbors.indices[:, :_CLOSEST]
    by_chance = np.square(np.bincount(labels) / len(labels)).sum()
    agreement = (labels[closest] == labels[:, None]).mean() - by_chance  # a modularity
    return float(np.median(silhouette(centred, labels))) * max(0.0, float(agreement)) ** 2


def silhouette(vectors: NDArray[np.float32], labels: Labels) -> NDArray[np.float32]:
    """The simplified silhouette of each unit vector, left out of its own centre: float32 (n,).

    Vectors are compared with the centres of the clusters (Hruschka, de Castro and Campello 2004).
    A text counted in its own centre would make small clusters look tight however they were drawn;
    here a text alone in its cluster gets 0.
    """
    total = sums(vectors, labels)
    size = np.bincount(labels)[labels]
    rows = np.arange(len(labels))
    similarity = vectors @ normalized(total).T
    similarity[rows, labels] = -np.inf
    other = similarity.max(axis=1)
    rest = normalized(total[labels] - vectors)
    inside = 1 - np.einsum("ij,ij->i", vectors, rest)
    outside = 1 - other
    value = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-9)
    return np.asarray(np.where(size > 1, value, 0), dtype=np.float32)
