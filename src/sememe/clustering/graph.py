"""The graph of near texts, and vectors smoothed over it."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sememe.neighbors import Neighbors, normalized

_SMOOTHINGS = 4


def neighborhood_size(texts: int) -> int:
    """How many neighbours each of `texts` texts is linked to: log2 n + 2, 15 for 10,000 texts.

    The logarithm is what a nearest-neighbour graph needs to stay connected inside a cluster, and it
    keeps small collections, whose clusters have a few texts each, from being linked all to all.
    """
    return max(1, min(texts - 1, round(math.log2(max(texts, 2))) + 2))


def neighbor_graph(neighbors: Neighbors) -> sparse.csr_matrix:
    """The symmetric graph of neighbours, float32 (n, n): an edge weighs 1, a mutual one 2."""
    texts, size = neighbors.indices.shape
    ones = np.ones(texts * size, dtype=np.float32)
    starts = np.arange(0, texts * size + 1, size) if size else np.zeros(texts + 1, dtype=np.int64)
    directed = sparse.csr_matrix((ones, neighbors.indices.ravel(), starts), shape=(texts, texts))
    return (directed + directed.T).tocsr()


def smoothed(vectors: NDArray[np.float32], graph: sparse.csr_matrix) -> NDArray[np.float32]:
    """Average every unit vector with its neighbours' mean, a few times over.

    What neighbours share stays and what is each text's own fades (the filter of simplified graph
    convolutions: Wu et al. 2019), so that k-means follows the graph's communities.

    Returns:
        float32 (n, dim), rows of unit length.
    """
    degree = np.asarray(graph.sum(axis=1), dtype=np.float32)
    mean_of_neighbors = sparse.diags(1 / np.maximum(degree.ravel(), 1)) @ graph
    for _ in range(_SMOOTHINGS):
        vectors = normalized(vectors + mean_of_neighbors @ vectors)
    return vectors
