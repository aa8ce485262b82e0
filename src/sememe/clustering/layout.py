"""A two-dimensional layout of texts, in the manner of UMAP (McInnes, Healy and Melville 2018).

All edges pull at once. Repulsion is estimated from rotations of the points in a random order, which
are contiguous in memory and serve both ends of each sampled pair. A smooth start makes a hundred
steps enough. Points are complex numbers, so that a force is one array.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sememe.neighbors import Neighbors
from sememe.neighbors.communities import neighbor_graph
from sememe.neighbors.exact import Floats

_EPOCHS = 100
_ROTATIONS = 15  # sampled repulsive pairs of a point and epoch
_STEP = 1.5  # falls linearly to nothing
_LONGEST_MOVE = 4.0
_SPREAD = 5.0  # standard deviation of the start; attraction reaches about 1
_REPULSION = 16.0
_SOFTENING = 0.3  # keeps the repulsion of two points in one place bounded
_GRAVITY = 0.002  # parts of a disconnected graph would drift apart for ever
_ACROSS = 0.5  # weight of an edge that leaves its cluster

_SMOOTHINGS = 10
_COMPONENTS = 8


def layout_2d(
    vectors: Floats, neighbors: Neighbors, *, labels: NDArray[np.integer[Any]] | None = None
) -> Floats:
    """Place unit vectors (n, dim) on a plane so that near ones lie near each other: float32 (n, 2).

    The same input gives the same layout: finite, centred, its wider side from -1 to 1, horizontal.
    Distances between far groups say little, as in every such picture.

    With `labels`, the cluster of each vector or -1, edges that are not within one cluster pull half
    as much, so that clusters stand apart more clearly.
    """
    n = len(vectors)
    if n < 2:
        return np.zeros((n, 2), dtype=np.float32)
    random = np.random.default_rng(0)
    # UMAP's weights by distance, tried instead of 1 and 2, gained nothing. Each point is its own
    # neighbour too, so that no row is empty; that edge never pulls.
    graph = (neighbor_graph(neighbors) + sparse.identity(n, dtype=np.float32)).tocsr()
    start = _start(vectors, graph)
    order = random.permutation(n)  # rotating it pairs each point with a random other
    graph = graph[order][:, order].tocsr()
    points = start[order] + random.normal(scale=0.01, size=(n, 2)).astype(np.float32) @ [1, 1j]
    if labels is not None:
        label = np.asarray(labels)[order]
        of_row = np.repeat(label, np.diff(graph.indptr))
        inside = (of_row == label[graph.indices]) & (of_row >= 0)
        graph.data *= np.where(inside, np.float32(1), np.float32(_ACROSS))
    places = np.empty(n, dtype=np.complex64)
    places[order] = _settle(points.astype(np.complex64), graph, random)
    turned = _principal(np.stack([places.real, places.imag], axis=1), 2)
    low, high = turned.min(axis=0), turned.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-12)
    return np.asarray(np.clip((turned - (low + high) / 2) / half, -1, 1), dtype=np.float32)


def _start(vectors: Floats, graph: Any) -> NDArray[np.complex64]:
    """Principal components averaged over the graph: nearly the slowest modes, as UMAP's start."""
    coordinates = _principal(vectors, _COMPONENTS)
    degree = np.asarray(graph.sum(axis=1))
    for _ in range(_SMOOTHINGS):
        coordinates = np.asarray(graph @ coordinates / degree, dtype=np.float32)
    plane = _principal(coordinates, 2)
    deviation = plane.std(axis=0)
    flat = deviation <= 1e-4 * max(float(deviation.max()), 1e-3)
    plane *= np.where(flat, 0, _SPREAD / np.where(flat, 1, deviation))
    return np.asarray(plane @ [1, 1j], dtype=np.complex64)


def _principal(vectors: Floats, components: int) -> Floats:
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    coordinates = np.zeros((len(vectors), components), dtype=np.float32)
    largest = directions[:, ::-1][:, :components]
    coordinates[:, : largest.shape[1]] = centred @ largest
    return coordinates


def _settle(
    points: NDArray[np.complex64], graph: Any, random: np.random.Generator
) -> NDArray[np.complex64]:
    n = len(points)
    weights = graph.data * np.float32(2 * n / graph.data.sum())
    rows = np.repeat(np.arange(n, dtype=np.int32), np.diff(graph.indptr))
    for epoch in range(_EPOCHS):
        pull = points[graph.indices] - points[rows]
        pull *= weights / (1 + _squared(pull))
        force = np.add.reduceat(pull, graph.indptr[:-1])
        force += np.float32(_REPULSION / _ROTATIONS) * _repulsion(points, random)
        force -= np.float32(_GRAVITY) * points
        force *= np.minimum(1, _LONGEST_MOVE / np.maximum(np.abs(force), _LONGEST_MOVE))
        points = points + np.float32(_STEP * (1 - epoch / _EPOCHS)) * force
    return points


def _repulsion(points: NDArray[np.complex64], random: np.random.Generator) -> NDArray[np.complex64]:
    """The push on each point from `_ROTATIONS` random others, each pair felt at both ends."""
    force = np.zeros_like(points)
    for shift in random.integers(1, len(points), _ROTATIONS):
        push = points - np.roll(points, shift)
        squared = _squared(push)
        push /= (_SOFTENING + squared) * (1 + squared)
        force += push
        force -= np.roll(push, -shift)
    return force


def _squared(differences: NDArray[np.complex64]) -> Floats:
    return differences.real**2 + differences.imag**2
