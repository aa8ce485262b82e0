"""The graph of neighbours, and partitions of texts: by Leiden over it, into K, or by similarity.

The partitions take unit vectors of different texts and return int64 labels 0, 1, ... with none left
out; which texts are outliers, and the order of the clusters, is decided later.
"""

import ctypes
import math
import os
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sknetwork.clustering import Leiden
from sknetwork.clustering.leiden_core import optimize_refine_core

from sememe.neighbors.exact import BLOCK_BYTES, Floats, Neighbors, nearest, normalized
from sememe.processes import PerProcess

Labels = NDArray[np.int64]

_OVERSHOOT = 3  # communities asked of Leiden for each cluster: united, they even out
SEARCH_STEPS = 8
_ROUNDS = 8
_SMOOTHINGS = 4
_ROUNDING = 1e-5  # of a node's weight; float32 has seven digits
_one_at_a_time = PerProcess(Lock)  # a child must not inherit it locked


def neighborhood_size(texts: int) -> int:
    """How many neighbours each of `texts` texts is linked to: log2 n + 2, 15 for 10,000 texts.

    The logarithm is what a nearest-neighbour graph needs to stay connected inside a cluster, and it
    keeps small collections, whose clusters have a few texts each, from being linked all to all.
    """
    return max(1, min(texts - 1, round(math.log2(max(texts, 2))) + 2))


def neighbor_graph(neighbors: Neighbors, weights: Floats | None = None) -> sparse.csr_matrix:
    """The symmetric graph of neighbours, float32 (n, n): an edge weighs 1, a mutual one 2.

    `weights`, float32 (n, k), are what an edge to each weighs instead; a mutual one weighs the sum.
    """
    texts, size = neighbors.indices.shape
    weights = np.ones((texts, size), dtype=np.float32) if weights is None else weights
    starts = np.arange(0, texts * size + 1, size) if size else np.zeros(texts + 1, dtype=np.int64)
    entries = weights.ravel(), neighbors.indices.ravel(), starts
    directed = sparse.csr_matrix(entries, shape=(texts, texts))
    return (directed + directed.T).tocsr()


def smoothed(vectors: Floats, graph: sparse.csr_matrix) -> Floats:
    """Average every unit vector with its neighbours' mean, a few times over: unit vectors (n, dim).

    What neighbours share stays and what is each text's own fades (the filter of simplified graph
    convolutions: Wu et al. 2019), so that k-means follows the graph's communities.
    """
    degree = np.asarray(graph.sum(axis=1), dtype=np.float32)
    mean_of_neighbors = sparse.diags(1 / np.maximum(degree.ravel(), 1)) @ graph
    for _ in range(_SMOOTHINGS):
        vectors = normalized(vectors + mean_of_neighbors @ vectors)
    return vectors


def communities(graph: sparse.csr_matrix, resolution: float) -> Labels:
    """The communities of the graph by Leiden (Traag, Waltman and van Eck 2019), seeded."""
    if graph.nnz == 0:
        return np.arange(graph.shape[0])
    leiden = _Terminating(
        resolution=resolution,
        random_state=0,
        sort_clusters=False,
        return_probs=False,
        return_aggregate=False,
    )
    # Its refinement draws from C's rand(), whatever random_state says: unless that is seeded, and
    # nobody draws in between, the same graph gives other communities at the next call.
    with _one_at_a_time():
        _seed_rand(0)
        return numbered(leiden.fit_predict(graph))


def _seed_rand(seed: int) -> None:
    ctypes.CDLL("ucrtbase" if os.name == "nt" else None).srand(seed)


class _Terminating(Leiden):  # type: ignore[misc]
    """Leiden whose refinement always ends.

    scikit-network refines for as long as a move gains anything in float32: moves to and fro that
    gain nothing but rounding can follow one another for ever. Here a move has to gain more than
    that, by the weight of its node, since leaving costs as much more.
    """

    def _optimize_refine(
        self, labels: Any, labels_refined: Any, adjacency: Any, out_weights: Any, in_weights: Any
    ) -> Any:
        of_nodes = [np.asarray(each, np.float32) for each in (out_weights, in_weights)]
        of_clusters = [each.copy() for each in of_nodes]  # at first each node is one of its own
        least_gain = _ROUNDING * of_nodes[0]
        return optimize_refine_core(
            labels.astype(np.int32),
            labels_refined.astype(np.int32),
            adjacency.indices,
            adjacency.indptr,
            adjacency.data.astype(np.float32),
            *of_nodes,
            *of_clusters,
            np.zeros_like(of_nodes[0]),
            adjacency.diagonal().astype(np.float32) - least_gain / 2,
            self.resolution,
        )


def partitions(vectors: Floats, neighbors: Neighbors, resolutions: Sequence[float]) -> list[Labels]:
    """The communities at several resolutions, each refined over smoothed vectors."""
    graph = neighbor_graph(neighbors)
    smooth = smoothed(vectors, graph)
    return [refined(smooth, communities(graph, resolution)) for resolution in resolutions]


def numbered(labels: NDArray[np.integer]) -> Labels:
    """The same partition with the labels 0, 1, ... and no gaps."""
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def sums(vectors: Floats, labels: Labels) -> Floats:
    """The sum of the vectors of each cluster, float32 (clusters, dim)."""
    ones = np.ones(len(labels), dtype=np.float32)
    shape = (int(labels.max(initial=-1)) + 1, len(labels))
    return np.asarray(sparse.csr_matrix((ones, (labels, np.arange(len(labels)))), shape) @ vectors)


def refined(vectors: Floats, labels: Labels) -> Labels:
    """Rounds of spherical k-means (Dhillon and Modha 2001) from `labels`; clusters may empty."""
    centers = normalized(sums(vectors, labels))
    for _ in range(_ROUNDS):
        closest = _nearest_center(vectors, centers)
        if np.array_equal(closest, labels):
            break
        labels = closest
        total = sums(vectors, labels)
        centers[: len(total)] = np.where(
            total.any(axis=1, keepdims=True), normalized(total), centers[: len(total)]
        )
    return numbered(labels)


def _nearest_center(vectors: Floats, centers: Floats) -> Labels:
    """What `nearest` finds for k = 1, without its checks, in a third of the time."""
    closest = np.empty(len(vectors), dtype=np.int64)
    rows = max(1, BLOCK_BYTES // (4 * len(centers)))
    for start in range(0, len(vectors), rows):
        block = slice(start, start + rows)
        closest[block] = (vectors[block] @ centers.T).argmax(axis=1)
    return closest


def exactly(count: int, graph: sparse.csr_matrix, vectors: Floats) -> Labels:
    """Partition into `count` clusters, where there are at least as many different vectors.

    Leiden is asked for three times as many communities; the pairs whose union costs least are
    united (or, where it found too few, the loosest are split) until the count is right; k-means
    rounds over the smoothed vectors then let every text choose among the clusters.
    """
    labels = with_count(vectors, _about(_OVERSHOOT * count, graph), count)
    return with_count(vectors, refined(vectors, labels), count)


def _about(count: int, graph: sparse.csr_matrix) -> Labels:
    """Communities, as near to `count` of them as a few runs of Leiden come."""
    low, high, resolution = 1e-3, 1e3, 1.0
    best = np.zeros(graph.shape[0], dtype=np.int64)
    for _ in range(SEARCH_STEPS):
        labels = communities(graph, resolution)
        size = labels.max() + 1
        if abs(np.log(size / count)) < abs(np.log((best.max() + 1) / count)):
            best = labels
        if size == count:
            break
        low, high = (resolution, high) if size < count else (low, resolution)
        # The number of communities grows about as the square root of the resolution or faster.
        guess = resolution * (count / size) ** 1.5
        resolution = guess if low < guess < high else (low * high) ** 0.5
    return best


def with_count(vectors: Floats, labels: Labels, count: int) -> Labels:
    """Unite or split clusters until there are `count`."""
    total = sums(vectors, labels)
    names = np.arange(len(total))
    for one, other in unions(total)[: max(0, len(total) - count)]:
        names[names == other] = one
    labels = numbered(names[labels])
    while (size := labels.max() + 1) < count:
        labels = _split_loosest(vectors, labels, size)
    return labels


def unions(total: Floats) -> list[tuple[int, int]]:
    """Which clusters to unite, and in which order: those whose union loses least (Ward 1963).

    What a union loses is similarity to the centres: the lengths of two sums (clusters, dim) of unit
    vectors less that of their sum. Of each of the clusters - 1 pairs, the second becomes part of
    the first.

    Example:
        >>> unions(np.array([[2, 0], [0, 2], [1.9, 0.1]], dtype=np.float32))
        [(0, 2), (0, 1)]
    """
    total = total.astype(np.float64)
    every = np.arange(len(total))
    exists = np.ones(len(total), dtype=bool)

    def costs(one: int) -> NDArray[np.float64]:
        length = np.linalg.norm(total, axis=1)
        cost = length + length[one] - np.linalg.norm(total + total[one], axis=1)
        return np.where(exists & (every != one), cost, np.inf)

    cost = np.array([costs(one) for one in range(len(total))])
    closest = cost.argmin(axis=1) if len(total) else every
    pairs = []
    for _ in every[1:]:
        one = int(cost[every, closest].argmin())
        other = int(closest[one])
        pairs.append((one, other))
        total[one] += total[other]
        exists[other] = False
        cost[one] = cost[:, one] = costs(one)
        cost[other] = cost[:, other] = np.inf
        stale = np.isin(closest, (one, other)) | (cost[:, one] < cost[every, closest])
        closest[stale] = cost[stale].argmin(axis=1)
    return pairs


def _split_loosest(vectors: Floats, labels: Labels, new: int) -> Labels:
    """Split in two, by k-means, the cluster that lies farthest from its centre in total."""
    total, size = sums(vectors, labels), np.bincount(labels)
    looseness = np.where(size > 1, size - np.linalg.norm(total, axis=1), -np.inf)
    members = np.flatnonzero(labels == looseness.argmax())
    inside = vectors[members]
    first = (inside @ normalized(total)[looseness.argmax()]).argmin()
    second = (inside @ inside[first]).argmin()
    halves = refined(inside, (inside @ inside[second] > inside @ inside[first]).astype(np.int64))
    if not halves.any():  # smoothing can make different vectors the same
        halves[-1] = 1
    labels = labels.copy()
    labels[members[halves == 1]] = new
    return labels


def linked(vectors: Floats, threshold: float) -> Labels:
    """Average-linkage clusters: those nearest are united while their similarity allows.

    The similarity of two clusters is the mean cosine over all pairs of a text of the one and a text
    of the other, which is the product of their mean vectors; so the nearest cluster of each
    is found exactly, and all pairs that are each other's nearest are united at once (they would
    be anyway: average linkage is reducible). Of the result, the mean cosine over the pairs
    inside each cluster is at least `threshold`, and that of any two clusters is below it.
    """
    names = np.arange(len(vectors))
    total, size = vectors.astype(np.float32), np.ones((len(vectors), 1), dtype=np.float32)
    while len(total) > 1:
        neighbors = nearest(total / size, 1)
        partner, similarity = neighbors.indices[:, 0], neighbors.similarity[:, 0]
        rows = np.arange(len(total))
        mutual = (partner[partner] == rows) & (similarity >= threshold)
        mutual &= mutual[partner]  # rounding may put the two directions of a pair on either side
        if not mutual.any():
            best = int(similarity.argmax())
            if similarity[best] < threshold:
                break
            mutual[[best, partner[best]]] = True  # rounding broke the symmetry of a tie
            partner[partner[best]] = best
        merged = numbered(np.where(mutual, np.minimum(rows, partner), rows))
        total, size, names = sums(total, merged), sums(size, merged), merged[names]
    return names
