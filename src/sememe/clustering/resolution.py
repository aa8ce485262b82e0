"""Which grain the data has: the resolution of Leiden, from at most 12 runs and no settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sememe.neighbors import Neighbors, normalized
from sememe.neighbors.communities import Labels, communities, refined, smoothed, sums

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


def best_grain(
    vectors: NDArray[np.float32],
    neighbors: Neighbors,
    graph: sparse.csr_matrix,
    granularity: str | None = None,
    smooth: NDArray[np.float32] | None = None,
) -> tuple[Grain, str]:
    """The partition whose clusters hold best, refined, and in words why.

    Args:
        vectors: unit vectors of different texts, float32 (n, dim).
        neighbors: the nearest neighbours of each.
        graph: of these.
        granularity: None, "coarse" or "fine"; see `cluster`.
        smooth: the vectors smoothed over the graph, if they are there already.
    """
    smooth = smoothed(vectors, graph) if smooth is None else smooth
    tried = grains(vectors, neighbors, lambda resolution: communities(graph, resolution))
    if granularity is not None:  # the counts must be right
        tried = [replace(grain, labels=refined(smooth, grain.labels)) for grain in tried]
    grain, why = _choice(tried, granularity)
    return replace(grain, labels=refined(smooth, grain.labels)), why


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


def _choice(tried: Sequence[Grain], granularity: str | None) -> tuple[Grain, str]:
    """The best grain, or the best of those that are coarse or fine enough, and why."""
    best = max(tried, key=lambda grain: grain.score)
    low, high = tried[0].resolution, tried[-1].resolution
    runs = f"of {len(tried)} resolutions tried, {low:g} to {high:g}"
    if granularity is None:
        return best, f"{runs}, {best.resolution:.2g} gave the tightest and best separated clusters"
    default = f"as many clusters as the default's {best.count:,}"
    if granularity == "coarse":
        coarser = [grain for grain in tried if grain.resolution <= best.resolution]
        candidates = [grain for grain in coarser if grain.count] or coarser
        fitting = [grain for grain in candidates if grain.count <= best.count / 2]
        bound, last = f"at most half {default}", min(candidates, key=lambda grain: grain.count)
    else:
        candidates = [grain for grain in tried if grain.resolution >= best.resolution]
        fitting = [grain for grain in candidates if grain.count >= best.count * 2]
        bound, last = f"at least twice {default}", max(candidates, key=lambda grain: grain.count)
    if not fitting:
        return last, f"{runs}, none gave {bound}; {last.resolution:.2g} came nearest"
    choice = max(fitting, key=lambda grain: grain.score)
    return choice, f"{runs}, {choice.resolution:.2g} gave the best of those with {bound}"


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
    length = np.linalg.norm(total, axis=1)
    rows = np.arange(len(labels))
    similarity = vectors @ (total / np.maximum(length, 1e-12)[:, None]).T
    square = np.einsum("ij,ij->i", vectors, vectors)  # 0 of a vector of zeros
    length = length[labels]
    along = similarity[rows, labels] * length
    similarity[rows, labels] = -np.inf
    # Of its own cluster's sum less the text itself, by the law of cosines.
    rest = np.sqrt(np.maximum(length**2 - 2 * along + square, 0))
    inside = 1 - (along - square) / np.maximum(rest, 1e-6)
    outside = 1 - similarity.max(axis=1)
    value = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-9)
    return np.asarray(np.where(np.bincount(labels)[labels] > 1, value, 0), dtype=np.float32)
