"""Pairs of texts, the groups that they form, and what is left when of each group one is kept."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from sememe.cascade import CascadeReport
from sememe.progress import counted
from sememe.reports import html_table
from sememe.tables import to_frame

if TYPE_CHECKING:
    import pandas

_SHOWN = 20  # pairs, in a notebook


@dataclass(frozen=True)
class Group:
    """Texts that are joined by pairs: their rows, the most central first, the others in order."""

    rows: tuple[int, ...]

    @property
    def representative(self) -> int:
        """The row of the most central text."""
        return self.rows[0]


@dataclass(frozen=True)
class Dropped:
    """A text that another one stands for.

    Attributes:
        row, kept: its row, and that of its group's representative.
        partner: the row that it is a pair with on the shortest way to `kept`, which may be `kept`.
        score: its score with `partner`.
    """

    row: int
    kept: int
    partner: int
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Pairs of rows of a list of texts, the closest first; of equals, the lower rows first.

    Attributes:
        first: int32 (pairs,).
        second: int32 (pairs,), above `first`.
        score: float32 (pairs,), cosines to six decimals. A copy of a text is paired with its first
            copy alone.
        texts: the n texts.
        threshold: the least score of a pair.
        why: how the threshold was found, None where the user gave one or a number of pairs.
        index: of the pandas Series that the texts came in, else None.
        mean: what was subtracted from the unit vectors, float32 (dim,); None without `centre=True`.
        cascade: what the cross-encoder cost, and whether it was trusted; None without one.

    Example:
        >>> from sememe import find_pairs
        >>> vectors = [[1, 0], [1, 0.1], [0, 1]]
        >>> pairs = find_pairs(["a", "b", "c"], vectors=vectors, threshold=0.9)
        >>> pairs.groups(), pairs.deduplicated().tolist()
        ([Group(rows=(0, 1))], [0, 2])
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    score: NDArray[np.float32]
    texts: list[str]
    threshold: float
    why: str | None = None
    mean: NDArray[np.float32] | None = None
    index: Any = None
    cascade: CascadeReport | None = None

    def __len__(self) -> int:
        return len(self.first)

    def __repr__(self) -> str:
        return f"<Pairs: {self._counts()}>"

    def _repr_html_(self) -> str:
        rows = [
            (f"{score:.3f}", self.texts[first], self.texts[second])
            for first, second, score in zip(
                self.first[:_SHOWN], self.second[:_SHOWN], self.score[:_SHOWN], strict=True
            )
        ]
        return html_table(("score", "first", "second"), rows, self._counts())

    def to_frame(self) -> "pandas.DataFrame":
        """A row a pair: first, second, score, first_text and second_text.

        `first` and `second` are rows, from 0; of a pandas Series they are the labels of its index,
        and so join back to its frame. Raises MissingExtra without pandas.

        Example:
            >>> pairs = find_pairs(frame["question"])                         # doctest: +SKIP
            >>> pairs.to_frame().join(frame["author"], on="first")            # doctest: +SKIP
        """
        ends = {"first": self.first, "second": self.second}
        labels = ends if self.index is None else {n: self.index[rows] for n, rows in ends.items()}
        texts = {f"{name}_text": [self.texts[row] for row in rows] for name, rows in ends.items()}
        return to_frame({**labels, "score": self.score, **texts})

    def _counts(self) -> str:
        texts = counted(sum(bool(text.strip()) for text in self.texts), "text")
        return f"{len(self):,} among {texts}, {self.threshold:.3f} and above"

    def groups(self) -> list[Group]:
        """The connected components of the pairs, the largest first; of equals, the earliest first.

        A group's most central text is the one with the greatest sum of scores over its pairs. Two
        texts of a group need not be a pair themselves.
        """
        size = len(self.texts)
        ends = np.concatenate([self.first, self.second])
        central = np.bincount(ends, np.tile(self.score, 2), minlength=size)
        label = connected_components(self._graph(), directed=False)[1]
        rows = np.unique(ends)
        order = rows[np.lexsort((rows, -central[rows], label[rows]))]
        bounds = np.flatnonzero(np.diff(label[order])) + 1
        parts = [part.tolist() for part in np.split(order, bounds) if len(part)]
        groups = [Group((part[0], *sorted(part[1:]))) for part in parts]
        return sorted(groups, key=lambda group: (-len(group.rows), min(group.rows)))

    def deduplicated(self) -> NDArray[np.int64]:
        """The rows that are kept: of every group the most central text, and all that have no pair.

        Returns:
            int64 (kept,), in order.
        """
        others = [row for group in self.groups() for row in group.rows[1:]]
        return np.delete(np.arange(len(self.texts)), others)

    def dropped(self) -> list[Dropped]:
        """The rows that `deduplicated` leaves out, in order, and what stands for each."""
        groups = self.groups()
        representative = {row: group.representative for group in groups for row in group.rows}
        size = len(self.texts)
        graph = self._graph(np.array(sorted(set(representative.values())), np.int32))
        before = breadth_first_order(graph, size, directed=False)[1].tolist()
        steps = []
        for row in sorted(row for row in representative if representative[row] != row):
            end, partner = row, before[row]
            if partner != representative[row] and self.texts[row] == self.texts[partner]:
                end, partner = partner, before[partner]  # a copy: the pair of its first copy
            steps.append((row, partner, min(end, partner) * size + max(end, partner)))
        number = self.first.astype(np.int64) * size + self.second
        order = np.argsort(number)
        numbers = np.array([step[2] for step in steps], np.int64)
        score = self.score[order[np.searchsorted(number, numbers, sorter=order)]].tolist()
        return [
            Dropped(row, representative[row], partner, cosine)
            for (row, partner, _), cosine in zip(steps, score, strict=True)
        ]

    def _graph(self, middle: NDArray[np.int32] | None = None) -> csr_matrix:
        """The pairs as edges, and one node more, which `middle` are joined to."""
        more = len(self.texts)
        joined = np.empty(0, np.int32) if middle is None else middle
        first = np.concatenate([self.first, joined])
        second = np.concatenate([self.second, np.full(len(joined), more, np.int32)])
        edges = np.ones(len(first), np.int8)  # not the scores: one of 0 would be no edge
        return coo_matrix((edges, (first, second)), (more + 1, more + 1)).tocsr()
