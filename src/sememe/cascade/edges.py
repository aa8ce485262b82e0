"""Edges of a neighbour graph, and values on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sememe.neighbors import Neighbors, nearest, self_join

Floats = NDArray[np.float32]
Values = NDArray[np.float64]
Rows = NDArray[np.int64]

_BLOCK = 16_384  # edges whose vectors are gathered at once


@dataclass(frozen=True)
class Edges:
    """Undirected edges between `texts` texts, each once: int64 (edges,), `first` the lower row."""

    first: Rows
    second: Rows
    texts: int

    @classmethod
    def of(cls, one: Rows, other: Rows, texts: int) -> "Edges":
        """The edges between pairs of rows, in the order of the rows."""
        numbers = np.unique(np.minimum(one, other) * texts + np.maximum(one, other))
        return cls(numbers // max(texts, 1), numbers % max(texts, 1), texts)

    @classmethod
    def between(cls, neighbors: Neighbors) -> "Edges":
        """The edges from every text to its neighbours."""
        texts, size = neighbors.indices.shape
        rows = np.repeat(np.arange(texts), size)
        return cls.of(rows, neighbors.indices.ravel().astype(np.int64), texts)

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: Rows | NDArray[np.bool_] | slice) -> "Edges":
        return Edges(self.first[rows], self.second[rows], self.texts)

    def __add__(self, other: "Edges") -> "Edges":
        first = np.concatenate([self.first, other.first])
        return Edges(first, np.concatenate([self.second, other.second]), self.texts)

    def __sub__(self, other: "Edges") -> "Edges":
        return self[~np.isin(self._numbers(), other._numbers())]

    def _numbers(self) -> Rows:
        return self.first * self.texts + self.second

    def products(self, left: Floats, right: Floats) -> Values:
        """The inner product over each edge: of a row of `left` and a row of `right`."""
        out = np.empty(len(self))
        for start in range(0, len(self), _BLOCK):
            block = slice(start, start + _BLOCK)
            ends = left[self.first[block]], right[self.second[block]]
            out[block] = np.einsum("ij,ij->i", *ends)
        return out

    def centered(self, values: Values) -> Values:
        """Values less half of what their two ends have more than the mean.

        Some texts, such as short ones, get high scores from everybody, which tells no neighbours
        apart.
        """
        ends = np.concatenate([self.first, self.second])
        count = np.bincount(ends, minlength=self.texts)
        total = np.bincount(ends, np.tile(values, 2), minlength=self.texts)
        mean = total / np.maximum(count, 1)
        both = (mean[self.first] + mean[self.second]) / 2
        return np.asarray(values - (both - values.mean()) / 2)

    def best(self, values: Values, size: int) -> tuple[Rows, Values]:
        """The `size` best neighbours of each text, which needs so many edges, and their values."""
        ends = np.concatenate([self.first, self.second])
        others = np.concatenate([self.second, self.first])
        order = np.lexsort((others, -np.tile(values, 2), ends))
        start = np.searchsorted(ends[order], np.arange(self.texts))
        rows = order[start[:, None] + np.arange(size)]
        return others[rows], np.tile(values, 2)[rows]


def joined(vectors: Floats, size: int, queries: int = 0, progress: bool | None = None) -> Neighbors:
    """The nearest neighbours of every text; of queries, the first rows, among the others."""
    if not queries:
        return self_join(vectors, size, progress)
    questions, documents = vectors[:queries], vectors[queries:]
    of_queries, of_documents = (
        nearest(documents, size, queries=questions),
        nearest(questions, size, queries=documents),
    )
    return Neighbors(
        np.vstack([of_queries.indices + np.int32(queries), of_documents.indices]),
        np.vstack([of_queries.similarity, of_documents.similarity]),
    )


def standardized(values: Values) -> Values:
    """Values less their mean, in standard deviations; zeros where all are equal."""
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread if spread > 1e-12 else np.inf))
