"""Which grain the data has: the resolution of Leiden, from about 8 runs and no settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sememe.neighbors import Neighbors, normalized
from sememe.neighbors.communities import Labels, communities, refined, smoothed, sums
from sememe.neighbors.exact import Floats

RUNS = 8  # about
_RESOLUTIONS = np.geomspace(0.05, 33.0, 22)
_START, _STRIDES = (8, 13), (2, 1)  # places among the resolutions
_OTHERS = 3  # of them, every third is tried where the grain is to be coarse or fine
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
    vectors: Floats,
    neighbors: Neighbors,
    graph: sparse.csr_matrix,
    granularity: str | None = None,
    smooth: Floats | None = None,
) -> tuple[Grain, str]:
    """The partition whose clusters hold best, refined, and in words why.

    Of unit vectors (n, dim) of different texts, their neighbours and the graph of these; `smooth`
    are the vectors smoothed over it, if they are there already.
    """
    smooth = smoothed(vectors, graph) if smooth is None else smooth

    def partition(resolution: float) -> Labels:
        return refined(smooth, communities(graph, resolution))

    return _choice(grains(vectors, neighbors, partition, granularity), granularity)


def grains(
    vectors: Floats,
    neighbors: Neighbors,
    partition: Callable[[float], Labels],
    granularity: str | None = None,
) -> list[Grain]:
    """Climb to the resolution whose partition scores best: those tried, coarsest first.

    `partition` gives the labels (n,) at a resolution. "coarse" and "fine" try more on that side.
    """
    centred = normalized(vectors - vectors.mean(axis=0))
    tried: dict[int, Grain] = {}

    def look(place: int) -> float:
        if place not in tried:
            resolution = float(_RESOLUTIONS[place])
            labels = partition(resolution)
            tried[place] = Grain(resolution, labels, score(centred, neighbors, labels))
        return tried[place].score

    top, count = climb(look, len(_RESOLUTIONS)), len(_RESOLUTIONS)
    more = {"coarse": range(top), "fine": range(top, count)}.get(granularity or "", range(0))
    for place in more:
        if place % _OTHERS == 0:
            look(place)
    return [tried[place] for place in sorted(tried)]


def climb(value: Callable[[int], float], count: int) -> int:
    """The place of a hill's top, of `count` places; of equals, the first.

    From the middle on in long strides, as long as that leads up; then in shorter ones to either
    side.

    >>> climb(lambda place: -abs(place - 17), 22)
    17
    """
    seen: dict[int, float] = {}

    def top() -> int:
        return max(seen, key=lambda place: (seen[place], -place))

    def look(*places: int) -> None:
        seen.update((place, value(place)) for place in places if 0 <= place < count)

    low, high = _START
    stride = high - low
    look(low, high)
    while (end := top()) in (low, high) and 0 < end < count - 1:
        if end == high:
            high = min(high + stride, count - 1)
        else:
            low = max(low - stride, 0)
        look(low, high)
    for stride in _STRIDES:
        middle = top()
        look(middle - stride, middle + stride)
    return top()


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


def score(centred: Floats, neighbors: Neighbors, labels: Labels) -> float:
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


def silhouette(vectors: Floats, labels: Labels) -> Floats:
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
