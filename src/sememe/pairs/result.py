"""Pairs of texts, the groups that they form, and what is left when of each group one is kept."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Group:
    """Texts that are joined by pairs.

    Attributes:
        rows: their rows, the most central one first, the others in order.
    """

    rows: tuple[int, ...]

    @property
    def representative(self) -> int:
        """The row of the most central text."""
        return self.rows[0]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of rows of a list of texts, the closest first; of equals, the lower rows first.

    Attributes:
        first: int32 (pairs,).
        second: int32 (pairs,), above `first`.
        score: float32 (pairs,), cosines. A copy of a text is paired with its first copy alone.
        texts: the n texts.
        threshold: the least score of a pair.
        why: how the threshold was found, None where the user gave one.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    score: NDArray[np.float32]
    texts: list[str]
    threshold: float
    why: str | None = None

    def __len__(self) -> int:
        return len(self.first)

    def groups(self) -> list[Group]:
        """The connected components of the pairs, the largest first; of equals, the earliest first.

        A group's most central text is the one with the greatest sum of scores to its partners.
        """
        rows = self._touched
        label = self._labels[rows]
        order = np.lexsort((rows, -self._centrality[rows], label))
        parts = np.split(rows[order], np.flatnonzero(np.diff(label[order])) + 1)
        groups = [Group((int(p[0]), *sorted(int(row) for row in p[1:]))) for p in parts if len(p)]
        return sorted(groups, key=lambda group: (-len(group.rows), min(group.rows)))

    def deduplicated(self) -> NDArray[np.int64]:
        """The rows that are kept, in order: of every group its most central text, and all others.

        Returns:
            int64 (kept,).
        """
        dropped = [row for group in self.groups() for row in group.rows[1:]]
        return np.setdiff1d(np.arange(len(self.texts)), np.array(dropped, np.int64))

    @cached_property
    def _touched(self) -> NDArray[np.int64]:
        return np.union1d(self.first, self.second).astype(np.int64)

    @cached_property
    def _labels(self) -> NDArray[np.int32]:
        size = len(self.texts)
        graph = coo_matrix((np.ones(len(self), bool), (self.first, self.second)), (size, size))
        labels: NDArray[np.int32] = connected_components(graph, directed=False)[1]
        return labels

    @cached_property
    def _centrality(self) -> NDArray[np.float64]:
        both = np.concatenate([self.first, self.second])
        return np.bincount(both, np.tile(self.score, 2), minlength=len(self.texts))
