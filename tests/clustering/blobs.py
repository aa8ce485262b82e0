"""Made-up unit vectors with known groups, for the tests of this room."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.clustering import Clusters, cluster
from sememe.neighbors import normalized


def blobs(
    sizes: list[int], *, dim: int = 32, noise: float = 0.6, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors around one random direction a group, and the group of each, in shuffled order."""
    random = np.random.default_rng(seed)
    truth = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centers = normalized(random.normal(size=(len(sizes), dim)))
    spread = normalized(random.normal(size=(len(truth), dim)))
    return normalized(centers[truth] + noise * spread), truth


def agreement(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """The adjusted Rand index (Hubert and Arabie 1985)."""
    table = np.zeros((first.max() + 2, second.max() + 2))
    np.add.at(table, (first, second), 1)

    def pairs(counts: NDArray[np.float64]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    rows, columns = pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = rows * columns / pairs(np.array([len(first)], dtype=np.float64))
    return (pairs(table) - expected) / ((rows + columns) / 2 - expected)


def cluster_vectors(vectors: ArrayLike, texts: Sequence[str], **options: Any) -> Clusters:
    """Cluster texts by vectors, without an encoder."""
    return cluster(texts, vectors=vectors, **options)
