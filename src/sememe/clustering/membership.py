"""Where texts belong: how strongly each to its cluster, and new texts to the clusters there are.

A cluster's claim on a text is the share of its nearest neighbours that are in it (each weighs the
fourth power of its cosine), plus the cosine to its centre.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sememe.clustering.layout import layout_2d
from sememe.costs import warn_of_duration
from sememe.neighbors import Neighbors, normalized, self_join
from sememe.neighbors.approximate import Lists, search_lists
from sememe.neighbors.communities import Labels, neighborhood_size, sums
from sememe.neighbors.exact import Floats
from sememe.progress import counted

_FAR = 2.0  # times as far from its neighbours as they are from theirs
_FARTHEST = 0.99  # of the texts are nearer to their neighbours than a new one that fits none
_SAME = 1 - 1e-5  # cosine of two encodings of one text
_POWER = 4  # of a neighbour's cosine: what it weighs
_CLUSTERS, _CANDIDATES = 3, 8  # that are searched at least; candidates for each neighbour
_FEW = 16  # clusters are all searched
_BLOCK = 2**22  # claims computed at once
_BLOCK_ROWS = 65_536
_LAYOUT = 5e-5  # seconds a text, as docs/decisions/map.md measured
_TURN, _STEP = np.pi * (3 - 5**0.5), 0.004  # a sunflower's: copies stand around their place


class Assignment(NamedTuple):
    """Where texts were filed: labels int64 (n,), -1 for none; strength float32 (n,), 0 to 1."""

    labels: NDArray[np.int64]
    strength: Floats


@dataclass(eq=False)
class Space:
    """The different texts of a clustering: their vectors, neighbours, and places on the map.

    Attributes:
        vectors: float32 (m, dim), of unit length.
        node: int64 (n,), which of them each text is; -1 for a blank one.
        threshold: the mean cosine that holds a cluster together, where the user gave one.
        stored, points: the neighbours, and places on the map (m, 2), if they are there already.
    """

    vectors: Floats
    node: NDArray[np.int64]
    threshold: float | None = None
    stored: Neighbors | None = None
    points: Floats | None = None

    @cached_property
    def neighbors(self) -> Neighbors:
        """The nearest neighbours of each different text."""
        return self.stored or self_join(self.vectors, neighborhood_size(len(self.vectors)))

    def of_nodes(self, labels: Labels) -> Labels:
        """The labels (m,) of the different texts, of those (n,) of all."""
        of_node = np.full(len(self.vectors), -1, dtype=np.int64)
        filled = self.node >= 0
        of_node[self.node[filled]] = labels[filled]
        return of_node

    def take(self, rows: NDArray[np.int64]) -> "Space":
        """The space of some texts alone; on the map they stay where they are."""
        nodes, node = np.unique(self.node[rows], return_inverse=True)
        points = None if self.points is None else self.points[nodes]
        return Space(self.vectors[nodes], node.reshape(-1), self.threshold, points=points)

    def layout(self, labels: Labels) -> Floats:
        """Places (n, 2) of all texts, computed at the first call; NaN for a blank one."""
        if self.points is None:
            count = len(self.vectors)
            work = f"Placing {counted(count, 'text')} on the map"
            warn_of_duration(work, _LAYOUT * count)
            self.points = layout_2d(self.vectors, self.neighbors, labels=self.of_nodes(labels))
        filled = np.flatnonzero(self.node >= 0)
        order = filled[np.argsort(self.node[filled], kind="stable")]
        first = np.unique(self.node[order], return_index=True)[1]
        copy = np.arange(len(order)) - np.repeat(first, np.diff([*first, len(order)]))
        radius, turn = _STEP * np.sqrt(copy), _TURN * copy
        places = np.full((len(self.node), 2), np.nan, dtype=np.float32)
        places[order] = self.points[self.node[order]]
        places[order] += np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
        return places


def strengths(space: Space, labels: Labels) -> Floats:
    """How strongly each text (n,) belongs to its cluster, from 0 to 1; 0 in none."""
    lists = _Lists(space, labels)
    result = np.zeros(len(space.vectors), dtype=np.float32)
    members = np.flatnonzero(lists.home < lists.count)
    for rows in np.array_split(members, 1 + len(members) * lists.count // _BLOCK):
        shares = _shares(lists, space.neighbors.indices[rows], space.neighbors.similarity[rows])
        closeness = space.vectors[rows] @ lists.centers.T
        result[rows] = _strength(closeness, shares, lists.home[rows])
    return np.append(result, np.float32(0))[space.node]  # of a blank text, -1, the last


def assign(space: Space, labels: Labels, queries: Floats, *, every: bool = False) -> Assignment:
    """File unit vectors (q, dim) under the clusters, `labels` (n,), of a space.

    A vector that was clustered goes where it is. One that is in the neighbourhood of none of its
    neighbours, and farther from them than 99 % of the clustered texts are from theirs, fits none;
    by `threshold`, one whose mean cosine to every cluster is below it. With `every`, all are filed.
    """
    result = np.full(len(queries), -1, np.int64)
    strength = np.zeros(len(queries), np.float32)
    lists = _Lists(space, labels)
    if lists.count == 0 or len(queries) == 0:
        return Assignment(result, strength)
    farthest = np.inf
    if space.neighbors.indices.shape[1]:
        members = lists.home < lists.count
        farthest = float(np.quantile(_distances(space.neighbors.similarity)[members], _FARTHEST))
    reach = space.neighbors.similarity.min(axis=1, initial=1)
    step = max(1, min(_BLOCK_ROWS // 8, _BLOCK // lists.count))
    for start in range(0, len(queries), step):
        block = slice(start, start + step)
        closeness = queries[block] @ lists.centers.T
        indices, similarity = _nearest(space, lists, queries[block], closeness)
        shares = _shares(lists, indices, similarity)
        if space.threshold is None:
            best = (closeness + shares[:, :-1]).argmax(axis=1)
            is_mutual = (similarity >= reach[indices]).any(axis=1)
            strange = ~is_mutual & (_distances(np.maximum(similarity, -1)) > farthest)
        else:
            best = closeness.argmax(axis=1)
            strange = closeness.max(axis=1) < space.threshold
        strength[block] = _strength(closeness, shares, best)
        is_same = similarity[:, 0] >= _SAME
        best = np.where(is_same, lists.home[indices[:, 0]], best)
        strange = np.where(is_same, best == lists.count, strange)
        if every:
            best = np.where(strange, closeness.argmax(axis=1), best)
        result[block] = lists.numbers[best]
        if not every:
            result[block][strange] = -1
            strength[block][strange] = 0
    return Assignment(result, strength)


def without_far(labels: Labels, neighbors: Neighbors, copies: NDArray[np.int64]) -> Labels:
    """Mark as outliers the texts that nobody is near to.

    Such a text is in the neighbourhood of none of its neighbours, and lies much farther from them
    than they lie from theirs (the local outlier factor of Breunig et al. 2000, on chord lengths).
    No cluster loses its last text.
    """
    indices = neighbors.indices
    if indices.shape[1] == 0:
        return labels
    distance = _distances(neighbors.similarity)
    expected = distance[indices].mean(axis=1)
    mutual = np.empty(len(labels), dtype=bool)
    for start in range(0, len(labels), _BLOCK_ROWS):  # neighbours of neighbours: k times as many
        rows = np.arange(start, min(start + _BLOCK_ROWS, len(labels)))
        mutual[rows] = (indices[indices[rows]] == rows[:, None, None]).any(axis=(1, 2))
    far = ~mutual & (copies == 1) & (distance > _FAR * expected)
    size = np.bincount(labels[labels >= 0], minlength=1)
    remaining = np.bincount(labels[(labels >= 0) & ~far], minlength=len(size))
    return np.where(far & (remaining[labels] > 0), -1, labels)


def _distances(similarity: Floats) -> Floats:
    """The mean chord length from each text to its neighbours."""
    return np.asarray(np.sqrt(np.maximum(2 - 2 * similarity, 0)).mean(axis=1))


class _Lists:
    """The different texts of each cluster; those of none are the last list.

    `numbers` are the lists' labels, the last -1; `home` is the list of each different text;
    `centers`, float32 (count, dim), are unit vectors, or, by a threshold, mean vectors.
    """

    def __init__(self, space: Space, labels: Labels) -> None:
        of_node = space.of_nodes(labels)
        numbers = np.unique(of_node[of_node >= 0])
        self.count = len(numbers)
        self.numbers = np.append(numbers, -1)
        self.home = np.where(of_node >= 0, np.searchsorted(numbers, of_node), self.count)
        self.members = Lists(space.vectors, self.home, self.count + 1)
        total = sums(space.vectors, self.home)[: self.count]
        means = total / np.bincount(self.home, minlength=self.count)[: self.count, None]
        self.centers = normalized(total) if space.threshold is None else means.astype(np.float32)


def _nearest(
    space: Space, lists: _Lists, queries: Floats, closeness: Floats
) -> tuple[NDArray[np.int32], Floats]:
    """Each query's neighbours in the clusters that are nearest, and among the outliers."""
    size = neighborhood_size(len(space.vectors))
    probes = _CANDIDATES * size * lists.count // len(space.vectors) + _CLUSTERS
    probes = lists.count if lists.count <= _FEW else min(probes, lists.count)
    probed = np.argpartition(-closeness, (0, probes - 1), axis=1)[:, :probes]  # nearest first
    outliers = np.full((len(queries), 1), lists.count)
    probed = np.concatenate([probed, outliers], axis=1)
    return search_lists(lists.members, queries, probed, size)


def _shares(lists: _Lists, indices: NDArray[np.int32], similarity: Floats) -> NDArray[np.float64]:
    """Which share of its neighbours each of q texts has in each list: float64 (q, lists)."""
    weights = np.maximum(similarity, 0).astype(float) ** _POWER
    width = lists.count + 1
    places = np.arange(len(indices))[:, None] * width + lists.home[indices]
    votes = np.bincount(places.ravel(), weights.ravel(), len(indices) * width).reshape(-1, width)
    return np.asarray(votes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-9))


def _strength(
    closeness: Floats, shares: NDArray[np.float64], best: NDArray[np.int64]
) -> NDArray[np.floating[Any]]:
    """How strong the claim of the list `best` (q,) is: the mean of two parts from 0 to 1.

    They are the share of the neighbours in it and the simplified silhouette (Hruschka, de Castro
    and Campello 2004) above 0.
    """
    rows = np.arange(len(best))
    inside = closeness[rows, best]
    others = closeness.copy()
    others[rows, best] = -np.inf
    other = others.max(axis=1) if others.shape[1] > 1 else np.zeros_like(inside)
    silhouette = (inside - other) / np.maximum(1 - np.minimum(inside, other), 1e-9)
    return np.asarray((shares[rows, best] + np.clip(silhouette, 0, 1)) / 2)
