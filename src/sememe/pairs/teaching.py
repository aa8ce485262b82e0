"""A cross-encoder as the teacher of the vectors among which pairs are found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sememe.cascade import Cascade, teach
from sememe.cascade.edges import Edges
from sememe.cascade.labelled import Rescorer, teach_by_labels
from sememe.cascade.labels import Labels
from sememe.costs import Budget
from sememe.neighbors import self_join
from sememe.neighbors.communities import neighborhood_size
from sememe.protocols import Scorer

Floats = NDArray[np.float32]

_CAUTION = (
    " It was judged by groups of texts, and nothing vouches for it among duplicates: give labels= "
    "(from 50 labelled pairs), and its gain is measured."
)


@dataclass(frozen=True)
class Teaching:
    """A cross-encoder, its budget, and what vouches for it.

    Attributes:
        scorer: the cross-encoder.
        budget: how many pairs it may read.
        labels: labelled pairs, or None.
        points: float32 (texts of the labels, dim), their unit vectors.
        progress: as in `find_pairs`.
    """

    scorer: Scorer
    budget: Budget
    labels: Labels | None
    points: Floats
    progress: bool | None

    def of(self, texts: Sequence[str], points: Floats) -> tuple[Cascade, Rescorer | None]:
        """What it makes of the unit vectors of different texts, and of the closest pairs."""
        size = neighborhood_size(len(texts))
        if self.labels is None:
            near = self_join(points, size)
            cascade = teach(texts, points, near, self.scorer, self.budget, self.progress)
            why = cascade.report.why + _CAUTION
            return replace(cascade, report=replace(cascade.report, why=why)), None
        present = set(texts)
        more = [row for row, text in enumerate(self.labels.texts) if text not in present]
        every = [*texts, *(self.labels.texts[row] for row in more)]
        row_of = {text: row for row, text in enumerate(every)}
        rows = np.array([row_of[text] for text in self.labels.texts])
        pairs = self.labels.pairs
        ends = np.sort([rows[pairs.first], rows[pairs.second]], axis=0)
        vectors = np.concatenate([points, self.points[more]])
        labels = replace(self.labels, texts=every, pairs=Edges(ends[0], ends[1], len(every)))
        near = self_join(vectors, size)
        cascade, rescorer = teach_by_labels(
            vectors, near, self.scorer, self.budget, labels, self.progress
        )
        if cascade.map is None:
            return replace(cascade, vectors=points), None
        return replace(cascade, vectors=cascade.vectors[: len(texts)]), rescorer
